package dockerlog

import (
	"errors"

	"lighter/collector/position"
)

// lookout looks whether the line after which reading goes on is in an answer that shall have it.
// If it is not, it was thrown away, or the Engine has left out files that it still holds, as those
// before 23 do (see lighter.LogFiles). Only reading the whole log tells. The zero value looks for
// nothing.
type lookout struct {
	skipper position.Skipper
	active  bool
	missed  bool // the line was not there; no line of the answer counts
}

// errMissed says that an Engine's answer left out lines that may still be there.
var errMissed = errors.New("the place to read on from is not in what the Engine gives")

// begin looks for the line before a position.
func (l *lookout) begin(p position.Position) {
	*l = lookout{skipper: position.NewSkipper(p), active: true}
}

// misses reports whether the line of time at must not be taken.
func (l *lookout) misses(at int64) bool {
	if l.active && !l.skipper.Skip(at) {
		l.active, l.missed = false, l.skipper.Lost()
	}
	return l.missed
}
