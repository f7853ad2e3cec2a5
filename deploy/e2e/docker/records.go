package docker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Record is one message of a container's log, as the Engine's API returns it: a line with its newline, a
// piece of a long line, or the last text of a container if it has no newline.
type Record struct {
	At     time.Time
	Stream string // stdout or stderr
	Text   string
}

// Records returns the complete log of a container without a terminal, as far as the Engine has it. It uses
// the API directly: docker logs does not show where a record without a newline ends.
func (c *Container) Records(ctx context.Context) ([]Record, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.engine.Socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/containers/"+c.ID+"/logs?stdout=1&stderr=1&timestamps=1", nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("logs of %s: %s", c.Name, res.Status)
	}
	var all []Record
	for {
		var head [8]byte // the stream, three zeros, the length
		if _, err := io.ReadFull(res.Body, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			return nil, fmt.Errorf("logs of %s: %w", c.Name, err)
		}
		frame := make([]byte, binary.BigEndian.Uint32(head[4:]))
		if _, err := io.ReadFull(res.Body, frame); err != nil {
			return nil, fmt.Errorf("logs of %s: %w", c.Name, err)
		}
		stamp, text, _ := bytes.Cut(frame, []byte(" "))
		r := Record{Stream: "stdout", Text: string(text)}
		if head[0] == 2 {
			r.Stream = "stderr"
		}
		if r.At, err = time.Parse(time.RFC3339Nano, string(stamp)); err != nil {
			return nil, fmt.Errorf("logs of %s: %w", c.Name, err)
		}
		all = append(all, r)
	}
}
