package discovery_test

import (
	"errors"
	"testing"

	"lighter/discovery"
)

func TestLastError(t *testing.T) {
	var last discovery.LastError
	for i, step := range []struct {
		err  error
		news bool
	}{
		{nil, false},
		{errors.New("refused"), true},
		{errors.New("refused"), false},
		{errors.New("timed out"), true},
		{nil, true},
		{nil, false},
		{errors.New("timed out"), true},
	} {
		if news := last.Set(step.err); news != step.news {
			t.Errorf("step %d: Set(%v) = %t, want %t", i, step.err, news, step.news)
		}
	}
}
