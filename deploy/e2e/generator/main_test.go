package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	for name, tc := range map[string]struct {
		args           string
		stdout, stderr string
	}{
		"json":       {"-count 1", `{"level":"info","msg":"request served","run":"r","seq":1}` + "\n", ""},
		"plain":      {"-run a -count 3 -format plain", "a 1 info request served\na 2 info request served\na 3 error request failed: upstream error\n", ""},
		"stderr":     {"-run a -count 2 -format plain -stderr 2", "a 1 info request served\n", "a 2 info request served\n"},
		"empty":      {"-run a -count 2 -format plain -empty 2", "a 1 info request served\n\n", ""},
		"unfinished": {"-run a -count 2 -format plain -unfinished", "a 1 info request served\na 2 info request served", ""},
		"padded":     {"-run a -count 1 -format plain -size 40", "a 1 info request served 0000024.0000032.\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if _, err := run(t.Context(), strings.Fields(tc.args), &stdout, &stderr); err != nil {
				t.Fatal(err)
			}
			if stdout.String() != tc.stdout || stderr.String() != tc.stderr {
				t.Errorf("stdout %q, want %q\nstderr %q, want %q", &stdout, tc.stdout, &stderr, tc.stderr)
			}
		})
	}
}

func TestEveryJSONLineIsJSONOfItsSize(t *testing.T) {
	var stdout bytes.Buffer
	if _, err := run(t.Context(), strings.Fields("-count 40 -long 40960,307200 -size 64"), &stdout, nil); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
	if len(lines) != 40 {
		t.Fatalf("%d lines, want 40", len(lines))
	}
	for i, l := range lines {
		want := max(64, len(l))
		switch i {
		case 9:
			want = 40960
		case 19:
			want = 307200
		}
		if !json.Valid([]byte(l)) || len(l) != want {
			t.Errorf("line %d has %d bytes, want %d; valid JSON: %v", i+1, len(l), want, json.Valid([]byte(l)))
		}
	}
}

func TestSay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "starts")
	for n := 1; n <= 2; n++ {
		var stdout, stderr bytes.Buffer
		code, err := say(t.Context(), file, []string{"out:start %n\n", "err:last words", "wait:1ns", "exit:3", "out:never"}, &stdout, &stderr)
		if want := fmt.Sprintf("start %d\n", n); err != nil || code != 3 || stdout.String() != want || stderr.String() != "last words" {
			t.Errorf("exit code %d, stdout %q, stderr %q, %v; want 3, %q, \"last words\"", code, &stdout, &stderr, err, want)
		}
	}
}

func TestMetricsHaveTheSeriesAskedFor(t *testing.T) {
	s := newSaid()
	s.add(options{format: "json"}.line(3))
	page := s.metrics(200)
	samples := 0
	for l := range strings.Lines(page) {
		if !strings.HasPrefix(l, "#") {
			samples++
		}
	}
	if want := `http_requests_total{method="GET",status_code="500"} 1`; samples != 200 || !strings.Contains(page, want) {
		t.Errorf("%d samples, want 200; page lacks %s: %v", samples, want, !strings.Contains(page, want))
	}
}
