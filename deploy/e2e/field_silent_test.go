package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// noticed is the time within which a silent answer must be found out.
const noticed = 3 * time.Minute

// silent has an open answer carry nothing any more though the log grows, which is noticed.
func (l *lab) silent(t *testing.T) {
	if l.stage != l.machine {
		t.Skip("the socket before the Engine falls silent, so one Engine is enough")
	}
	socket := l.recordingSocket(t)
	a := l.agent(t, "silent", agentOptions{include: "silent-*", socket: socket.Path})
	g := l.generate(t, "silent-lines", generatorOptions{}, "-rate", "5", "-stderr", "4")
	a.waitDelivered(t, 10)
	if socket.Mute(g.ID) == 0 {
		t.Fatal("the agent does not follow the log")
	}
	had := a.pushes.Acknowledged()
	eventually(t, noticed, func(context.Context) error {
		if have := a.pushes.Acknowledged(); have < had+20 {
			return fmt.Errorf("%d lines were delivered since the Engine fell silent, want 20", have-had)
		}
		return nil
	})
	must(t, g.Stop(t.Context()))
	a.noGaps(t)
	a.verify(t, 30*time.Second, g)
}
