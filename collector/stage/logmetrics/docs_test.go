package logmetrics_test

import (
	"os"
	"strings"
	"testing"

	"lighter/collector/stage/logmetrics"
)

// The examples of the documentation parse.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../../docs/log-metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, " = "); !ok || strings.Contains(line, "NAME") || strings.ContainsAny(name, " `") {
			continue
		}
		examples++
		if _, err := logmetrics.Parse(line); err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(line), err)
		}
	}
	if examples != 6 {
		t.Errorf("there are %d examples, want 6", examples)
	}
}
