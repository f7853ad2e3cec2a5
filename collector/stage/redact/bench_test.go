package redact_test

import (
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"lighter/collector/stage/redact"
)

// cleanLines are typical log lines of about 200 bytes without secrets.
var cleanLines = map[string]string{
	"json":      `{"level":"info","ts":"2026-01-02T03:04:05.123Z","caller":"http/server.go:214","msg":"request handled","method":"GET","path":"/api/v1/orders/17/items","status":200,"bytes":5120,"took_ms":12.5,"host":"web"}`,
	"pino":      `{"level":30,"time":1767323045123,"pid":17,"hostname":"web-7d9f8b6c5-x2x4q","reqId":"req-1f","req":{"method":"GET","url":"/users/17","remoteAddress":"10.0.0.7","remotePort":51234},"msg":"incoming request"}`,
	"uuids":     `{"severity":"INFO","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","request_id":"5f0c954a-8f1e-4c51-9a5e-2f1c2a6b7d10","user":"carol@example.com","message":"order accepted"}`,
	"token key": `{"level":"info","token":"IDENTIFIER","tokens":512,"max_tokens":4096,"token_type":"bearer","next_page_token":null,"msg":"completion done","model":"large","took_ms":1250,"prompt_tokens":44,"id":12345678}`,
	"logfmt":    `ts=2026-01-02T03:04:05.123456789Z level=info component=compactor msg="compact blocks" count=3 mint=1767312000000 maxt=1767319200000 ulid=01JGK3Q2M7Z8V9X0Y1W2E3R4T5 duration=1.234567891s`,
	"access":    `10.0.0.7 - - [02/Jan/2026:03:04:05 +0000] "GET /static/css/main.4f2a1b.css HTTP/1.1" 200 5120 "https://www.example.com/start" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"`,
	"java":      `2026-01-02 03:04:05.123  INFO 1 --- [nio-8080-exec-7] c.e.shop.orders.OrderController          : accepted order 20260102-000017 of customer 4711 with 3 items, total 59.97 EUR, shipping to Berlin`,
	"base64":    `{"level":"debug","msg":"thumbnail","data":"iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==iVBORw0KGgoAAAANSUhEUg"}`,
}

func BenchmarkClean(b *testing.B) {
	r := redact.New()
	for name, line := range cleanLines {
		b.Run(name, func(b *testing.B) {
			line := []byte(line)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if _, changed := r.Redact(nil, line, 1<<20, nil); changed {
					b.Fatal("redacted")
				}
			}
		})
	}
}

func BenchmarkSecret(b *testing.B) {
	r := redact.New()
	line := []byte(`{"level":"info","msg":"login","user":"alice","pass` + `word":"hunter2","url":"postgres://app:` + `hunter2@db/app"}`)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = r.Redact(dst[:0], line, 1<<20, nil)
	}
}

// A line without secrets allocates nothing, whatever anchors it contains.
func TestAllocsClean(t *testing.T) {
	skipUnderRace(t)
	r := redact.New()
	for name, line := range cleanLines {
		line := []byte(strings.Repeat(line+" ", 3))
		if n := testing.AllocsPerRun(100, func() { r.Redact(nil, line, 1<<20, nil) }); n > 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

func skipUnderRace(t *testing.T) {
	t.Helper()
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
}
