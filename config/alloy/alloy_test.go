package alloy_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/config"
	"lighter/config/alloy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// options are the options with which the files in testdata are loaded.
func options() alloy.Options {
	environment := map[string]string{
		"SET": "a value", "EMPTY": "", "LOKI_URL": "https://logs.test/loki/api/v1/push", "LOKI_USER": "1234", "TOKEN": "glc_secret",
		"GRAFANA_LOKI_URL": "https://logs.test/loki/api/v1/push", "GRAFANA_LOKI_USER": "12", "GRAFANA_LOKI_TOKEN": "t1",
		"GRAFANA_PROM_URL": "https://prom.test/api/prom/push", "GRAFANA_PROM_USER": "34", "GRAFANA_PROM_TOKEN": "t2",
		"SV0_ENVIRONMENT": "production", "HOSTNAME": "box",
	}
	return alloy.Options{
		Getenv: func(name string) (string, bool) {
			v, ok := environment[name]
			return v, ok
		},
		Hostname:  "docker-host",
		Version:   "v1.0.0",
		Agent:     config.Agent{Listen: "127.0.0.1:12345", DataDir: "/data", BufferMax: 1 << 30, LogFormat: "logfmt"},
		LogsSince: time.Hour,
	}
}

// golden compares a text with the content of a file.
func golden(t *testing.T, file, got string) {
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

func printed(t *testing.T, ds alloy.Diagnostics) string {
	t.Helper()
	var b strings.Builder
	if err := alloy.Fprint(&b, ds); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGood loads files that run, and compares each plan with the golden file next to it.
func TestGood(t *testing.T) {
	files, _ := filepath.Glob("testdata/good/*.alloy")
	directories, _ := filepath.Glob("testdata/good/*.d")
	for _, file := range append(files, directories...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := alloy.Load(file, options())
			if err != nil {
				t.Fatal(printed(t, diagnostics(err)))
			}
			if err := f.Plan.Validate(); err != nil {
				t.Error(err)
			}
			text := dump(f.Plan)
			if len(f.Warnings) > 0 {
				text += "\n" + printed(t, f.Warnings)
			}
			golden(t, strings.TrimSuffix(strings.TrimSuffix(file, ".alloy"), ".d")+".plan", text)
		})
	}
}

// TestBroken loads files with errors, and compares all diagnostics.
func TestBroken(t *testing.T) {
	files, _ := filepath.Glob("testdata/broken/*.alloy")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := alloy.Load(file, options())
			var ds alloy.Diagnostics
			if !errors.As(err, &ds) {
				t.Fatalf("the file loads; its error is %v", err)
			}
			golden(t, strings.TrimSuffix(file, ".alloy")+".txt", printed(t, ds))
		})
	}
}

// diagnostics returns the diagnostics of an error of Load.
func diagnostics(err error) (all alloy.Diagnostics) {
	errors.As(err, &all)
	return all
}
