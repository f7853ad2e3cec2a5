package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/fault"
)

// while lets lines flow, breaks something for a time, repairs it, lets lines flow again, and verifies the
// result.
func (c *chaos) while(t *testing.T, scenario string, lasts time.Duration, breaks, mends func(*victim), meanwhile ...func(*victim)) {
	t.Helper()
	v := c.victim(t, scenario, agentOptions{})
	g := c.flood(t, scenario+"-flood", 500, generatorOptions{})
	v.waitTaken(t, 500)
	breaks(v)
	began := time.Now()
	for _, look := range meanwhile {
		look(v)
	}
	pass(t, lasts-time.Since(began))
	mends(v)
	v.waitTaken(t, 500)
	must(t, g.Stop(t.Context()))
	v.verify(t, 2*time.Minute, g)
}

// misbehave sets a fault of Loki for a time.
func (c *chaos) misbehave(t *testing.T, scenario string, lasts time.Duration, f fault.Fault, meanwhile ...func(*victim)) {
	t.Helper()
	c.while(t, scenario, lasts,
		func(v *victim) { v.loki.Misbehave(f) },
		func(v *victim) {
			if v.loki.Misbehaved() == 0 {
				t.Error("the fault did not affect any request")
			}
			v.loki.Misbehave(nil)
		}, meanwhile...)
}

// refuse60 refuses connections for a minute.
func (c *chaos) refuse60(t *testing.T) {
	c.while(t, "refuse60", span(c, 60*time.Second, 8*time.Second),
		func(v *victim) { must(t, v.loki.Refuse()) },
		func(v *victim) { must(t, v.loki.Open()) })
}

// status500 responds with 500 and 503 alternately.
func (c *chaos) status500(t *testing.T) {
	c.misbehave(t, "status500", span(c, 30*time.Second, 8*time.Second),
		fault.InTurn(fault.Status(http.StatusInternalServerError, "broken"), fault.Status(http.StatusServiceUnavailable, "starting")))
}

// retryAfter responds with Retry-After, as seconds and as a date, and checks that the agent waits.
func (c *chaos) retryAfter(t *testing.T) {
	pause := span(c, 12*time.Second, 6*time.Second)
	for name, f := range map[string]func() fault.Fault{
		"seconds": func() fault.Fault { return fault.RetryAfterSeconds(pause) },
		// A date has no fractions of a second, so this one covers the whole pause.
		"date": func() fault.Fault { return fault.RetryAfterDate(time.Now().Add(pause + time.Second)) },
	} {
		t.Run(name, func(t *testing.T) {
			c.while(t, "retry-"+name, pause,
				func(v *victim) { v.loki.Misbehave(f()) },
				func(v *victim) {
					// The first request may have come at any time within its interval, so there may be one more.
					if n := v.loki.Misbehaved(); n < 1 || n > 2 {
						t.Errorf("asked to wait for %s, the agent sent %d requests within that time, want 1", pause, n)
					}
					v.loki.Misbehave(nil)
				})
		})
	}
}

// bad20th refuses and names one entry of every 20th push. Only that entry is missing, and it is counted.
func (c *chaos) bad20th(t *testing.T) {
	v := c.victim(t, "bad20th", agentOptions{})
	v.loki.Misbehave(fault.RefuseEvery(20))
	g := c.flood(t, "bad20th-flood", 1000, generatorOptions{})
	// There is one request a second while lines trickle, so the twentieth comes after twenty seconds.
	eventually(t, 2*time.Minute, func(context.Context) error {
		if n := v.loki.Misbehaved(); n < span(c, 45, 21) {
			return fmt.Errorf("%d requests arrived", n)
		}
		return nil
	})
	must(t, g.Stop(t.Context()))
	want := v.streams(t, []*generator{g})
	eventually(t, time.Minute, func(context.Context) error {
		if o := account(want, v.loki, nil); o.lost > 0 {
			return fmt.Errorf("%d lines are not delivered", o.lost)
		}
		return nil
	})
	dropped := v.metric(t, "lighter_log_lines_dropped_total")
	v.says(t, "too far behind")
	if o := v.verify(t, time.Minute, g); o.refused == 0 || dropped != float64(o.refused) {
		t.Errorf("%d entries were refused, lighter_log_lines_dropped_total says %v", o.refused, dropped)
	}
}

// degraded waits until /ready is 503 and its body contains all the words.
func degraded(t *testing.T, words ...string) func(*victim) {
	return func(v *victim) {
		eventually(t, 100*time.Second, func(ctx context.Context) error {
			status, body, err := v.get(ctx, "/ready")
			if err != nil {
				return err
			}
			for _, w := range words {
				if status != http.StatusServiceUnavailable || !strings.Contains(strings.ToLower(body), w) {
					return fmt.Errorf("/ready is %d and does not say %q: %s", status, w, body)
				}
			}
			t.Logf("/ready: %s", body)
			return nil
		})
	}
}

// unauthorized30 responds with 401 for half a minute, as if a token was mistyped in Loki's settings.
func (c *chaos) unauthorized30(t *testing.T) {
	c.misbehave(t, "unauthorized30", span(c, 30*time.Second, 10*time.Second),
		fault.Status(http.StatusUnauthorized, `{"status":"error","error":"authentication error: invalid token"}`),
		degraded(t, "degraded", "loki", "401", "token"))
}

// blocked260 responds with 260, which is not a success although it begins with a 2.
func (c *chaos) blocked260(t *testing.T) {
	c.misbehave(t, "blocked260", span(c, 20*time.Second, 6*time.Second),
		fault.Status(260, "ingestion blocked for user fake until '2030-01-01T00:00:00Z' with status code '260'"),
		degraded(t, "degraded", "loki", "260"))
}

// tooLarge responds with 413 to more than a few kilobytes, which is less than the lines of a second.
func (c *chaos) tooLarge(t *testing.T) {
	c.misbehave(t, "toolarge", span(c, 30*time.Second, 5*time.Second), fault.TooLarge(2<<10))
}

// blackHole sends no response, for longer than the agent waits for one.
func (c *chaos) blackHole(t *testing.T) {
	c.misbehave(t, "blackhole", span(c, 45*time.Second, 15*time.Second), fault.BlackHole())
}

// cutBody hangs up within requests and within responses. If a response was cut off, its lines are stored but
// not acknowledged, and must arrive again unchanged.
func (c *chaos) cutBody(t *testing.T) {
	v := c.victim(t, "cutbody", agentOptions{})
	g := c.flood(t, "cutbody-flood", 500, generatorOptions{})
	v.waitTaken(t, 500)
	v.loki.Misbehave(fault.InTurn(fault.CutBody(), fault.CutAnswer(), nil))
	pass(t, span(c, 30*time.Second, 10*time.Second))
	v.loki.Misbehave(nil)
	v.waitTaken(t, 500)
	must(t, g.Stop(t.Context()))
	v.verify(t, 2*time.Minute, g)
}

// slow delays each response by three seconds, which is less than the agent's timeout.
func (c *chaos) slow(t *testing.T) {
	c.misbehave(t, "slow", span(c, 60*time.Second, 8*time.Second), fault.Slow(3*time.Second))
}
