package incoming

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
)

func rule(c relabel.Config) *relabel.Config {
	full := relabel.DefaultRelabelConfig
	full.Action, full.SourceLabels, full.TargetLabel = c.Action, c.SourceLabels, c.TargetLabel
	if c.Regex.Regexp != nil {
		full.Regex = c.Regex
	}
	full.NameValidationScheme = model.LegacyValidation
	return &full
}

func TestStreams(t *testing.T) {
	s := NewStreams([]*relabel.Config{
		rule(relabel.Config{Action: relabel.Drop, SourceLabels: model.LabelNames{"__level"}, Regex: relabel.MustNewRegexp("debug")}),
		rule(relabel.Config{Action: relabel.Replace, SourceLabels: model.LabelNames{"__host"}, TargetLabel: "host"}),
	})
	for name, tc := range map[string]struct {
		in     labels.Labels
		tenant string
		want   string
	}{
		"a rule makes a label":             {labels.FromStrings("__host", "a", "job", "x"), "", `{host="a", job="x"}`},
		"a tenant":                         {labels.FromStrings("job", "x"), "t", `{__tenant_id__="t", job="x"}`},
		"a tenant that a sender writes":    {labels.FromStrings("job", "x", "__tenant_id__", "other"), "", `{job="x"}`},
		"no label is left":                 {labels.FromStrings("__x", "a"), "", `{}`},
		"a rule drops":                     {labels.FromStrings("__level", "debug", "job", "x"), "", ""},
		"and drops it the next time again": {labels.FromStrings("__level", "debug", "job", "x"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				got := s.Get(tc.in, tc.tenant)
				if (got == nil) != (tc.want == "") || got != nil && got.Labels.String() != tc.want {
					t.Errorf("stream %v, want %s", got, tc.want)
				}
			}
		})
	}
	a, b := s.Get(labels.FromStrings("__host", "a", "__pid", "1"), ""), s.Get(labels.FromStrings("__host", "a", "__pid", "2"), "")
	if a != b {
		t.Error("two streams for one label set")
	}
}

// However many label sets come, those in use keep their streams and the others are forgotten.
func TestStreamsAreBounded(t *testing.T) {
	s := NewStreams(nil)
	used := labels.FromStrings("job", "used")
	stream, other := s.Get(used, ""), s.Get(labels.FromStrings("pid", "0"), "")
	for i := range 5 * maxStreams {
		s.Get(labels.FromStrings("pid", fmt.Sprint(i)), "")
		if i%1000 == 0 && s.Get(used, "") != stream {
			t.Fatalf("after %d others the stream is another one", i)
		}
	}
	if s.Get(other.Labels, "") == other {
		t.Error("a label set that is not in use is remembered")
	}
}

// Label sets that are very long give streams, too, but do not stay in memory.
func TestLongLabelSetsAreNotRemembered(t *testing.T) {
	s := NewStreams(nil)
	long := labels.FromStrings("job", strings.Repeat("x", 100<<10))
	var before *lighter.Stream
	for range 2 {
		stream := s.Get(long, "")
		if stream == nil || !labels.Equal(stream.Labels, long) {
			t.Fatalf("stream %v", stream)
		}
		if stream == before {
			t.Error("the label set is remembered")
		}
		before = stream
	}
}

func TestClock(t *testing.T) {
	var c Clock
	last := c.Next()
	for range 1000 {
		next := c.Next()
		if next <= last {
			t.Fatalf("%d after %d", next, last)
		}
		last = next
	}
}

// path keeps the batches that it is given, and changes them as a stage may.
type path struct {
	batches []*lighter.Batch
	text    string
	err     error
}

func (p *path) Append(_ context.Context, b *lighter.Batch) error {
	if p.err != nil {
		return p.err
	}
	b.Hold()
	for i := range b.Entries {
		p.text += string(b.Entries[i].Line)
		for _, f := range b.Fields(&b.Entries[i]) {
			p.text += "{" + f.Name + "=" + string(f.Value) + "}"
		}
		b.Entries[i].Line = b.Copy([]byte("changed"))
		b.AddField(&b.Entries[i], "added", nil)
	}
	p.batches = append(p.batches, b)
	return nil
}

func newBatch() *lighter.Batch {
	b := &lighter.Batch{Streams: []*lighter.Stream{lighter.NewStream(labels.FromStrings("a", "b"))}, Entries: []lighter.Entry{{Line: []byte("one ")}, {Line: []byte("two")}}}
	b.AddField(&b.Entries[1], "k", []byte("v"))
	return b
}

func TestHandOn(t *testing.T) {
	one, two := &path{}, &path{}
	acknowledged, refused := 0, 0
	if err := (Paths{one, two}).HandOn(t.Context(), newBatch(), func(n int) { acknowledged++; refused = n }); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*path{one, two} {
		if p.text != "one two{k=v}" {
			t.Errorf("a path was given %q", p.text)
		}
	}
	one.batches[0].Done()
	if acknowledged != 0 {
		t.Fatal("acknowledged before the second path has")
	}
	two.batches[0].Refuse(1)
	two.batches[0].Done()
	if acknowledged != 1 || refused != 1 {
		t.Errorf("acknowledged %d times, %d refused", acknowledged, refused)
	}
}

func TestHandOnFails(t *testing.T) {
	one, two := &path{}, &path{err: context.Canceled}
	err := (Paths{one, two}).HandOn(t.Context(), newBatch(), func(int) { t.Error("acknowledged, though a path has not taken it") })
	if err != context.Canceled {
		t.Errorf("err = %v", err)
	}
	one.batches[0].Done()
}

func TestHandOnToNobody(t *testing.T) {
	done := false
	if err := (Paths{}).HandOn(t.Context(), newBatch(), func(int) { done = true }); err != nil || !done {
		t.Errorf("err = %v, acknowledged %t", err, done)
	}
}
