package roomver

// ordered lists the versions as the specification does; table finds them.
var (
	ordered = versions()
	table   = index(ordered)
)

// versions writes each version as the one before and its differences.
func versions() []*Rules {
	var all []*Rules
	next := func(version string, differ func(*Rules)) {
		r := Rules{}
		if n := len(all); n > 0 {
			r = *all[n-1]
		}
		r.Version = version
		differ(&r)
		all = append(all, &r)
	}

	// Spec: rooms/v1#server-implementation-components
	next("1", func(r *Rules) {
		r.EventID = EventIDField
		r.RefsWithHashes = true
		r.SignedByEventIDServer = true
		r.Redaction = Redaction{KeepOrigin: true, KeepAliases: true}
		r.RedactionAuth = true
		r.AliasesAuth = true
		r.PowerLevels = PowerLevelLenient
		r.CreatorInContent = true
		r.StateRes = StateResV1
	})
	// Spec: rooms/v2#state-resolution
	next("2", func(r *Rules) {
		r.StateRes = StateResV2
	})
	// Spec: rooms/v3#event-ids, rooms/v3#event-format, rooms/v3#authorisation-rules
	next("3", func(r *Rules) {
		r.EventID = EventIDHash
		r.RefsWithHashes = false
		r.SignedByEventIDServer = false
		r.RedactionAuth = false
	})
	// Spec: rooms/v4#event-ids
	next("4", func(r *Rules) {
		r.EventID = EventIDHashURLSafe
	})
	// Spec: rooms/v5#signing-key-validity-period
	next("5", func(r *Rules) {
		r.KeyValidity = true
	})
	// Spec: rooms/v6#redactions, rooms/v6#authorisation-rules, rooms/v6#canonical-json
	next("6", func(r *Rules) {
		r.Redaction.KeepAliases = false
		r.AliasesAuth = false
		r.NotificationLevels = true
		r.StrictJSON = true
		r.PowerLevels = PowerLevelStringy
	})
	// Spec: rooms/v7#authorisation-rules
	next("7", func(r *Rules) {
		r.Knocking = true
	})
	// Spec: rooms/v8#authorisation-rules, rooms/v8#redactions
	next("8", func(r *Rules) {
		r.Restricted = true
		r.Redaction.KeepAllow = true
	})
	// Spec: rooms/v9#redactions
	next("9", func(r *Rules) {
		r.Redaction.KeepAuthorisedVia = true
	})
	// Spec: rooms/v10#authorisation-rules, rooms/v10#values-in-mroompower_levels-events-must-be-integers
	next("10", func(r *Rules) {
		r.PowerLevels = PowerLevelInteger
		r.KnockRestricted = true
	})
	// Spec: rooms/v11#redactions, rooms/v11#event-format, rooms/v11#authorisation-rules
	next("11", func(r *Rules) {
		r.Redaction.KeepOrigin = false
		r.Redaction.KeepThirdPartySigned = true
		r.Redaction.KeepCreateContent = true
		r.Redaction.KeepInviteLevel = true
		r.Redaction.KeepRedacts = true
		r.RedactsInContent = true
		r.CreatorInContent = false
	})
	// Spec: rooms/v12#event-format, rooms/v12#authorisation-rules, rooms/v12#state-resolution
	next("12", func(r *Rules) {
		r.RoomIDFromCreate = true
		r.PrivilegedCreators = true
		r.StateRes = StateResV21
	})
	return all
}

func index(all []*Rules) map[string]*Rules {
	m := make(map[string]*Rules, len(all))
	for _, r := range all {
		m[r.Version] = r
	}
	return m
}
