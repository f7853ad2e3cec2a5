package containers

// ooms counts how often the kernel has killed a process of a container for lack of memory, since the
// container was first seen. There are three sources, each of which may miss some kills: the counter of the
// cgroup, which disappears with the container's last process, the Engine's events, and the Engine's
// description of the container, which has one mark for a whole run. The largest count of a run is used.
type ooms struct {
	before uint64 // in earlier runs

	kills    uint64 // in this run, as counted by the cgroup since the first sample
	base     uint64 // what the cgroup had counted before that
	based    bool   // base is known
	events   uint64 // events in this run
	marked   bool   // the run has the Engine's mark
	oldMark  bool   // the run already had the mark when the container was first seen
	observed bool   // the run was observed from its start
}

func newOOMs(marked bool) ooms { return ooms{oldMark: marked} }

// begin starts a new run.
func (o *ooms) begin() { *o = ooms{before: o.total(), observed: true} }

// killed records whether the Engine marks the run as killed for lack of memory.
func (o *ooms) killed(marked bool) { o.marked = o.marked || marked && !o.oldMark }

// event records an event of the Engine.
func (o *ooms) event() { o.events++ }

// counted records the cgroup's counter. What it counted before the first sample is ignored, unless the run
// was observed from its start: the count must not leap when the agent starts.
func (o *ooms) counted(n uint64) {
	if !o.based {
		o.based = true
		if !o.observed {
			o.base = n
		}
	}
	if n >= o.base {
		o.kills = max(o.kills, n-o.base)
	}
}

func (o *ooms) total() uint64 {
	n := max(o.kills, o.events)
	if o.marked {
		n = max(n, 1)
	}
	return o.before + n
}

// OutOfMemory counts an Engine event that reports that a container was out of memory. Without these events,
// a kill that ends a container may be missed if the container starts again at once.
func (c *Collector) OutOfMemory(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.known[id]; k != nil {
		k.ooms.event()
	}
}
