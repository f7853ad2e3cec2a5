package syslog

import (
	"bufio"
	"errors"
	"io"
)

// framer finds the messages in the bytes of a connection or of a datagram.
type framer struct {
	r         *bufio.Reader
	max       int  // a message with more bytes is cut
	raw       bool // each line is a message of its own
	delimiter byte // ends a line
	// more waits a moment for bytes beyond those that r has buffered, and reports whether there are any.
	more func() bool

	begun   bool // the framing is known
	octets  bool // each message has its length in front
	message []byte
	cut     bool
}

func newFramer(r io.Reader, l *Listener, more func() bool) *framer {
	f := &framer{r: bufio.NewReader(r), max: l.MaxMessageBytes, raw: l.Format == Raw, delimiter: '\n', more: more}
	if f.raw && l.NullDelimiter {
		f.delimiter = 0
	}
	return f
}

var errFraming = errors.New("a message does not begin with its length, as those before it did")

// next returns the next message and whether it was cut. The message is valid until next is called again. When there
// are no more messages, next returns the error of the reader or errFraming.
func (f *framer) next() (message []byte, cut bool, err error) {
	f.message, f.cut = f.message[:0], false
	for len(f.message) == 0 {
		if err = f.read(); err != nil {
			break
		}
	}
	if len(f.message) > 0 { // the next call returns an error again
		return f.message, f.cut, nil
	}
	return nil, false, err
}

// read reads one message. It may find an empty one.
func (f *framer) read() error {
	if err := f.skipBreaks(); err != nil {
		return err
	}
	if f.begun && !f.octets {
		return f.lines()
	}
	n, counted := f.length()
	if !f.begun {
		f.begun, f.octets = true, counted
	}
	switch {
	case counted:
		return f.counted(n)
	case f.octets && !f.priority():
		return errFraming
	}
	return f.lines()
}

// skipBreaks skips newlines and zero bytes, which may stand between two messages.
func (f *framer) skipBreaks() error {
	for {
		b, err := f.r.ReadByte()
		if err != nil {
			return err
		}
		if b != '\n' && b != '\r' && b != 0 {
			return f.r.UnreadByte()
		}
	}
}

// maxLengthDigits is how many digits the length of a message may have.
const maxLengthDigits = 9

// length reads the length in front of a message, which is a number and a space. counted is false if there is none.
func (f *framer) length() (n int, counted bool) {
	for i := range maxLengthDigits + 1 {
		p, err := f.r.Peek(i + 1)
		if err != nil {
			return 0, false
		}
		switch c := p[i]; {
		case c == ' ' && n > 0:
			_, err = f.r.Discard(i + 1)
			return n, err == nil
		case c >= '0' && c <= '9' && (n > 0 || c > '0'):
			n = 10*n + int(c-'0')
		default:
			return 0, false
		}
	}
	return 0, false
}

// priority reports whether a message begins with the < of its priority.
func (f *framer) priority() bool {
	p, err := f.r.Peek(1)
	return err == nil && p[0] == '<'
}

// counted reads a message of n bytes.
func (f *framer) counted(n int) error {
	keep := min(n, f.max)
	if cap(f.message) < keep {
		f.message = make([]byte, 0, keep)
	}
	read, err := io.ReadFull(f.r, f.message[:keep])
	f.message = f.message[:read]
	if err != nil {
		f.cut = read > 0
		return err
	}
	if n > keep {
		f.cut = true
		_, err = f.r.Discard(n - keep)
	}
	return err
}

// lines reads a line and, unless it is raw, those after it that do not begin a message.
func (f *framer) lines() error {
	for {
		if err := f.line(); err != nil {
			return err
		}
		if f.raw || f.r.Buffered() == 0 && !f.more() {
			return nil
		}
		if _, err := f.r.Peek(1); err != nil || f.priority() {
			return nil // the next read returns the error again
		}
		f.append([]byte{'\n'})
	}
}

// line appends a line to the message, without its delimiter.
func (f *framer) line() error {
	for {
		part, err := f.r.ReadSlice(f.delimiter)
		if n := len(part); n > 0 && part[n-1] == f.delimiter {
			part = part[:n-1]
		}
		f.append(part)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && err != io.EOF && len(f.message) > 0 {
			f.cut = true
		}
		return err
	}
}

// append appends p to the message, or as much of it as the message may have.
func (f *framer) append(p []byte) {
	if room := f.max - len(f.message); len(p) > room {
		p, f.cut = p[:room], true
	}
	f.message = append(f.message, p...)
}
