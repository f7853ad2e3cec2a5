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

// Screen is where the demo is shown: a terminal, with a block at its end that is redrawn,
// or anything else, with a plain line now and then. Its methods may be called from any
// goroutine. What cannot be written is not shown, and does not stop the demo.
type Screen struct {
	mu    sync.Mutex
	out   io.Writer
	o     ScreenOptions
	block []string      // as drawn, on a terminal
	shown time.Duration // when the last plain line was shown
}

// ScreenOptions say what the screen can do. The zero value is a plain file.
type ScreenOptions struct {
	Width func() int // columns of a terminal at this moment; nil is none, and nothing is redrawn
	Color bool
}

// plainEvery is the time between two lines of progress where nothing is redrawn.
const plainEvery = 2 * time.Second

// NewScreen returns a Screen that writes to out.
func NewScreen(out io.Writer, o ScreenOptions) *Screen { return &Screen{out: out, o: o} }

// Title begins the demo.
func (s *Screen) Title(name, text string) { s.Say("\n" + s.colored("1", name) + "  " + text) }

// Say writes lines that stay.
func (s *Screen) Say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	s.eraseLocked(&b)
	b.WriteString(text + "\n")
	s.drawLocked(&b)
	_, _ = s.out.Write(b.Bytes())
}

// Verdict says in one line how it went.
func (s *Screen) Verdict(lost int) {
	if lost > 0 {
		s.Say(s.colored("1;31", fmt.Sprintf("✗ %s of what was produced did not arrive.", number(lost))))
		return
	}
	s.Say(s.colored("1;32", "✓ Nothing was lost."))
}

// Draw shows how far it is at a time of the story.
func (s *Screen) Draw(at time.Duration, counts []Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	if s.o.Width != nil {
		s.eraseLocked(&b)
		s.block = append([]string{""}, strings.Split(progress(at, counts), "\n")...)
		s.drawLocked(&b)
	} else if at-s.shown >= plainEvery {
		s.shown = at
		b.WriteString(stamp(at) + plainProgress(counts) + "\n")
	}
	_, _ = s.out.Write(b.Bytes())
}

// Clear takes the redrawn block away.
func (s *Screen) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	s.eraseLocked(&b)
	s.block = nil
	_, _ = s.out.Write(b.Bytes())
}

// eraseLocked moves to where the block begins and clears the rest of the screen.
func (s *Screen) eraseLocked(b *bytes.Buffer) {
	if len(s.block) > 0 {
		fmt.Fprintf(b, "\r\x1b[%dA\x1b[J", len(s.block))
	}
}

// drawLocked writes the block, no line wider than the terminal: a line that wraps would
// be two when it is erased.
func (s *Screen) drawLocked(b *bytes.Buffer) {
	if len(s.block) == 0 {
		return
	}
	width := max(s.o.Width()-1, 1)
	for i, line := range s.block {
		if utf8.RuneCountInString(line) > width {
			line = string([]rune(line)[:width])
		}
		s.block[i] = line
		b.WriteString(line + "\n")
	}
}

func (s *Screen) colored(code, text string) string {
	if !s.o.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Logger returns a logger whose lines are said with the time of the story: what the agent
// has to say about what it goes through.
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

// logWriter says what a handler writes, one line a call.
type logWriter struct {
	screen *Screen
	at     func() time.Duration
}

func (w logWriter) Write(line []byte) (int, error) {
	w.screen.Say(stamp(w.at()) + w.screen.colored("2", "lighter: "+strings.TrimSuffix(string(line), "\n")))
	return len(line), nil
}

// stamp writes a time of the story in front of a line.
func stamp(at time.Duration) string { return fmt.Sprintf("%5.1fs  ", at.Seconds()) }

// barWidth is how many characters a bar takes.
const barWidth = 24

// progress writes the redrawn block: a row a container, with a bar of what has arrived.
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

// plainProgress writes the same in one line.
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
