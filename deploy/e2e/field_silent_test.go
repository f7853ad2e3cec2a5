package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// noticed is the time within which the agent must notice a silent response.
const noticed = 3 * time.Minute

// silent lets nothing more pass in an open response although the log grows. The agent must notice that.
func (l *lab) silent(t *testing.T) {
	if l.stage != l.machine {
		t.Skip("only the socket in front of the Engine falls silent, so one Engine is enough")
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
