package discovery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/discovery"
)

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []string{"?", "?", "b a", "a b", "?", "a b c", "", ""}
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var got []string
		err := discovery.Refresh(ctx, time.Minute, func(context.Context) ([]lighter.Target, bool) {
			if len(answers) == 0 {
				cancel()
				return nil, true
			}
			a := answers[0]
			answers = answers[1:]
			var targets []lighter.Target
			for _, name := range strings.Fields(a) {
				targets = append(targets, lighter.Target{Labels: labels.FromStrings("__address__", name)})
			}
			return targets, a != "?"
		}, func(targets []lighter.Target) {
			text := fmt.Sprint(time.Since(start), ":")
			for _, target := range targets {
				text += " " + target.Labels.Get("__address__")
			}
			got = append(got, text)
		})
		want := []string{"10s: a b", "2m15s: a b c", "3m15s:"}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("err = %v, updates (-want +got):\n%s", err, diff)
		}
	})
}
