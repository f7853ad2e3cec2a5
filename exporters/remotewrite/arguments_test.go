package remotewrite_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/exporters/remotewrite"
)

// Samples that have waited too long are dropped and counted; later ones are sent.
func TestMaxAge(t *testing.T) {
	for _, onDisk := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.MaxAge, cfg.Shards, cfg.SamplesPerSend = time.Minute, 1, 10
			if onDisk {
				cfg.Dir, cfg.MaxBytes = t.TempDir(), 1<<20
			}
			e := mustNew(t, cfg)
			e.receiver.Respond(always(http.StatusServiceUnavailable, "away"))
			stop := e.run(t)
			for i := range int64(3) { // the first is in a request from the start
				e.mustAppend(t, 0, block(t, "api", 10, 1000+i))
			}
			time.Sleep(2 * time.Minute)
			e.mustAppend(t, 0, block(t, "api", 10, 2000))
			e.receiver.Respond(nil)
			time.Sleep(time.Minute / 2)
			if diff := cmp.Diff([]int64{1000, 2000}, e.times("api")); diff != "" {
				t.Errorf("on disk %v: times (-want +got):\n%s", onDisk, diff)
			}
			if n := e.dropped(t, "max_age"); n != 20 {
				t.Errorf("on disk %v: %d samples are counted as dropped, want 20", onDisk, n)
			}
			if st := e.Status(); st.Waiting.Items != 0 || st.Waiting.Bytes != 0 {
				t.Errorf("on disk %v: %+v waits, want nothing", onDisk, st.Waiting)
			}
			stop()
		})
	}
}

// The pauses between attempts and the waiting time for other blocks are as configured.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.MinBackoff, cfg.MaxBackoff, cfg.BatchWait = 4*time.Second, 8*time.Second, 10*time.Second
		e := mustNew(t, cfg)
		var at []time.Time
		var n atomic.Int64
		e.receiver.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) {
			at = append(at, time.Now())
			return http.StatusServiceUnavailable, nil, "away", n.Add(1) < 6
		})
		stop := e.run(t)
		e.mustAppend(t, 0, block(t, "api", 1, 1000))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(at) != 6 {
			t.Fatalf("%d attempts, want 6", len(at))
		}
		if first := at[1].Sub(at[0]); first < 2*time.Second || first > 4*time.Second {
			t.Errorf("the first pause was %s, want 2s to 4s", first)
		}
		if last := at[5].Sub(at[4]); last < 4*time.Second || last > 8*time.Second {
			t.Errorf("the last pause was %s, want 4s to 8s", last)
		}
		e.mustAppend(t, 0, block(t, "api", 1, 2000)) // after a pause, goes at once
		time.Sleep(time.Second)
		sent := time.Now()
		e.mustAppend(t, 0, block(t, "api", 1, 3000))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if waited := at[len(at)-1].Sub(sent); waited < 8*time.Second || waited > 10*time.Second {
			t.Errorf("a block waited %s for company, want about 9s", waited)
		}
		stop()
	})
}

func TestCheck(t *testing.T) {
	for name, change := range map[string]func(*remotewrite.Config){
		"no shards":             func(c *remotewrite.Config) { c.Shards = 0 },
		"no wait":               func(c *remotewrite.Config) { c.BatchWait = 0 },
		"pauses the wrong way":  func(c *remotewrite.Config) { c.MinBackoff, c.MaxBackoff = 2*time.Second, time.Second },
		"a negative age":        func(c *remotewrite.Config) { c.MaxAge = -1 },
		"no families":           func(c *remotewrite.Config) { c.MetadataPerSend = 0 },
		"an unknown version":    func(c *remotewrite.Config) { c.Version = 3 },
		"no metadata, no times": func(c *remotewrite.Config) { c.SendMetadata, c.MetadataInterval = false, 0 },
	} {
		cfg := testConfig()
		change(&cfg)
		if err := cfg.Check(); (err == nil) != (name == "no metadata, no times") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
