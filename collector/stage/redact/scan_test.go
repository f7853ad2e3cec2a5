package redact

import "testing"

// Each anchor has a place of its own in what spans remembers of a long line.
func TestAnchorsFit(t *testing.T) {
	if n := len(anchors()); n > maxAnchors {
		t.Errorf("%d anchors, there is room for %d", n, maxAnchors)
	}
}
