package dockersim

import (
	"encoding/binary"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/versions"
)

// stampLayout is the layout of the Engine's times in a log. They have a fixed width and are in UTC.
const stampLayout = "2006-01-02T15:04:05.000000000Z07:00"

// systemErr is the stream of errors that occur after the 200.
const systemErr Stream = 3

// serveLogs responds to docker logs. Each message is sent in a chunk of its own.
func (e *Engine) serveLogs(w http.ResponseWriter, r *http.Request, c *Container, version string) {
	lr, err := newLogReader(r.URL.Query())
	if err != "" {
		fail(w, http.StatusBadRequest, err)
		return
	}
	e.mu.Lock()
	st, driver := c.state, c.spec.Driver
	lr.open(c)
	e.mu.Unlock()
	switch {
	case st == stateDead:
		fail(w, http.StatusConflict, "can not get logs from container which is dead or marked for removal")
		return
	case driver == "none":
		fail(w, http.StatusNotImplemented, "configured logging driver does not support reading")
		return
	}
	if versions.GreaterThanOrEqualTo(version, "1.42") {
		kind := "multiplexed"
		if lr.raw {
			kind = "raw"
		}
		w.Header().Set("Content-Type", "application/vnd.docker."+kind+"-stream")
	}
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	if flusher.Flush() != nil {
		return
	}
	for {
		e.mu.Lock()
		chunks, over := lr.read(c, e.held)
		changed := c.changed.wait()
		e.mu.Unlock()
		for start, i := 0, 0; i < len(chunks); i++ {
			if _, err := w.Write(lr.buf[start:chunks[i]]); err != nil {
				return
			}
			if flusher.Flush() != nil {
				return
			}
			start = chunks[i]
		}
		if over {
			return
		}
		if len(chunks) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// logReader reads a journal for one request.
type logReader struct {
	stdout, stderr, follow, stamps bool
	tail                           int   // number of messages; -1 means all
	since, until                   int64 // Unix nanoseconds; 0 if not in the request

	raw    bool  // without frames, because the container has a TTY
	run    *run  // the run that is followed; nil if the log is read up to stop
	at     int64 // offset of the next message
	stop   int64 // offset at which to end if no run is followed
	buf    []byte
	chunks []int // ends of the messages in buf
}

func newLogReader(q url.Values) (*logReader, string) {
	set := func(name string) bool { v := q.Get(name); return v != "" && v != "0" && v != "false" }
	lr := &logReader{stdout: set("stdout"), stderr: set("stderr"), follow: set("follow"), stamps: set("timestamps"), tail: -1}
	if !lr.stdout && !lr.stderr {
		return nil, "Bad parameters: you must choose at least one stream"
	}
	if n, err := strconv.Atoi(q.Get("tail")); err == nil && n >= 0 {
		lr.tail = n
	}
	for name, to := range map[string]*int64{"since": &lr.since, "until": &lr.until} {
		t, err := parseTime(q.Get(name))
		if err != nil {
			return nil, err.Error()
		}
		*to = t
	}
	return lr, ""
}

// open sets where to begin and end in the present log. The caller of open and read holds the Engine's lock.
func (lr *logReader) open(c *Container) {
	lr.raw = c.spec.TTY
	lr.at, lr.stop = c.log.base, c.log.end()
	if lr.tail >= 0 {
		lr.at = c.log.tail(lr.tail)
	}
	if lr.follow && c.running() {
		lr.run = c.run
	}
}

// readBytes is about how much read reads at once.
const readBytes = 64 << 10

// read fills buf with the next messages in wire format. It returns their ends in buf, and reports whether
// the stream is over.
func (lr *logReader) read(c *Container, held bool) (chunks []int, over bool) {
	lr.buf, lr.chunks = lr.buf[:0], lr.chunks[:0]
	for !held && len(lr.buf) < readBytes {
		end := lr.stop
		switch {
		case lr.run != nil && lr.run.over:
			end = lr.run.end
		case lr.run != nil:
			end = c.log.end()
		}
		if c.log.fault != "" && max(lr.at, c.log.base) == c.log.faultAt && c.log.faultAt <= end {
			lr.append(c.log.faultAt, systemErr, []byte("Error grabbing logs: "+c.log.fault+"\n"))
			return lr.chunks, true
		}
		if lr.at >= end {
			return lr.chunks, lr.run == nil || lr.run.over
		}
		m, next, ok := c.log.next(lr.at)
		if !ok {
			return lr.chunks, lr.run == nil || lr.run.over
		}
		lr.at = next
		if m.time < lr.since {
			continue
		}
		lr.since = 0 // as in the real Engine, the filter ends with its first match
		if lr.until != 0 && m.time > lr.until {
			return lr.chunks, true
		}
		if m.stream == Stdout && lr.stdout || m.stream == Stderr && lr.stderr {
			lr.append(m.time, m.stream, m.text)
		}
	}
	return lr.chunks, false
}

func (lr *logReader) append(unixNano int64, s Stream, text []byte) {
	start := len(lr.buf)
	if !lr.raw {
		lr.buf = append(lr.buf, byte(s), 0, 0, 0, 0, 0, 0, 0)
	}
	if lr.stamps && s != systemErr {
		lr.buf = time.Unix(0, unixNano).UTC().AppendFormat(lr.buf, stampLayout)
		lr.buf = append(lr.buf, ' ')
	}
	lr.buf = append(lr.buf, text...)
	if !lr.raw {
		binary.BigEndian.PutUint32(lr.buf[start+4:], uint32(len(lr.buf)-start-8))
	}
	lr.chunks = append(lr.chunks, len(lr.buf))
}
