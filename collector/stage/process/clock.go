package process

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // for the location of a stage.timestamp, because the image has no time zones

	"lighter/collector/internal/year"
)

// setTime sets an entry's time if it can be represented in nanoseconds.
func (x *entry) setTime(t time.Time) bool {
	if y := t.Year(); y < 1678 || y > 2261 {
		return false
	}
	x.Time = t.UnixNano()
	return true
}

// timestamp is stage.timestamp.
type timestamp struct {
	source    int
	formats   []func(text string, now time.Time) (time.Time, error)
	onFailure bool // fudge if the time cannot be parsed
	onRepeat  bool // fudge if the time equals that of the entry before
}

// clock holds the times that stage.timestamp remembers of a label set: the one that it parsed last, and the
// one that it assigned last, in Unix nanoseconds.
type clock struct {
	parsed, given int64
	used          uint64 // orders the clocks by last use
}

// clockKey identifies a clock by the index of its stage and the hash of a label set.
type clockKey struct {
	at     int
	labels uint64
}

func (o *timestamp) run(r *runner, x *entry, at int) int {
	if t, ok := x.values[o.source].text(); ok && o.parse(x, t) {
		if o.onFailure || o.onRepeat {
			o.parsed(r, x, at)
		}
		return at + 1
	}
	if !o.onFailure {
		return at + 1
	}
	key := clockKey{at, r.resolve(x).hash}
	if c := r.clocks[key]; c != nil {
		x.Time = c.given + 1
		r.setClock(x, key, c, clock{parsed: c.parsed, given: x.Time})
	}
	return at + 1
}

// parse sets the entry's time from t. It reports whether t is a time.
func (o *timestamp) parse(x *entry, t []byte) bool {
	now := time.Unix(0, x.read).UTC()
	for _, parse := range o.formats {
		if when, err := parse(borrow(t), now); err == nil {
			return x.setTime(when)
		}
	}
	return false
}

// parsed assigns the next nanosecond to an entry if its parsed time equals that of the entry before it.
func (o *timestamp) parsed(r *runner, x *entry, at int) {
	key := clockKey{at, r.resolve(x).hash}
	c := r.clocks[key]
	parsed := x.Time
	if c != nil && o.onRepeat && parsed == c.parsed {
		x.Time = c.given + 1
	}
	r.setClock(x, key, c, clock{parsed: parsed, given: x.Time})
}

// maxClocks is how many label sets of a log are remembered. Alloy remembers 10,000 for all logs together.
const maxClocks = 256

// setClock sets the clock of a label set to a new value. c is its present clock, or nil.
func (r *runner) setClock(x *entry, key clockKey, c *clock, to clock) {
	r.work++
	to.used = r.work
	if c != nil {
		*c = to
	} else {
		if len(r.clocks) >= maxClocks {
			var oldest clockKey
			for k, c := range r.clocks {
				if o := r.clocks[oldest]; o == nil || c.used < o.used {
					oldest = k
				}
			}
			delete(r.clocks, oldest)
		}
		own := to
		r.clocks[key] = &own
	}
	if r.kept != nil && (r.batch == nil || x.last < r.no) {
		r.kept[key] = to
	}
}

// keepClocks saves the clocks as of the end of a held batch.
func (r *runner) keepClocks() {
	if !r.clocked {
		return
	}
	r.kept = make(map[clockKey]clock, len(r.clocks))
	for k, c := range r.clocks {
		r.kept[k] = *c
	}
}

const clockBytes = 2 + 3*8

// appendClocks appends the clocks as of the end of what has been handed on.
func (r *runner) appendClocks(b []byte) []byte {
	type keyed struct {
		clockKey
		clock
	}
	var all []keyed
	if r.kept != nil {
		for k, c := range r.kept {
			all = append(all, keyed{k, c})
		}
	} else {
		for k, c := range r.clocks {
			all = append(all, keyed{k, *c})
		}
	}
	slices.SortFunc(all, func(a, b keyed) int { return cmp.Compare(a.used, b.used) })
	for _, c := range all {
		b = binary.LittleEndian.AppendUint16(b, uint16(c.at))
		b = binary.LittleEndian.AppendUint64(b, c.labels)
		b = binary.LittleEndian.AppendUint64(b, uint64(c.parsed))
		b = binary.LittleEndian.AppendUint64(b, uint64(c.given))
	}
	return b
}

// restoreClocks reads what appendClocks has written.
func (r *runner) restoreClocks(b []byte) {
	for ; len(b) >= clockBytes && len(r.clocks) < maxClocks; b = b[clockBytes:] {
		r.work++
		key := clockKey{int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint64(b[2:])}
		r.clocks[key] = &clock{int64(binary.LittleEndian.Uint64(b[10:])), int64(binary.LittleEndian.Uint64(b[18:])), r.work}
	}
}

// namedLayouts are the layouts that a format may name.
var namedLayouts = map[string]string{ // read-only
	"ANSIC": time.ANSIC, "UnixDate": time.UnixDate, "RubyDate": time.RubyDate,
	"RFC822": time.RFC822, "RFC822Z": time.RFC822Z, "RFC850": time.RFC850, "RFC1123": time.RFC1123,
	"RFC1123Z": time.RFC1123Z, "RFC3339": time.RFC3339, "RFC3339Nano": time.RFC3339Nano,
}

// timeParser returns a function that parses times of a format. For times without a year, it chooses the
// year that brings them nearest to now.
func timeParser(format string, location *time.Location) func(text string, now time.Time) (time.Time, error) {
	if layout, ok := namedLayouts[format]; ok {
		return func(text string, _ time.Time) (time.Time, error) { return time.Parse(layout, text) }
	}
	switch format {
	case "Unix":
		return func(text string, _ time.Time) (time.Time, error) { return parseUnix(text) }
	case "UnixMs":
		return unixParser(time.Millisecond)
	case "UnixUs":
		return unixParser(time.Microsecond)
	case "UnixNs":
		return unixParser(time.Nanosecond)
	}
	parse := func(text string) (time.Time, error) { return time.Parse(format, text) }
	if location != nil {
		parse = func(text string) (time.Time, error) { return time.ParseInLocation(format, text, location) }
	}
	if strings.Contains(format, "06") {
		return func(text string, _ time.Time) (time.Time, error) { return parse(text) }
	}
	return func(text string, now time.Time) (time.Time, error) {
		t, err := parse(text)
		if err != nil {
			return t, err
		}
		if t.Year() != 0 {
			return t, fmt.Errorf("the format %q has no year, and %q has one", format, strings.Clone(text))
		}
		return year.Nearest(t, now), nil
	}
}

func unixParser(unit time.Duration) func(string, time.Time) (time.Time, error) {
	return func(text string, _ time.Time) (time.Time, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{}, err
		}
		if n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
			return time.Time{}, fmt.Errorf("%d is out of range", n)
		}
		return time.Unix(0, n*int64(unit)), nil
	}
}

// parseUnix parses seconds, which may have a fraction.
func parseUnix(text string) (time.Time, error) {
	whole, part, decimals := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || !decimals {
		return time.Unix(seconds, 0), err
	}
	n, err := strconv.ParseInt(part, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(seconds, int64(float64(n)*math.Pow(10, float64(9-len(part))))), nil
}
