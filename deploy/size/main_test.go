package main

import "testing"

func TestPackageOf(t *testing.T) {
	for symbol, want := range map[string]string{
		"main.run":                                   agent,
		"main.(*agent).run.func1":                    agent,
		"lighter/exporters/loki.(*Endpoint).Run":     "lighter/exporters/loki",
		"gopkg.in/yaml%2ev3.(*parser).parse":         "gopkg.in/yaml.v3",
		"slices.SortFunc[go.shape.[]a/b.T,a/b.T]":    "slices",
		"type:.eq.github.com/x/y.T":                  "github.com/x/y",
		"vendor/golang.org/x/net/idna.(*Profile).x":  "vendor/golang.org/x/net/idna",
		"a/b.F[go.shape.struct { c/d.X int }].func1": "a/b",
		"runtime.text":                               "runtime",
		"go:func.*":                                  "go:func",
	} {
		if got := packageOf(symbol); got != want {
			t.Errorf("%s belongs to %q, want %q", symbol, got, want)
		}
	}
}
