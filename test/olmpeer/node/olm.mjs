// The commands of libolm/peer.c for @matrix-org/olm, libolm compiled to
// WebAssembly by its authors: one command a line, "ok …" or "err CODE".
import { createInterface } from 'node:readline'
import { webcrypto } from 'node:crypto'
import Olm from '@matrix-org/olm'

globalThis.crypto ??= webcrypto
await Olm.init()

const slots = {}
const make = { acc: Olm.Account, ses: Olm.Session, out: Olm.OutboundGroupSession, in: Olm.InboundGroupSession }
const text = (hex) => (hex === '0' ? '' : Buffer.from(hex, 'hex').toString())
const hex = (s) => 'x' + Buffer.from(s).toString('hex')
const get = (kind, slot) => slots[kind + slot]
const fresh = (kind, slot) => (slots[kind + slot] = new make[kind]())

const commands = {
  'acc.new': (s) => void fresh('acc', s).create(),
  'acc.unpickle': (s, key, p) => void fresh('acc', s).unpickle(key, p),
  'acc.pickle': (s, key) => get('acc', s).pickle(key),
  'acc.id': (s) => get('acc', s).identity_keys(),
  'acc.make': (s, n) => get('acc', s).generate_one_time_keys(Number(n)),
  'acc.otk': (s) => get('acc', s).one_time_keys(),
  'acc.rotate': (s) => get('acc', s).generate_fallback_key(),
  'acc.fallback': (s) => get('acc', s).unpublished_fallback_key(),
  'acc.publish': (s) => get('acc', s).mark_keys_as_published(),
  'acc.sign': (s, m) => get('acc', s).sign(text(m)),
  'ses.out': (s, a, id, key) => fresh('ses', s).create_outbound(get('acc', a), id, key),
  'ses.in': (s, a, id, body) => {
    const session = fresh('ses', s)
    session.create_inbound_from(get('acc', a), id, body)
    try {
      get('acc', a).remove_one_time_keys(session)
    } catch (e) {
      if (!String(e.message).includes('BAD_MESSAGE_KEY_ID')) throw e
    }
  },
  'ses.unpickle': (s, key, p) => void fresh('ses', s).unpickle(key, p),
  'ses.pickle': (s, key) => get('ses', s).pickle(key),
  'ses.id': (s) => get('ses', s).session_id(),
  'ses.enc': (s, m) => {
    const { type, body } = get('ses', s).encrypt(text(m))
    return `${type} ${body}`
  },
  'ses.dec': (s, type, body) => hex(get('ses', s).decrypt(Number(type), body)),
  'out.new': (s) => void fresh('out', s).create(),
  'out.unpickle': (s, key, p) => void fresh('out', s).unpickle(key, p),
  'out.pickle': (s, key) => get('out', s).pickle(key),
  'out.key': (s) => get('out', s).session_key(),
  'out.id': (s) => get('out', s).session_id(),
  'out.enc': (s, m) => get('out', s).encrypt(text(m)),
  'in.new': (s, key) => void fresh('in', s).create(key),
  'in.import': (s, key) => void fresh('in', s).import_session(key),
  'in.unpickle': (s, key, p) => void fresh('in', s).unpickle(key, p),
  'in.pickle': (s, key) => get('in', s).pickle(key),
  'in.export': (s, i) => get('in', s).export_session(Number(i)),
  'in.dec': (s, body) => {
    const { plaintext, message_index } = get('in', s).decrypt(body)
    return `${message_index} ${hex(plaintext)}`
  },
  verify: (key, m, sig) => void new Olm.Utility().ed25519_verify(key, text(m), sig),
}

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = line.split(' ')
  try {
    const out = commands[name](...args)
    console.log(out === undefined || out === null ? 'ok' : 'ok ' + out)
  } catch (e) {
    console.log('err ' + String(e.message).replace(/\s+/g, ' '))
  }
}
