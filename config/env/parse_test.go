package env

import (
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for v, want := range map[string]int64{
		"0": 0, "1": 1, "1000": 1000, "1B": 1, "1KB": 1000, "1 kB": 1000, "256KiB": 256 << 10,
		"512MiB": 512 << 20, "1GB": 1e9, "1.5GiB": 3 << 29, "2TiB": 2 << 40, "1tb": 1e12,
	} {
		if have, err := sizeBetween(0, maxSizeBytes)(v); have != want || err != nil {
			t.Errorf("%q is %d, %v, want %d", v, have, err, want)
		}
	}
	for _, v := range []string{"", "KiB", "1K", "1KiBs", "0x10", "1e3", "-1", "+1", "Inf", "NaN", "1..2", "1_000", "8EiB", "9223372036854775808"} {
		if have, err := sizeBetween(0, maxSizeBytes)(v); err == nil {
			t.Errorf("%q is %d, want an error", v, have)
		}
	}
}

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for v, want := range map[string]time.Duration{
		"0": 0, "30s": 30 * time.Second, "1h30m": 90 * time.Minute, "1d": day, "7d": 7 * day, "1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute,
	} {
		if have, err := durationFrom(0)(v); have != want || err != nil {
			t.Errorf("%q is %s, %v, want %s", v, have, err, want)
		}
	}
	for _, v := range []string{"", "d", "1", "-1s", "1d-1h", "1.5d", "1dd", "1h1d", "70000d", "2d2562047h", "1w"} {
		if have, err := durationFrom(0)(v); err == nil {
			t.Errorf("%q is %s, want an error", v, have)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 10 * time.Minute: "10m", 90 * time.Minute: "1h30m",
	} {
		if have := short(d); have != want {
			t.Errorf("short(%d) = %s, want %s", d, have, want)
		}
	}
}
