package scrape_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter/collector/scrape"
)

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target("__param_token", "hidden"), testConfig(), pages(text, "a 1\nb 2\n", refused))
		check := func(want scrape.Status) {
			t.Helper()
			got := l.Status()
			if (want.Health == scrape.Unknown) != got.LastScrape.IsZero() {
				t.Errorf("last scrape at %v", got.LastScrape)
			}
			if diff := cmp.Diff("http://api:3000/metrics", got.URL); diff != "" {
				t.Error(diff)
			}
			if got.Health != want.Health || got.Samples != want.Samples || got.Err != want.Err {
				t.Errorf("status %+v, want %+v", got, want)
			}
		}
		check(scrape.Status{Health: scrape.Unknown})
		stop := l.run(t)
		time.Sleep(5 * time.Second)
		check(scrape.Status{Health: scrape.Up, Samples: 2})
		time.Sleep(30 * time.Second)
		check(scrape.Status{Health: scrape.Down, Err: "connection refused"})
		stop(nil)
	})
}

func TestFailuresAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), pages(text, "a 1\n", refused, refused, "a{ 1", "b{ 2", refused, "a 1\n", "a 1\n"))
		stop := l.run(t)
		time.Sleep(4 * time.Minute)
		stop(nil)
		var got []string
		for line := range strings.Lines(l.log.String()) {
			_, msg, _ := strings.Cut(line, "msg=")
			got = append(got, strings.TrimSpace(msg))
		}
		want := []string{
			`"scrape failed" target=http://api:3000/metrics job=api error="connection refused"`,
			`"scrape failed" target=http://api:3000/metrics job=api error="its page is broken: expected label name, got \"…\" (\"INVALID\") while parsing: \"a…\""`,
			`"scrape failed" target=http://api:3000/metrics job=api error="connection refused"`,
			`"target works again" target=http://api:3000/metrics after=2m30s failures=5`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), pages(text, "a 1\na 2\nb 3 4102444800000\n", refused))
		stop := l.run(t)
		time.Sleep(40 * time.Second)
		stop(nil)
		const want = `
# HELP lighter_samples_rejected_total Samples that were scraped and not handed on: duplicate (the page has the series twice, the first counts), out_of_order (a time before the series' last), too_far_ahead (a time more than ten minutes ahead), not_taken (an endpoint that is closed).
# TYPE lighter_samples_rejected_total counter
lighter_samples_rejected_total{reason="duplicate"} 1
lighter_samples_rejected_total{reason="not_taken"} 0
lighter_samples_rejected_total{reason="out_of_order"} 0
lighter_samples_rejected_total{reason="too_far_ahead"} 1
# HELP lighter_samples_scraped_total Samples on the pages of targets, before metric relabelling, of scrapes that count.
# TYPE lighter_samples_scraped_total counter
lighter_samples_scraped_total 3
`
		if err := testutil.GatherAndCompare(l.registry, strings.NewReader(want), "lighter_samples_rejected_total", "lighter_samples_scraped_total"); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(l.registry); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v %v", problems, err)
		}
	})
}

// TestSamplesThatAreDroppedAreSaid: dropped samples are reported once, again when their number changes, and
// when no more are dropped.
func TestSamplesThatAreDroppedAreSaid(t *testing.T) {
	const hour = 3600_000
	at := func(offset int) int { // milliseconds from now, on the clock of the test
		return int(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()) + offset
	}
	twice := "a 1\na 2\nb 3\n"
	ahead := fmt.Sprintf("a 1 %d\nb{x=\"1\"} 1 %[1]d\nb{x=\"2\"} 1 %[1]d\nc 1\n", at(2*hour))
	const duplicate = "1 of a series that the page shows more than once (the first value counts)"
	const tooFar = "3 with a timestamp more than 10 minutes ahead of this host's clock (backends refuse them: compare the clocks)"
	for name, tc := range map[string]struct {
		pages   []string
		warning string // in the status, after the last page
		logged  []string
	}{
		"in order":               {[]string{"a 1\nb 1\n"}, "", nil},
		"a series twice":         {[]string{twice, twice, twice}, duplicate, []string{duplicate}},
		"two hours ahead":        {[]string{ahead, ahead, ahead}, tooFar, []string{tooFar}},
		"another number":         {[]string{twice, twice, "a 1\na 2\na 3\n"}, "2" + duplicate[1:], []string{duplicate, "2" + duplicate[1:]}},
		"one and then the other": {[]string{twice, ahead}, tooFar, []string{duplicate, tooFar}},
		"both": {[]string{"d 1\nd 2\n" + ahead},
			duplicate + ", " + tooFar, []string{duplicate + ", " + tooFar}},
		"back in time":           {[]string{fmt.Sprintf("a 1 %d\n", at(0)), fmt.Sprintf("a 1 %d\n", at(-hour))}, "1 with a timestamp before that of the last sample of its series", []string{"1 with a timestamp before that of the last sample of its series"}},
		"over":                   {[]string{twice, twice, "a 1\n"}, "", []string{duplicate, "over"}},
		"a failure in between":   {[]string{twice, refused, twice}, duplicate, []string{duplicate, "failed", "works"}},
		"a failure at the end":   {[]string{twice, refused}, "", []string{duplicate, "failed"}},
		"the same time, again":   {[]string{fmt.Sprintf("a 1 %d\n", at(0)), fmt.Sprintf("a 1 %d\n", at(0))}, "", nil},
		"nine minutes ahead":     {[]string{fmt.Sprintf("a 1 %d\n", at(9*60_000))}, "", nil},
		"timestamps are ignored": {[]string{ahead}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.HonorTimestamps = name != "timestamps are ignored"
				l := mustNew(t, target(), cfg, pages(text, tc.pages...))
				stop := l.run(t)
				time.Sleep(time.Duration(len(tc.pages)) * 30 * time.Second)
				want := tc.warning
				if want != "" {
					want = "samples are dropped: " + want
				}
				if got := l.Status().Warning; got != want {
					t.Errorf("the status says %q, want %q", got, want)
				}
				stop(nil)
				var got []string
				for line := range strings.Lines(l.log.String()) {
					switch {
					case strings.Contains(line, `msg="samples of its page are dropped"`) && strings.Contains(line, "level=WARN") && strings.Contains(line, "target=http://api:3000/metrics"):
						_, why, _ := strings.Cut(line, "error=")
						got = append(got, strings.Trim(strings.TrimSpace(why), `"`))
					case strings.Contains(line, `msg="no sample of its page is dropped any more"`):
						got = append(got, "over")
					case strings.Contains(line, `msg="scrape failed"`):
						got = append(got, "failed")
					case strings.Contains(line, `msg="target works again"`):
						got = append(got, "works")
					default:
						t.Errorf("unexpected: %s", line)
					}
				}
				if diff := cmp.Diff(tc.logged, got); diff != "" {
					t.Errorf("log (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestATargetOnTheHostsNetwork: the error of a refused connection says what may be wrong with the way to
// the host.
func TestATargetOnTheHostsNetwork(t *testing.T) {
	refuse := site(func(r *http.Request) (*http.Response, error) {
		addr, _ := net.ResolveTCPAddr("tcp", "192.0.2.1:9100")
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: syscall.ECONNREFUSED}
	})
	for name, tc := range map[string]struct {
		address, network string
		want             string
	}{
		"another network": {"172.18.0.1:9100", "front", "dial 192.0.2.1:9100: connection refused"},
		"the host": {"172.18.0.1:9100", "host", "dial 192.0.2.1:9100: connection refused. The container is on the host's network, which is asked at 172.18.0.1: " +
			"it must listen there too, not on 127.0.0.1 alone, and a firewall of the host must let the agent in. Or run the agent with network_mode: host"},
		"the agent's own localhost": {"localhost:9100", "host", "dial 192.0.2.1:9100: connection refused. The container is on the host's network, which is asked at localhost: " +
			"if the agent is in a container of another network, run it with network_mode: host"},
		"a name that nobody knows": {"host.docker.internal:9100", "host", "dial 192.0.2.1:9100: connection refused. The container is on the host's network, and the agent's network has no gateway to the host: " +
			`give the agent extra_hosts: ["host.docker.internal:host-gateway"], or network_mode: host`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := mustNew(t, target("__address__", tc.address, "__meta_docker_network_name", tc.network), testConfig(), refuse)
				l.once(t, false)
				if got := l.Status().Err; got != tc.want {
					t.Errorf("error %q, want %q", got, tc.want)
				}
			})
		})
	}
}
