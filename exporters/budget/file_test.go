package budget_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter/exporters/budget"
)

func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "budget.json")
	options := budget.Options{File: path}
	s := simulate(at("2026-12-10 12:00"), daily, options)
	if s.log.Len() > 0 {
		t.Errorf("log without a file: %s", s.log)
	}
	s.AddLogs("api", 1234, s.clock.now)
	s.Save()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(text []byte) (warned bool) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s := simulate(at("2026-12-10 13:00"), daily, options)
		s.AddLogs("api", 1, s.clock.now)
		used := s.Status().Logs.Used
		if warned = s.log.Len() > 0; warned != (used == 1) || !warned && used != 1235 {
			t.Errorf("used = %d after the file %.60q, log %q", used, text, s.log)
		}
		s.AddLogs("api", 1, s.clock.now)
		s.Save()
		if again := simulate(at("2026-12-10 14:00"), daily, options); again.log.Len() > 0 || again.Status().Logs.Used != used+1 {
			t.Errorf("the file that was written after %.60q has %d, log %q", text, again.Status().Logs.Used, again.log)
		}
		return warned
	}
	if try(good) {
		t.Error("warned of a good file")
	}
	for i := 0; i < len(good); i += 23 {
		if !try(good[:i]) {
			t.Errorf("not warned of a file that is cut after %d bytes", i)
		}
	}
	for _, change := range [][2]string{{`"version":1`, `"version":2`}, {`"month":"2026-12"`, `"month":"2027-01"`}, {`"month":"2026-12"`, `"month":"x"`},
		{`"api":1234`, `"api":-1`}, {`"hours":[0`, `"hours":[-1`}, {`"hours":[0,`, `"hours":[`}, {`"last":`, `"last":9`}, {`"first":`, `"first":9`}, {`"begun":`, `"begun":-`}} {
		text := strings.Replace(string(good), change[0], change[1], 1)
		if text == string(good) || !try([]byte(text)) {
			t.Errorf("not warned of %s", change[1])
		}
	}
}

// If the file cannot be written, that is logged once, and the file is written once that is possible.
func TestFileCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := simulate(at("2026-12-10 12:00"), daily, budget.Options{File: filepath.Join(dir, "budget.json")})
	s.AddLogs("api", 1, s.clock.now)
	s.Save()
	s.Save()
	if n := strings.Count(s.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want one: %s", n, s.log)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.restart()
	if used := s.Status().Logs.Used; used != 1 {
		t.Errorf("used = %d after the restart, want 1", used)
	}
}

// Run writes at most once a minute, and when it ends.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "budget.json")
		b := budget.New(budget.Options{File: path, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		size := func() int64 {
			synctest.Wait()
			info, err := os.Stat(path)
			if err != nil {
				return 0
			}
			return info.Size()
		}
		b.AddLogs("api", 1, time.Now())
		time.Sleep(59 * time.Second)
		if size() != 0 {
			t.Error("written within a minute")
		}
		time.Sleep(2 * time.Second)
		first := size()
		if first == 0 {
			t.Error("not written after a minute")
		}
		b.AddLogs("another service", 1, time.Now())
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if size() <= first {
			t.Error("not written at the end")
		}
	})
}
