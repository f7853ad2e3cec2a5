package process

import (
	"fmt"
	"io"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/stage"
)

// Options are what a Pipeline is made with beside its arguments.
type Options struct {
	// Name is the component's, such as "loki.process.default". It is the name of the stages in their chains, and
	// the label component_id of the metrics.
	Name    string
	Metrics *Shared // of the process
}

// Pipeline is the stages of one loki.process or loki.relabel component, compiled. There is one for a component;
// the logs that pass through the component share it, and with it what Alloy has once for a component: the buckets
// of stage.limit and the metrics of stage.metrics.
type Pipeline struct {
	*program
	name    string
	metrics *Shared
	closers []io.Closer
	custom  []*custom
}

// New compiles the stages of a loki.process component. Whoever has a Pipeline closes it when no log uses it any more.
func New(a Arguments, o Options) (*Pipeline, error) {
	p := &Pipeline{name: o.Name, metrics: o.Metrics}
	if err := p.compile(a.Stages); err != nil {
		p.Close()
		return nil, err
	}
	p.metrics.add(p.custom)
	return p, nil
}

// Relabel returns what a loki.relabel component does: it changes the labels of entries by rules, and drops the
// entries that a rule drops, and those that have no label left.
func Relabel(rules []*relabel.Config, o Options) *Pipeline {
	p := &Pipeline{name: o.Name, metrics: o.Metrics, program: &program{}}
	p.ops = []op{&relabeling{
		rules:     rules,
		processed: p.metrics.counter(p.metrics.relabelProcessed, o.Name),
		written:   p.metrics.counter(p.metrics.relabelWritten, o.Name),
	}}
	return p
}

// Maker returns the maker of the stage of a log. The stage is stage.Clocked if a stage.multiline or a stage.cri is
// among the stages, and a stage.Keeper if a stage.timestamp may fudge.
func (p *Pipeline) Maker() stage.Maker {
	return stage.Maker{Name: p.name, New: func(log stage.Log, next lighter.Logs) lighter.Logs {
		if len(p.ops) == 0 {
			return next
		}
		r := newRunner(p, log, next)
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

// Close takes the component's metrics off the page, and closes its databases. No log uses the pipeline any more.
func (p *Pipeline) Close() {
	p.metrics.remove(p.custom)
	for _, c := range p.closers {
		_ = c.Close() // it was only read
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

// relabeling is what loki.relabel does.
type relabeling struct {
	rules              []*relabel.Config
	processed, written *counter
}

func (o *relabeling) run(r *runner, x *entry, at int) int {
	o.processed.inc()
	if r.through(x, at, func(b *labels.Builder) bool {
		return relabel.ProcessBuilder(b, o.rules...) && !b.Labels().IsEmpty()
	}) == gone {
		return none
	}
	o.written.inc()
	return at + 1
}

// program is what a list of stages is compiled to.
type program struct {
	ops []op

	names       []string // of the extracted values that a stage names, by slot
	slots       map[string]int
	sortedSlots []int // by name
	all         bool  // a stage looks at values whose names are not known before

	holds   bool // a stage holds entries back
	clocked bool // a stage remembers times
}

// where says where a stage stands, for errors.
func where(i int, name string, err error) error {
	return fmt.Errorf("stage %d (stage.%s): %w", i+1, name, err)
}
