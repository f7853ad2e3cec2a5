package tail_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/tail"
)

// message holds the arguments of Lines.Add.
type message struct {
	time   int64
	stream int
	text   string
	last   bool
}

// line is a resulting line.
type line struct {
	Time   int64
	Stream int
	Text   string
	Own    bool
}

func TestLines(t *testing.T) {
	for name, tc := range map[string]struct {
		terminal bool
		in       []message
		want     []line
		cut      int
		waiting  int64 // of what is incomplete in the end
	}{
		"whole":                  {in: []message{{1, tail.Stdout, "a", true}, {1, tail.Stderr, "", true}}, want: []line{{1, 0, "a", false}, {1, 1, "", false}}},
		"pieces":                 {in: []message{{1, 0, "a", false}, {1, 0, "b", false}, {1, 0, "", true}}, want: []line{{1, 0, "ab", true}}},
		"pieces side by side":    {in: []message{{1, 0, "a", false}, {2, 1, "x", false}, {1, 0, "b", true}, {2, 1, "y", true}}, want: []line{{1, 0, "ab", true}, {2, 1, "xy", true}}},
		"another time ends it":   {in: []message{{1, 0, "a", false}, {2, 0, "b", true}}, want: []line{{1, 0, "a", true}, {2, 0, "b", false}}},
		"waiting":                {in: []message{{1, 0, "a", false}}, waiting: 1},
		"the older one waits":    {in: []message{{3, 0, "a", false}, {2, 1, "b", false}}, waiting: 2},
		"as long as may be":      {in: []message{{1, 0, "0123456789ab", true}}, want: []line{{1, 0, "0123456789ab", false}}},
		"too long":               {in: []message{{1, 0, "0123456789abc", true}}, want: []line{{1, 0, "0123…[cut]", false}}, cut: 1},
		"too long in pieces":     {in: []message{{1, 0, "0123456789", false}, {1, 0, "abc", true}}, want: []line{{1, 0, "0123…[cut]", true}}, cut: 1},
		"pieces up to the limit": {in: []message{{1, 0, "0123456789", false}, {1, 0, "ab", true}}, want: []line{{1, 0, "0123456789ab", true}}},
		"not UTF-8":              {in: []message{{1, 0, "a\xff\xff", true}}, want: []line{{1, 0, "a\uFFFD\uFFFD", true}}},
		"CR":                     {in: []message{{1, 0, "a\r", true}}, want: []line{{1, 0, "a\r", false}}},
		"CR of a terminal":       {terminal: true, in: []message{{1, 0, "a\r\r", true}}, want: []line{{1, 0, "a\r", false}}},
		"CR beyond the limit":    {terminal: true, in: []message{{1, 0, "0123456789", false}, {1, 0, "ab\r", true}}, want: []line{{1, 0, "0123456789ab", true}}},
		"CR within what is cut":  {terminal: true, in: []message{{1, 0, "0123456789ab", false}, {1, 0, "\rcd", true}}, want: []line{{1, 0, "0123…[cut]", true}}, cut: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var got []line
			cut := 0
			l := tail.Lines{MaxBytes: 12, PieceBytes: 1, Terminal: tc.terminal}
			for _, m := range tc.in {
				l.Add(m.time, m.stream, []byte(m.text), true, m.last)
				for l.Next() {
					got = append(got, line{l.Line.Time, l.Line.Stream, string(l.Line.Text), !l.Line.Borrowed})
					if l.Line.Cut {
						cut++
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || cut != tc.cut || l.Waiting() != tc.waiting {
				t.Errorf("cut = %d, want %d; waiting = %d, want %d; lines (-want +got):\n%s", cut, tc.cut, l.Waiting(), tc.waiting, diff)
			}
			l.Forget(tail.Stdout)
			l.Forget(tail.Stderr)
			if l.Waiting() != 0 {
				t.Error("something waits after Forget")
			}
		})
	}
}

// A short piece ends with the run, and the next message of the other stream belongs to another run, unless
// it may be of the same moment, on an Engine whose times are whole seconds.
func TestShortPieces(t *testing.T) {
	const second = 1_000_000_000
	for name, tc := range map[string]struct {
		between int64 // time of the other stream's message
		at      int64 // of the piece before it and the one after it
		want    []string
	}{
		"times to the nanosecond":        {between: second + 7, at: second + 3, want: []string{"be", "other", "gin"}},
		"the same nanosecond":            {between: second + 3, at: second + 3, want: []string{"be", "other", "gin"}},
		"whole seconds, the same second": {between: second, at: second, want: []string{"other", "begin"}},
		"whole seconds, the next second": {between: 2 * second, at: second, want: []string{"be", "other", "gin"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			l := tail.Lines{MaxBytes: 100}
			for _, m := range []message{{tc.at, tail.Stdout, "be", false}, {tc.between, tail.Stderr, "other", true}, {tc.at, tail.Stdout, "gin", true}} {
				l.Add(m.time, m.stream, []byte(m.text), true, m.last)
				for l.Next() {
					got = append(got, string(l.Line.Text))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever the sizes of the pieces, a line is their concatenation.
func TestPiecesOfAnySize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var got, want string
		l := tail.Lines{MaxBytes: 100_000}
		for n := r.IntN(40); n >= 0; n-- {
			piece := strings.Repeat(string(rune('a'+n%26)), r.IntN(1+r.IntN(1+r.IntN(40_000))))
			want += piece
			l.Add(1, 0, []byte(piece), true, n == 0)
			for l.Next() {
				got = string(l.Line.Text)
			}
		}
		if len(want) > 100_000 {
			const mark = "…[cut]"
			want = want[:100_000-len(mark)] + mark
		}
		if got != want {
			t.Fatalf("a line of %d bytes, want %d, or other ones", len(got), len(want))
		}
	}
}

func TestBuffers(t *testing.T) {
	var b tail.Buffers
	for _, tc := range []struct{ asked, want int }{
		{0, 4 << 10}, {1, 4 << 10}, {4 << 10, 4 << 10}, {4<<10 + 1, 8 << 10}, {20 << 10, 32 << 10}, {64 << 10, 64 << 10}, {64<<10 + 1, 64<<10 + 1},
	} {
		for range 2 { // a new one, and a reused one
			c := b.Get(tc.asked)
			if cap(c.Buf) != tc.want || len(c.Buf) != 0 || !c.Empty() {
				t.Errorf("%d bytes: cap = %d, len = %d, empty = %t, want an empty one of %d", tc.asked, cap(c.Buf), len(c.Buf), c.Empty(), tc.want)
			}
			c.Buf = append(c.Buf, strings.Repeat("x", 10)...)
			b.Put(c)
		}
	}
}

func TestSecond(t *testing.T) {
	var s tail.Second
	for _, tc := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"2026-01-02T03:04:05.5Z", 1767323045e9, true},
		{"2026-01-02T03:04:05Z", 1767323045e9, true},
		{"2026-01-02T03:04:06Z", 1767323046e9, true},
		{"2026-02-30T03:04:06Z", 0, false},
		{"0001-01-01T00:00:00Z", 0, false},
		{"2026-01-02T03:04:06Z", 1767323046e9, true},
	} {
		if got, ok := s.Parse([]byte(tc.in)); got != tc.want || ok != tc.ok {
			t.Errorf("%s: %d, %t, want %d, %t", tc.in, got, ok, tc.want, tc.ok)
		}
	}
}
