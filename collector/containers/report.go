package containers

import (
	"errors"

	"lighter"
)

// reportLocked logs an error unless it is the same as the last one. An error that all containers share,
// such as that of an Engine that cannot be reached, is logged once.
func (c *Collector) reportLocked(k *known, w Container, err error) {
	if err == nil {
		if k.failure != "" && c.lastReported != "" {
			c.Logger.Info("containers can be measured again", "container", w.Name)
			c.lastReported = ""
		}
		k.failure = ""
		return
	}
	if errors.Is(err, lighter.ErrGone) {
		return // discovery will find that, too
	}
	text := err.Error()
	if text != k.failure && text != c.lastReported {
		c.Logger.Warn("a container cannot be measured, so some of its metrics are missing", "container", w.Name, "error", err)
		c.lastReported = text
	}
	k.failure = text
}
