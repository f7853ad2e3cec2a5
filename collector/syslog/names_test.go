package syslog

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A DNS server that does not answer holds messages up once, and is asked again later. What a host was called
// before stays.
func TestNamesWithoutDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away, asked := false, 0
		n := newNames()
		n.lookup = func(ctx context.Context, address string) ([]string, error) {
			asked++
			if away {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []string{"name-of-" + address}, nil
		}
		if got := n.of(t.Context(), "a"); got != "name-of-a" {
			t.Fatalf("a is %q", got)
		}
		away = true
		time.Sleep(keepName)
		began := time.Now()
		for range 100 {
			if got := n.of(t.Context(), "a"); got != "name-of-a" {
				t.Fatalf("a is %q while DNS is away", got)
			}
			if got := n.of(t.Context(), "b"); got != "" {
				t.Fatalf("b is %q while DNS is away", got)
			}
		}
		if took := time.Since(began); took != lookupTimeout || asked != 2 {
			t.Errorf("200 messages waited %s, and DNS was asked %d times; want %s and 2", took, asked, lookupTimeout)
		}
		away = false
		time.Sleep(lookupPause)
		if got := n.of(t.Context(), "b"); got != "name-of-b" {
			t.Errorf("b is %q, and DNS is back", got)
		}
	})
}
