package process

import (
	"fmt"
	"io"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/stage"
)

// Options are the parameters of a Pipeline besides its arguments.
type Options struct {
	// Name is the component's name, such as "loki.process.default". It is also the name of the stages in
	// their chains, and the label component_id of the metrics.
	Name    string
	Metrics *Shared // one per process
}

// Pipeline holds the compiled stages of one loki.process or loki.relabel component. The logs that pass
// through the component share its Pipeline, and with it what Alloy has once per component: the buckets of
// stage.limit and the metrics of stage.metrics.
type Pipeline struct {
	*program
	name    string
	metrics *Shared
	closers []io.Closer
	custom  []*custom
}

// New compiles the stages of a loki.process component. The caller closes the Pipeline when no log uses it
// any more.
func New(a Arguments, o Options) (*Pipeline, error) {
	p := &Pipeline{name: o.Name, metrics: o.Metrics}
	if err := p.compile(a.Stages); err != nil {
		p.Close()
		return nil, err
	}
	p.metrics.add(p.custom)
	return p, nil
}

// Relabel returns a Pipeline that does what a loki.relabel component does: it changes the labels of entries
// by rules. It drops entries that a rule drops, and entries without labels.
func Relabel(rules []*relabel.Config, o Options) *Pipeline {
	p := &Pipeline{name: o.Name, metrics: o.Metrics, program: &program{}}
	p.ops = []op{&relabeling{
		rules:     rules,
		processed: p.metrics.counter(p.metrics.relabelProcessed, o.Name),
		written:   p.metrics.counter(p.metrics.relabelWritten, o.Name),
	}}
	return p
}

// Way is one of several ways that the same entries take through a component: a log is read once for each endpoint
// that it is sent to, so that no endpoint waits for another one.
type Way struct {
	Name  string // of what follows the component; each has buckets of stage.limit of its own
	Again bool   // another way counts the entries
}

// Maker makes the stage of a log on a way. The stage is stage.Clocked if the stages include a stage.multiline or a
// stage.cri, and a stage.Keeper if a stage.timestamp may fudge times.
func (p *Pipeline) Maker(w Way) stage.Maker {
	return stage.Maker{Name: p.name, New: func(log stage.Log, next lighter.Logs) lighter.Logs {
		if len(p.ops) == 0 {
			return next
		}
		r := newRunner(p, log, next)
		r.way = w
		r.restoreClocks(log.State)
		switch {
		case p.holds && p.clocked:
			return &holdingKeeper{newHolding(r)}
		case p.holds:
			return newHolding(r)
		case p.clocked:
			return &keeper{r}
		}
		return r
	}}
}

// Close removes the component's metrics from the page and closes its databases. No log may use the pipeline
// any more.
func (p *Pipeline) Close() {
	p.metrics.remove(p.custom)
	for _, c := range p.closers {
		_ = c.Close() // the file was opened for reading only
	}
}

// keeper and holdingKeeper are stages that are stage.Keepers.
type (
	keeper        struct{ *runner }
	holdingKeeper struct{ *holding }
)

// Keep implements stage.Keeper.
func (k *keeper) Keep(b []byte) []byte { return k.appendClocks(b) }

// Keep implements stage.Keeper.
func (k *holdingKeeper) Keep(b []byte) []byte { return k.appendClocks(b) }

// relabeling is the op of loki.relabel.
type relabeling struct {
	rules              []*relabel.Config
	processed, written *counter
}

func (o *relabeling) run(r *runner, x *entry, at int) int {
	r.count(o.processed, 1)
	if r.through(x, at, func(b *labels.Builder) bool {
		return relabel.ProcessBuilder(b, o.rules...) && !b.Labels().IsEmpty()
	}) == gone {
		return none
	}
	r.count(o.written, 1)
	return at + 1
}

// program is a compiled list of stages.
type program struct {
	ops []op

	names       []string // of extracted values that stages name, by slot
	slots       map[string]int
	sortedSlots []int // slots sorted by name
	all         bool  // a stage reads values whose names are unknown in advance

	holds   bool // a stage holds entries back
	clocked bool // a stage remembers times
}

// where adds the position and the name of a stage to an error.
func where(i int, name string, err error) error {
	return fmt.Errorf("stage %d (stage.%s): %w", i+1, name, err)
}
