package containers

import (
	"context"
	"errors"
	"time"

	"lighter"
)

// sizePause is the time between two walks, so that a disk is not kept busy.
const sizePause = time.Second

// walk asks the Engine for the size of one container's files after another, every SizeInterval. The Engine
// has to read directories, which takes seconds for a container that has written many files.
func (c *Collector) walk(ctx context.Context) {
	if !sleep(ctx, c.SizeDelay) {
		return
	}
	var failures lighter.Failures
	for begun := time.Now(); ctx.Err() == nil; begun = time.Now() {
		for _, w := range c.Wanted() {
			if !w.Running {
				continue
			}
			n, err := c.Engine.WritableBytes(ctx, w.ID)
			if ctx.Err() != nil {
				return
			}
			if err != nil && !errors.Is(err, lighter.ErrGone) && failures.Set(err) {
				c.Logger.Warn("the disk usage of a container is not known", "container", w.Name, "error", err)
			}
			c.mu.Lock()
			if k := c.known[w.ID]; k != nil {
				k.size = value{float64(n), err == nil}
			}
			c.mu.Unlock()
			if !sleep(ctx, sizePause) {
				return
			}
		}
		if !sleep(ctx, SizeInterval-time.Since(begun)) {
			return
		}
	}
}
