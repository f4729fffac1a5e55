// Makes e2ee/olm/testdata/vodozemac.json: cargo run --release > ../../../e2ee/olm/testdata/vodozemac.json
use serde_json::{json, Value};
use vodozemac::olm::{Account, OlmMessage, SessionConfig, Session};
use vodozemac::megolm::{GroupSession, InboundGroupSession, SessionConfig as MC};
const KEY: [u8; 32] = [7u8; 32];
fn msg(m: &OlmMessage) -> Value { let (t, b) = m.clone().to_parts(); json!({"type": t, "body": vodozemac::base64_encode(b)}) }
fn olm(cfg: SessionConfig, v: u32) -> Value {
    let alice = Account::new();
    let mut bob = Account::new();
    bob.generate_one_time_keys(3);
    bob.mark_keys_as_published();
    bob.generate_one_time_keys(2);
    bob.generate_fallback_key();
    bob.mark_keys_as_published();
    bob.generate_fallback_key();
    let bob_before = bob.pickle().encrypt(&KEY);
    let otk = *bob.one_time_keys().values().next().unwrap_or(&bob.fallback_key().values().next().copied().unwrap());
    let mut a = alice.create_outbound_session(cfg, bob.curve25519_key(), otk).unwrap();
    let a_fresh = a.pickle().encrypt(&KEY);
    let m0 = a.encrypt("zero").unwrap();
    let pre = if let OlmMessage::PreKey(p) = &m0 { p.clone() } else { panic!() };
    let r = bob.create_inbound_session(cfg, alice.curve25519_key(), &pre).unwrap();
    let mut b: Session = r.session;
    let mut out = vec![];
    // ping pong with skipped messages
    let mut skipped = vec![];
    for i in 0..4 {
        let m = b.encrypt(format!("b{}", i)).unwrap(); a.decrypt(&m).unwrap();
        let s = a.encrypt(format!("skipped{}", i)).unwrap(); skipped.push((format!("skipped{}", i), s));
        let m = a.encrypt(format!("a{}", i)).unwrap(); b.decrypt(&m).unwrap();
    }
    let a_mid = a.pickle().encrypt(&KEY);
    let b_mid = b.pickle().encrypt(&KEY);
    let next = a.encrypt("next in chain").unwrap();
    for (t, m) in &skipped { out.push(json!({"text": t, "message": msg(m)})); }
    out.push(json!({"text": "next in chain", "message": msg(&next)}));
    // a message to alice from bob's copy
    let mut b2 = Session::from_pickle(vodozemac::olm::SessionPickle::from_encrypted(&b_mid, &KEY).unwrap());
    let to_a = b2.encrypt("to alice").unwrap();
    json!({"version": v, "alice_account": alice.pickle().encrypt(&KEY), "alice_curve": alice.curve25519_key().to_base64(), "alice_ed": alice.ed25519_key().to_base64(),
      "bob_account": bob_before, "bob_curve": bob.curve25519_key().to_base64(), "bob_ed": bob.ed25519_key().to_base64(),
      "bob_unpublished_fallback": bob.fallback_key().values().next().unwrap().to_base64(),
      "first": {"text":"zero","message": msg(&m0)}, "alice_fresh": a_fresh, "session_id": a.session_id(),
      "alice_mid": a_mid, "bob_mid": b_mid, "to_bob": out, "to_alice": {"text":"to alice","message": msg(&to_a)}})
}
fn megolm(cfg: MC, v: u32) -> Value {
    let mut g = GroupSession::new(cfg);
    let mut inb = InboundGroupSession::new(&g.session_key(), cfg);
    let mut ms = vec![];
    for i in 0..300 { let m = g.encrypt(format!("m{}", i)); inb.decrypt(&m).unwrap(); if i % 50 == 0 || i == 299 { ms.push(json!({"index": i, "text": format!("m{}", i), "message": m.to_base64()})); } }
    let p = g.pickle().encrypt(&KEY);
    let imp = InboundGroupSession::import(&inb.export_at(100).unwrap(), cfg);
    let after = g.encrypt("after");
    json!({"version": v, "session_id": g.session_id(), "outbound": p, "inbound": inb.pickle().encrypt(&KEY), "imported": imp.pickle().encrypt(&KEY), "messages": ms, "after": {"index": 300, "text": "after", "message": after.to_base64()}})
}
fn main() {
    let mut acc = Account::new();
    acc.generate_one_time_keys(2); acc.generate_fallback_key();
    let lib = acc.to_libolm_pickle(b"libolm key").unwrap();
    let expanded = Account::from_libolm_pickle(&lib, b"libolm key").unwrap();
    let dk = [9u8; 32];
    let d = acc.to_dehydrated_device(&dk).unwrap();
    let v = json!({"made_by": "vodozemac 0.10.0", "key": "32 bytes of 7",
      "olm": [olm(SessionConfig::version_1(), 1), olm(SessionConfig::version_2(), 2)],
      "megolm": [megolm(MC::version_1(), 1), megolm(MC::version_2(), 2)],
      "expanded_account": expanded.pickle().encrypt(&KEY), "libolm_account": lib, "libolm_key": "libolm key",
      "account_curve": acc.curve25519_key().to_base64(), "account_ed": acc.ed25519_key().to_base64(),
      "dehydrated": {"key": "32 bytes of 9", "device_pickle": d.ciphertext, "nonce": d.nonce}});
    println!("{}", serde_json::to_string_pretty(&v).unwrap());
}
