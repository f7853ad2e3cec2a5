package env_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config/env"
)

// files holds the files that a test's NAME_FILE variables name.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	content, ok := f[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(content), nil
}

// A value from docker run --env-file, an editor or the clipboard means the same without surrounding quotes,
// blanks and a byte order mark. A warning describes what was removed.
func TestValuesAsFilesLeaveThem(t *testing.T) {
	const (
		quotes = " is read without the quotes around its value: write the value without them"
		blanks = " is read without the blanks around its value: write the value without them"
		bom    = " is read without the byte order mark around its value: write the value without them"
		mixed  = " is read without the quotes and blanks around its value: write the value without them"
	)
	for name, tc := range map[string]struct{ value, want, warning string }{
		"plain":                  {`field`, `field`, ``},
		"double quotes":          {`"field"`, `field`, quotes},
		"single quotes":          {`'field'`, `field`, quotes},
		"quotes in quotes":       {`'"field"'`, `field`, quotes},
		"blanks":                 {" field\t", `field`, blanks},
		"no-break space":         {"field\u00a0", `field`, blanks},
		"zero-width space":       {"field\u200b", `field`, blanks},
		"a newline before":       {"\nfield", `field`, blanks},
		"a newline":              {"field\n", `field`, ``},
		"Windows line end":       {"field\r\n", `field`, ``},
		"carriage return":        {"field\r", `field`, ``},
		"quotes and line end":    {"\"field\"\r", `field`, quotes},
		"BOM":                    {"\ufefffield", `field`, bom},
		"BOM at the end":         {"field\ufeff", `field`, bom},
		"BOM and quotes":         {"\ufeff\"field\"", `field`, " is read without the quotes and byte order mark around its value: write the value without them"},
		"all of them":            {"\ufeff \" field \" ", `field`, " is read without the quotes, blanks and byte order mark around its value: write the value without them"},
		"blanks inside quotes":   {`" field "`, `field`, mixed},
		"nothing in quotes":      {`""`, ``, quotes},
		"blanks alone":           {"  ", ``, blanks},
		"mismatched quotes":      {`"field'`, `"field'`, ``},
		"one quote":              {`"field`, `"field`, ``},
		"a quote alone":          {`"`, `"`, ``},
		"quotes around parts":    {`"a" and "b"`, `"a" and "b"`, ``},
		"quotes inside":          {`a "b" c`, `a "b" c`, ``},
		"other quotes inside":    {`"it's"`, `it's`, quotes},
		"blanks inside":          {`my field`, `my field`, ``},
		"twice the same quote":   {`""field""`, `""field""`, ``},
		"typographic quotes":     {`“field”`, `“field”`, ``},
		"a value that is quoted": {`k="v"`, `k="v"`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(environ []string, read func(string) ([]byte, error), value func(*env.Settings) string, named string) {
				t.Helper()
				s, warnings, err := env.ReadSettings(environ, read)
				if err != nil {
					t.Errorf("%s: %v", named, err)
					return
				}
				if have := value(s); have != tc.want {
					t.Errorf("%s: the value is %q, want %q", named, have, tc.want)
				}
				var want []string
				if tc.warning != "" {
					want = []string{named + tc.warning}
				}
				if diff := cmp.Diff(want, warnings); diff != "" {
					t.Errorf("%s: warnings (-want +have):\n%s", named, diff)
				}
			}
			url := "GRAFANA_LOKI_URL=http://loki"
			token := func(s *env.Settings) string { return s.Loki.Token.Reveal() }
			check([]string{"ENVIRONMENT=" + tc.value}, files{}.read, func(s *env.Settings) string { return s.Environment }, "ENVIRONMENT")
			check([]string{url, "GRAFANA_LOKI_TOKEN=" + tc.value}, files{}.read, token, "GRAFANA_LOKI_TOKEN")
			if tc.want == "" {
				return // a file must not be empty
			}
			check([]string{url, "GRAFANA_LOKI_TOKEN_FILE=/token"}, files{"/token": tc.value + "\n"}.read, token, `GRAFANA_LOKI_TOKEN_FILE="/token"`)
		})
	}
}

// The name of a file may be quoted like any value.
func TestQuotedPathOfAFile(t *testing.T) {
	s, warnings, err := env.ReadSettings([]string{"GRAFANA_LOKI_URL=http://loki", `GRAFANA_LOKI_TOKEN_FILE="/token"`}, files{"/token": "hunter2"}.read)
	if err != nil || s.Loki.Token.Reveal() != "hunter2" {
		t.Fatalf("err = %v", err)
	}
	want := []string{"GRAFANA_LOKI_TOKEN_FILE is read without the quotes around its value: write the value without them"}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +have):\n%s", diff)
	}
}

// External labels may have values in quotes; they stay as they are.
func TestQuotesInsideExternalLabels(t *testing.T) {
	s, warnings, err := env.ReadSettings([]string{`LIGHTER_EXTERNAL_LABELS=k="v",l="w"`}, files{}.read)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("err = %v, warnings = %q", err, warnings)
	}
	if diff := cmp.Diff(map[string]string{"k": `"v"`, "l": `"w"`}, s.ExternalLabels.Map()); diff != "" {
		t.Errorf("labels (-want +have):\n%s", diff)
	}
}

// Every variable of the backends may name a file in its place.
func TestFileOfEveryBackendVariable(t *testing.T) {
	content := files{
		"/url": "https://logs.example\r\n", "/user": "12\n", "/token": "hunter2\n", "/tenant": "team-a\n",
		"/prom-url": "https://prom.example/push\n", "/prom-user": "34", "/prom-token": "hunter3", "/prom-tenant": "team-b",
	}
	s, warnings, err := env.ReadSettings([]string{
		"GRAFANA_LOKI_URL_FILE=/url", "GRAFANA_LOKI_USER_FILE=/user", "GRAFANA_LOKI_TOKEN_FILE=/token", "GRAFANA_LOKI_TENANT_FILE=/tenant",
		"GRAFANA_PROM_URL_FILE=/prom-url", "GRAFANA_PROM_USER_FILE=/prom-user", "GRAFANA_PROM_TOKEN_FILE=/prom-token", "GRAFANA_PROM_TENANT_FILE=/prom-tenant",
	}, content.read)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("err = %v, warnings = %q", err, warnings)
	}
	want := []env.Backend{
		{URL: "https://logs.example/loki/api/v1/push", User: "12", Token: "hunter2", Tenant: "team-a"},
		{URL: "https://prom.example/push", User: "34", Token: "hunter3", Tenant: "team-b"},
	}
	if s.Loki != want[0] || s.Prom != want[1] {
		t.Errorf("backends %+v and %+v, want %+v", s.Loki, s.Prom, want)
	}
}

// An error about a file names its variable and path, but never its content: a wrong path may be that of any
// file.
func TestBadFiles(t *testing.T) {
	content := files{"/empty": "\n", "/bad-url": "ftp://hunter2", "/colon": "hunter2:x", "/control": "hunter2\x01", "/lines": "hunter2\nhunter3\n"}
	for _, tc := range []struct{ env, want string }{
		{"GRAFANA_LOKI_URL_FILE=/none", `GRAFANA_LOKI_URL_FILE="/none": cannot read the file: file does not exist`},
		{"GRAFANA_LOKI_TENANT_FILE=/empty", `GRAFANA_LOKI_TENANT_FILE="/empty": the file is empty, want a value`},
		{"GRAFANA_LOKI_URL_FILE=/bad-url", `GRAFANA_LOKI_URL_FILE="/bad-url": want a URL such as https://host or http://host:port/path`},
		{"GRAFANA_PROM_USER_FILE=/colon", `GRAFANA_PROM_USER_FILE="/colon": want a user without a colon, basic auth has no way to send one`},
		{"GRAFANA_PROM_TENANT_FILE=/control", `GRAFANA_PROM_TENANT_FILE="/control": want one line without control characters`},
		{"GRAFANA_PROM_TOKEN_FILE=/lines", `GRAFANA_PROM_TOKEN_FILE="/lines": want one line without control characters`},
	} {
		_, _, err := env.ReadSettings([]string{tc.env}, content.read)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: err = %v, want %s", tc.env, err, tc.want)
		}
	}
	_, _, err := env.ReadSettings([]string{"GRAFANA_LOKI_USER=1", "GRAFANA_LOKI_USER_FILE=/user"}, content.read)
	if want := "GRAFANA_LOKI_USER and GRAFANA_LOKI_USER_FILE are both set: set one of them"; err == nil || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}

// An error stands alone: no warning precedes it.
func TestErrorComesWithoutWarnings(t *testing.T) {
	for name, environ := range map[string][]string{
		"a URL that is none":    {"GRAFANA_LOKI_URL=ftp://logs.example", "GRAFANA_LOKI_TOKEN=a"},
		"a misspelt name":       {"GRAFANA_LOKI_URL=ftp://logs.example", "LIGHTER_HOSTT=a"},
		"quotes":                {`ENVIRONMENT="field"`, "LIGHTER_MAX_LINE=big"},
		"an error of two":       {"GRAFANA_LOKI_URL=http://loki", "GRAFANA_LOKI_USER=1", "LIGHTER_HOSTT=a"},
		"targets without a URL": {"GRAFANA_LOKI_URL=http://loki", "LIGHTER_SCRAPE_TARGETS=a:1", "LIGHTER_LOGS_SINCE=x"},
	} {
		if _, warnings, err := env.FromEnv(environ, os.ReadFile); err == nil || len(warnings) > 0 {
			t.Errorf("%s: err = %v, warnings = %q, want an error alone", name, err, warnings)
		}
	}
}

func TestUnreadableFileIsAnErrorOfOneLine(t *testing.T) {
	read := func(string) ([]byte, error) { return nil, errors.New("two\nlines") }
	_, _, err := env.ReadSettings([]string{"GRAFANA_LOKI_URL_FILE=/x"}, read)
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %q, want one line", err)
	}
}
