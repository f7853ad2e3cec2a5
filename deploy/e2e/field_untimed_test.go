package e2e

import (
	"bytes"
	"testing"
	"time"
)

// untimed lets the Engine send one message without a time among others that have one. The agent must count
// it as broken and continue reading.
func (l *lab) untimed(t *testing.T) {
	socket := l.recordingSocket(t)
	socket.Change(func(frame []byte) []byte {
		if _, text, timed := bytes.Cut(frame, []byte(" ")); timed && bytes.HasPrefix(text, []byte("broken")) {
			return text
		}
		return frame
	})
	a := l.agent(t, "untimed", agentOptions{include: "untimed-*", socket: socket.Path})
	g := l.generate(t, "untimed-lines", generatorOptions{says: []string{
		"out:one\n", "wait:10ms", "out:broken\n", "wait:10ms", "out:two\n", "wait:3s", "out:three\n", "stay"}})
	a.gets(t, 30*time.Second, g, "stdout", "one", "two", "three")
	if n := a.metric(t, "lighter_log_lines_broken_total"); n != 1 {
		t.Errorf("lighter_log_lines_broken_total is %v, want 1", n)
	}
	if n := asked(socket, "/logs"); n > 5 {
		t.Errorf("the log was requested %d times", n)
	}
	a.says(t, g.Name, "without a time")
	a.noGaps(t)
}
