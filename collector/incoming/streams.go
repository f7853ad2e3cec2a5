package incoming

import (
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
)

// maxStreams is how many label sets a Streams remembers in each of its maps. Senders choose labels, so the number of
// label sets has no other bound.
const maxStreams = 10_000

// maxKeyBytes is the size of the largest label set that a Streams remembers. A larger one is made anew each time.
const maxKeyBytes = 4 << 10

// Streams returns the same stream for the same label set for as long as the label set is in use. It forgets label
// sets that are not in use. It is safe for concurrent use.
type Streams struct {
	rules []*relabel.Config

	mu     sync.Mutex
	byRaw  recent // by the labels before the rules; nil if a rule drops them
	byKept recent // by the labels that the stream has
	key    []byte
}

// NewStreams returns a Streams that applies rules.
func NewStreams(rules []*relabel.Config) *Streams { return &Streams{rules: rules} }

// Get returns the stream of entries that come with the labels l. It applies the rules, and removes labels that begin
// with two underscores afterwards. It returns nil if a rule drops the entries. If tenant is not empty, the stream
// has it as the label lighter.LabelTenant.
func (s *Streams) Get(l labels.Labels, tenant string) *lighter.Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = append(append(append(s.key[:0], tenant...), 0), l.Bytes(nil)...)
	if known, ok := s.byRaw.get(s.key); ok {
		return known
	}
	raw := string(s.key)
	kept, keep := s.relabel(l, tenant)
	if !keep {
		s.byRaw.put(raw, nil)
		return nil
	}
	s.key = append(s.key[:0], kept.Bytes(nil)...)
	stream, ok := s.byKept.get(s.key)
	if !ok {
		stream = lighter.NewStream(kept)
		s.byKept.put(string(s.key), stream)
	}
	s.byRaw.put(raw, stream)
	return stream
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

// recent remembers streams by keys, between maxStreams and twice as many of them: when young is full it
// becomes old, and what nobody has asked for while it was old is forgotten.
type recent struct {
	young, old map[string]*lighter.Stream
}

func (r *recent) get(key []byte) (*lighter.Stream, bool) {
	if s, ok := r.young[string(key)]; ok {
		return s, true
	}
	s, ok := r.old[string(key)]
	if ok {
		r.put(string(key), s)
	}
	return s, ok
}

func (r *recent) put(key string, s *lighter.Stream) {
	if len(key) > maxKeyBytes {
		return
	}
	if r.young == nil || len(r.young) >= maxStreams {
		r.young, r.old = map[string]*lighter.Stream{}, r.young
	}
	r.young[key] = s
}
