package containers

// ooms counts how often the kernel has killed a process of a container because it was out of memory,
// since the container was first seen. Three that may each miss some tell of it: the counter of the
// cgroup, which is gone with the container's last process, the Engine's events, and the Engine's
// description of the container, which has a mark for a whole run. The largest count of a run is used.
type ooms struct {
	before uint64 // in earlier runs

	kills    uint64 // in this run, as the cgroup counts, since the first sample
	base     uint64 // what the cgroup had counted before
	based    bool   // base is known
	events   uint64 // in this run
	marked   bool   // the run has the mark
	oldMark  bool   // the run had the mark when the container was first seen
	observed bool   // the run was seen from its start
}

func newOOMs(marked bool) ooms { return ooms{oldMark: marked} }

// begin tells that a new run has begun.
func (o *ooms) begin() { *o = ooms{before: o.total(), observed: true} }

// killed notes whether the Engine now marks the run as killed for lack of memory.
func (o *ooms) killed(marked bool) { o.marked = o.marked || marked && !o.oldMark }

// event tells of an event of the Engine.
func (o *ooms) event() { o.events++ }

// counted tells what the cgroup has counted. What it counted before the first sample is left out,
// unless the run was seen from its start: the count must not leap when the agent starts.
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

// OutOfMemory counts an event of the Engine that says that a container was out of memory. Without these
// events, a kill that ends a container may be missed if the container starts again at once.
func (c *Collector) OutOfMemory(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.known[id]; k != nil {
		k.ooms.event()
	}
}
