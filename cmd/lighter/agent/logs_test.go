package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lighter"
	"lighter/config"
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

// An entry is counted on one of the paths on which it reaches a stage in the same way.
func TestWays(t *testing.T) {
	stages := func(name string, to ...string) config.Node {
		return config.Node{Name: name, Args: config.Stages{}, To: to}
	}
	plan := &config.Plan{Nodes: []config.Node{
		{Name: "source", Args: config.FileSource{}, To: []string{"a", "b"}},
		stages("a", "c", "w1"),
		stages("b", "c"),
		stages("c", "w1", "w2"),
		{Name: "w1"},
		{Name: "w2"},
	}}
	var got []string
	for _, p := range paths(plan) {
		for i, w := range p.ways {
			got = append(got, fmt.Sprintf("%s: %s to %s, again %v", p.name, p.through[i].Name, w.Name, w.Again))
		}
	}
	want := []string{
		"w1+a+c: a to c+w1, again false",
		"w1+a+c: c to w1, again false",
		"w2+a+c: a to c+w2, again true",
		"w2+a+c: c to w2, again true",
		"w1+a: a to w1, again true",
		"w1+b+c: b to c+w1, again false",
		"w1+b+c: c to w1, again false",
		"w2+b+c: b to c+w2, again true",
		"w2+b+c: c to w2, again true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the ways are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
