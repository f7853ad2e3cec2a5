package env

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"lighter/collector/stage/drop"
	"lighter/collector/stage/fields"
	"lighter/collector/stage/logmetrics"
	"lighter/exporters/budget"
)

// parseMultiline parses off, auto, or an expression for the first line of an entry.
func parseMultiline(v string) (string, error) {
	if v == multilineOff || v == multilineAuto {
		return v, nil
	}
	if slices.Contains([]string{"true", "yes", "on", "1", "false", "no", "0"}, strings.ToLower(v)) || strings.EqualFold(v, multilineOff) || strings.EqualFold(v, multilineAuto) {
		return "", errors.New("want auto, off, or a regular expression for the first line of an entry") // not a pattern, whatever was meant
	}
	if _, err := regexp.Compile(v); err != nil {
		return "", fmt.Errorf("want auto, off, or a regular expression: %w", err)
	}
	return v, nil
}

func parseDrop(v string) (string, error) {
	_, err := drop.Parse(v)
	return v, onOneLine(err)
}

// parseFields parses a list, which may span several lines.
func parseFields(v string) (string, error) {
	v = strings.ReplaceAll(v, "\n", ",")
	_, err := fields.ParseNamed(v)
	return v, onOneLine(err)
}

func parseLogMetrics(v string) (string, error) {
	_, err := logmetrics.Parse(v)
	return v, onOneLine(err)
}

func parseBudgetLogs(v string) (int64, error) { return budget.ParseLogs(v) }

func parseBudgetSeries(v string) (int, error) { return budget.ParseSeries(v) }

// firstLine returns the expression of LIGHTER_MULTILINE, or "" if it is not an expression.
func (s *Settings) firstLine() string {
	if s.Multiline == multilineOff || s.Multiline == multilineAuto {
		return ""
	}
	return s.Multiline
}

// onOneLine returns an error whose text is one line, even if it contains several errors.
func onOneLine(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.Join(strings.Split(strings.TrimSpace(err.Error()), "\n"), "; "))
}
