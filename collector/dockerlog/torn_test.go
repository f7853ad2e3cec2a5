package dockerlog_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/collector/stage"
	"lighter/collector/stage/multiline"
)

// A stack trace that is being read when the stream is lost becomes one entry, however long it takes until
// its rest is read.
func TestAnOutageDoesNotTearATrace(t *testing.T) {
	for name, outage := range map[string]func(s *script, meanwhile func()){
		"the Engine is away": func(s *script, meanwhile func()) {
			s.change(func() { s.away = true })
			s.breakOff()
			time.Sleep(time.Minute)
			meanwhile()
			s.change(func() { s.away = false })
		},
		"the Engine takes long to begin": func(s *script, meanwhile func()) {
			s.change(func() { s.slow = 5 * time.Second })
			s.breakOff()
			meanwhile()
			time.Sleep(time.Minute)
		},
		"there is no room": func(s *script, meanwhile func()) {
			open := s.sink.Block()
			s.write(errs(2, "other"))
			time.Sleep(3 * time.Second)
			meanwhile()
			open()
		},
	} {
		for _, podman := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := unreadScript(t)
				s.newEngine, s.podman, s.seconds = !podman, podman, podman
				s.stages = []stage.Maker{multiline.Maker(multiline.Config{}, multiline.NewMetrics(prometheus.NewRegistry()))}
				s.tail()
				var want int
				for i := range int64(7) { // the log is left alone longer each time
					at := i * 3600e6
					s.write(out(at, "Traceback (most recent call last):"), out(at+1, `  File "/app/main.py", line 1, in <module>`))
					time.Sleep(500 * time.Millisecond)
					outage(s, func() { s.write(out(at+3, "ValueError: boom")) })
					time.Sleep(20 * time.Second)
					synctest.Wait()
					want++
					joined := 0
					for _, line := range s.sink.Lines() {
						if line == "out: Traceback (most recent call last):\n  File \"/app/main.py\", line 1, in <module>\nValueError: boom" {
							joined++
						}
					}
					if joined != want {
						t.Fatalf("%s, Podman %v: %d whole traces, want %d, among\n%q", name, podman, joined, want, s.sink.Lines())
					}
				}
			})
		}
	}
}
