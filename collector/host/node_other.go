//go:build !linux

package host

import (
	"context"
	"errors"
)

type flags struct{}

func flagsOf(Options) *flags { return nil }

// isLinked always returns true, because the collectors are unknown.
func isLinked(string) bool { return true }

func sourcesOf(Options) ([]*source, error) {
	return nil, errors.New("metrics of the host are for Linux")
}

func acquire(context.Context, *flags, int) error { return nil }

func release(int) {}
