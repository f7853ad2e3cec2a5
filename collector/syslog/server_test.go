package syslog

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/alloy/syntax"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/process"
)

const message = "<34>1 - - - - - - "

func dial(t testing.TB, s *Server) net.Conn {
	t.Helper()
	a := s.Addrs()[0]
	c, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Error(err)
	}
}

func TestProtocols(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		for framing, text := range map[string]string{
			"newlines": message + "one\n" + message + "two\nthree\n",
			"octets":   octets(message+"one", message+"two\nthree"),
		} {
			t.Run(protocol+", "+framing, func(t *testing.T) {
				b, other := &backend{}, &backend{}
				s, _ := running(t, Options{Listeners: []Listener{{Address: "127.0.0.1:0", Protocol: protocol, Labels: job}}, Logs: []lighter.Logs{b, other}})
				write(t, dial(t, s), text)
				want := []string{`{job="syslog"} one`, "{job=\"syslog\"} two\nthree"}
				if diff := cmp.Diff(want, b.wait(t, 2)); diff != "" {
					t.Errorf("entries (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want, other.wait(t, 2)); diff != "" {
					t.Errorf("entries of the second path (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// Messages that come together make one batch.
func TestABatchOfWhatComesTogether(t *testing.T) {
	for framing, text := range map[string]string{
		"newlines": message + "one\n" + message + "two\nthree\n",
		"octets":   octets(message+"one", message+"two\nthree"),
	} {
		t.Run(framing, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &backend{}
				_, dial, _ := inBubble(t, Listener{Labels: job}, Options{Logs: []lighter.Logs{b}})
				write(t, dial(), text)
				time.Sleep(time.Second)
				if n := len(b.got()); n != 2 || b.batches != 1 {
					t.Errorf("%d entries in %d batches, want 2 in one", n, b.batches)
				}
			})
		})
	}
}

// A message is handed on when its line has ended, though the connection stays open and nothing follows.
func TestTheLastMessageDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		s := newServer(Options{Listeners: []Listener{{Labels: job, IdleTimeout: time.Minute}}, Logs: []lighter.Logs{b}})
		ctx, cancel := context.WithCancel(t.Context())
		here, there := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { s.gatherer.run(ctx) })
		wg.Go(func() { s.listeners[0].serve(ctx, ctx, there) })
		start := time.Now()
		write(t, here, message+"one\n")
		time.Sleep(2*gatherTime + time.Millisecond)
		synctest.Wait()
		if n := len(b.got()); n != 1 {
			t.Errorf("%d entries after %s", n, time.Since(start))
		}
		write(t, here, message+"tw")
		time.Sleep(time.Minute / 2)
		write(t, here, "o\n  three\n")
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{`{job="syslog"} one`, "{job=\"syslog\"} two\n  three"}, b.got()); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		idle := time.Now()
		_, _ = here.Read(make([]byte, 1)) // until the other side closes
		if d := time.Since(idle); d < 50*time.Second || d > time.Minute {
			t.Errorf("the connection was closed after %s", d)
		}
		s.gatherer.close()
		cancel()
		wg.Wait()
	})
}

// While there is no room a connection is not read, and its sender waits; afterwards all is there.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lines = 5000
		b := &backend{shut: make(chan struct{})}
		_, dial, _ := inBubble(t, Listener{Labels: job}, Options{Logs: []lighter.Logs{b}})
		c := dial()
		line := message + strings.Repeat("x", 1000) + "\n"
		var sent atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range lines {
				write(t, c, line)
				sent.Add(1)
			}
		}()
		time.Sleep(time.Hour)
		if kept, most := int(sent.Load())*len(line), 2*batchBytes+8<<10; kept > most { // one batch is on its way, and one fills
			t.Errorf("%d bytes are taken though there is no room, want at most %d", kept, most)
		}
		close(b.shut)
		<-done
		time.Sleep(time.Second)
		if n := len(b.got()); n != lines {
			t.Errorf("%d entries, want %d", n, lines)
		}
	})
}

// Of UDP a bounded number of bytes waits, and the rest is dropped and counted.
func TestUDPWithoutRoom(t *testing.T) {
	b := &backend{shut: make(chan struct{})}
	var log bytes.Buffer
	s, stop := running(t, Options{Listeners: []Listener{{Address: "127.0.0.1:0", Protocol: "udp", Labels: job}}, Logs: []lighter.Logs{b}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c := dial(t, s)
	line := message + strings.Repeat("x", 8000)
	for count(s.o.Metrics.dropped) < 100 {
		write(t, c, line)
	}
	close(b.shut)
	b.wait(t, maxWaitingBytes/9000)
	stop()
	if n := strings.Count(log.String(), "are dropped"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, log.String())
	}
}

// A flood of several connections does not make a batch of each line, keeps the order of each sender, and loses
// nothing of what comes while the Server stops.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, each = 8, 5000
		b := &backend{}
		_, dial, stop := inBubble(t, Listener{Labels: job}, Options{Logs: []lighter.Logs{b}})
		for n := range senders {
			c := dial()
			go func() {
				for i := range each {
					write(t, c, fmt.Sprintf("%s%d-%d\n", message, n, i))
				}
				_ = c.Close()
			}()
		}
		stop()
		next := map[string]int{}
		for _, line := range b.got() {
			sender, number, _ := strings.Cut(strings.TrimPrefix(line, `{job="syslog"} `), "-")
			if number != fmt.Sprint(next[sender]) {
				t.Fatalf("%s after %d of sender %s", number, next[sender], sender)
			}
			next[sender]++
		}
		for sender, n := range next {
			if n != each {
				t.Errorf("%d lines of sender %s", n, sender)
			}
		}
		if len(next) != senders || b.batches > senders*each/100 {
			t.Errorf("%d senders, %d batches", len(next), b.batches)
		}
		times := slices.Clone(b.times)
		slices.Sort(times)
		if len(slices.Compact(times)) != len(b.times) {
			t.Error("entries have equal times")
		}
	})
}

// The next Server listens at the same address as soon as the last one has ended.
func TestRestart(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		b := &backend{}
		address := "127.0.0.1:0"
		for i := range 5 {
			s, stop := running(t, Options{Listeners: []Listener{{Address: address, Protocol: protocol, Labels: job}}, Logs: []lighter.Logs{b}})
			address = s.Addrs()[0].String()
			write(t, dial(t, s), message+fmt.Sprint(i)+"\n")
			b.wait(t, i+1)
			stop()
		}
	}
}

// A stop without room does not last for ever, and says how many messages are lost.
func TestStopWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{shut: make(chan struct{})}
		var log bytes.Buffer
		s, dial, stop := inBubble(t, Listener{Labels: job}, Options{Logs: []lighter.Logs{b}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		write(t, dial(), strings.Repeat(message+"x\n", 100))
		time.Sleep(time.Second)
		start := time.Now()
		stop()
		if d := time.Since(start); d != stopTimeout {
			t.Errorf("the stop took %s, want %s", d, stopTimeout)
		}
		if n := count(s.o.Metrics.dropped); n != 100 || !strings.Contains(log.String(), "messages=100") {
			t.Errorf("%d are counted; log:\n%s", n, log.String())
		}
	})
}

// What stages hold back at a stop is handed on, and counted as lost if there is no room for it.
func TestStopWithStagesThatHold(t *testing.T) {
	for name, tc := range map[string]struct {
		first, second []string // messages; the second ones come when the first are held back
		full          bool
		entries, lost int
	}{
		"there is room":                        {first: []string{"one", "at one", "at two"}, entries: 1},
		"no room for what is held back":        {first: []string{"one", "at one", "at two"}, full: true, lost: 3},
		"no room for the batch that ends them": {first: []string{"one", "at one"}, second: []string{"two"}, full: true, lost: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var a process.Arguments
			if err := syntax.Unmarshal([]byte("stage.multiline {\n\tfirstline = \"^[^ ]+$\"\n\tmax_wait_time = \"1h\"\n}"), &a); err != nil {
				t.Fatal(err)
			}
			pipeline, err := process.New(a, process.Options{Name: "loki.process.test", Metrics: process.NewShared(prometheus.NewRegistry())})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pipeline.Close)
			b := &backend{}
			if tc.full {
				b.shut = make(chan struct{})
			}
			chain := stage.NewChain(b, stage.Log{}, nil, pipeline.Maker(process.Way{}))
			t.Cleanup(chain.Drop)
			var log bytes.Buffer
			s, stop := running(t, Options{Listeners: []Listener{{Address: "127.0.0.1:0", Format: Raw, Labels: job}}, Logs: []lighter.Logs{chain}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			c := dial(t, s)
			for _, one := range tc.first {
				write(t, c, one+"\n")
			}
			for chain.Held() < len(tc.first) {
				time.Sleep(time.Millisecond)
			}
			for _, one := range tc.second {
				write(t, c, one+"\n")
			}
			for count(s.o.Metrics.entries) < len(tc.first)+len(tc.second) {
				time.Sleep(time.Millisecond)
			}
			stop()
			if n := len(b.got()); n != tc.entries {
				t.Errorf("%d entries are handed on, want %d", n, tc.entries)
			}
			if n := count(s.o.Metrics.dropped); n != tc.lost || strings.Contains(log.String(), fmt.Sprintf("messages=%d", tc.lost)) != (tc.lost > 0) {
				t.Errorf("%d messages are counted as lost, want %d; log:\n%s", n, tc.lost, log.String())
			}
		})
	}
}

func TestAddressIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for protocol, address := range map[string]string{"tcp": l.Addr().String(), "udp": p.LocalAddr().String()} {
		s := newServer(Options{Listeners: []Listener{{Address: "127.0.0.1:0"}, {Address: address, Protocol: protocol}}})
		err := s.Run(t.Context())
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), address+"/"+protocol) {
			t.Errorf("err = %v", err)
		}
		if len(s.Addrs()) > 0 {
			t.Error("the other listener goes on")
		}
	}
}

func TestBadListeners(t *testing.T) {
	for want, l := range map[string]Listener{
		`"sctp" is neither tcp nor udp`:            {Protocol: "sctp"},
		`"json" is not a format`:                   {Format: "json"},
		`TLS needs both a certificate and its key`: {CAFile: "x"},
		`no such file or directory`:                {CertFile: "/nothing", KeyFile: "/nothing"},
	} {
		l.Address = "127.0.0.1:0"
		if err := newServer(Options{Listeners: []Listener{l}}).Listen(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

// certificate makes an authority, a certificate of it, and files of both.
func certificate(t *testing.T) (pair tls.Certificate, pool *x509.CertPool, certFile, keyFile, caFile string) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	secret, err := x509.MarshalECPrivateKey(key)
	must(err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(os.WriteFile(certFile, certPEM, 0o600))
	must(os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600))
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	pair, err = tls.LoadX509KeyPair(certFile, keyFile)
	must(err)
	return pair, pool, certFile, keyFile, certFile
}

func TestTLS(t *testing.T) {
	pair, pool, certFile, keyFile, caFile := certificate(t)
	b := &backend{}
	for name, tc := range map[string]struct {
		ca     string
		client *tls.Config
		want   int
	}{
		"server's certificate":         {"", &tls.Config{RootCAs: pool}, 2},
		"with the sender's":            {caFile, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}, 2},
		"the sender's is missing":      {caFile, &tls.Config{RootCAs: pool}, 0},
		"the sender does not trust us": {"", &tls.Config{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(b.got())
			s, stop := running(t, Options{Listeners: []Listener{{Address: "127.0.0.1:0", Labels: job, CertFile: certFile, KeyFile: keyFile, CAFile: tc.ca}}, Logs: []lighter.Logs{b}})
			c, err := tls.Dial("tcp", s.Addrs()[0].String(), tc.client)
			if err == nil {
				for n, line := range []string{"one\n", "two\n"} {
					_, _ = io.WriteString(c, message+line)
					if tc.want > 0 {
						b.wait(t, before+n+1) // by then a read has timed out, which does not break the connection
					}
				}
				if tc.want == 0 {
					_, _ = io.Copy(io.Discard, c)
				}
				_ = c.Close()
			}
			stop()
			if n := len(b.got()) - before; n != tc.want {
				t.Errorf("%d entries, want %d", n, tc.want)
			}
		})
	}
}

func TestTooManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		_, dial, _ := inBubble(t, Listener{Labels: job}, Options{Logs: []lighter.Logs{b}})
		var open []net.Conn
		for i := range maxConnections {
			open = append(open, dial())
			write(t, open[i], message+fmt.Sprint(i)+"\n")
		}
		start := time.Now()
		if _, err := dial().Read(make([]byte, 1)); err != io.EOF || time.Since(start) > 0 {
			t.Errorf("one more connection is kept open for %s: %v", time.Since(start), err)
		}
		_ = open[0].Close()
		synctest.Wait()
		write(t, dial(), message+"after\n")
		time.Sleep(time.Second)
		if n := len(b.got()); n != maxConnections+1 {
			t.Errorf("%d entries, want one of each of %d connections, and one of the connection that came after one had ended", n, maxConnections)
		}
	})
}

// DNS is asked for the names of hosts only if a rule reads them, and once for each host.
func TestHostnames(t *testing.T) {
	byHost := relabel.DefaultRelabelConfig
	byHost.SourceLabels, byHost.TargetLabel, byHost.NameValidationScheme = model.LabelNames{labelHostname}, "host", model.LegacyValidation
	if wantsHostname(everything()) || !wantsHostname([]*relabel.Config{&byHost}) {
		t.Error("wantsHostname is wrong")
	}
	b := &backend{}
	s := newServer(Options{Listeners: []Listener{{Address: "127.0.0.1:0", Protocol: "udp"}}, Rules: []*relabel.Config{&byHost}, Logs: []lighter.Logs{b}})
	asked := 0
	s.names.lookup = func(_ context.Context, address string) ([]string, error) {
		asked++
		return []string{"a.example.", "b.example."}, nil
	}
	r := newReceiver(s.listeners[0])
	for range 3 {
		if got := r.connection(t.Context(), "10.0.0.1").Get(labelHostname); got != "a.example.,b.example." {
			t.Errorf("hostname %q", got)
		}
	}
	if asked != 1 {
		t.Errorf("DNS was asked %d times", asked)
	}
	for i := range 3 * maxNames {
		r.connection(t.Context(), fmt.Sprint(i))
	}
	if n := len(s.names.known); n > maxNames {
		t.Errorf("%d names are kept", n)
	}
}

// A rule that drops messages drops them.
func TestDrop(t *testing.T) {
	drop := relabel.DefaultRelabelConfig
	drop.Action, drop.SourceLabels, drop.Regex, drop.NameValidationScheme = relabel.Drop, model.LabelNames{"__syslog_message_severity"}, relabel.MustNewRegexp("critical"), model.LegacyValidation
	b := &backend{}
	s, _ := running(t, Options{Listeners: []Listener{{Address: "127.0.0.1:0", Labels: labels.FromStrings("job", "syslog")}}, Rules: []*relabel.Config{&drop}, Logs: []lighter.Logs{b}})
	write(t, dial(t, s), message+"one\n<35>1 - - - - - - two\n")
	if diff := cmp.Diff([]string{`{job="syslog"} two`}, b.wait(t, 1)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}
