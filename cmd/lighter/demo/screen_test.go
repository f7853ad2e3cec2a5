package demo_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"lighter/cmd/lighter/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var counts = []demo.Count{{Name: "shop-api-1", Produced: 1200, Delivered: 900}, {Name: "samples", Produced: -1, Delivered: 44}}

// terminal returns the lines that a terminal shows. It knows the escape sequences that a Screen uses.
func terminal(raw string) []string {
	var lines []string
	for raw != "" {
		var n int
		switch {
		case strings.HasPrefix(raw, "\r\x1b["):
			rest, after, _ := strings.Cut(raw[3:], "A")
			for _, c := range rest {
				n = n*10 + int(c-'0')
			}
			lines = lines[:len(lines)-n]
			raw = strings.TrimPrefix(after, "\x1b[J")
		default:
			line, after, _ := strings.Cut(raw, "\n")
			lines, raw = append(lines, line), after
		}
	}
	return lines
}

func TestTerminalRedraws(t *testing.T) {
	var out bytes.Buffer
	width := 50
	s := demo.NewScreen(&out, demo.ScreenOptions{Width: func() int { return width }})
	s.Title("lighter demo", "all of it")
	s.Draw(time.Second, counts)
	s.Say("something happened")
	counts[0].Delivered = 1000
	s.Draw(2*time.Second, counts)
	counts[0].Delivered = 900

	got := terminal(out.String())
	want := []string{
		"",
		"lighter demo  all of it",
		"something happened",
		"",
		"  2.0s        produced  delivered  under way",
		"  shop-api-1     1,200      1,000        200  ███",
		"  samples            ?         44          ?  ███",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("terminal (-want +got):\n%s", diff)
	}
	for _, line := range got {
		if n := utf8.RuneCountInString(line); n >= width {
			t.Errorf("%q takes %d of %d columns and may wrap", line, n, width)
		}
	}
	s.Clear()
	if diff := cmp.Diff(want[:3], terminal(out.String())); diff != "" {
		t.Errorf("after Clear (-want +got):\n%s", diff)
	}
}

func TestPlainIsALineNowAndThen(t *testing.T) {
	var out bytes.Buffer
	s := demo.NewScreen(&out, demo.ScreenOptions{})
	for at := time.Duration(0); at < 5*time.Second; at += 200 * time.Millisecond {
		s.Draw(at, counts)
	}
	s.Clear()
	s.Verdict(0)
	want := "  2.0s  delivered: shop-api-1 900 of 1,200, samples 44\n" +
		"  4.0s  delivered: shop-api-1 900 of 1,200, samples 44\n" +
		"✓ Nothing was lost.\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestColor(t *testing.T) {
	for _, color := range []bool{false, true} {
		var out bytes.Buffer
		s := demo.NewScreen(&out, demo.ScreenOptions{Color: color})
		s.Title("name", "text")
		s.Verdict(2)
		s.Logger(func() time.Duration { return 0 }).Warn("odd")
		if got := strings.Contains(out.String(), "\x1b"); got != color {
			t.Errorf("color %t: %q", color, out.String())
		}
	}
}

func TestLoggerSaysTheAgentsLines(t *testing.T) {
	var out bytes.Buffer
	log := demo.NewScreen(&out, demo.ScreenOptions{}).Logger(func() time.Duration { return 1500 * time.Millisecond })
	log.Info("the endpoint works again", "endpoint", "loki", "after", 2*time.Second)
	log.With("a", 1).Warn("odd")
	log.Debug("not shown")
	want := "  1.5s  lighter: msg=\"the endpoint works again\" endpoint=loki after=2s\n" +
		"  1.5s  lighter: level=WARN msg=odd a=1\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestTerminalOfNoTerminal(t *testing.T) {
	if o := demo.Terminal(&bytes.Buffer{}, func(string) string { return "" }); o.Width != nil || o.Color {
		t.Errorf("a buffer is taken for a terminal: %+v", o)
	}
}
