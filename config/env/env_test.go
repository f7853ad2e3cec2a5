package env_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config/env"
)

var update = flag.Bool("update", false, "rewrite golden files and README's tables")

// readEnv reads a file of NAME=value lines into the form of os.Environ.
func readEnv(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var environ []string
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(line, "#") {
			environ = append(environ, strings.TrimSuffix(line, "\n"))
		}
	}
	return environ
}

func TestGoodEnvironments(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.good.env")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files, err = %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			plan, warnings, err := env.FromEnv(readEnv(t, path), os.ReadFile)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 {
				t.Errorf("warnings: %q", warnings)
			}
			checkGolden(t, strings.TrimSuffix(path, ".env")+".plan", dump(plan))
		})
	}
}

func checkGolden(t *testing.T, path, have string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s differs (-want +have); go test -update rewrites it:\n%s", path, diff)
	}
}

func TestBadEnvironments(t *testing.T) {
	want := map[string]string{
		"everything_wrong":         `GRAFANA_LOKI_URL="logs.example": want a URL such as https://host or http://host:port/path; LIGHTER_MAX_LINE="12 parsecs": want a size such as 256KiB, 512MiB, 1GB or a number of bytes; LIGHTER_REDACT="yes": want on or off`,
		"secret_twice":             `GRAFANA_LOKI_TOKEN and GRAFANA_LOKI_TOKEN_FILE are both set: set one of them`,
		"secret_file_missing":      `GRAFANA_LOKI_TOKEN_FILE: cannot read the file: no such file or directory`,
		"secret_file_empty":        `GRAFANA_LOKI_TOKEN_FILE: the file is empty, want a value`,
		"secret_file_two_lines":    `GRAFANA_PROM_TOKEN_FILE: want one line without control characters`,
		"user_without_token":       `GRAFANA_LOKI_USER="12": want a password with it, in GRAFANA_LOKI_TOKEN or GRAFANA_LOKI_TOKEN_FILE`,
		"credentials_twice":        `GRAFANA_LOKI_USER="12": want one user, the URL has one too; GRAFANA_LOKI_TOKEN: want one password, the URL has one too`,
		"timeout_above_interval":   `LIGHTER_SCRAPE_TIMEOUT="1m30s": want at most the interval, which is 1m`,
		"tls_without_certificates": `DOCKER_TLS_VERIFY: want the directory of ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH with it`,
	}
	paths, err := filepath.Glob("testdata/*.bad.env")
	if err != nil || len(paths) != len(want) {
		t.Fatalf("%d files, want %d, err = %v", len(paths), len(want), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".bad.env")
		t.Run(name, func(t *testing.T) {
			plan, _, err := env.FromEnv(readEnv(t, path), os.ReadFile)
			if err == nil || plan != nil {
				t.Fatalf("plan = %v, err = %v, want an error alone", plan, err)
			}
			if diff := cmp.Diff(want[name], err.Error()); diff != "" {
				t.Errorf("error (-want +have):\n%s", diff)
			}
		})
	}
}

// TestBadValues tries one variable at a time.
func TestBadValues(t *testing.T) {
	const (
		url      = `want a URL such as https://host or http://host:port/path`
		size     = `want a size such as 256KiB, 512MiB, 1GB or a number of bytes`
		duration = `want a duration such as 30s, 90m, 24h or 7d`
		listen   = `want host:port, such as 127.0.0.1:12345 or :12345`
		engine   = `want unix:///path/of.sock, tcp://host:port or http://host:port`
		target   = `want host:port or a URL such as https://host:port/path`
		globs    = `want globs with *, ? and [a-z], separated by commas`
	)
	for _, tc := range []struct{ env, want string }{
		{`GRAFANA_LOKI_URL=ftp://logs.example`, `GRAFANA_LOKI_URL="ftp://logs.example": ` + url},
		{`GRAFANA_LOKI_URL=https://`, `GRAFANA_LOKI_URL="https://": ` + url},
		{`GRAFANA_LOKI_URL="https://logs.example`, `GRAFANA_LOKI_URL="\"https://logs.example": ` + url},
		{`GRAFANA_LOKI_URL=https://logs.example:99999`, `GRAFANA_LOKI_URL="https://logs.example:99999": ` + url},
		{`GRAFANA_LOKI_URL=http://logs.example:`, `GRAFANA_LOKI_URL="http://logs.example:": ` + url},
		{`GRAFANA_PROM_URL=http://:9090/write`, `GRAFANA_PROM_URL="http://:9090/write": ` + url},
		{`GRAFANA_PROM_URL=https://token@prom.example/?key=1`, `GRAFANA_PROM_URL="https://prom.example/": want a user and a password before the @, or neither`},
		{`GRAFANA_PROM_URL=https://a:p/w@prom.example/`, `GRAFANA_PROM_URL="https://prom.example/": ` + url},
		{`GRAFANA_LOKI_USER=a:b`, `GRAFANA_LOKI_USER="a:b": want a user without a colon, which basic auth cannot send`},
		{"GRAFANA_LOKI_TENANT=a\nb", `GRAFANA_LOKI_TENANT="a\nb": want one line without control characters`},
		{"GRAFANA_LOKI_TOKEN=a\tb", `GRAFANA_LOKI_TOKEN: want one line without control characters`},
		{"ENVIRONMENT=\xff", `ENVIRONMENT="\xff": want text in UTF-8`},
		{"SV0_ENVIRONMENT=\xff", `SV0_ENVIRONMENT="\xff": want text in UTF-8`},
		{`LIGHTER_EXTERNAL_LABELS=a=1,a=2`, `LIGHTER_EXTERNAL_LABELS="a=1,a=2": want each name once, "a" is there twice`},
		{`LIGHTER_EXTERNAL_LABELS=a`, `LIGHTER_EXTERNAL_LABELS="a": want name=value,name=value`},
		{`LIGHTER_EXTERNAL_LABELS=1a=b`, `LIGHTER_EXTERNAL_LABELS="1a=b": want names of letters, digits and _, not starting with a digit or __; got "1a"`},
		{`LIGHTER_EXTERNAL_LABELS=__a=b`, `LIGHTER_EXTERNAL_LABELS="__a=b": want names of letters, digits and _, not starting with a digit or __; got "__a"`},
		{`DOCKER_HOST=ssh://me@host`, `DOCKER_HOST="ssh://host": ` + engine},
		{`DOCKER_HOST=/var/run/docker.sock`, `DOCKER_HOST="/var/run/docker.sock": ` + engine},
		{`DOCKER_HOST=unix://run.sock`, `DOCKER_HOST="unix://run.sock": ` + engine},
		{`DOCKER_HOST=tcp://me:secret@host:1`, `DOCKER_HOST="tcp://host:1": ` + engine},
		{`DOCKER_API_VERSION=latest`, `DOCKER_API_VERSION="latest": want a version such as 1.44`},
		{`LIGHTER_INCLUDE=[a`, `LIGHTER_INCLUDE="[a": ` + globs},
		{`LIGHTER_EXCLUDE=x,[z-a]`, `LIGHTER_EXCLUDE="x,[z-a]": ` + globs},
		{`LIGHTER_LOG_SOURCE=files`, `LIGHTER_LOG_SOURCE="files": want auto or socket or file`},
		{`LIGHTER_DOCKER_ROOT=docker`, `LIGHTER_DOCKER_ROOT="docker": want an absolute path, such as /var/lib/docker`},
		{`LIGHTER_LOGS_SINCE=-1h`, `LIGHTER_LOGS_SINCE="-1h": ` + duration},
		{`LIGHTER_LOGS_SINCE=24`, `LIGHTER_LOGS_SINCE="24": ` + duration},
		{`LIGHTER_LOGS_SINCE=99999d`, `LIGHTER_LOGS_SINCE="99999d": ` + duration},
		{`LIGHTER_LOGS_SINCE=2d2562047h`, `LIGHTER_LOGS_SINCE="2d2562047h": ` + duration},
		{`LIGHTER_MAX_LINE=63`, `LIGHTER_MAX_LINE="63": want at least 64 bytes`},
		{`LIGHTER_MULTILINE=On`, `LIGHTER_MULTILINE="On": want auto, off, or a regular expression for the first line of an entry`},
		{`LIGHTER_MULTILINE=false`, `LIGHTER_MULTILINE="false": want auto, off, or a regular expression for the first line of an entry`},
		{`LIGHTER_FIELDS=a,a`, `LIGHTER_FIELDS="a,a": field "a": the name a is used twice`},
		{`LIGHTER_MAX_LINE=1GiB`, `LIGHTER_MAX_LINE="1GiB": want at most 1048576 bytes`},
		{`LIGHTER_MAX_LINE=1k`, `LIGHTER_MAX_LINE="1k": ` + size},
		{`LIGHTER_SCRAPE_TARGETS=api:3000,http://u:p@b:1`, `LIGHTER_SCRAPE_TARGETS="b:1": target 2: want no user and password, because scrapes send none`},
		{`LIGHTER_SCRAPE_TARGETS=api:http`, `LIGHTER_SCRAPE_TARGETS="api:http": "api:http": ` + target},
		{`LIGHTER_SCRAPE_INTERVAL=1ms`, `LIGHTER_SCRAPE_INTERVAL="1ms": want at least 100ms`},
		{`LIGHTER_SCRAPE_TIMEOUT=x`, `LIGHTER_SCRAPE_TIMEOUT="x": ` + duration},
		{`LIGHTER_SCRAPE_TIMEOUT=31s`, `LIGHTER_SCRAPE_TIMEOUT="31s": want at most the interval, which is 30s`},
		{`LIGHTER_METRICS_PATH=metrics`, `LIGHTER_METRICS_PATH="metrics": want a path such as /metrics or /metrics?format=prometheus`},
		{`LIGHTER_METRICS_PATH=/m#a`, `LIGHTER_METRICS_PATH="/m#a": want a path such as /metrics or /metrics?format=prometheus`},
		{`LIGHTER_METRICS_PATH=/m?token=a b`, `LIGHTER_METRICS_PATH="/m": want a path such as /metrics or /metrics?format=prometheus`},
		{`LIGHTER_SCRAPE_SAMPLE_LIMIT=-1`, `LIGHTER_SCRAPE_SAMPLE_LIMIT="-1": want a whole number, 0 or more`},
		{`LIGHTER_SCRAPE_BODY_LIMIT=1e6`, `LIGHTER_SCRAPE_BODY_LIMIT="1e6": ` + size},
		{`LIGHTER_NATIVE_HISTOGRAMS=yes`, `LIGHTER_NATIVE_HISTOGRAMS="yes": want on or off`},
		{`LIGHTER_REMOTE_WRITE=2.0`, `LIGHTER_REMOTE_WRITE="2.0": want 1 or 2`},
		{`LIGHTER_BUFFER_MAX=0`, `LIGHTER_BUFFER_MAX="0": want at least 1048576 bytes`},
		{`LIGHTER_BUFFER_MAX=9999999999TiB`, `LIGHTER_BUFFER_MAX="9999999999TiB": want at most 9223372036854775807 bytes`},
		{`LIGHTER_LISTEN=12345`, `LIGHTER_LISTEN="12345": ` + listen},
		{`LIGHTER_LISTEN=:http`, `LIGHTER_LISTEN=":http": ` + listen},
		{`LIGHTER_HTTP_USER=a:b`, `LIGHTER_HTTP_USER="a:b": want a user without a colon, which basic auth cannot send`},
		{`LIGHTER_HTTP_USER=me`, `LIGHTER_HTTP_USER="me": want a password with it, in LIGHTER_HTTP_PASSWORD or LIGHTER_HTTP_PASSWORD_FILE`},
		{`LIGHTER_HTTP_PASSWORD=hunter2`, `LIGHTER_HTTP_PASSWORD: want a user with it, in LIGHTER_HTTP_USER`},
		{`LIGHTER_TLS_CERT=/c.pem`, `LIGHTER_TLS_CERT="/c.pem": want the file of its key with it, in LIGHTER_TLS_KEY`},
		{`LIGHTER_TLS_KEY=/k.pem`, `LIGHTER_TLS_KEY="/k.pem": want the file of the certificate with it, in LIGHTER_TLS_CERT`},
		{`LIGHTER_SELF_METRICS=yes`, `LIGHTER_SELF_METRICS="yes": want on or off`},
		{`LIGHTER_LOG_LEVEL=trace`, `LIGHTER_LOG_LEVEL="trace": want debug, info, warn or error`},
		{`LIGHTER_LOG_FORMAT=text`, `LIGHTER_LOG_FORMAT="text": want json or logfmt`},
	} {
		t.Run(tc.env, func(t *testing.T) {
			_, _, err := env.FromEnv([]string{tc.env}, os.ReadFile)
			if err == nil {
				t.Fatalf("no error, want %s", tc.want)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("error (-want +have):\n%s", diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for name, tc := range map[string]struct{ env, want []string }{
		"a letter missing":     {[]string{"LIGHTER_MAXLINE=1MiB"}, []string{"LIGHTER_MAXLINE is not a setting and has no effect; the nearest is LIGHTER_MAX_LINE"}},
		"two words in one":     {[]string{"LIGHTER_LOGLEVEL=warn"}, []string{"LIGHTER_LOGLEVEL is not a setting and has no effect; the nearest is LIGHTER_LOG_LEVEL"}},
		"a backend's token":    {[]string{"GRAFANA_PROM_URL=http://prom", "GRAFANA_PROM_TOKN=a"}, []string{"GRAFANA_PROM_TOKN is not a setting and has no effect; the nearest is GRAFANA_PROM_TOKEN"}},
		"a backend's file":     {[]string{"GRAFANA_LOKI_URL=http://loki", "GRAFANA_LOKI_TOKN_FILE=a"}, []string{"GRAFANA_LOKI_TOKN_FILE is not a setting and has no effect; the nearest is GRAFANA_LOKI_TOKEN_FILE"}},
		"a BOM before a name":  {[]string{"\ufeffLIGHTER_HOST=a"}, []string{`\ufeffLIGHTER_HOST is not a setting and has no effect; the nearest is LIGHTER_HOST`}},
		"a password":           {[]string{"GRAFANA_LOKI_URL=http://loki", "GRAFANA_LOKI_PASSWORD=a"}, []string{"GRAFANA_LOKI_PASSWORD is not a setting and has no effect; the nearest is GRAFANA_LOKI_TOKEN"}},
		"an API key":           {[]string{"GRAFANA_PROM_URL=http://prom", "GRAFANA_PROM_API_KEY=a"}, []string{"GRAFANA_PROM_API_KEY is not a setting and has no effect; the nearest is GRAFANA_PROM_TOKEN"}},
		"a password in a file": {[]string{"GRAFANA_PROM_URL=http://prom", "GRAFANA_PROM_PASS_FILE=/a"}, []string{"GRAFANA_PROM_PASS_FILE is not a setting and has no effect; the nearest is GRAFANA_PROM_TOKEN_FILE"}},
		"a user name":          {[]string{"GRAFANA_PROM_URL=http://prom", "GRAFANA_PROM_USERNAME=a"}, []string{"GRAFANA_PROM_USERNAME is not a setting and has no effect; the nearest is GRAFANA_PROM_USER"}},
		"no file of that":      {[]string{"LIGHTER_HOST_FILE=/x"}, []string{"LIGHTER_HOST_FILE is not a setting and has no effect; the nearest is LIGHTER_HOST"}},
		"others of Grafana":    {[]string{"GRAFANA_CLOUD_TOKEN=a", "GRAFANA_LOKI=b"}, nil},
		"not ours":             {[]string{"LIGHT_HOST=a", "LIGHTERS=b"}, nil},
		"in order":             {[]string{"LIGHTER_HOSTT=", "LIGHTER_EXCLUDED="}, []string{"LIGHTER_EXCLUDED is not a setting and has no effect; the nearest is LIGHTER_EXCLUDE", "LIGHTER_HOSTT is not a setting and has no effect; the nearest is LIGHTER_HOST"}},
		"token without URL":    {[]string{"GRAFANA_LOKI_TOKEN=a"}, []string{"GRAFANA_LOKI_URL is not set: logs are not sent, whatever the other GRAFANA_LOKI_* variables say"}},
		"files, no targets":    {[]string{"GRAFANA_PROM_URL=http://prom", "LIGHTER_LOG_SOURCE=file"}, []string{"LIGHTER_LOG_SOURCE=file: nothing is scraped, because the Engine is not asked for the addresses of containers. Name targets in LIGHTER_SCRAPE_TARGETS, or set LIGHTER_LOG_SOURCE=auto"}},
		"files and targets":    {[]string{"GRAFANA_PROM_URL=http://prom", "LIGHTER_LOG_SOURCE=file", "LIGHTER_SCRAPE_TARGETS=a:1"}, nil},
		"one address twice":    {[]string{"GRAFANA_PROM_URL=http://prom", "LIGHTER_SCRAPE_TARGETS=a:1/x,b:1,a:1/y,a:1/z"}, []string{"LIGHTER_SCRAPE_TARGETS names a:1 more than once: the series of both have the same job and instance, and are mixed where they have the same name"}},
		"targets without URL":  {[]string{"GRAFANA_LOKI_URL=http://loki", "LIGHTER_SCRAPE_TARGETS=a:1"}, []string{"LIGHTER_SCRAPE_TARGETS has no effect: GRAFANA_PROM_URL is not set"}},
		"local mode":           {[]string{"LIGHTER_SCRAPE_TARGETS=a:1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, have, err := env.FromEnv(tc.env, os.ReadFile)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, have); diff != "" {
				t.Errorf("warnings (-want +have):\n%s", diff)
			}
		})
	}
}

func TestLastOfTwoCounts(t *testing.T) {
	plan, _, err := env.FromEnv([]string{"LIGHTER_LISTEN=:1", "LIGHTER_LISTEN=:2"}, os.ReadFile)
	if err != nil || plan.Agent.Listen != ":2" {
		t.Errorf("listen = %q, err = %v, want the last", plan.Agent.Listen, err)
	}
}
