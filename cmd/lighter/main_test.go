package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// asLighter makes the test binary act as lighter, because some tests need the environment of a whole
// process.
const asLighter = "LIGHTER_TEST_AS_LIGHTER=1"

func TestMain(m *testing.M) {
	if name, value, _ := strings.Cut(asLighter, "="); os.Getenv(name) == value {
		_ = os.Unsetenv(name)
		main()
	}
	goleak.VerifyTestMain(m)
}

// output is a buffer that a running command writes and a test reads.
type output struct {
	mu    sync.Mutex
	b     bytes.Buffer
	lines chan string // receives every line, unless nil
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lines != nil {
		for line := range strings.Lines(string(p)) {
			o.lines <- line
		}
	}
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// command runs a command line to its end.
func command(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err output
	code = run(t.Context(), args, &cli{stdout: &out, stderr: &err, environ: environ})
	return code, out.String(), err.String()
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string // part of the only line on stderr
	}{
		{[]string{"helthcheck"}, `lighter: there is no command "helthcheck", did you mean healthcheck?; see lighter --help`},
		{[]string{"xyz"}, `lighter: there is no command "xyz"; see lighter --help`},
		{[]string{"--bogus"}, `lighter: unknown flag: --bogus; see lighter --help`},
		{[]string{"run", "--bogus"}, `lighter: unknown flag: --bogus; see lighter run --help`},
		{[]string{"run", "a", "b"}, `lighter: it takes one argument at most, but there are 2; see lighter run --help`},
		{[]string{"version", "x"}, `lighter: version takes no arguments, got "x"; see lighter version --help`},
		{[]string{"healthcheck", "x", "y"}, `lighter: it takes one argument at most, but there are 2; see lighter healthcheck --help`},
		{[]string{"discover", "--json=maybe"}, `lighter: invalid argument "maybe" for "--json" flag: strconv.ParseBool: parsing "maybe": invalid syntax; see lighter discover --help`},
		{[]string{"help", "xyz"}, `lighter: there is no command "xyz"; see lighter help --help`},
		{[]string{"help", "run", "x"}, `lighter: it takes one argument at most, but there are 2; see lighter help --help`},
		{[]string{"validate"}, `lighter: the name of a file is missing; see lighter validate --help`},
		{[]string{"fmt", "a", "b"}, `lighter: it takes one argument at most, but there are 2; see lighter fmt --help`},
		{[]string{"run", ""}, `lighter: the name of the file is empty; see lighter run --help`},
		{[]string{"validate", ""}, `lighter: the name of the file is empty; see lighter validate --help`},
		{[]string{"explain", ""}, `lighter: the name of the file is empty; see lighter explain --help`},
		{[]string{"healthcheck", ""}, `lighter: the address is empty, want host:port; see lighter healthcheck --help`},
		{[]string{"fmt", "-w", ""}, `lighter: the name of the file is empty; see lighter fmt --help`},
		{[]string{"demo", "x"}, `lighter: demo takes no arguments, got "x"; see lighter demo --help`},
	} {
		code, stdout, stderr := command(t, nil, tc.args...)
		if code != exitUsage || stdout != "" || stderr != tc.want+"\n" {
			t.Errorf("lighter %s = %d\nstdout %q\nstderr %q\nwant 2 and %q", strings.Join(tc.args, " "), code, stdout, stderr, tc.want)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"run", "-h"}, {"help", "demo"}} {
		code, stdout, stderr := command(t, nil, args...)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, "Usage:") {
			t.Errorf("lighter %v = %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "a\nb": "a; b", "a\r\n\nb\n": "a; b", "": ""} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

// The first signal cancels the context, whose cause names it.
func TestSignals(t *testing.T) {
	for sig, want := range map[syscall.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT"} {
		ctx, stop := withSignals(t.Context())
		if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		if by, ok := cause(ctx); !ok || by != want {
			t.Errorf("cause = %q %t, want %s", by, ok, want)
		}
		stop()
	}
	ctx, stop := withSignals(t.Context())
	stop()
	if by, ok := cause(ctx); ok {
		t.Errorf("without a signal the cause is %s", by)
	}
}
