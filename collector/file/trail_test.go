package file

import (
	"testing"

	"lighter/collector/position"
)

func TestTrailTimes(t *testing.T) {
	tr := trail{
		{Inode: 1, Anchors: []anchor{{0, 1000}, {100, 2000}}, Until: 150},
		{Inode: 2, Anchors: []anchor{{0, 2050}, {10, 3000}}, Until: 20},
	}
	for _, tc := range []struct {
		visit     int
		end, time int64
	}{
		{0, 1, 1001}, {0, 100, 1100}, {0, 101, 2001}, {0, 150, 2050}, {1, 1, 2051}, {1, 10, 2060}, {1, 20, 3010},
	} {
		if got := tr[tc.visit].time(tc.end); got != tc.time {
			t.Errorf("the time of offset %d of visit %d is %d, want %d", tc.end, tc.visit, got, tc.time)
		}
		// The position is found again by its time alone.
		if i, offset := tr.find(tc.time); i != tc.visit || offset != tc.end {
			t.Errorf("time %d is at offset %d of visit %d, want %d of %d", tc.time, offset, i, tc.end, tc.visit)
		}
	}
	if i, offset := tr.find(0); i != 0 || offset != 0 {
		t.Errorf("the beginning is at offset %d of visit %d", offset, i)
	}
	if n := tr.prune(position.Position{Time: 2055, Lines: 1}); n != 1 || len(tr) != 1 || len(tr[0].Anchors) != 2 {
		t.Errorf("%d visits are forgotten, left is %v", n, tr)
	}
	if tr.prune(position.Position{Time: 3005, Lines: 1}); len(tr) != 1 || len(tr[0].Anchors) != 1 || tr[0].time(20) != 3010 {
		t.Errorf("left is %v", tr)
	}
}

func FuzzTrail(f *testing.F) {
	f.Add(trail{{Inode: 1, Anchors: []anchor{{0, 1000}, {100, 2000}}, Until: 150}}.note(), int64(1050))
	f.Add([]byte(`[{"anchors":[]}]`), int64(0))
	f.Add([]byte(`null`), int64(1))
	f.Fuzz(func(t *testing.T, note []byte, at int64) {
		tr := parseTrail(note)
		if len(tr) == 0 {
			return
		}
		if i, offset := tr.find(at); i < 0 || i >= len(tr) || offset < 0 && at > 0 {
			t.Errorf("time %d is at offset %d of visit %d of %d", at, offset, i, len(tr))
		}
		tr.prune(position.Position{Time: at, Lines: 1})
		if len(parseTrail(tr.note())) != len(tr) {
			t.Errorf("the trail %s is not read again", tr.note())
		}
	})
}

func FuzzCoding(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00\n\x00"), "utf-16")
	f.Add([]byte("\xef\xbb\xbfa\n"), "")
	f.Add([]byte("\x00\n\x0a\x00\x00\n"), "UTF-16BE")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		set, err := encodingOf(name)
		if err != nil {
			return
		}
		c := codingOf(b[:min(len(b), 4)], set)
		if c.newline == nil {
			return
		}
		b = b[c.skip:]
		for {
			n := c.line(b)
			if n < 0 {
				return
			}
			if n%len(c.newline) != 0 || string(b[n:n+len(c.newline)]) != string(c.newline) {
				t.Fatalf("a newline is found at %d of %q", n, b)
			}
			if c.encoding != nil {
				_, _ = c.encoding.NewDecoder().Bytes(b[:n])
			}
			b = b[n+len(c.newline):]
		}
	})
}
