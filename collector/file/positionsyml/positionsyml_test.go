package positionsyml_test

import (
	"testing"

	"lighter/collector/file/positionsyml"
)

const (
	promtail = `positions:
  /var/log/syslog: "1234"
  /var/log/auth.log: 99
  cursor-0123abcd: "1767323045"
  journal-system: s=abc;i=1
  /bad: [1]
`
	alloy = `positions:
    ? path: /var/log/syslog
      labels: '{job="syslog"}'
    : "10"
    ? path: /var/log/syslog
      labels: '{job="other"}'
    : "20"
    ? path: cursor-0123abcd
      labels: '{__address__="172.17.0.2:80", container="x"}'
    : "1767323045"
    ? path: cursor-0123abcd
      labels: '{}'
    : "1767323040"
    ? {path: /one, labels: '{a="b"}'}
    : "7"
`
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		text, path, labels string
		want               int64 // negative: there is none
	}{
		{promtail, "/var/log/syslog", `{job="x"}`, 1234},
		{promtail, "/var/log/auth.log", `{}`, 99},
		{promtail, "/var/log/none", `{}`, -1},
		{promtail, "/bad", `{}`, -1},
		{promtail, "journal-system", `{}`, -1},
		{alloy, "/var/log/syslog", `{job="syslog"}`, 10},
		{alloy, "/var/log/syslog", `{job="other"}`, 20},
		{alloy, "/var/log/syslog", `{job="third"}`, -1},
		{alloy, "/one", `{c="d"}`, 7},
	} {
		p, _, err := positionsyml.Parse([]byte(tc.text))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Offset(tc.path, tc.labels)
		if !ok {
			got = -1
		}
		if got != tc.want {
			t.Errorf("the offset of %s %s is %d, want %d", tc.path, tc.labels, got, tc.want)
		}
	}
}

func TestContainer(t *testing.T) {
	for text, want := range map[string]int64{promtail: 1767323045, alloy: 1767323040} {
		p, bad, err := positionsyml.Parse([]byte(text))
		if err != nil || bad != map[string]int{promtail: 1, alloy: 0}[text] {
			t.Errorf("%d bad entries, error %v", bad, err)
		}
		if got, ok := p.Container("0123abcd"); !ok || got != want {
			t.Errorf("the container's log was read up to %d, want %d", got, want)
		}
		if ids := p.Containers(); len(ids) != 1 || ids[0] != "0123abcd" {
			t.Errorf("the containers are %q", ids)
		}
		if _, ok := p.Container("4567"); ok {
			t.Error("a container has a position that has none")
		}
	}
}

func TestErrors(t *testing.T) {
	for _, text := range []string{"positions: [", "positions: 3", "- a", "\x00"} {
		if _, _, err := positionsyml.Parse([]byte(text)); err == nil {
			t.Errorf("%q is read without an error", text)
		}
	}
	for _, text := range []string{"", "positions:\n", "positions: {}\n", "other: 1\n"} {
		if p, bad, err := positionsyml.Parse([]byte(text)); err != nil || bad != 0 || len(p.Containers()) != 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
	var none *positionsyml.Positions
	if _, ok := none.Offset("/a", "{}"); ok || len(none.Containers()) != 0 {
		t.Error("nil has positions")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(promtail))
	f.Add([]byte(alloy))
	f.Add([]byte("positions:\n  ? [a]\n  : 1\n  ? {path: 3}\n  : x\n  &a /x: *a\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, bad, err := positionsyml.Parse(b)
		if err != nil {
			return
		}
		if bad < 0 {
			t.Errorf("%d bad entries", bad)
		}
		for _, id := range p.Containers() {
			if seconds, ok := p.Container(id); ok && seconds < 0 {
				t.Errorf("container %q was read up to %d", id, seconds)
			}
		}
	})
}
