package env_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"lighter/config"
	"lighter/config/env"
	"lighter/exporters/loki"
)

// TestElideSecrets prints everything that the package returns in all the ways that a program can.
func TestElideSecrets(t *testing.T) {
	const secret = "hunter2"
	for name, environ := range map[string][]string{
		"tokens": {
			"GRAFANA_LOKI_URL=https://logs.example", "GRAFANA_LOKI_USER=1", "GRAFANA_LOKI_TOKEN=" + secret,
			"GRAFANA_PROM_URL=https://prom.example", "GRAFANA_PROM_TOKEN=" + secret,
		},
		"files": {
			"GRAFANA_LOKI_URL=https://logs.example", "GRAFANA_LOKI_TOKEN_FILE=" + secret + "-file",
			"GRAFANA_PROM_URL=https://prom.example", "GRAFANA_PROM_TOKEN_FILE=" + secret + "-file",
		},
		"of the agent's own server":     {"LIGHTER_HTTP_USER=me", "LIGHTER_HTTP_PASSWORD=" + secret},
		"of that server without a user": {"LIGHTER_HTTP_PASSWORD=" + secret},
		"inside URLs": {
			"GRAFANA_LOKI_URL=https://me:" + secret + "@logs.example",
			"GRAFANA_PROM_URL=https://me:" + secret + "@prom.example/push",
		},
		"without URLs":                      {"GRAFANA_LOKI_TOKEN=" + secret, "GRAFANA_PROM_TOKEN=" + secret},
		"control characters":                {"GRAFANA_LOKI_TOKEN=" + secret + "\x01", "GRAFANA_PROM_TOKEN=\x01" + secret},
		"said twice":                        {"GRAFANA_LOKI_TOKEN=" + secret, "GRAFANA_LOKI_TOKEN_FILE=" + "x"},
		"URL with bad port":                 {"GRAFANA_LOKI_URL=https://me:" + secret + "@logs.example:x"},
		"URL with bad scheme":               {"GRAFANA_LOKI_URL=htps://me:" + secret + "@logs.example"},
		"URL without scheme":                {"GRAFANA_PROM_URL=me:" + secret + "@prom.example"},
		"URL with bad escape":               {"GRAFANA_PROM_URL=https://me:%zz" + secret + "@prom.example"},
		"password with @ # /":               {"GRAFANA_PROM_URL=https://me:a@b#c/" + secret + "@prom.example"},
		"password with ?":                   {"GRAFANA_PROM_URL=https://me:a?" + secret + "@prom.example:x"},
		"password 1?…":                      {"GRAFANA_PROM_URL=https://me:1?" + secret + "@prom.example"},
		"password 1#…":                      {"GRAFANA_PROM_URL=https://me:1#" + secret + "@prom.example"},
		"user alone":                        {"GRAFANA_PROM_URL=https://" + secret + "@prom.example"},
		"query":                             {"GRAFANA_PROM_URL=ftp://prom.example?token=" + secret},
		"URL and variables":                 {"GRAFANA_LOKI_URL=https://me:" + secret + "@logs.example", "GRAFANA_LOKI_USER=1", "GRAFANA_LOKI_TOKEN=" + secret},
		"Docker's host":                     {"DOCKER_HOST=tcp://me:" + secret + "@engine.example:1"},
		"scrape target":                     {"LIGHTER_SCRAPE_TARGETS=a:1,http://me:" + secret + "@api:3000,http://u:" + secret + "@b"},
		"scrape target, plain":              {"LIGHTER_SCRAPE_TARGETS=me:" + secret + "@api:3000"},
		"targets, the first without scheme": {"LIGHTER_SCRAPE_TARGETS=u:" + secret + "@h:1/x, http://a:1/"},
		"targets, several":                  {"LIGHTER_SCRAPE_TARGETS=http://a:1,u:" + secret + "@h:1/x, http://u:p@a:x/"},
		"targets, comma in the password":    {"LIGHTER_SCRAPE_TARGETS=http://u:" + secret + ",b@h:1"},
		"targets, password with ://":        {"LIGHTER_SCRAPE_TARGETS=u:" + secret + "://b@h:1"},
		"targets, query":                    {"LIGHTER_SCRAPE_TARGETS=a:1/m?token=" + secret + ", b:x"},
		"targets, query of the bad one":     {"LIGHTER_SCRAPE_TARGETS=b:1, a:x/m?token=" + secret},
		"targets, comma in the query":       {"LIGHTER_SCRAPE_TARGETS=a:1/m?token=1," + secret + ":x"},
		"targets, @ in the query":           {"LIGHTER_SCRAPE_TARGETS=a:1/m?token=1@" + secret},
		"URL without scheme, query":         {"GRAFANA_PROM_URL=prom.example/push?token=" + secret},
		"URL, @ in the query":               {"GRAFANA_PROM_URL=prom.example/push?token=1@" + secret},
		"Docker's host, query":              {"DOCKER_HOST=engine.example:1?token=" + secret},
		"proxy, query":                      {"HTTPS_PROXY=proxy:1?token=" + secret},
		"path, query":                       {"LIGHTER_METRICS_PATH=metrics?token=" + secret},
		"token for a file":                  {"GRAFANA_LOKI_TOKEN_FILE=" + secret + "!missing"},
		"URL for a file":                    {"GRAFANA_LOKI_URL_FILE=https://me:" + secret + "@logs.example!missing"},
		"proxies":                           {"GRAFANA_LOKI_URL=https://logs.example", "GRAFANA_PROM_URL=http://prom.example", "HTTPS_PROXY=http://me:" + secret + "@proxy:1", "http_proxy=me:" + secret + "@proxy:1"},
		"proxy, bad port":                   {"HTTPS_PROXY=http://me:" + secret + "@proxy:x"},
		"proxy, bad scheme":                 {"HTTP_PROXY=ftp://me:" + secret + "@proxy"},
		"proxy, / in it":                    {"HTTP_PROXY=http://me:a/" + secret + "@proxy"},
		"quoted file":                       {"GRAFANA_LOKI_TOKEN_FILE='/x'", "GRAFANA_LOKI_URL=http://logs.example"},
		"file that is no URL":               {"GRAFANA_LOKI_URL_FILE=/x", "GRAFANA_PROM_URL_FILE=/x"},
		"quoted":                            {`GRAFANA_LOKI_TOKEN="` + secret + `"`, "GRAFANA_PROM_TOKEN= " + secret},
		"no setting of ours":                {"LIGHTER_TOKEN=" + secret},
	} {
		t.Run(name, func(t *testing.T) {
			readFile := func(path string) ([]byte, error) {
				if strings.HasSuffix(path, "!missing") {
					return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
				}
				return []byte(secret + "\n"), nil
			}
			if name == "files" {
				environ = append([]string(nil), environ...)
				for i := range environ {
					environ[i] = strings.ReplaceAll(environ[i], secret+"-file", "/run/secrets/token")
				}
			}
			settings, warnings, err := env.ReadSettings(environ, readFile)
			things := []any{settings, warnings, err}
			if settings != nil {
				p := settings.Plan()
				things = append(things, *settings, p, *p)
				for _, l := range config.All[loki.Config](p) {
					things = append(things, l, l.HTTP)
				}
			}
			for _, thing := range things {
				if printed := inAllWays(thing); strings.Contains(printed, secret) {
					t.Errorf("%T shows the secret: %s", thing, printed)
				}
			}
		})
	}
}

func inAllWays(thing any) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n%+v\n%#v\n%s\n%q\n", thing, thing, thing, thing, thing)
	_ = json.NewEncoder(&b).Encode(thing)
	for _, h := range []slog.Handler{slog.NewJSONHandler(&b, nil), slog.NewTextHandler(&b, nil)} {
		slog.New(h).Info("", "thing", thing)
	}
	return b.String()
}

func FuzzFromEnv(f *testing.F) {
	f.Add("GRAFANA_LOKI_URL", "https://u:p@logs.example/?q")
	f.Add("LIGHTER_SCRAPE_TARGETS", "api:3000, https://[::1]:9100/a%20b?x=1")
	f.Add("LIGHTER_EXTERNAL_LABELS", "a=b,c = d")
	f.Add("LIGHTER_INCLUDE", `web-*,[!a-z]?,\*`)
	f.Add("LIGHTER_MAX_LINE", "1.5MiB")
	f.Add("LIGHTER_LOGS_SINCE", "1d12h")
	f.Add("DOCKER_HOST", "tcp://host")
	f.Fuzz(func(t *testing.T, name, value string) {
		p, warnings, err := env.FromEnv([]string{name + "=" + value}, func(string) ([]byte, error) { return []byte(value), nil })
		if (p == nil) == (err == nil) {
			t.Fatalf("plan = %v, err = %v", p, err)
		}
		if err != nil {
			warnings = append(warnings, err.Error())
		}
		for _, line := range warnings {
			if strings.ContainsAny(line, "\r\n") {
				t.Errorf("not one line: %q", line)
			}
		}
	})
}
