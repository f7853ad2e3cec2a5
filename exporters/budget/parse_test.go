package budget_test

import (
	"strings"
	"testing"

	"lighter/exporters/budget"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]int64{
		"50GB/month": 50e9, "50GB": 50e9, " 1.5 TB / month ": 1.5e12, "500MiB": 500 << 20, "1KiB": 1024, "7KB": 7000, "9B": 9, "2GiB": 2 << 30, "1TiB": 1 << 40, "3MB/month": 3e6,
	} {
		if got, err := budget.ParseLogs(text); err != nil || got != want {
			t.Errorf("ParseLogs(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GB", "50", "0GB", "-1GB", "50GB/day", "50GB/", "50gb", "1e3GB", "NaNGB", "InfGB", "1.2.3GB", "0.5B", "99999999999TB", "50 EB"} {
		if got, err := budget.ParseLogs(text); err == nil || !strings.Contains(err.Error(), "50GB/month") {
			t.Errorf("ParseLogs(%q) = %d, %v, want an error that says what is expected", text, got, err)
		}
	}
	if n, err := budget.ParseSeries(" 10000 "); n != 10000 || err != nil {
		t.Errorf("ParseSeries: %d, %v", n, err)
	}
	for _, text := range []string{"", "0", "-1", "10k", "1e4", "99999999999"} {
		if _, err := budget.ParseSeries(text); err == nil {
			t.Errorf("ParseSeries(%q) accepts it", text)
		}
	}
}
