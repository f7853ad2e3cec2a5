package dockerlog

import (
	"strings"
	"testing"
	"time"

	"lighter/collector/tail"
)

func TestPauses(t *testing.T) {
	type read struct {
		n, messages int
		filled      bool
		at          time.Duration // when it ended
		want        time.Duration // the pause after it
	}
	const ms = time.Millisecond
	for name, reads := range map[string][]read{
		"a line after a long time":         {{200, 1, false, 100_000 * time.Hour, maxPause}},
		"a little all the time":            {{200, 1, false, 5 * ms, 195 * ms}, {8000, 40, false, 201 * ms, 199 * ms}, {8000, 80, false, 401 * ms, 199 * ms}},
		"a pause that ended a little late": {{200, 1, false, 200*ms + shortest, 200*ms - shortest}},
		"one that ended a little early":    {{200, 1, false, 200*ms - shortest/2, 200*ms + shortest/2}},
		"as long as there is more":         {{4096, 20, true, 0, 0}, {16 << 10, 100, false, ms, 0}, {200, 101, false, 120 * ms, 80 * ms}},
		"a flood has shorter steps": { // 120 lines in 15 ms, then in 8
			{15 << 10, 60, false, 14 * ms, 0}, {11 << 10, 120, false, 15 * ms, 10 * ms}, {15 << 10, 180, false, 22 * ms, 0}, {11 << 10, 240, false, 23 * ms, 2 * ms}},
		"a log that goes on":                   {{8000, 150, false, 200 * ms, 200 * ms}, {8000, 300, false, 400 * ms, 200 * ms}},
		"so has one of short lines":            {{8000, 200, false, 200 * ms, 100 * ms}},
		"and one of long lines":                {{15 << 10, 1, false, 0, 0}, {80 << 10, 6, false, 0, 0}, {200, 7, false, 100 * ms, 50 * ms}},
		"no pause is too short to be worth it": {{40 << 10, 200, true, ms / 10, 0}, {100, 201, false, ms / 10, 0}},
		"a flood without end":                  {{1 << 50, 1 << 40, true, time.Hour, 0}, {100, 1 << 40, false, time.Hour, 0}},
		"nothing was read":                     {{0, 0, false, time.Second, 0}},
		"a piece of a message":                 {{100, 0, false, time.Second, maxPause}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Unix(1000, 0)
			g := pauses{began: start}
			for i, r := range reads {
				if got := g.after(r.n, r.messages, r.filled, start.Add(r.at)); got != r.want {
					t.Errorf("read %d: pause = %s, want %s", i+1, got, r.want)
				}
			}
		})
	}
}

// However fast a log is and however long its lines, the Engine waits for its reader only until the reader
// has adapted.
func TestPausesLeaveRoom(t *testing.T) {
	const beginning = 20 // rounds
	for _, size := range []int{50, 250, 800, 2000, 4000} {
		holds := 212_992 / (messageRoom + byteRoom*size)
		for perSecond := 10; perSecond < 100_000; perSecond = perSecond * 5 / 4 {
			now := time.Unix(1000, 0)
			g, written, read := pauses{began: now}, 0.0, 0
			waited := 0
			for round := range 200 {
				now = now.Add(50 * time.Microsecond) // the time that reading takes
				written += float64(perSecond) * 50e-6
				came := int(written) - read
				read += came
				var pause time.Duration
				for left := came * size; left > 0; left -= 15 << 10 {
					pause = g.after(min(left, 15<<10), read, false, now)
				}
				now = now.Add(pause)
				written += float64(perSecond) * pause.Seconds()
				if full := float64(read + holds); written > full {
					written = full
					if round >= beginning {
						waited++
					}
				}
			}
			if waited > 0 {
				t.Errorf("%d lines of %d bytes a second: the socket was full %d times", perSecond, size, waited)
			}
		}
	}
}

// Messages that the Engine has written one by one are counted so, complete or in pieces.
func TestMessagesAreCounted(t *testing.T) {
	long := strings.Repeat("x", maxMessage+1)
	for name, tc := range map[string]struct {
		in   []byte
		tty  bool
		want int
	}{
		"framed":     {frames(frame(1, t1+" a\n"), frame(2, t1+" b"), frame(2, t1+" c\n"), frame(1, "")), false, 4},
		"overlong":   {frames(frame(1, t1+" "+long+"\n"), frame(1, t1+" a\n")), false, 2},
		"terminal's": {[]byte(t1 + " a\r\n" + t1 + " b\r\n" + t1 + " c"), true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			d := decoder{lines: tail.Lines{Terminal: tc.tty, MaxBytes: 256 << 10}}
			d.decode(tc.in)
			for d.next() {
			}
			if d.err != nil || d.messages != tc.want {
				t.Errorf("%d messages (%v), want %d", d.messages, d.err, tc.want)
			}
		})
	}
}
