//go:build !linux

package host

import (
	"context"
	"errors"
)

type flags struct{}

func flagsOf(Options) *flags { return nil }

// isLinked reports that nothing is known of collectors.
func isLinked(string) bool { return true }

func sourcesOf(Options) ([]*source, error) {
	return nil, errors.New("metrics of the host are for Linux")
}

func acquire(context.Context, *flags, int) error { return nil }

func release(int) {}
