package budget

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are the units of a budget in bytes.
var units = [...]struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseLogs parses a budget of log lines for a calendar month, such as 50GB/month, 1.5TB or 500MiB/month.
// KB to TB are powers of 1000, and KiB to TiB powers of 1024.
func ParseLogs(text string) (bytes int64, err error) {
	expected := fmt.Errorf("bytes a month are expected, such as 50GB/month (B, KB, MB, GB, TB, KiB, MiB, GiB or TiB)")
	amount, per, found := strings.Cut(strings.TrimSpace(text), "/")
	if found && strings.TrimSpace(per) != "month" {
		return 0, expected
	}
	amount = strings.TrimSpace(amount)
	for _, u := range units {
		number, ok := strings.CutSuffix(amount, u.name)
		if !ok {
			continue
		}
		n, ok := parseNumber(strings.TrimSpace(number))
		if !ok || n*u.bytes < 1 || n*u.bytes > math.MaxInt64/2 {
			return 0, expected
		}
		return int64(n * u.bytes), nil
	}
	return 0, expected
}

// parseNumber parses a decimal number without an exponent or a sign.
func parseNumber(text string) (float64, bool) {
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// ParseSeries parses a budget of series, such as 10000.
func ParseSeries(text string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("a number of series is expected, such as 10000")
	}
	return int(n), nil
}
