package redact

import (
	"context"
	"encoding/binary"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lighter"
	"lighter/collector/stage"
)

// Metrics counts what all stages of a process redact.
type Metrics struct {
	redactions *prometheus.CounterVec
}

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	return &Metrics{promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "lighter_log_redactions_total", Help: "Secrets in log lines that were replaced before the lines left, by the rule that found them."}, []string{"service", "rule"})}
}

// Forget removes the counters of a service that is gone.
func (m *Metrics) Forget(service string) {
	m.redactions.DeletePartialMatch(prometheus.Labels{"service": service})
}

// Maker makes stages that redact each entry and its structured metadata. A changed line that is longer than
// limit bytes is cut. The stage remembers which streams are inside a private key that spans several
// entries, so it must follow all stages that hold entries back.
func (r *Redactor) Maker(m *Metrics, limit int) stage.Maker {
	return stage.Maker{Name: "redact", New: func(log stage.Log, next lighter.Logs) lighter.Logs {
		s := &redacting{r: r, m: m, service: log.Service, limit: limit, next: next}
		s.hit = s.count
		s.restore(log.State)
		return s
	}}
}

// redacting is the stage of a log.
type redacting struct {
	r       *Redactor
	m       *Metrics
	service string
	limit   int
	next    lighter.Logs

	counters [len(rules)]prometheus.Counter // created with the first secret of the rule
	hit      func(rule int)                 // the method count
	buffer   []byte                         // for a changed line
	keys     []openKey
}

// openKey is a private key that spans several entries of a stream.
type openKey struct {
	stream uint64 // a hash of the stream's labels, which is the same after a restart
	key
}

func (s *redacting) count(rule int) {
	if s.counters[rule] == nil {
		s.counters[rule] = s.m.redactions.WithLabelValues(s.service, rules[rule].Name)
	}
	s.counters[rule].Inc()
}

// Append redacts the entries of a batch and hands it on.
func (s *redacting) Append(ctx context.Context, b *lighter.Batch) error {
	for i := range b.Entries {
		e := &b.Entries[i]
		s.entry(b, e)
		if e.Fields != 0 {
			s.fields(b, b.Fields(e))
		}
	}
	return s.next.Append(ctx, b)
}

func (s *redacting) entry(b *lighter.Batch, e *lighter.Entry) {
	if len(s.keys) > 0 && s.within(b, e) {
		return
	}
	out, changed, open := s.r.redact(s.buffer[:0], e.Line, s.limit, s.hit)
	if changed {
		e.Line = s.keep(b, out)
	}
	if open {
		s.keys = append(s.keys, openKey{stream: streamOf(b, e)})
	}
}

// keep returns a copy of a line that was made in the stage's buffer.
func (s *redacting) keep(b *lighter.Batch, out []byte) []byte {
	if s.buffer = out; cap(out) > maxBuffer {
		s.buffer = nil // do not retain the memory of one long line
	}
	return b.Copy(out)
}

const maxBuffer = 16 << 10

func streamOf(b *lighter.Batch, e *lighter.Entry) uint64 { return b.Streams[e.Stream].Labels.Hash() }

// within redacts a line of a private key that began in an earlier entry of the stream. It reports whether
// the line was part of one.
func (s *redacting) within(b *lighter.Batch, e *lighter.Entry) bool {
	stream := streamOf(b, e)
	for i := range s.keys {
		k := &s.keys[i]
		if k.stream != stream {
			continue
		}
		sp, ok := k.take(e.Line)
		if ok {
			e.Line = s.keep(b, replaced(s.buffer[:0], e.Line, sp, s.limit))
			s.count(int(sp.rule))
		}
		if k.lines == 0 {
			s.keys = append(s.keys[:i], s.keys[i+1:]...)
		}
		return ok
	}
	return false
}

// fields redacts structured metadata.
func (s *redacting) fields(b *lighter.Batch, fields []lighter.Field) {
	for i := range fields {
		f := &fields[i]
		out, changed := s.r.Field(s.buffer[:0], f.Name, f.Value, s.limit, s.hit)
		if changed {
			f.Value = s.keep(b, out)
		}
	}
}

// Keep implements stage.Keeper. It keeps the stream and the state of each open key.
func (s *redacting) Keep(b []byte) []byte {
	for _, k := range s.keys {
		b = binary.LittleEndian.AppendUint64(b, k.stream)
		last := byte(0)
		if k.last {
			last = 1
		}
		b = append(b, k.lines, last)
	}
	return b
}

const keptBytes = 10 // per key

// restore reads what Keep wrote.
func (s *redacting) restore(state []byte) {
	for ; len(state) >= keptBytes; state = state[keptBytes:] {
		s.keys = append(s.keys, openKey{binary.LittleEndian.Uint64(state), key{state[8], state[9] == 1}})
	}
}
