package alloy

import "testing"

// A value that begins with another one is hidden completely.
func TestMask(t *testing.T) {
	l := newLoader(Options{})
	l.hide("secret1", "(A)")
	l.hide("secret12345", "(B)")
	if got := l.mask("it is secret12345, not secret1"); got != "it is (B), not (A)" {
		t.Errorf("mask = %q", got)
	}
}
