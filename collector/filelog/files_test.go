package filelog

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// While the Engine rotates, all files are found, each once and in order.
func TestOpenFilesWhileRotating(t *testing.T) {
	const maxFile, rotations = 4, 3000
	path := filepath.Join(t.TempDir(), "log")
	name := func(n int) string {
		if n == 0 {
			return path
		}
		return path + "." + strconv.Itoa(n)
	}
	create := func(n int) {
		f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			_, err = fmt.Fprint(f, n)
		}
		if err != nil {
			t.Error(err)
			return
		}
		_ = f.Close()
		_ = os.Rename(path+".new", path) // with its content, which identifies it for the test
	}
	create(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; n <= rotations; n++ {
			for i := maxFile - 1; i > 0; i-- {
				_ = os.Rename(name(i-1), name(i))
			}
			create(n)
		}
	}()
	for opened := 0; ; {
		select {
		case <-done:
			if opened == 0 {
				t.Error("the files could never be opened")
			}
			return
		default:
		}
		all, err := openFiles(path)
		if err != nil {
			continue
		}
		opened++
		last := -1
		for _, s := range all {
			var buf [16]byte
			n, _ := s.file.ReadAt(buf[:], 0)
			number, err := strconv.Atoi(string(buf[:n]))
			if err != nil || last >= 0 && number != last+1 {
				t.Errorf("%q after file %d", buf[:n], last)
			}
			last = number
		}
		closeAll(all)
	}
}
