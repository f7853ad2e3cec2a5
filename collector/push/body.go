package push

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/golang/snappy"
)

// The reasons why a request is refused whatever is in it.
var (
	errBusy     = errors.New("the senders together send more at once than this source can hold: send the request again a little later")
	errTooLarge = errors.New("the request is too large")
	errNoMemory = fmt.Errorf("%w: it takes more memory than this agent may use for it: send its entries in several requests", errTooLarge)
)

// readBody returns the body of a request. It decompresses gzip and deflate, and leaves snappy as it is.
func (s *Server) readBody(r *http.Request, l *lease) ([]byte, error) {
	if r.ContentLength > s.o.MaxBodyBytes {
		return nil, s.tooLarge()
	}
	var from io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity", "snappy":
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("the body is not gzip: %w", err)
		}
		from = z
	case "deflate":
		z, err := inflate(r.Body)
		if err != nil {
			return nil, fmt.Errorf("the body is not deflate: %w", err)
		}
		from = z
	default:
		return nil, fmt.Errorf("the Content-Encoding %.40q is not one of gzip, deflate and snappy", encoding)
	}
	return s.readAll(from, l)
}

// inflate returns a reader of deflate data. The standard wants a zlib header in front of it, but many senders leave
// that out.
func inflate(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	head, _ := in.Peek(2)
	if len(head) == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(in)
	}
	return flate.NewReader(in), nil
}

// readAll reads r to its end. It returns an error if there is no room for what it reads.
func (s *Server) readAll(r io.Reader, l *lease) ([]byte, error) {
	body := make([]byte, 0, 4<<10)
	if err := l.grow(int64(cap(body))); err != nil {
		return nil, err
	}
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > s.o.MaxBodyBytes {
			return nil, s.tooLarge()
		}
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the body could not be read: %w", err)
		}
		if len(body) < cap(body) {
			continue
		}
		before := int64(cap(body))
		if err := l.grow(2 * before); err != nil { // both buffers are there while the bytes are copied
			return nil, err
		}
		body = append(make([]byte, 0, 2*before), body...)
		l.shrinkTo(l.n - before)
	}
}

func (s *Server) tooLarge() error {
	return fmt.Errorf("%w: it may have %d bytes at most, compressed and decompressed (max_send_message_size)", errTooLarge, s.o.MaxBodyBytes)
}

// decode adds the entries of a push request.
func (s *Server) decode(r *http.Request, body []byte, t *taken) error {
	kind, err := contentType(r)
	if err != nil {
		return err
	}
	if kind == "application/json" {
		if err := t.lease.grow(jsonMemory(body)); err != nil {
			return err
		}
		return wrong("JSON", decodeJSON(body, t))
	}
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return fmt.Errorf("the body is not in snappy's block format: %w", err)
	}
	if int64(n) > s.o.MaxBodyBytes {
		return s.tooLarge()
	}
	if err := t.lease.grow(int64(n)); err != nil {
		return err
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return fmt.Errorf("the body is not in snappy's block format: %w", err)
	}
	t.buffer = n
	return wrong("protobuf", decodeProtobuf(raw, t))
}

// wrong returns what is wrong with a push request in a format: err, but that there is no room for the entries is
// no fault of the body.
func wrong(format string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errBusy):
		return errBusy
	case errors.Is(err, errNoMemory):
		return errNoMemory
	}
	return fmt.Errorf("the body is not a push request in %s: %w", format, err)
}

// jsonMemory returns about how much memory is needed, beside the body, to decode a push request in JSON: the text of
// the lines, and a fixed amount for each entry and each field of structured metadata. These are counted by their
// brackets and colons. Lines may have brackets and colons too, so the estimate may be too large but not too small.
func jsonMemory(body []byte) int64 {
	return int64(len(body) + 64*(bytes.Count(body, []byte{'['})+bytes.Count(body, []byte{':'})))
}

// contentType returns the media type of the body; it is empty if the request has no Content-Type.
func contentType(r *http.Request) (string, error) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return "", nil
	}
	kind, _, err := mime.ParseMediaType(header)
	if err != nil {
		return "", fmt.Errorf("the Content-Type %.40q cannot be read: %w", header, err)
	}
	return kind, nil
}

// tenant returns the tenant that a request is for; it is empty if the request names none.
func tenant(r *http.Request) (string, error) {
	id := r.Header.Get("X-Scope-OrgID")
	if len(id) > 150 || id == "." || id == ".." {
		return "", fmt.Errorf("X-Scope-OrgID %.20q is not the name of a tenant", id)
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || bytes.IndexByte([]byte("!-_.*'()"), c) >= 0) {
			return "", fmt.Errorf("X-Scope-OrgID has %q, which the name of one tenant cannot have", c)
		}
	}
	return id, nil
}
