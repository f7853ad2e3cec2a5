package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter"
)

// The exact bytes of the lines that other programs parse. The bubble's clock stands still.
func TestLogFormat(t *testing.T) {
	say := func(l *slog.Logger) {
		l.Info("listening", "port", 8080, "env", "production")
		l.Debug("detail", "took", 1500*time.Millisecond, "at", time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("x", 3600)))
		l.Warn("odd", "error", errors.New(`a "quoted" error`), "token", lighter.Secret("hunter2"))
		l.Error("bad", slog.Group("request", "took", time.Second, "level", "x", "ts", 1))
		l.Info("listening", "address", &net.TCPAddr{IP: net.IPv6loopback, Port: 80})
		l.Log(context.Background(), levelFatal, "startup_failed", "error", "…")
	}
	for format, want := range map[string]string{
		"json": `{"ts":"2000-01-01T00:00:00.000Z","level":"info","msg":"listening","port":8080,"env":"production"}
{"ts":"2000-01-01T00:00:00.000Z","level":"debug","msg":"detail","took":"1.5s","at":"2026-01-02T02:04:05.000000006Z"}
{"ts":"2000-01-01T00:00:00.000Z","level":"warn","msg":"odd","error":"a \"quoted\" error","token":"<secret>"}
{"ts":"2000-01-01T00:00:00.000Z","level":"error","msg":"bad","request":{"took":"1s","level":"x","ts":1}}
{"ts":"2000-01-01T00:00:00.000Z","level":"info","msg":"listening","address":"[::1]:80"}
{"ts":"2000-01-01T00:00:00.000Z","level":"fatal","msg":"startup_failed","error":"…"}
`,
		"logfmt": `ts=2000-01-01T00:00:00.000Z level=info msg=listening port=8080 env=production
ts=2000-01-01T00:00:00.000Z level=debug msg=detail took=1.5s at=2026-01-02T02:04:05.000000006Z
ts=2000-01-01T00:00:00.000Z level=warn msg=odd error="a \"quoted\" error" token=<secret>
ts=2000-01-01T00:00:00.000Z level=error msg=bad request.took=1s request.level=x request.ts=1
ts=2000-01-01T00:00:00.000Z level=info msg=listening address=[::1]:80
ts=2000-01-01T00:00:00.000Z level=fatal msg=startup_failed error=…
`,
	} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			say(newLogger(&b, format, slog.LevelDebug))
			if diff := cmp.Diff(want, b.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", format, diff)
			}
		})
	}
}

func TestLogLevel(t *testing.T) {
	for level, lines := range map[slog.Level]int{slog.LevelDebug: 4, slog.LevelInfo: 3, slog.LevelWarn: 2, slog.LevelError: 1} {
		var b bytes.Buffer
		l := newLogger(&b, "json", level)
		l.Debug("a")
		l.Info("b")
		l.Warn("c")
		l.Error("d")
		if got := strings.Count(b.String(), "\n"); got != lines {
			t.Errorf("at %s %d lines, want %d", level, got, lines)
		}
	}
}
