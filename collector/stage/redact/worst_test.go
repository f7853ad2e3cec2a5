package redact_test

import (
	"strings"
	"testing"

	"lighter/collector/stage/redact"
)

// BenchmarkWorst uses lines that only an attacker writes. The time for a line must not grow with the square
// of its length.
func BenchmarkWorst(b *testing.B) {
	r := redact.New()
	for name, text := range map[string]string{
		"token":    "token=",
		"password": "password=%s",
		"names":    "secret",
		"prefix":   "ghp_",
		"jwt":      "eyJ-",
		"at":       "@",
		"url":      "://a:@",
		"bearer":   "bearer+",
		"basic":    "basic+",
		"auth":     "authorization=",
		"sig":      "sig=",
		"discord":  "MTEy",
		"cards":    "4111 ",
		"digits":   "4",
		"key":      "-----BEGIN PRIVATE KEY-----",
		"closing":  "pwd=a)))))))))))))",
		"quotes":   `token="\"`,
		"escapes":  `\\\\\\\\`,
		"commas":   "token=a,",
	} {
		b.Run(name, func(b *testing.B) {
			line := []byte(strings.Repeat(text, 256<<10/len(text)))
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				r.Redact(nil, line, 1<<20, nil)
			}
		})
	}
}
