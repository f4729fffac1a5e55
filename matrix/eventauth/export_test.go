package eventauth

import "github.com/hanse-im/hanse/matrix/roomver"

// Line is a line of the outline with its number in one version.
type Line struct {
	Number, Says string
	Refuses      bool
	// Gap is a number that the version's page leaves free.
	Gap bool
}

// Outline is the outline of a version.
func Outline(r *roomver.Rules) (lines []Line) {
	numbered(r, func(number [6]int, l *line) bool {
		lines = append(lines, Line{dotted(number), l.says, l.rule != ruleNone, l.rule == authNoCreate && r.RoomIDFromCreate})
		return true
	})
	return lines
}

// Number is the number of a rule, for tests of what no outline has.
func Number(which uint8, r *roomver.Rules) string { return rule(which).number(r) }
