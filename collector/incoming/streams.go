package incoming

import (
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
)

// maxStreams is how many label sets a Streams remembers in each of its maps. What senders say of themselves
// becomes label sets, so their number has no bound of its own.
const maxStreams = 10_000

// maxKeyBytes is how long a label set may be that a Streams remembers. A longer one is made anew each time.
const maxKeyBytes = 4 << 10

// Streams gives the stream of a label set, so that there is one value for each set. It remembers those that
// are in use and forgets the others. It is safe for concurrent use.
type Streams struct {
	rules []*relabel.Config

	mu     sync.Mutex
	byRaw  recent // by the labels before the rules; nil if a rule drops them
	byKept recent // by the labels that the stream has
	key    []byte
}

// NewStreams returns a Streams with these rules.
func NewStreams(rules []*relabel.Config) *Streams { return &Streams{rules: rules} }

// Get returns the stream of entries with these labels: the rules are run, and labels that begin with two
// underscores are left out afterwards. It returns nil if a rule drops the entries. Of a tenant that is not
// empty the stream has the label lighter.LabelTenant.
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
