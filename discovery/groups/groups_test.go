package groups_test

import (
	"testing"

	"lighter/discovery/groups"
)

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`[{"targets": ["a:1", ""], "labels": {"job": "x"}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		targets, err := groups.JSON(text, "__meta_url", "u")
		for _, target := range targets {
			if err != nil || target.Labels.Get("__meta_url") != "u" {
				t.Errorf("%v, %v", target.Labels, err)
			}
		}
	})
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte("- targets: ['a:1', b]\n  labels:\n    job: x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		targets, err := groups.YAML(text, "__meta_filepath", "p")
		for _, target := range targets {
			if err != nil || target.Labels.Get("__meta_filepath") != "p" {
				t.Errorf("%v, %v", target.Labels, err)
			}
		}
	})
}
