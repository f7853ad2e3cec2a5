package alloy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lighter/config/alloy"
)

// FuzzLoad loads any text: a file is refused or makes a valid plan, and nothing panics.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.alloy", "testdata/good/*.d/*.alloy", "testdata/broken/*.alloy"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Add(unsetEverywhere)
	f.Fuzz(func(t *testing.T, text string) {
		o := options()
		o.ReadFile = func(name string) ([]byte, error) {
			if name != "-" {
				return nil, os.ErrNotExist
			}
			return []byte(text), nil
		}
		for _, o.Unset = range []bool{false, true} {
			file, err := alloy.Load("-", o)
			if err != nil {
				_ = alloy.Fprint(&strings.Builder{}, diagnostics(err))
				continue
			}
			if err := file.Plan.Validate(); err != nil {
				t.Error(err)
			}
			_ = alloy.Fprint(&strings.Builder{}, file.Warnings)
		}
	})
}
