package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lighter/deploy/e2e/fault"
)

// killAway kills the agent five times while Loki is away, on a machine whose processors and disk are busy,
// and once more when Loki is back and the agent has much to send. Lines that Loki had acknowledged before a
// death must not be sent again.
func (c *chaos) killAway(t *testing.T) {
	v := c.victim(t, "killaway", agentOptions{})
	busy(t)
	a := c.flood(t, "killaway-a", 2000, generatorOptions{})
	b := c.flood(t, "killaway-b", 1000, generatorOptions{})
	v.waitTaken(t, 5000)
	v.loki.Misbehave(fault.Status(503, "away"))
	for range span(c, 5, 3) {
		pass(t, span(c, 8*time.Second, 3*time.Second)+rand.N(2*time.Second))
		v.kill(t)
	}
	pass(t, span(c, 10*time.Second, 3*time.Second))
	v.loki.Misbehave(fault.Slow(unsure))
	v.waitTaken(t, 5000)
	pass(t, rand.N(3*time.Second))
	v.kill(t)
	v.waitTaken(t, 5000)
	must(t, a.Stop(t.Context()))
	must(t, b.Stop(t.Context()))
	v.verify(t, 3*time.Minute, a, b)
}

// busy keeps two processors and the disk busy until the test ends.
func busy(t *testing.T) {
	dir := t.TempDir()
	var burning sync.WaitGroup
	for i := range 2 {
		burning.Go(func() {
			for t.Context().Err() == nil {
				if err := burn(filepath.Join(dir, fmt.Sprint(i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	t.Cleanup(burning.Wait) // the test's context has ended by then
}

// burn compresses 64 MiB, which takes a processor a second or more, and writes as much to a file.
func burn(path string) error {
	random := make([]byte, 1<<20)
	seed := rand.NewChaCha8([32]byte{})
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(io.Discard)
	for range 64 {
		_, _ = seed.Read(random)
		if _, err := z.Write(random); err != nil {
			return err
		}
		if _, err := f.Write(random); err != nil {
			return err
		}
	}
	return f.Sync()
}
