package main

import (
	"log/slog"
	"runtime/debug"
	"testing"
)

func TestLimitMemoryLeavesGOGCToTheEnvironment(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for setting, want := range map[string]int{"": garbagePercent, "100": 100} {
		debug.SetGCPercent(100)
		t.Setenv("GOGC", setting)
		limitMemory(slog.New(slog.DiscardHandler))
		if got := debug.SetGCPercent(100); got != want {
			t.Errorf("GOGC=%s: the heap may hold %d %% of garbage, want %d", setting, got, want)
		}
	}
}
