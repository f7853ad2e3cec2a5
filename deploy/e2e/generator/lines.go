package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"
)

// write writes one line after the other until the count, the duration or ctx ends. Each line is one write,
// so that Docker gets it in one piece unless it is too long.
func write(ctx context.Context, o options, said *said, stdout, stderr io.Writer) error {
	started := time.Now()
	var buf []byte
	for seq := 1; o.count == 0 || seq <= o.count; seq++ {
		if o.rate > 0 && !sleepUntil(ctx, started.Add(time.Duration(seq-1)*time.Second/time.Duration(o.rate))) {
			break
		}
		if ctx.Err() != nil || o.duration > 0 && time.Since(started) >= o.duration {
			break
		}
		l := o.line(seq)
		buf = append(l.append(buf[:0]), '\n')
		if o.unfinished && seq == o.count {
			buf = buf[:len(buf)-1]
		}
		out := stdout
		if l.stderr {
			out = stderr
		}
		if _, err := out.Write(buf); err != nil {
			return fmt.Errorf("line %d: %w", seq, err)
		}
		said.add(l)
	}
	said.finish()
	return nil
}

// sleepUntil reports whether t came before ctx ended.
func sleepUntil(ctx context.Context, t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// line is the content of one line.
type line struct {
	seq    int
	run    string
	level  string
	msg    string
	json   bool
	empty  bool
	stderr bool
	size   int // padded to this many bytes, without its newline
}

// line returns line seq, which depends only on the options.
func (o options) line(seq int) line {
	l := line{
		seq: seq, run: o.run, level: "info", msg: "request served", size: o.size,
		json:   o.format == "json" || o.format == "mix" && seq%2 == 0,
		empty:  o.empty > 0 && seq%o.empty == 0,
		stderr: o.stderr > 0 && seq%o.stderr == 0,
	}
	switch seq % 10 {
	case 3:
		l.level, l.msg = "error", "request failed: upstream error"
	case 5:
		l.level, l.msg = "debug", "cache looked up"
	case 7:
		l.level, l.msg = "warn", "request served late"
	}
	if i := seq/10 - 1; seq%10 == 0 && i < len(o.long) {
		l.size, l.empty = o.long[i], false
	}
	return l
}

// append adds the line to b, without a newline.
func (l line) append(b []byte) []byte {
	if l.empty {
		return b
	}
	start, tail := len(b), ""
	if l.json {
		b = append(b, `{"level":"`+l.level+`","msg":"`+l.msg+`","run":"`+l.run+`","seq":`...)
		b = strconv.AppendInt(b, int64(l.seq), 10)
		tail = "}"
	} else {
		b = append(b, l.run+" "...)
		b = strconv.AppendInt(b, int64(l.seq), 10)
		b = append(b, " "+l.level+" "+l.msg...)
	}
	if missing := l.size - (len(b) - start) - len(tail); missing > 0 {
		b = l.pad(b, missing)
	}
	return append(b, tail...)
}

// pad adds n bytes that contain their own offsets, so that a lost, repeated or misplaced piece changes the
// line.
func (l line) pad(b []byte, n int) []byte {
	end := len(b) + n
	if l.json {
		const open, close = `,"pad":"`, `"`
		if n < len(open)+len(close) {
			return append(b, "          "[:n]...) // spaces before a closing brace are still JSON
		}
		b = append(b, open...)
		b = offsets(b, end-len(close))
		return append(b, close...)
	}
	return offsets(append(b, ' '), end)
}

// offsets fills b up to end with the offsets of its own bytes.
func offsets(b []byte, end int) []byte {
	for len(b) < end {
		b = fmt.Appendf(b, "%07d.", len(b))
	}
	return b[:end]
}
