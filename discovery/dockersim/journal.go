package dockersim

import "encoding/binary"

// Stream is the output to which a container writes.
type Stream byte

// The streams of a container. A container with a TTY only has Stdout.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// pieceBytes is the most that a message can hold. The Engine splits longer lines.
const pieceBytes = 16 << 10

// Write logs a line at the Engine's present time. line does not have its newline.
func (c *Container) Write(s Stream, line string) { c.write(c.engine.Now().UnixNano(), s, line, "\n") }

// WriteAt is like Write at the given time in Unix nanoseconds. The times of a log may go back.
func (c *Container) WriteAt(unixNano int64, s Stream, line string) { c.write(unixNano, s, line, "\n") }

// WriteUnfinished logs text without a newline, like the last output before an exit.
func (c *Container) WriteUnfinished(s Stream, text string) {
	c.write(c.engine.Now().UnixNano(), s, text, "")
}

func (c *Container) write(unixNano int64, s Stream, line, end string) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	if c.spec.Driver == "none" {
		return
	}
	if c.spec.TTY {
		s = Stdout
		if end != "" {
			end = "\r\n"
		}
	}
	rest := line + end
	for len(rest) > pieceBytes { // if the text fills a piece, its newline is in a separate piece
		c.appendLocked(unixNano, s, rest[:pieceBytes])
		rest = rest[pieceBytes:]
	}
	if rest != "" {
		c.appendLocked(unixNano, s, rest)
	}
	c.changed.wake()
}

func (c *Container) appendLocked(unixNano int64, s Stream, text string) {
	c.log.append(unixNano, s, text)
	c.recordLocked(unixNano, s, text)
}

// Rotate drops the oldest n messages of the log. A message is a line or a 16 KiB piece of one. A reader
// that has not read them continues after them without notice.
func (c *Container) Rotate(n int) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.log.drop(n)
}

// FailLogs makes the log unreadable at its present end. A reader that reaches that point gets the text as
// an error in its stream, after a 200, and the stream ends. An empty text repairs the log.
func (c *Container) FailLogs(text string) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.log.fault, c.log.faultAt = text, c.log.end()
	c.changed.wake()
}

// journal is a log. It holds messages one after another in one slice, each as time, stream, length and
// text. An offset counts from the beginning of the log and stays valid when the log is rotated.
type journal struct {
	data    []byte
	base    int64  // offset of data[0]
	fault   string // the error that readers get at faultAt; empty if there is none
	faultAt int64
}

// message is a message of a journal. Its text is a slice of the journal's data.
type message struct {
	time   int64 // Unix nanoseconds
	stream Stream
	text   []byte
}

const messageHeader = 8 + 1 + 4

func (j *journal) end() int64 { return j.base + int64(len(j.data)) }

func (j *journal) append(unixNano int64, s Stream, text string) {
	j.data = binary.BigEndian.AppendUint64(j.data, uint64(unixNano))
	j.data = append(j.data, byte(s))
	j.data = binary.BigEndian.AppendUint32(j.data, uint32(len(text)))
	j.data = append(j.data, text...)
}

// next returns the message at offset and the offset after it. If the message has been dropped, it
// returns the oldest one instead. At the end of the journal it returns false.
func (j *journal) next(offset int64) (message, int64, bool) {
	at := max(offset-j.base, 0)
	if at >= int64(len(j.data)) {
		return message{}, offset, false
	}
	d := j.data[at:]
	n := int64(binary.BigEndian.Uint32(d[9:]))
	m := message{int64(binary.BigEndian.Uint64(d)), Stream(d[8]), d[messageHeader : messageHeader+n]}
	return m, j.base + at + messageHeader + n, true
}

// tail returns the offset of the last n messages.
func (j *journal) tail(n int) int64 {
	var starts []int64
	for at := j.base; ; {
		_, next, ok := j.next(at)
		if !ok {
			break
		}
		starts = append(starts, at)
		at = next
	}
	if n >= len(starts) {
		return j.base
	}
	return append(starts, j.end())[len(starts)-n]
}

func (j *journal) drop(n int) {
	at := j.base
	for range n {
		_, next, ok := j.next(at)
		if !ok {
			break
		}
		at = next
	}
	j.data = append([]byte(nil), j.data[at-j.base:]...)
	j.base = at
}
