package dockerfiles

import (
	"os"
	"path/filepath"
	"testing"
)

// Inotify reports all changes of the folders of containers and of the files that describe the containers.
func TestWatchTells(t *testing.T) {
	for name, change := range map[string]func(dir, file string) error{
		"a folder comes":          func(dir, _ string) error { return os.Mkdir(filepath.Join(dir, "b"), 0o700) },
		"a folder goes":           func(dir, _ string) error { return os.RemoveAll(filepath.Join(dir, "a")) },
		"a file comes":            func(_, file string) error { return os.WriteFile(file+".tmp", nil, 0o600) },
		"a file is written":       func(_, file string) error { return os.WriteFile(file, []byte("{}"), 0o600) },
		"a file is replaced":      func(dir, file string) error { return os.Rename(filepath.Join(dir, "..", "new"), file) },
		"a file goes":             func(_, file string) error { return os.Remove(file) },
		"a file becomes readable": func(_, file string) error { return os.Chmod(file, 0o640) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "containers")
			file := filepath.Join(dir, "a", "config.v2.json")
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{file, filepath.Join(root, "new")} {
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w, err := newWatch()
			if err != nil {
				t.Skip(err)
			}
			if !w.add(dir, []string{"a"}) {
				t.Error("the folders cannot be watched")
			}
			if err := change(dir, file); err != nil {
				t.Error(err)
			}
			<-w.events
			w.close()
			for range w.events { // it is closed when inotify is no longer read
			}
		})
	}
}
