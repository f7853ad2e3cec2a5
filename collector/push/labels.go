package push

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/strutil"
)

// parseLabels parses the labels of a stream as senders write them, such as {a="b", c='d'}. A name may have only
// letters, digits and underscores, because Loki refuses any other.
func parseLabels(text string) (labels.Labels, error) {
	var b labels.ScratchBuilder
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	if !ok {
		return labels.EmptyLabels(), errors.New("they do not begin with {")
	}
	for rest = skipSpace(rest); !strings.HasPrefix(rest, "}"); {
		name, after, err := labelName(rest)
		if err != nil {
			return labels.EmptyLabels(), err
		}
		after, ok = strings.CutPrefix(skipSpace(after), "=")
		if !ok {
			return labels.EmptyLabels(), fmt.Errorf("there is no = after the name %.100q", name)
		}
		value, after, err := quoted(skipSpace(after))
		if err != nil {
			return labels.EmptyLabels(), fmt.Errorf("the value of %.100q: %w", name, err)
		}
		if value != "" { // a label with an empty value is the same as no label
			b.Add(name, value)
		}
		after = skipSpace(after)
		if next, more := strings.CutPrefix(after, ","); more {
			rest = skipSpace(next)
		} else if rest = after; !strings.HasPrefix(rest, "}") {
			return labels.EmptyLabels(), fmt.Errorf("there is neither , nor } after the value of %.100q", name)
		}
	}
	if rest != "}" {
		return labels.EmptyLabels(), fmt.Errorf("there is %.20q after the }", rest[1:])
	}
	b.Sort()
	set := b.Labels()
	if name, twice := set.HasDuplicateLabelNames(); twice {
		return labels.EmptyLabels(), fmt.Errorf("%.100q is there twice", name)
	}
	return set, nil
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t\r\n") }

// labelName returns the name of a label that s begins with, and what follows it.
func labelName(s string) (name, rest string, err error) {
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || n > 0 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n == 0 {
		return "", s, fmt.Errorf("there is no name of a label at %.20q", s)
	}
	return s[:n], s[n:], nil
}

// quoted reads a quoted text and returns what follows it.
func quoted(s string) (text, rest string, err error) {
	if s == "" || s[0] != '"' && s[0] != '\'' && s[0] != '`' {
		return "", "", errors.New("it is not quoted")
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '`':
			i++
		case s[i] == s[0]:
			text, err = strutil.Unquote(s[:i+1])
			if err != nil {
				return "", "", fmt.Errorf("%.100s is not a quoted text: %w", s[:i+1], err)
			}
			return text, s[i+1:], nil
		}
	}
	return "", "", errors.New("its quote does not end")
}
