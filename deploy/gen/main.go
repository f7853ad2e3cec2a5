// Gen writes the files that Grafana reads. It is run in the repository's root:
//
//	go run ./deploy/gen [-prometheus UID] [-loki UID]
//
// It converts the alert rules of deploy/alerts/*.rules.yml to Grafana's own rules
// (deploy/alerts/grafana.yml) and writes the dashboards (deploy/dashboards/*.json). The rule files are
// written by hand, and the files that this program writes are not.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	prometheus := flag.String("prometheus", defaultPrometheus, "`UID` of the Prometheus data source that the alert rules query")
	loki := flag.String("loki", defaultLoki, "`UID` of the Loki data source that the alert rules query")
	flag.Parse()
	if err := run("deploy", *prometheus, *loki); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes every file below dir, which is the repository's deploy directory.
func run(dir, prometheus, loki string) error {
	files, err := generate(dir, prometheus, loki)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the generated files by their names below dir. It reads the rule files there.
func generate(dir, prometheus, loki string) (map[string][]byte, error) {
	rules, err := provisioning(filepath.Join(dir, "alerts"), prometheus, loki)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"alerts/grafana.yml": rules}
	for _, d := range dashboards() {
		content, err := d.encode()
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", d.UID, err)
		}
		files["dashboards/"+d.UID+".json"] = content
	}
	return files, nil
}
