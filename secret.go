package lighter

import (
	"fmt"
	"log/slog"
)

// Secret is a token or password. It prints as <secret> whatever the verb, marshals so,
// and logs so; Reveal is the one way to what it holds.
type Secret string

const hidden = "<secret>"

// Reveal returns the secret itself, for the request that needs it.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret; an empty one is shown as empty, which helps to see what is missing.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides it from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText hides it from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides it from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
