package agent

import (
	"testing"
	"time"

	"lighter"
)

func TestBeginning(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }
	for name, tc := range map[string]struct {
		container, now time.Time
		since          time.Duration
		want           time.Time
	}{
		"before the start":                     {at(1), at(40), 10 * time.Minute, at(20)},
		"from now on is from the start on":     {at(1), at(40), 0, at(30)},
		"a container that starts later":        {at(35), at(40), 0, at(30)},
		"the clock was set back":               {time.Time{}, at(10), 5 * time.Minute, at(5)},
		"and a container was started after it": {at(9), at(10), 0, at(9)},
	} {
		if got := beginning(&lighter.Container{Started: tc.container}, at(30), tc.now, tc.since); got != tc.want.UnixNano() {
			t.Errorf("%s: %s, want %s", name, time.Unix(0, got).UTC(), tc.want)
		}
	}
	if got := beginning(&lighter.Container{}, time.Unix(5, 0), time.Unix(6, 0), time.Hour); got != 0 {
		t.Errorf("before 1970: %d", got)
	}
}
