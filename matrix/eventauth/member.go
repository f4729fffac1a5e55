package eventauth

import (
	"fmt"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/id"
)

// memberNumber is the number of a rule below the one on m.room.member, which
// moves by one where restricted joins have a rule ahead of it.
func (c *checker) memberNumber(n int, below string) string {
	if c.rules.Restricted && n > 1 {
		n++
	}
	s := fmt.Sprint(n)
	if below != "" {
		s += "." + below
	}
	return s
}

// refuseMember counts as version 1 does: join is 2, invite 3, leave 4, ban 5,
// and knock 6 where there is such a thing.
func (c *checker) refuseMember(n int, below, format string, args ...any) error {
	return c.refuse(ruleMember, c.memberNumber(n, below), format, args...)
}

// checkMember is the rule on m.room.member.
func (c *checker) checkMember() error {
	// 1. No state_key or membership: reject.
	key, ok := c.p.StateKey()
	if !ok {
		return c.refuseMember(1, "", "a member event has a state key")
	}
	if _, ok := c.p.Content().Get("membership").Str(); !ok {
		return c.refuseMember(1, "", "content.membership is missing or no string")
	}
	m, err := c.p.Member()
	if err != nil {
		return c.refuse(ruleMember, "2.1", "%v", err)
	}
	// 2. join_authorised_via_users_server: signed by that user's server.
	if m.AuthorisedVia != "" && len(c.p.SignatureKeys(m.AuthorisedVia.Server())) == 0 {
		return c.refuse(ruleMember, "2.1", "not signed by %s, which is to vouch for it", m.AuthorisedVia.Server())
	}
	target := id.User(key)
	was, err := c.membership(target)
	if err != nil {
		return err
	}
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
	unknown := 6
	if c.rules.Knocking {
		unknown = 7
	}
	return c.refuseMember(unknown, "", "membership %.40q is not known", m.Membership)
}

func (c *checker) checkJoin(m *event.Member, target id.User, was string) error {
	const join = 2
	// 1. The creator's join right behind the create event.
	create, err := c.create.Create()
	if err != nil {
		return c.refuse(ruleCreate, "", "the room's create event is malformed: %v", err)
	}
	if prev := c.p.PrevEvents(); len(prev) == 1 && prev[0] == c.create.ID() && target == create.Creators[0] {
		return nil
	}
	// 2. Nobody joins for somebody else.
	if c.p.Sender() != target {
		return c.refuseMember(join, "2", "%s cannot join for %.64q", c.p.Sender(), target)
	}
	// 3. The banned stay out.
	if was == event.Ban {
		return c.refuseMember(join, "3", "%s is banned", target)
	}
	rule, err := c.joinRule()
	if err != nil {
		return err
	}
	invited := was == event.Invite || was == event.Join
	switch {
	// 4. invite, or knock.
	case rule == event.InviteOnly, rule == event.KnockOnly && c.rules.Knocking:
		if invited {
			return nil
		}
		return c.refuseMember(join, "4", "the room is for invited users, %s is not invited", target)
	// 5. restricted, or knock_restricted.
	case rule == event.Restricted && c.rules.Restricted, rule == event.KnockRestricted && c.rules.KnockRestricted:
		if invited {
			return nil
		}
		return c.checkVouched(m.AuthorisedVia)
	// 6. public.
	case rule == event.Public:
		return nil
	}
	// 7. Otherwise, reject.
	last := "6"
	if c.rules.Restricted {
		last = "7"
	}
	return c.refuseMember(join, last, "the join rule is %.40q", rule)
}

// checkVouched is the rule on who may vouch for a restricted join.
func (c *checker) checkVouched(by id.User) error {
	if by == "" {
		return c.refuseMember(2, "5.2", "the room is restricted, and nobody vouches for the join")
	}
	membership, err := c.membership(by)
	if err != nil {
		return err
	}
	if membership != event.Join {
		return c.refuseMember(2, "5.2", "%s is to vouch for the join and is not in the room", by)
	}
	if power, need := c.levels.User(by), c.levels.Level(event.InviteLevel); power < need {
		return c.refuseMember(2, "5.2", "%s is to vouch for the join and has power %d, inviting needs %d", by, power, need)
	}
	return nil
}

// joinRule is the room's join rule; invite if the state has none.
func (c *checker) joinRule() (string, error) {
	p, err := c.state.StateEvent(event.TypeJoinRules, "")
	if err != nil || p == nil {
		return event.InviteOnly, err
	}
	rules, err := p.JoinRules()
	if err != nil {
		return "", nil // of another type: nobody may join
	}
	return rules.Rule, nil
}

func (c *checker) checkInvite(m *event.Member, target id.User, was string) error {
	const invite = 3
	// 1. A third-party invite.
	if m.ThirdPartyInvite.Exists() {
		return c.checkThirdPartyInvite(m.ThirdPartyInvite, target, was)
	}
	// 2. The sender is in the room.
	sender := c.p.Sender()
	membership, err := c.membership(sender)
	if err != nil {
		return err
	}
	if membership != event.Join {
		return c.refuseMember(invite, "2", "%s is not in the room", sender)
	}
	// 3. The target is neither in it nor banned.
	if was == event.Join || was == event.Ban {
		return c.refuseMember(invite, "3", "%.64q is in the room or banned from it", target)
	}
	// 4., 5. The invite level.
	if power, need := c.levels.User(sender), c.levels.Level(event.InviteLevel); power < need {
		return c.refuseMember(invite, "5", "%s has power %d, inviting needs %d", sender, power, need)
	}
	return nil
}

// maxInviteChecks bounds the signatures tried for one third-party invite, of
// which an event could list many.
//
// Deviates: the specification sets no bound; invites have one or two.
const maxInviteChecks = 64

func (c *checker) checkThirdPartyInvite(invite canonjson.Value, target id.User, was string) error {
	refuse := func(n, format string, args ...any) error { return c.refuseMember(3, "1."+n, format, args...) }
	// 1. The target is not banned.
	if was == event.Ban {
		return refuse("1", "%.64q is banned", target)
	}
	// 2. There is signed.
	signed := invite.Get("signed")
	if signed.Kind() != canonjson.Object {
		return refuse("2", "third_party_invite has no signed")
	}
	// 3. It has mxid and token.
	token, ok := signed.Get("token").Str()
	mxid := signed.Get("mxid")
	if !ok || mxid.Kind() != canonjson.String {
		return refuse("3", "signed has no mxid or no token")
	}
	// 4. mxid is the target.
	if !mxid.EqualStr(string(target)) {
		return refuse("4", "signed is for another user than %.64q", target)
	}
	// 5. The room has such an invite.
	p, err := c.state.StateEvent(event.TypeThirdPartyInvite, token)
	if err != nil {
		return err
	}
	if p == nil {
		return refuse("5", "the room has no third-party invite with this token")
	}
	// 6. It was sent by the same user.
	if p.Sender() != c.p.Sender() {
		return refuse("6", "the third-party invite was sent by %s", p.Sender())
	}
	// 7. Any signature matches any key.
	keys, err := p.ThirdPartyInvite()
	if err != nil {
		return refuse("8", "%v", err)
	}
	tried := 0
	for entity, sigs := range signed.Get("signatures").Members() {
		name, _ := entity.Str()
		for k := range sigs.Members() {
			keyID, _ := k.Str()
			for _, pub := range keys.PublicKeys {
				if tried++; tried > maxInviteChecks {
					return refuse("8", "more than %d signatures and keys", maxInviteChecks)
				}
				if canonjson.Verify(signed, name, keyID, pub) == nil {
					return nil
				}
			}
		}
	}
	// 8. Otherwise, reject.
	return refuse("8", "no signature matches a key of the third-party invite")
}

func (c *checker) checkLeave(target id.User, was string) error {
	const leave = 4
	sender := c.p.Sender()
	// 1. Leaving, or refusing an invite, or taking back a knock.
	if sender == target {
		if was == event.Invite || was == event.Join || (was == event.Knock && c.rules.Knocking) {
			return nil
		}
		return c.refuseMember(leave, "1", "%s is not in the room", sender)
	}
	// 2. The sender is in the room.
	membership, err := c.membership(sender)
	if err != nil {
		return err
	}
	if membership != event.Join {
		return c.refuseMember(leave, "2", "%s is not in the room", sender)
	}
	power := c.levels.User(sender)
	// 3. Unbanning needs the ban level too.
	if need := c.levels.Level(event.BanLevel); was == event.Ban && power < need {
		return c.refuseMember(leave, "3", "%s has power %d, lifting a ban needs %d", sender, power, need)
	}
	// 4., 5. The kick level, and more power than the target.
	if need := c.levels.Level(event.KickLevel); power < need {
		return c.refuseMember(leave, "5", "%s has power %d, kicking needs %d", sender, power, need)
	}
	if theirs := c.levels.User(target); theirs >= power {
		return c.refuseMember(leave, "5", "%s has power %d, %.64q has %d", sender, power, target, theirs)
	}
	return nil
}

func (c *checker) checkBan(target id.User) error {
	const ban = 5
	sender := c.p.Sender()
	// 1. The sender is in the room.
	membership, err := c.membership(sender)
	if err != nil {
		return err
	}
	if membership != event.Join {
		return c.refuseMember(ban, "1", "%s is not in the room", sender)
	}
	// 2., 3. The ban level, and more power than the target.
	power := c.levels.User(sender)
	if need := c.levels.Level(event.BanLevel); power < need {
		return c.refuseMember(ban, "3", "%s has power %d, banning needs %d", sender, power, need)
	}
	if theirs := c.levels.User(target); theirs >= power {
		return c.refuseMember(ban, "3", "%s has power %d, %.64q has %d", sender, power, target, theirs)
	}
	return nil
}

func (c *checker) checkKnock(target id.User, was string) error {
	const knock = 6
	rule, err := c.joinRule()
	if err != nil {
		return err
	}
	// 1. The room can be knocked on.
	if rule != event.KnockOnly && (rule != event.KnockRestricted || !c.rules.KnockRestricted) {
		return c.refuseMember(knock, "1", "the join rule is %.40q", rule)
	}
	// 2. Nobody knocks for somebody else.
	if c.p.Sender() != target {
		return c.refuseMember(knock, "2", "%s cannot knock for %.64q", c.p.Sender(), target)
	}
	// 3., 4. Not for members, the invited and the banned.
	if was == event.Ban || was == event.Invite || was == event.Join {
		return c.refuseMember(knock, "4", "the membership of %s is %s", target, was)
	}
	return nil
}
