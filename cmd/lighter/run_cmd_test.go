package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// logLine is a line of the agent's log.
type logLine struct {
	TS, Level, Msg string
	Port           int
	Env, Signal    string
	Error          string
}

func parseLine(t *testing.T, line string) logLine {
	t.Helper()
	var l logLine
	if err := json.Unmarshal([]byte(line), &l); err != nil || l.TS == "" || l.Level == "" || l.Msg == "" {
		t.Fatalf("log line %q: %v; want JSON with ts, level and msg", line, err)
	}
	return l
}

// startAgent starts lighter run. It returns the line in which it reports that it listens, and a function
// that stops it by a signal and returns the exit code and all of its log.
func startAgent(t *testing.T, environ []string, args ...string) (listening logLine, stop func() (int, string)) {
	t.Helper()
	log := &output{lines: make(chan string, 1000)}
	ctx, cancel := context.WithCancelCause(context.Background())
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, &cli{stdout: io.Discard, stderr: log, environ: environ}) }()
	stop = func() (int, string) {
		cancel(stopSignal{syscall.SIGTERM})
		return <-code, log.String()
	}
	for {
		select {
		case line := <-log.lines:
			if l := parseLine(t, line); l.Msg == "listening" {
				return l, stop
			}
		case c := <-code:
			t.Fatalf("the agent ended with %d:\n%s", c, log.String())
		}
	}
}

// An unreachable Engine does not prevent the agent from starting, serving and stopping.
func TestRunStartsAndStops(t *testing.T) {
	environ := []string{"DOCKER_HOST=unix://" + filepath.Join(t.TempDir(), "none.sock"), "ENVIRONMENT=production", "LIGHTER_LISTEN=127.0.0.1:1"}
	for name, args := range map[string][]string{
		"run":         {"run", "--server.http.listen-addr=127.0.0.1:0"},
		"alloy flags": {"run", "--server.http.listen-addr", "127.0.0.1:0", "--storage.path", t.TempDir(), "--stability.level=experimental", "--disable-reporting"},
	} {
		t.Run(name, func(t *testing.T) {
			line, stop := startAgent(t, environ, args...)
			if line.Port == 0 || line.Env != "production" || line.Level != "info" {
				t.Errorf("listening = %+v, want a port and the environment", line)
			}
			url := "http://" + net.JoinHostPort("127.0.0.1", itoa(line.Port))
			for path, want := range map[string]int{"/health": 200, "/ready": 503, "/metrics": 200, "/api/v1/status": 200, "/": 200} {
				if got := status(t, url+path); got != want {
					t.Errorf("GET %s = %d, want %d", path, got, want)
				}
			}
			code, log := stop()
			last := logLine{}
			for l := range strings.Lines(log) {
				if l := parseLine(t, l); l.Msg == "shutdown" {
					last = l
				}
			}
			if !strings.Contains(log, "no backend is set") || !strings.Contains(log, url) {
				t.Errorf("the log does not say that no backend is set, and where the page is:\n%s", log)
			}
			if code != exitOK || last.Signal != "SIGTERM" {
				t.Errorf("exit %d, shutdown line %+v, want 0 and SIGTERM; log:\n%s", code, last, log)
			}
		})
	}
}

// lighter without a command is lighter run.
func TestAloneIsRun(t *testing.T) {
	_, stop := startAgent(t, []string{"DOCKER_HOST=unix:///nonexistent/docker.sock", "LIGHTER_LISTEN=127.0.0.1:0"})
	if code, log := stop(); code != exitOK {
		t.Errorf("exit %d:\n%s", code, log)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func status(t *testing.T, url string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// Whatever prevents the start is reported in one line, without a secret.
func TestStartupFailed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"DOCKER_HOST=unix:///nonexistent/docker.sock", "LIGHTER_LISTEN=127.0.0.1:0", "GRAFANA_LOKI_TOKEN=hunter2"}
	for name, tc := range map[string]struct {
		environ []string
		args    []string
		says    []string
	}{
		"a wrong variable":      {[]string{"LIGHTER_LOGS_SINCE=yesterday"}, []string{"run"}, []string{"LIGHTER_LOGS_SINCE", "yesterday"}},
		"a secret not readable": {[]string{"GRAFANA_PROM_TOKEN_FILE=" + file + "x"}, []string{"run"}, []string{"GRAFANA_PROM_TOKEN_FILE", file + "x"}},
		"a port in use":         {[]string{"LIGHTER_LISTEN=" + taken.Addr().String()}, []string{"run"}, []string{taken.Addr().String(), "in use", "another port"}},
		"a data directory that is a file": {[]string{"GRAFANA_LOKI_URL=http://127.0.0.1:1", "LIGHTER_DATA_DIR=" + file}, []string{"run"},
			[]string{file}},
		"a flag that is wrong": {nil, []string{"run", "--server.http.listen-addr=nonsense"}, []string{"LIGHTER_LISTEN", "nonsense"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := command(t, append(base[:len(base):len(base)], tc.environ...), tc.args...)
			if code != exitFailed || stdout != "" {
				t.Errorf("exit %d, stdout %q", code, stdout)
			}
			lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
			last := parseLine(t, lines[len(lines)-1])
			if last.Msg != "startup_failed" || last.Level != "fatal" {
				t.Errorf("the last line is %+v, want startup_failed", last)
			}
			for _, l := range lines[:len(lines)-1] {
				if name == "an Alloy file" { // the errors in it are printed on separate lines
					break
				}
				if parseLine(t, l).Level == "error" {
					t.Errorf("it is said twice: %s", l)
				}
			}
			for _, word := range tc.says {
				if !strings.Contains(last.Error, word) {
					t.Errorf("error %q does not say %q", last.Error, word)
				}
			}
			if strings.Contains(stderr, "hunter2") {
				t.Errorf("the log tells a secret:\n%s", stderr)
			}
		})
	}
}

// LIGHTER_LOG_FORMAT applies before the settings are known to be valid.
func TestStartupFailedInLogfmt(t *testing.T) {
	_, _, stderr := command(t, []string{"LIGHTER_LOG_FORMAT=logfmt", "LIGHTER_MAX_LINE=big"}, "run")
	if !strings.Contains(stderr, " level=fatal msg=startup_failed error=") {
		t.Errorf("log = %q", stderr)
	}
}

// An invalid value is reported alone, however many warnings there are.
func TestSettingsErrorIsTheOnlyLine(t *testing.T) {
	environ := []string{"GRAFANA_LOKI_URL=ftp://logs.example", "GRAFANA_LOKI_TOKEN=a", "GRAFANA_PROM_TOKN=b", `ENVIRONMENT="field"`}
	for _, name := range []string{"run", "discover"} {
		code, stdout, stderr := command(t, environ, name)
		if code != exitFailed || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "ftp://logs.example") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q, want one line that names the value", name, code, stdout, stderr)
		}
	}
}

// Warnings about settings are logged in the configured format and from the configured level on.
func TestWarningsAreLoggedAsSettingsSay(t *testing.T) {
	environ := []string{"DOCKER_HOST=unix:///nonexistent/docker.sock", "LIGHTER_LISTEN=127.0.0.1:0", `ENVIRONMENT="field"`, "GRAFANA_PROM_TOKN=a"}
	_, stop := startAgent(t, environ)
	_, log := stop()
	for _, want := range []string{"ENVIRONMENT is read without the quotes around its value", "the nearest is GRAFANA_PROM_TOKEN"} {
		if !strings.Contains(log, `"level":"warn","msg":"`) || !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0") // an agent that cannot start ends by itself
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, _, stderr := command(t, append(environ, "LIGHTER_LISTEN="+busy.Addr().String(), "LIGHTER_LOG_LEVEL=error", `LIGHTER_LOG_FORMAT="logfmt"`), "run")
	if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "level=fatal") {
		t.Errorf("with LIGHTER_LOG_LEVEL=error the log is %q, want the one line that is fatal, in logfmt", stderr)
	}
}

// The only line of a failed start is in the configured format, with or without quotes.
func TestStartupFailedInQuotedLogfmt(t *testing.T) {
	_, _, stderr := command(t, []string{`LIGHTER_LOG_FORMAT="logfmt"`, "LIGHTER_MAX_LINE=big"}, "run")
	if !strings.Contains(stderr, " level=fatal msg=startup_failed error=") {
		t.Errorf("log = %q", stderr)
	}
}

// A volume that is mounted where Alloy's image stores data is used as it is there, unless the environment names
// another directory.
func TestDataDirLikeAlloys(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		environ []string
		alloys  string
		want    string
	}{
		"mounted":         {nil, dir, dir},
		"not mounted":     {nil, filepath.Join(dir, "none"), ""},
		"another is said": {[]string{"LIGHTER_DATA_DIR=/elsewhere"}, dir, ""},
	} {
		if got := (&cli{environ: tc.environ}).dataDirLike(tc.alloys); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// A flag overrides a variable, also if the variable's value is invalid.
func TestFlagOverAnInvalidVariable(t *testing.T) {
	file := writeFile(t, "") // no directory can be made below it
	environ := []string{"LIGHTER_LISTEN=garbage", "GRAFANA_LOKI_URL=http://127.0.0.1:1"}
	code, _, stderr := command(t, environ, "run", "--server.http.listen-addr=127.0.0.1:0", "--storage.path="+filepath.Join(file, "data"))
	if code != exitFailed || strings.Contains(stderr, "LIGHTER_LISTEN") || !strings.Contains(stderr, "data directory") {
		t.Errorf("exit %d, stderr %q, want an error about the data directory alone", code, stderr)
	}
}
