package eventauth

import (
	"strings"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// checkMember is rule 5 (version 6: 4; version 12: 5).
func (c *checker) checkMember() error {
	// 1. If there is no state_key, or no membership in content, reject.
	key, ok := c.p.StateKey()
	if !ok {
		return c.refuse(memberIncomplete, "a member event has a state key")
	}
	if c.p.Content().Get("membership").Kind() != canonjson.String {
		return c.refuse(memberIncomplete, "content.membership is missing or no string")
	}
	// 2. (version 8) join_authorised_via_users_server: signed by that user's server.
	m, err := c.p.Member()
	if err != nil {
		return c.refuse(memberUnsigned, "%v", err)
	}
	if by := m.AuthorisedVia; by != "" && len(c.p.SignatureKeys(by.Server())) == 0 {
		return c.refuse(memberUnsigned, "not signed by %s, whose user is to vouch for the join", by.Server())
	}
	target := id.User(key)
	was, err := Membership(c.state, target)
	if err != nil {
		return err
	}
	// 2. to 5., 6. (version 7) knock.
	switch {
	case m.Membership == event.Join:
		return c.checkJoin(m, target, was)
	case m.Membership == event.Invite:
		return c.checkInvite(m, target, was)
	case m.Membership == event.Leave:
		return c.checkLeave(target, was)
	case m.Membership == event.Ban:
		return c.checkBan(target)
	case m.Membership == event.Knock && c.rules.Knocking:
		return c.checkKnock(target, was)
	}
	// 6. Otherwise, the membership is unknown. Reject.
	return c.refuse(memberUnknown, "membership %.40q is not known", m.Membership)
}

// checkJoin is rule 5.2.
func (c *checker) checkJoin(m *event.Member, target id.User, was string) error {
	// 1. If the only previous event is the create event and the target is the creator, allow.
	if prev := c.p.PrevEvents(); len(prev) == 1 && prev[0] == c.createPDU.ID() && target == c.create.Creators[0] {
		return nil
	}
	// 2. If the sender does not match state_key, reject.
	if c.p.Sender() != target {
		return c.refuse(joinOther, "%s cannot join for %.64q", c.p.Sender(), target)
	}
	// 3. If the sender is banned, reject.
	if was == event.Ban {
		return c.refuse(joinBanned, "%s is banned", target)
	}
	rule, err := c.joinRule()
	if err != nil {
		return err
	}
	invited := was == event.Invite || was == event.Join
	switch {
	// 4. invite or (version 7) knock: the invited, and those who are in.
	case rule == event.InviteOnly, rule == event.KnockOnly && c.rules.Knocking:
		if invited {
			return nil
		}
		return c.refuse(joinRefused, "the join rule is %s and %s is not invited", rule, target)
	// 5. (version 8) restricted or (version 10) knock_restricted: these, and those who are vouched for.
	case rule == event.Restricted && c.rules.Restricted, rule == event.KnockRestricted && c.rules.KnockRestricted:
		if invited {
			return nil
		}
		return c.checkVouched(m.AuthorisedVia)
	// 5. public: everybody.
	case rule == event.Public:
		return nil
	}
	// 6. Otherwise, reject.
	return c.refuse(joinRefused, "the join rule is %.40q", rule)
}

// checkVouched is rule 5.3.5.2 of version 12: who vouches for a restricted join
// is in the room and may invite.
func (c *checker) checkVouched(by id.User) error {
	if by == "" {
		return c.refuse(joinUnvouched, "the room is restricted, and nobody vouches for the join")
	}
	if err := c.needJoined(by, joinUnvouched); err != nil {
		return err
	}
	if err := c.readLevels(); err != nil {
		return err
	}
	if power, need := c.levels.User(by), c.levels.Level(event.InviteLevel); power < need {
		return c.refuse(joinUnvouched, "%s is to vouch for the join and has power %d, inviting needs %d", by, power, need)
	}
	return nil
}

// joinRule is the room's join rule: invite if the state has none, and empty, by
// which nobody joins, if it has one that cannot be read.
//
// Spec: client-server-api#room-membership
func (c *checker) joinRule() (string, error) {
	p, err := c.state.StateEvent(event.TypeJoinRules, "")
	if err != nil || p == nil {
		return event.InviteOnly, err
	}
	rules, err := p.JoinRules()
	if err != nil {
		return "", nil
	}
	return rules.Rule, nil
}

// checkInvite is rule 5.3.
func (c *checker) checkInvite(m *event.Member, target id.User, was string) error {
	// 1. If content has a third_party_invite property.
	if m.ThirdPartyInvite.Exists() {
		return c.checkThirdPartyInvite(m.ThirdPartyInvite.Get("signed"), target, was)
	}
	// 2. If the sender's current membership state is not join, reject.
	sender := c.p.Sender()
	if err := c.needJoined(sender, inviteSender); err != nil {
		return err
	}
	// 3. If the target's is join or ban, reject.
	if was == event.Join || was == event.Ban {
		return c.refuse(inviteTarget, "the membership of %.64q is %s", target, was)
	}
	if err := c.readLevels(); err != nil {
		return err
	}
	// 4. With the invite level, allow. 5. Otherwise, reject.
	if power, need := c.levels.User(sender), c.levels.Level(event.InviteLevel); power < need {
		return c.refuse(inviteRefused, "%s has power %d, inviting needs %d", sender, power, need)
	}
	return nil
}

// checkThirdPartyInvite is rule 5.3.1.
func (c *checker) checkThirdPartyInvite(signed canonjson.Value, target id.User, was string) error {
	// 1. If the target is banned, reject.
	if was == event.Ban {
		return c.refuse(thirdBanned, "%.64q is banned", target)
	}
	// 2. If there is no signed, reject.
	if signed.Kind() != canonjson.Object {
		return c.refuse(thirdUnsigned, "third_party_invite has no signed")
	}
	// 3. If it has no mxid and token, reject.
	mxid := signed.Get("mxid")
	token, ok := signed.Get("token").Str()
	if !ok || mxid.Kind() != canonjson.String {
		return c.refuse(thirdIncomplete, "signed has no mxid or no token")
	}
	// 4. If mxid does not match state_key, reject.
	if !mxid.EqualStr(string(target)) {
		return c.refuse(thirdOther, "signed is for another user than %.64q", target)
	}
	// 5. If the state has no such third-party invite, reject.
	invite, err := c.state.StateEvent(event.TypeThirdPartyInvite, token)
	if err != nil {
		return err
	}
	if invite == nil {
		return c.refuse(thirdUnknown, "the room has no third-party invite with this token")
	}
	// 6. If it has another sender, reject.
	if invite.Sender() != c.p.Sender() {
		return c.refuse(thirdSender, "the third-party invite was sent by %s", invite.Sender())
	}
	// 7. If any signature matches any key, allow.
	keys, err := invite.ThirdPartyInvite()
	if err == nil && signedByAny(signed, keys) {
		return nil
	}
	// 8. Otherwise, reject.
	return c.refuse(thirdRefused, "no signature matches a key of the third-party invite")
}

// maxInviteChecks bounds the signatures verified for one third-party invite.
const maxInviteChecks = 64

// signedByAny tries every Ed25519 signature with every key, whoever and whichever
// key it is said to be of.
//
// Deviates: the specification sets no bound to the attempts, and two events of
// 64 kB could ask for many thousands of them; invites have one or two signatures
// and keys.
func signedByAny(signed canonjson.Value, keys *event.ThirdPartyInvite) bool {
	text, err := canonjson.AppendSigned(nil, signed)
	if err != nil {
		return false
	}
	tried := 0
	for _, sigs := range signed.Get("signatures").Members() {
		for keyID, sig := range sigs.Members() {
			name, _ := keyID.Str()
			encoded, _ := sig.Str()
			raw, err := canonjson.DecodeBase64(encoded)
			if err != nil || !strings.HasPrefix(name, "ed25519:") {
				continue
			}
			for _, pub := range keys.PublicKeys {
				if tried++; tried > maxInviteChecks {
					return false
				}
				if canonjson.VerifyEd25519(pub, text, raw) == nil {
					return true
				}
			}
		}
	}
	return false
}

// checkLeave is rule 5.4.
func (c *checker) checkLeave(target id.User, was string) error {
	sender := c.p.Sender()
	// 1. If the sender matches state_key, allow if and only if the membership is
	// invite, join or (version 7) knock.
	if sender == target {
		if was == event.Invite || was == event.Join || (was == event.Knock && c.rules.Knocking) {
			return nil
		}
		return c.refuse(leaveOwn, "the membership of %s is %.40q", sender, was)
	}
	// 2. If the sender's current membership state is not join, reject.
	if err := c.needJoined(sender, leaveSender); err != nil {
		return err
	}
	if err := c.readLevels(); err != nil {
		return err
	}
	power, theirs := c.levels.User(sender), c.levels.User(target)
	// 3. If the target is banned and the sender below the ban level, reject.
	if need := c.levels.Level(event.BanLevel); was == event.Ban && power < need {
		return c.refuse(leaveBanned, "%s has power %d, lifting a ban needs %d", sender, power, need)
	}
	// 4. With the kick level and more power than the target, allow. 5. Otherwise, reject.
	if need := c.levels.Level(event.KickLevel); power < need {
		return c.refuse(leaveRefused, "%s has power %d, kicking needs %d", sender, power, need)
	}
	if theirs >= power {
		return c.refuse(leaveRefused, "%s has power %d, %.64q has %d", sender, power, target, theirs)
	}
	return nil
}

// checkBan is rule 5.5.
func (c *checker) checkBan(target id.User) error {
	sender := c.p.Sender()
	// 1. If the sender's current membership state is not join, reject.
	if err := c.needJoined(sender, banSender); err != nil {
		return err
	}
	if err := c.readLevels(); err != nil {
		return err
	}
	// 2. With the ban level and more power than the target, allow. 3. Otherwise, reject.
	power, theirs := c.levels.User(sender), c.levels.User(target)
	if need := c.levels.Level(event.BanLevel); power < need {
		return c.refuse(banRefused, "%s has power %d, banning needs %d", sender, power, need)
	}
	if theirs >= power {
		return c.refuse(banRefused, "%s has power %d, %.64q has %d", sender, power, target, theirs)
	}
	return nil
}

// checkKnock is rule 4.6 of version 7.
func (c *checker) checkKnock(target id.User, was string) error {
	// 1. If the join rule is not knock or (version 10) knock_restricted, reject.
	rule, err := c.joinRule()
	if err != nil {
		return err
	}
	if rule != event.KnockOnly && (rule != event.KnockRestricted || !c.rules.KnockRestricted) {
		return c.refuse(knockJoinRule, "the join rule is %.40q", rule)
	}
	// 2. If the sender does not match state_key, reject.
	if c.p.Sender() != target {
		return c.refuse(knockOther, "%s cannot knock for %.64q", c.p.Sender(), target)
	}
	// 3. If the membership is not ban, invite or join, allow. 4. Otherwise, reject.
	if was == event.Ban || was == event.Invite || was == event.Join {
		return c.refuse(knockRefused, "the membership of %s is %s", target, was)
	}
	return nil
}
