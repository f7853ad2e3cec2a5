package process

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
)

// sink records the batches that it gets, and releases them at once unless it holds.
type sink struct {
	holds bool
	shut  bool // there is no room

	mu      sync.Mutex // clocks append, too
	held    []*lighter.Batch
	batches int
	got     []string
}

func (s *sink) Append(ctx context.Context, b *lighter.Batch) error {
	if s.shut {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	for i := range b.Entries {
		s.got = append(s.got, show(b, &b.Entries[i]))
	}
	if s.holds {
		b.Hold()
		s.held = append(s.held, b)
	}
	return nil
}

// show formats an entry: its labels, its time, its structured metadata if any, and its line.
func show(b *lighter.Batch, e *lighter.Entry) string {
	var sb strings.Builder
	sb.WriteString(b.Streams[e.Stream].Labels.String())
	if e.Time != 0 {
		sb.WriteString(" " + time.Unix(0, e.Time).UTC().Format(time.RFC3339Nano))
	}
	var fields []string
	for _, f := range b.Fields(e) {
		fields = append(fields, f.Name+"="+string(f.Value))
	}
	if len(fields) > 0 {
		sb.WriteString(" [" + strings.Join(fields, " ") + "]")
	}
	return sb.String() + " " + string(e.Line)
}

// pipe is a pipeline of stages with one log.
type pipe struct {
	t        *testing.T
	pipeline *Pipeline
	reg      *prometheus.Registry
	chain    *stage.Chain
	end      *sink
	streams  []*lighter.Stream
}

// newPipe makes a pipe of stages in Alloy's syntax.
func newPipe(t *testing.T, text string, sets ...labels.Labels) *pipe {
	t.Helper()
	a, err := decode(text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return pipeOf(t, a, sets...)
}

func pipeOf(t *testing.T, a Arguments, sets ...labels.Labels) *pipe {
	t.Helper()
	reg := prometheus.NewRegistry()
	made, err := New(a, Options{Name: "loki.process.test", Metrics: NewShared(reg)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	p := &pipe{t: t, pipeline: made, reg: reg, end: &sink{}}
	p.chain = stage.NewChain(p.end, stage.Log{}, nil, made.Maker(Way{}))
	for _, set := range sets {
		p.streams = append(p.streams, lighter.NewStream(set))
	}
	return p
}

// in is an entry that a pipe reads.
type in struct {
	line   string
	at     time.Time
	stream int
	fields []lighter.Field
}

// batch makes a batch of entries.
func (p *pipe) batch(entries ...in) *lighter.Batch {
	b := &lighter.Batch{Streams: slices.Clone(p.streams)}
	for _, e := range entries {
		one := lighter.Entry{Line: []byte(e.line), Stream: int32(e.stream)}
		if !e.at.IsZero() {
			one.Time = e.at.UnixNano()
		}
		for _, f := range e.fields {
			b.AddField(&one, f.Name, slices.Clone(f.Value))
		}
		b.Entries = append(b.Entries, one)
	}
	b.Begin(nil)
	return b
}

func (p *pipe) read(entries ...in) {
	p.t.Helper()
	b := p.batch(entries...)
	if err := p.chain.Append(p.t.Context(), b); err != nil {
		p.t.Fatal(err)
	}
	b.Done()
}

// release ends the log.
func (p *pipe) release() {
	p.t.Helper()
	if err := p.chain.Release(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// page returns the metrics whose names begin with prefix.
func (p *pipe) page(prefix string) string {
	p.t.Helper()
	families, err := p.reg.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	var sb strings.Builder
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), prefix) {
			f.Help = nil
			if _, err := expfmt.MetricFamilyToText(&sb, f); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	var lines []string
	for l := range strings.SplitSeq(sb.String(), "\n") {
		if l != "" && l[0] != '#' {
			lines = append(lines, strings.NewReplacer(`component_id="loki.process.test",`, "", `,component_id="loki.process.test"`, "").Replace(l))
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), `{component_id="loki.process.test"}`, "")
}

func mustParseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(fmt.Sprint("the test has a wrong time: ", err))
	}
	return t
}
