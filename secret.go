package lighter

import (
	"fmt"
	"log/slog"
)

// Secret is a token or password. It is printed, marshalled and logged as <secret>, whatever the verb. Only
// Reveal returns its value.
type Secret string

const hidden = "<secret>"

// Reveal returns the secret itself, for a request that needs it.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret. It returns an empty secret as empty, which helps to see what is missing.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides the secret from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
