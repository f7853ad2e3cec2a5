package remotewrite

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
)

// A full disk is said once, whichever file it was found out with.
func TestTroubleIsSaidOnce(t *testing.T) {
	var tr trouble
	full := func(file string) error { return &fs.PathError{Op: "write", Path: file, Err: syscall.ENOSPC} }
	for i, step := range []struct {
		err  error
		said bool
	}{
		{full("1"), true},
		{full("2"), false},
		{&fs.PathError{Op: "open", Path: "2", Err: syscall.EROFS}, true},
		{errors.New("another"), true},
		{errors.New("another"), false},
	} {
		if said := tr.fails(step.err); said != step.said {
			t.Errorf("failure %d, %v: said = %t, want %t", i+1, step.err, said, step.said)
		}
	}
	if _, times := tr.over(); times != 5 {
		t.Errorf("failed %d times, want 5", times)
	}
	if !tr.fails(full("3")) {
		t.Error("what comes again after it was over is not said")
	}
}
