package main

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"lighter/config"
)

// levelFatal is the level of the line that explains why the process ends by itself.
const levelFatal = slog.Level(12)

// timeFormat is RFC 3339 in UTC with milliseconds, always with the same width.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// newLogger returns the agent's own log. Each event is one line, beginning with ts, level and msg, as JSON,
// or as key=value for format "logfmt". Durations are written as 1.5s, not as a number whose unit a reader
// must know.
func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: replaceAttr}
	if format == "logfmt" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// replaceAttr formats times, levels and durations as above, and replaces settings by the user's names.
func replaceAttr(groups []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case error:
		a.Value = slog.StringValue(v.Error())
	case net.Addr:
		a.Value = slog.StringValue(v.String())
	}
	if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(config.NameSettings(a.Value.String()))
	}
	switch {
	case a.Value.Kind() == slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case len(groups) > 0:
	case a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime:
		return slog.String("ts", a.Value.Time().UTC().Format(timeFormat))
	case a.Key == slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String(slog.LevelKey, levelName(level))
		}
	}
	if a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(a.Value.Time().UTC().Format(time.RFC3339Nano))
	}
	return a
}

func levelName(l slog.Level) string {
	if l >= levelFatal {
		return "fatal"
	}
	return strings.ToLower(l.String())
}
