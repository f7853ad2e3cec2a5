package fault

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Fault responds to one request. It is called from many goroutines.
type Fault func(*Exchange)

// Exchange is a request and the means to respond to it.
type Exchange struct {
	Number  int // counted from 1 since the fault was set
	Request *http.Request

	server *Server
	w      http.ResponseWriter
}

// behave stores the complete request.
func behave(x *Exchange) {
	if x.keep(false) {
		x.answer(http.StatusNoContent, nil, "")
	}
}

// Status responds with the given status and stores nothing. The text is the body.
func Status(status int, text string) Fault {
	return func(x *Exchange) { x.turnDown(status, nil, text) }
}

// RetryAfterSeconds responds with 429 and asks for a pause.
func RetryAfterSeconds(pause time.Duration) Fault {
	return func(x *Exchange) {
		x.turnDown(http.StatusTooManyRequests, http.Header{"Retry-After": {strconv.Itoa(int(pause.Seconds()))}}, rateLimited)
	}
}

// RetryAfterDate responds with 429 and asks for a pause until the given time.
func RetryAfterDate(until time.Time) Fault {
	return func(x *Exchange) {
		x.turnDown(http.StatusTooManyRequests, http.Header{"Retry-After": {until.UTC().Format(http.TimeFormat)}}, rateLimited)
	}
}

const rateLimited = "Ingestion rate limit exceeded for user fake: reduce log volume or contact your Loki administrator"

// RefuseEvery refuses the first entry of every nth push with Loki's message, and stores everything else.
func RefuseEvery(n int) Fault {
	return func(x *Exchange) {
		if x.Number%n != 0 {
			behave(x)
			return
		}
		body, ok := x.body()
		if !ok {
			return
		}
		t, err := x.server.take(x.Request.URL.Path, body, 1, false)
		if err != nil {
			x.answer(http.StatusBadRequest, nil, err.Error())
			return
		}
		at := time.Unix(0, t.refused.Nanos).UTC()
		x.answer(http.StatusBadRequest, nil, fmt.Sprintf("entry with timestamp %s ignored, reason: 'entry too far behind, entry timestamp is: %s, oldest acceptable timestamp is: %s',\nuser 'fake', total ignored: 1 out of %d for stream: %s",
			at, at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339), t.entries, t.stream))
	}
}

// TooLarge responds with 413 to compressed bodies of more than the given bytes.
func TooLarge(bytes int) Fault {
	return func(x *Exchange) {
		body, ok := x.body()
		if !ok {
			return
		}
		if len(body) > bytes {
			x.answer(http.StatusRequestEntityTooLarge, nil, "http: request body too large")
			return
		}
		if _, err := x.server.take(x.Request.URL.Path, body, 0, false); err != nil {
			x.answer(http.StatusBadRequest, nil, err.Error())
			return
		}
		x.answer(http.StatusNoContent, nil, "")
	}
}

// BlackHole accepts connections and never responds.
func BlackHole() Fault {
	return func(x *Exchange) {
		_, _ = x.body() // until the body is read, the server does not notice that the client hangs up
		<-x.Request.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// CutBody hangs up after half of the request and stores nothing.
func CutBody() Fault {
	return func(x *Exchange) {
		_, _ = io.CopyN(io.Discard, x.Request.Body, x.Request.ContentLength/2)
		panic(http.ErrAbortHandler)
	}
}

// CutAnswer stores the request and hangs up within the response: the client cannot know that it was stored.
func CutAnswer() Fault {
	return func(x *Exchange) {
		if !x.keep(true) {
			return
		}
		conn, _, err := http.NewResponseController(x.w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Con")
		_ = conn.Close()
	}
}

// Slow stores the request and delays each response.
func Slow(pause time.Duration) Fault {
	return func(x *Exchange) {
		if !x.keep(false) {
			return
		}
		select {
		case <-time.After(pause):
		case <-x.Request.Context().Done():
			panic(http.ErrAbortHandler)
		}
		x.answer(http.StatusNoContent, nil, "")
	}
}

// InTurn uses the faults in turn, each for one request; nil behaves correctly.
func InTurn(faults ...Fault) Fault {
	return func(x *Exchange) {
		if f := faults[(x.Number-1)%len(faults)]; f != nil {
			f(x)
			return
		}
		behave(x)
	}
}

// keep reads and stores the complete request; cut means that the response will be cut off. If keep returns
// false, it has already responded.
func (x *Exchange) keep(cut bool) bool {
	body, ok := x.body()
	if !ok {
		return false
	}
	if _, err := x.server.take(x.Request.URL.Path, body, 0, cut); err != nil {
		x.answer(http.StatusBadRequest, nil, err.Error())
		return false
	}
	return true
}

// body reads the request. If the client hangs up within it, nothing was sent.
func (x *Exchange) body() ([]byte, bool) {
	body, err := io.ReadAll(x.Request.Body)
	return body, err == nil
}

// turnDown responds without storing anything.
func (x *Exchange) turnDown(status int, header http.Header, text string) {
	if _, ok := x.body(); ok {
		x.answer(status, header, text)
	}
}

func (x *Exchange) answer(status int, header http.Header, text string) {
	x.server.mu.Lock()
	x.server.statuses[status]++
	x.server.mu.Unlock()
	for name, values := range header {
		x.w.Header()[name] = values
	}
	x.w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = io.WriteString(x.w, text+"\n") // the client may have hung up
	}
}
