package lighter_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
)

func TestFailures(t *testing.T) {
	var f lighter.Failures
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
		if news := f.Set(step.err); news != step.news {
			t.Errorf("step %d: Set(%v) = %t, want %t", i, step.err, news, step.news)
		}
	}
}

func TestFailuresEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f lighter.Failures
		if _, _, ended := f.Works(); ended {
			t.Error("a success at the beginning ends failures")
		}
		for _, text := range []string{"refused", "refused", "timed out"} {
			f.Failed(text)
			time.Sleep(time.Minute)
		}
		if after, count, ended := f.Works(); after != 3*time.Minute || count != 3 || !ended {
			t.Errorf("Works() = %s, %d, %t, want 3m0s, 3, true", after, count, ended)
		}
		if _, _, ended := f.Works(); ended {
			t.Error("a second success ends the failures again")
		}
	})
}
