package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

var update = flag.Bool("update", false, "write the generated files")

// deployDir is the repository's deploy directory, seen from this one.
const deployDir = ".."

// TestGenerated compares the files in the repository with what this program writes.
func TestGenerated(t *testing.T) {
	if *update {
		if err := run(deployDir, defaultPrometheus, defaultLoki); err != nil {
			t.Fatal(err)
		}
	}
	files, err := generate(deployDir, defaultPrometheus, defaultLoki)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(deployDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what its source says: run go run ./deploy/gen", name)
		}
	}
	written, err := filepath.Glob(filepath.Join(deployDir, "dashboards", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(written) != len(dashboards()) {
		t.Errorf("%d dashboards are written and %d are made: %v", len(written), len(dashboards()), written)
	}
}

// TestRules checks that each alert has what its recipient needs, and that each has a test.
func TestRules(t *testing.T) {
	files, err := readRules(filepath.Join(deployDir, "alerts"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := filepath.Glob(filepath.Join(deployDir, "alerts", "tests", "*.test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var tested strings.Builder
	for _, path := range tests {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tested.Write(content)
	}
	seen := make(map[string]bool)
	for file, f := range files {
		for _, g := range f.Groups {
			if g.Interval == "" {
				t.Errorf("%s: group %s has no interval, which Grafana needs", file, g.Name)
			}
			for _, r := range g.Rules {
				if seen[r.Alert] {
					t.Errorf("%s: there are two alerts %s; Grafana tells them apart by their names", file, r.Alert)
				}
				seen[r.Alert] = true
				if s := r.Labels["severity"]; s != "warning" && s != "critical" {
					t.Errorf("%s: severity of %s is %q", file, r.Alert, s)
				}
				for _, name := range []string{"summary", "description"} {
					text := r.Annotations[name]
					if text == "" {
						t.Errorf("%s: %s has no %s", file, r.Alert, name)
					}
					if strings.Contains(text, "${") {
						t.Errorf("%s: Grafana would replace the ${ in the %s of %s", file, name, r.Alert)
					}
				}
				if file != lokiRules && !strings.Contains(tested.String(), `{alertname="`+r.Alert+`"`) {
					t.Errorf("%s: no test makes %s fire", file, r.Alert)
				}
			}
		}
	}
}

// TestProvisioning reads the generated file as Grafana would.
func TestProvisioning(t *testing.T) {
	content, err := provisioning(filepath.Join(deployDir, "alerts"), "my-prometheus", "my-loki")
	if err != nil {
		t.Fatal(err)
	}
	var f provisioned
	if err := yaml.UnmarshalStrict(content, &f); err != nil {
		t.Fatal(err)
	}
	sources := make(map[string]int)
	uids := make(map[string]bool)
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if len(r.UID) > 40 || uids[r.UID] {
				t.Errorf("UID %q is too long or not the only one", r.UID)
			}
			uids[r.UID] = true
			if r.Condition != "C" || len(r.Data) != 3 || r.For == "" {
				t.Errorf("%s is not complete: %+v", r.Title, r)
				continue
			}
			sources[r.Data[0].DatasourceUID]++
			for name, text := range r.Annotations {
				if strings.Contains(text, "$value ") {
					t.Errorf("%s of %s uses $value, which is something else in Grafana", name, r.Title)
				}
			}
		}
	}
	if sources["my-loki"] != 4 || sources["my-prometheus"] < 15 || len(sources) != 2 {
		t.Errorf("rules by data source: %v", sources)
	}
}

// TestDashboards checks that each panel has what makes it useful.
func TestDashboards(t *testing.T) {
	for _, d := range dashboards() {
		content, err := d.encode()
		if err != nil {
			t.Fatal(err)
		}
		var read dashboard
		if err := json.Unmarshal(content, &read); err != nil {
			t.Fatalf("%s: %v", d.UID, err)
		}
		variables := make(map[string]bool)
		for _, v := range read.Templating.List {
			variables[v["name"].(string)] = true
		}
		for _, name := range []string{"prometheus", "loki", "environment", "host"} {
			if !variables[name] {
				t.Errorf("%s has no variable %s", d.UID, name)
			}
		}
		if len(read.Panels) == 0 {
			t.Errorf("%s has no panels", d.UID)
		}
		taken := make(map[gridPos]string)
		for _, p := range read.Panels {
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults["unit"] == nil || len(p.Targets) == 0 {
				t.Errorf("%s: panel %q lacks a title, a description, a unit or a query", d.UID, p.Title)
			}
			at := gridPos{X: p.GridPos.X, Y: p.GridPos.Y}
			if other, ok := taken[at]; ok || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %q lies on %q or beyond the edge", d.UID, p.Title, other)
			}
			taken[at] = p.Title
			for _, q := range p.Targets {
				if q.Expr == "" || q.Datasource != p.Datasource || q.Instant == q.Range {
					t.Errorf("%s: panel %q has an incomplete query: %+v", d.UID, p.Title, q)
				}
			}
		}
	}
}
