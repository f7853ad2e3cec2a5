package demo

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Screen shows the demo. On a terminal, it redraws the rows of the progress below everything else. If
// its output is not a terminal, it writes a line of progress now and then. Its methods may be called from
// any goroutine. An error of writing is ignored and does not stop the demo.
type Screen struct {
	mu      sync.Mutex
	out     io.Writer
	o       ScreenOptions
	rows    []string      // the rows of the progress as they were drawn last, on a terminal
	plainAt time.Duration // when the last line of progress was written to something else
}

// ScreenOptions describe what the output of a Screen can do. The zero value suits a file.
type ScreenOptions struct {
	Width func() int // returns the present number of columns of a terminal; nil if the output is not one
	Color bool
}

// plainInterval is the time between two lines of progress if the output is not a terminal.
const plainInterval = 2 * time.Second

// NewScreen returns a Screen that writes to out.
func NewScreen(out io.Writer, o ScreenOptions) *Screen { return &Screen{out: out, o: o} }

// Title shows the title of the demo.
func (s *Screen) Title(name, text string) { s.Say("\n" + s.colored("1", name) + "  " + text) }

// Say shows lines above the progress, where they stay.
func (s *Screen) Say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	s.eraseLocked(&b)
	b.WriteString(text + "\n")
	s.drawLocked(&b)
	_, _ = s.out.Write(b.Bytes())
}

// Verdict shows in one line whether anything was lost.
func (s *Screen) Verdict(lost int) {
	if lost > 0 {
		s.Say(s.colored("1;31", fmt.Sprintf("✗ %s of what was produced did not arrive.", number(lost))))
		return
	}
	s.Say(s.colored("1;32", "✓ Nothing was lost."))
}

// Draw shows the progress at a time of the story.
func (s *Screen) Draw(at time.Duration, counts []Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	if s.o.Width != nil {
		s.eraseLocked(&b)
		s.rows = append([]string{""}, strings.Split(progress(at, counts), "\n")...)
		s.drawLocked(&b)
	} else if at-s.plainAt >= plainInterval {
		s.plainAt = at
		b.WriteString(stamp(at) + plainProgress(counts) + "\n")
	}
	_, _ = s.out.Write(b.Bytes())
}

// Clear removes the progress.
func (s *Screen) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	s.eraseLocked(&b)
	s.rows = nil
	_, _ = s.out.Write(b.Bytes())
}

// eraseLocked moves to the first row of the progress and clears the screen from there.
func (s *Screen) eraseLocked(b *bytes.Buffer) {
	if len(s.rows) > 0 {
		fmt.Fprintf(b, "\r\x1b[%dA\x1b[J", len(s.rows))
	}
}

// drawLocked writes the rows of the progress. It cuts them to the width of the terminal, because
// eraseLocked would not erase all of a row that wraps.
func (s *Screen) drawLocked(b *bytes.Buffer) {
	if len(s.rows) == 0 {
		return
	}
	width := max(s.o.Width()-1, 1)
	for i, line := range s.rows {
		if utf8.RuneCountInString(line) > width {
			line = string([]rune(line)[:width])
		}
		s.rows[i] = line
		b.WriteString(line + "\n")
	}
}

func (s *Screen) colored(code, text string) string {
	if !s.o.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Logger returns a logger for the agent. The Screen shows its lines with the time of the story, which at
// returns.
func (s *Screen) Logger(at func() time.Duration) *slog.Logger {
	return slog.New(slog.NewTextHandler(logWriter{s, at}, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey && a.Value.Any() == slog.LevelInfo) {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// logWriter shows what a slog.Handler writes, which is one line a call.
type logWriter struct {
	screen *Screen
	at     func() time.Duration
}

func (w logWriter) Write(line []byte) (int, error) {
	w.screen.Say(stamp(w.at()) + w.screen.colored("2", "lighter: "+strings.TrimSuffix(string(line), "\n")))
	return len(line), nil
}

// stamp returns a time of the story as it is written in front of a line.
func stamp(at time.Duration) string { return fmt.Sprintf("%5.1fs  ", at.Seconds()) }

// barWidth is the number of characters of a bar.
const barWidth = 24

// progress returns the progress as rows: one for each count, with a bar of what has arrived.
func progress(at time.Duration, counts []Count) string {
	rows := [][]string{{stamp(at), "produced", "delivered", "under way", strings.Repeat(" ", barWidth)}}
	for _, c := range counts {
		produced, waiting, full := number(c.Produced), number(max(c.lost(), 0)), barWidth
		if c.Produced == unknown {
			produced, waiting = "?", "?"
		} else if c.Produced > 0 {
			full = min(barWidth, barWidth*c.Delivered/c.Produced)
		}
		bar := strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
		rows = append(rows, []string{"  " + c.Name, produced, number(c.Delivered), waiting, bar})
	}
	return columns(rows)
}

// plainProgress returns the progress in one line.
func plainProgress(counts []Count) string {
	parts := make([]string, len(counts))
	for i, c := range counts {
		parts[i] = c.Name + " " + number(c.Delivered)
		if c.Produced != unknown {
			parts[i] += " of " + number(c.Produced)
		}
	}
	return "delivered: " + strings.Join(parts, ", ")
}
