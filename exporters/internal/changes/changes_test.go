package changes_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"lighter/exporters/internal/changes"
)

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l changes.Log
		if _, _, ok := l.Works(); ok {
			t.Error("an end without a failure is logged")
		}
		failed := func(words string, skipped int, want bool) {
			t.Helper()
			if n, ok := l.Failed(words); ok != want || n != skipped {
				t.Errorf("logged = %v, skipped = %d; want %v, %d", ok, n, want, skipped)
			}
		}
		failed("a", 0, true)
		time.Sleep(10 * time.Second)
		failed("a", 0, false)
		failed("b", 0, false) // within a minute
		time.Sleep(50 * time.Second)
		failed("a", 0, false) // nothing new
		failed("b", 1, true)
		if after, n, ok := l.Works(); !ok || after != time.Minute || n != 5 {
			t.Errorf("after %s and %d failures, logged = %v", after, n, ok)
		}
		time.Sleep(time.Second)
		failed("a", 0, false)
		if _, _, ok := l.Works(); ok {
			t.Error("the end of what was not logged is")
		}
		time.Sleep(time.Minute)
		failed("b", 1, true)
	})
}

func TestWithoutPath(t *testing.T) {
	err := fmt.Errorf("append: %w", &fs.PathError{Op: "write", Path: "/data/1", Err: errors.New("no space left")})
	if got := changes.WithoutPath(err); got != "write: no space left" {
		t.Errorf("%q", got)
	}
	if got := changes.WithoutPath(errors.New("full")); got != "full" {
		t.Errorf("%q", got)
	}
}
