package incoming

import (
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/internal/recent"
)

// maxStreams is how many label sets a Streams remembers in each half of its maps. Senders choose labels, so the number
// of label sets has no other limit.
const maxStreams = 10_000

// maxKeyBytes is the size of the largest label set that a Streams remembers. A stream with a larger one is created each time.
const maxKeyBytes = 4 << 10

// Streams returns the same stream for the same label set for as long as the label set is in use. It forgets label
// sets that are not in use. It is safe for concurrent use.
type Streams struct {
	rules []*relabel.Config

	mu     sync.Mutex
	byRaw  recent.Map[string, *lighter.Stream] // by the labels before the rules; nil if a rule drops them
	byKept recent.Map[string, *lighter.Stream] // by the labels of the stream
	key    []byte
}

// NewStreams returns a Streams that applies rules.
func NewStreams(rules []*relabel.Config) *Streams {
	remembered := recent.Map[string, *lighter.Stream]{Half: maxStreams}
	return &Streams{rules: rules, byRaw: remembered, byKept: remembered}
}

// Get returns the stream of entries that come with the labels l. It applies the rules, and removes labels that begin
// with two underscores afterwards. It returns nil if a rule drops the entries. If tenant is not empty, the stream
// has it as the label lighter.LabelTenant.
func (s *Streams) Get(l labels.Labels, tenant string) *lighter.Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = append(append(append(s.key[:0], tenant...), 0), l.Bytes(nil)...)
	if known, ok := recent.GetBytes(&s.byRaw, s.key); ok {
		return known
	}
	raw := string(s.key)
	kept, keep := s.relabel(l, tenant)
	if !keep {
		s.remember(&s.byRaw, raw, nil)
		return nil
	}
	s.key = append(s.key[:0], kept.Bytes(nil)...)
	stream, ok := recent.GetBytes(&s.byKept, s.key)
	if !ok {
		stream = lighter.NewStream(kept)
		s.remember(&s.byKept, string(s.key), stream)
	}
	s.remember(&s.byRaw, raw, stream)
	return stream
}

func (s *Streams) remember(in *recent.Map[string, *lighter.Stream], key string, stream *lighter.Stream) {
	if len(key) <= maxKeyBytes {
		in.Put(key, stream)
	}
}

func (s *Streams) relabel(l labels.Labels, tenant string) (kept labels.Labels, keep bool) {
	b := labels.NewBuilder(l)
	if !relabel.ProcessBuilder(b, s.rules...) {
		return kept, false
	}
	b.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, "__") {
			b.Del(l.Name)
		}
	})
	if tenant != "" {
		b.Set(lighter.LabelTenant, tenant)
	}
	return b.Labels(), true
}
