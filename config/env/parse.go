package env

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/scrape"
)

// Parsers of single values. Each error describes what is accepted without the value, which the caller adds
// or hides.

const (
	minLineBytes   = 64            // room for a few words and the mark of a cut
	maxLineBytes   = 1 << 20       // four times Loki's default limit; each stream may hold that much of an incomplete line
	minBufferBytes = 1 << 20       // one full request
	maxSizeBytes   = math.MaxInt64 // for sizes without a limit of their own
	minInterval    = scrape.MinInterval
)

func parseText(v string) (string, error) {
	if !utf8.ValidString(v) {
		return "", errors.New("want text in UTF-8")
	}
	return v, nil
}

// parseHeader parses a value that becomes an HTTP header.
func parseHeader(v string) (string, error) {
	if strings.ContainsFunc(v, unicode.IsControl) {
		return "", errors.New("want text without control characters")
	}
	return v, nil
}

func parseSwitch(v string) (bool, error) {
	v, err := oneOf("on", "off")(v)
	return v == "on", err
}

func oneOf(accepted ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		if !slices.Contains(accepted, v) {
			return "", errors.New("want " + strings.Join(accepted, " or "))
		}
		return v, nil
	}
}

func parseRemoteWrite(v string) (int, error) {
	switch v {
	case "1":
		return 1, nil
	case "2":
		return 2, nil
	}
	return 0, errors.New("want 1 or 2")
}

func parseLevel(v string) (slog.Level, error) {
	switch v {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, errors.New("want debug, info, warn or error")
}

func parseCount(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, errors.New("want a whole number, 0 or more")
	}
	return n, nil
}

// sizeBetween returns a parser of sizes in bytes: 256KiB, 512MiB, 1.5GiB in powers of 1024, 1GB in powers
// of 1000, or a plain number.
func sizeBetween(low, high int64) func(string) (int64, error) {
	return func(v string) (int64, error) {
		number := strings.TrimRight(v, "BKMGTikmgtb")
		factor, ok := map[string]float64{
			"": 1, "b": 1,
			"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
			"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
		}[strings.ToLower(v[len(number):])]
		number = strings.TrimSpace(number)
		n, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || strings.Trim(number, "0123456789.") != "" {
			return 0, errors.New("want a size such as 256KiB, 512MiB, 1GB or a number of bytes")
		}
		if n *= factor; n < float64(low) {
			return 0, fmt.Errorf("want at least %d bytes", low)
		}
		if n > float64(high) || n >= math.MaxInt64 { // the float above MaxInt64 does not fit in an int64
			return 0, fmt.Errorf("want at most %d bytes", high)
		}
		return int64(n), nil
	}
}

// durationFrom returns a parser of durations such as 30s, 1h30m, 7d, 1d12h.
func durationFrom(low time.Duration) func(string) (time.Duration, error) {
	return func(v string) (time.Duration, error) {
		wrong := errors.New("want a duration such as 30s, 90m, 24h or 7d")
		var d time.Duration
		if days, rest, ok := strings.Cut(v, "d"); ok {
			n, err := strconv.ParseUint(days, 10, 16) // 65,535 days are less than the largest Duration
			if err != nil {
				return 0, wrong
			}
			d, v = time.Duration(n)*24*time.Hour, cmp.Or(rest, "0")
		}
		rest, err := time.ParseDuration(v)
		if err != nil || rest < 0 || d+rest < 0 {
			return 0, wrong
		}
		if d += rest; d < low {
			return 0, fmt.Errorf("want at least %s", low)
		}
		return d, nil
	}
}

// short formats a duration in the usual way: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parsePath(v string) (string, error) {
	if !strings.HasPrefix(v, "/") || strings.ContainsAny(v, "# ") {
		return "", errors.New("want a path such as /metrics or /metrics?format=prometheus")
	}
	return v, nil
}

func parseDirectory(v string) (string, error) {
	if !filepath.IsAbs(v) {
		return "", errors.New("want an absolute path, such as /var/lib/docker")
	}
	return filepath.Clean(v), nil
}

func parseListen(v string) (string, error) {
	_, port, err := net.SplitHostPort(v)
	if err != nil || !isPort(port) {
		return "", errors.New("want host:port, such as 127.0.0.1:12345 or :12345")
	}
	return v, nil
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// parseLabels parses k=v,k=v.
func parseLabels(v string) (labels.Labels, error) {
	values := map[string]string{}
	for _, pair := range list(v) {
		name, value, _ := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch _, twice := values[name]; {
		case twice:
			return labels.EmptyLabels(), fmt.Errorf("want each name once, %q stands twice", name)
		case value == "" || !utf8.ValidString(value):
			return labels.EmptyLabels(), errors.New("want name=value,name=value")
		case !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, "__"):
			return labels.EmptyLabels(), fmt.Errorf("want names of letters, digits and _, not starting with a digit or __, %s is none", shown(name))
		}
		values[name] = value
	}
	return labels.FromMap(values), nil
}

// list splits a text at commas, and removes blanks around the parts and empty parts.
func list(v string) []string {
	var parts []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
