package jsonfile

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "id-json.log")
	write := func(name string, records ...string) {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if filepath.Ext(name) == ".gz" {
			z := gzip.NewWriter(f)
			defer z.Close()
			for _, r := range records {
				fmt.Fprintln(z, r)
			}
			return
		}
		for _, r := range records {
			fmt.Fprintln(f, r)
		}
	}
	write(path+".2.gz", `{"log":"one\n","stream":"stdout","time":"2026-01-02T03:04:05.000000001Z"}`)
	write(path+".1",
		`{"log":"tw","stream":"stdout","time":"2026-01-02T03:04:05.000000002Z"}`,
		`{"log":"other\n","stream":"stderr","time":"2026-01-02T03:04:05.000000003Z"}`)
	write(path,
		`{"log":"o\n","stream":"stdout","time":"2026-01-02T03:04:05.000000002Z"}`,
		`{"log":"\n","stream":"stdout","time":"2026-01-02T03:04:05.000000002Z"}`,
		`{"log":"unfinished","stream":"stdout","time":"2026-01-02T03:04:05.000000004Z"}`,
		`{"log":"a new start\n","stream":"stdout","time":"2026-01-02T03:04:05.000000005Z"}`)

	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	const second = 1767323045_000000000
	want := []Line{
		{Nanos: second + 1, Stream: "stdout", Text: "one"},
		{Nanos: second + 2, Stream: "stdout", Text: "two"},
		{Nanos: second + 3, Stream: "stderr", Text: "other"},
		{Nanos: second + 2, Stream: "stdout", Text: ""},
		{Nanos: second + 4, Stream: "stdout", Text: "unfinished"},
		{Nanos: second + 5, Stream: "stdout", Text: "a new start"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
