package remotewrite_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/scrape"
	"lighter/exporters/remotewrite"
	"lighter/exporters/send"
)

// peerVariable makes the test binary act as a benchmark's targets and backend, so that their cost is not
// counted.
const peerVariable = "LIGHTER_BENCH_PEER"

// servePeer serves pages of any number of series, with different values each time, and discards requests.
// It ends with its standard input.
func servePeer() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	pages := map[string][][]byte{}
	served := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		series, plain := r.URL.Query().Get("series"), r.URL.Query().Get("plain") != ""
		mu.Lock()
		key := fmt.Sprint(series, plain)
		if pages[key] == nil {
			n, _ := strconv.Atoi(series)
			pages[key] = peerPages(n, !plain)
		}
		served++
		page := pages[key][served%len(pages[key])]
		mu.Unlock()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		if !plain {
			w.Header().Set("Content-Encoding", "gzip")
		}
		_, _ = w.Write(page)
	})
	mux.HandleFunc("POST /write", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	go func() { _ = http.Serve(l, mux) }()
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func peerPages(series int, packed bool) [][]byte {
	var pages [][]byte
	for round := range 4 {
		var b bytes.Buffer
		var w io.Writer = &b
		z := gzip.NewWriter(&b)
		if packed {
			w = z
		}
		for i := range series {
			if i%100 == 0 {
				fmt.Fprintf(w, "# HELP app_family_%d_total What the family counts, in the words of its author.\n# TYPE app_family_%d_total counter\n", i/100, i/100)
			}
			fmt.Fprintf(w, "app_family_%d_total{method=\"GET\",route=\"/api/v1/things/%d\",status=\"%d\",region=\"eu-central-1\"} %d\n", i/100, i%100/5, 200+i%5, i*7+round*13)
		}
		if packed {
			_ = z.Close()
		}
		pages = append(pages, b.Bytes())
	}
	return pages
}

// startPeer starts that process and returns its address.
func startPeer(tb testing.TB) string {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), peerVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(address)
}

func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWay measures the whole way of a sample, from a target's socket to the backend's, through the
// queue on disk. An operation is a second of all targets. The result is the CPU time of this process per
// sample, including the kernel's.
func BenchmarkWay(b *testing.B) {
	for _, shape := range []struct{ targets, series int }{{10, 1_000}, {100, 1_000}, {1, 50_000}} {
		for _, plain := range []string{"", "1"} {
			b.Run(fmt.Sprintf("targets=%d/series=%d/plain=%s", shape.targets, shape.series, plain), func(b *testing.B) {
				benchmarkWay(b, shape.targets, shape.series, plain)
			})
		}
	}
}

func failedScrapes(tb testing.TB, reg *prometheus.Registry) (failed float64) {
	tb.Helper()
	families, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "lighter_scrapes_total" && m.GetLabel()[0].GetValue() != "ok" {
				failed += m.GetCounter().GetValue()
			}
		}
	}
	return failed
}

func benchmarkWay(b *testing.B, targets, series int, plain string) {
	peer := startPeer(b)
	reg := prometheus.NewRegistry()
	logger := slog.New(slog.DiscardHandler)
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes"}, []string{"endpoint", "in"})
	cfg := remotewrite.DefaultConfig()
	cfg.Name, cfg.URL = "backend", "http://"+peer+"/write"
	cfg.Dir, cfg.MaxBytes = b.TempDir(), 512<<20
	e, err := remotewrite.New(cfg, remotewrite.Options{
		UserAgent:    "lighter/bench",
		FlushTimeout: 5 * time.Second,
		Metrics:      remotewrite.NewMetrics(reg, waiting),
		SendMetrics:  send.NewMetrics(reg),
		Logger:       logger,
	})
	if err != nil {
		b.Fatal(err)
	}
	scraping := scrape.DefaultConfig()
	scraping.Name, scraping.Interval, scraping.Timeout = "bench", time.Second, time.Second
	client, err := scrape.NewClient(scraping)
	if err != nil {
		b.Fatal(err)
	}
	o := scrape.Options{Client: client, Sinks: []scrape.Sink{e}, Buffers: scrape.NewBuffers(scrape.PageMemory), UserAgent: "lighter/bench", Metrics: scrape.NewMetrics(reg), Logger: logger}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for i := range targets {
		l, err := scrape.New(lighter.Target{Labels: labels.FromStrings("__address__", peer, "instance", fmt.Sprint("target-", i), "__param_series", fmt.Sprint(series), "__param_plain", plain)}, scraping, o)
		if err != nil {
			b.Fatal(err)
		}
		running.Go(func() { _ = l.Run(ctx) })
	}
	sending, stopSending := context.WithCancel(context.Background())
	var delivery sync.WaitGroup
	delivery.Go(func() { _ = e.Run(sending) })
	time.Sleep(3 * time.Second) // the first pages are new
	cpu, taken := cpuTime(b), e.Status().Delivered
	b.ResetTimer()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	samples := e.Status().Delivered - taken
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(samples), "cpu-ns/sample")
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds(), "samples/s")
	cancel()
	running.Wait()
	if n := failedScrapes(b, reg); n > 0 {
		b.Errorf("%v scrapes failed, whose markers are counted as samples: the machine is too busy for these figures", n)
	}
	stopSending()
	delivery.Wait()
}
