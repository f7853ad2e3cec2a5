package redact

import "testing"

// For long lines, spans has a separate slot for each anchor.
func TestAnchorsFit(t *testing.T) {
	if n := len(anchors()); n > maxAnchors {
		t.Errorf("%d anchors, there is room for %d", n, maxAnchors)
	}
}
