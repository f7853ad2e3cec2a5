package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v2"
)

// The UIDs of Grafana Cloud's default data sources.
const (
	defaultPrometheus = "grafanacloud-prom"
	defaultLoki       = "grafanacloud-logs"
)

// ruleFile is a file of rules as Prometheus, Mimir and Loki read it.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name     string `yaml:"name"`
	Interval string `yaml:"interval"`
	Rules    []rule `yaml:"rules"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// readRules returns the rule files of a directory by their names. A field that the types above do not have
// is an error, because it would be missing in the generated rules.
func readRules(dir string) (map[string]ruleFile, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.rules.yml"))
	if err != nil {
		return nil, err
	}
	files := make(map[string]ruleFile)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var f ruleFile
		if err := yaml.UnmarshalStrict(content, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files[filepath.Base(path)] = f
	}
	return files, nil
}

// ruleFiles are the rule files in the order of their groups in the generated file. The last one is for Loki.
var ruleFiles = [...]string{"application.rules.yml", "containers.rules.yml", "agent.rules.yml", lokiRules}

const lokiRules = "loki.rules.yml"

// The needed parts of Grafana's provisioning file for alert rules.
type (
	provisioned struct {
		APIVersion int            `yaml:"apiVersion"`
		Groups     []grafanaGroup `yaml:"groups"`
	}
	grafanaGroup struct {
		OrgID    int           `yaml:"orgId"`
		Name     string        `yaml:"name"`
		Folder   string        `yaml:"folder"`
		Interval string        `yaml:"interval"`
		Rules    []grafanaRule `yaml:"rules"`
	}
	grafanaRule struct {
		UID          string            `yaml:"uid"`
		Title        string            `yaml:"title"`
		Condition    string            `yaml:"condition"`
		Data         []grafanaQuery    `yaml:"data"`
		NoDataState  string            `yaml:"noDataState"`
		ExecErrState string            `yaml:"execErrState"`
		For          string            `yaml:"for"`
		Missing      int               `yaml:"missing_series_evals_to_resolve"`
		Labels       map[string]string `yaml:"labels"`
		Annotations  map[string]string `yaml:"annotations"`
	}
	grafanaQuery struct {
		RefID         string        `yaml:"refId"`
		Range         *grafanaRange `yaml:"relativeTimeRange,omitempty"`
		DatasourceUID string        `yaml:"datasourceUid"`
		Model         yaml.MapSlice `yaml:"model"`
	}
	grafanaRange struct {
		From int `yaml:"from"` // seconds before now
		To   int `yaml:"to"`
	}
)

const provisioningHead = `# Written by go run ./deploy/gen from the *.rules.yml beside it: change those.
# Alert rules for Grafana's provisioning folder. To replace, if your data sources are not those of Grafana
# Cloud: datasourceUid, or run go run ./deploy/gen -prometheus UID -loki UID.
`

// provisioning returns the rules of dir as Grafana's own rules.
func provisioning(dir, prometheus, loki string) ([]byte, error) {
	files, err := readRules(dir)
	if err != nil {
		return nil, err
	}
	if len(files) != len(ruleFiles) {
		return nil, fmt.Errorf("%s has %d rule files, want the %d of ruleFiles", dir, len(files), len(ruleFiles))
	}
	out := provisioned{APIVersion: 1}
	for _, name := range ruleFiles {
		for _, g := range files[name].Groups {
			group := grafanaGroup{OrgID: 1, Name: g.Name, Folder: "lighter", Interval: g.Interval}
			for _, r := range g.Rules {
				query := promQuery(r.Expr, prometheus)
				if name == lokiRules {
					query = lokiQuery(r.Expr, loki)
				}
				group.Rules = append(group.Rules, grafanaOf(r, query))
			}
			out.Groups = append(out.Groups, group)
		}
	}
	yaml.FutureLineWrap() // long lines stay whole
	content, err := yaml.Marshal(out)
	if err != nil {
		return nil, err
	}
	return append([]byte(provisioningHead), content...), nil
}

// grafanaOf converts a rule so that it fires as in Prometheus: for each series that the query returns,
// whatever its value, such as the 0 of up == 0. Grafana itself fires only for values other than 0.
func grafanaOf(r rule, query grafanaQuery) grafanaRule {
	forAtLeast := r.For
	if forAtLeast == "" {
		forAtLeast = "0s"
	}
	annotations := make(map[string]string)
	for name, text := range r.Annotations {
		// In Grafana, $value is a text about all queries.
		annotations[name] = strings.ReplaceAll(text, "$value ", "$values.A.Value ")
	}
	return grafanaRule{
		UID:       "lighter-" + strings.ToLower(r.Alert),
		Title:     r.Alert,
		Condition: "C",
		Data: []grafanaQuery{
			query,
			{RefID: "B", DatasourceUID: "__expr__", Model: yaml.MapSlice{
				{Key: "refId", Value: "B"},
				{Key: "type", Value: "math"},
				{Key: "expression", Value: "is_number($A) || is_nan($A) || is_inf($A)"},
			}},
			{RefID: "C", DatasourceUID: "__expr__", Model: yaml.MapSlice{
				{Key: "refId", Value: "C"},
				{Key: "type", Value: "threshold"},
				{Key: "expression", Value: "B"},
				{Key: "conditions", Value: []yaml.MapSlice{{{Key: "evaluator", Value: yaml.MapSlice{
					{Key: "type", Value: "gt"},
					{Key: "params", Value: []int{0}},
				}}}}},
			}},
		},
		NoDataState:  "OK",
		ExecErrState: "Error",
		For:          forAtLeast,
		Missing:      1,
		Labels:       r.Labels,
		Annotations:  annotations,
	}
}

func promQuery(expr, uid string) grafanaQuery {
	return grafanaQuery{"A", &grafanaRange{From: 600}, uid, yaml.MapSlice{
		{Key: "refId", Value: "A"},
		{Key: "expr", Value: expr},
		{Key: "instant", Value: true},
		{Key: "range", Value: false},
	}}
}

func lokiQuery(expr, uid string) grafanaQuery {
	q := promQuery(expr, uid)
	q.Model = append(q.Model, yaml.MapItem{Key: "queryType", Value: "instant"})
	return q
}
