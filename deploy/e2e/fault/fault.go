package fault

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Fault answers one request. It is called from many goroutines.
type Fault func(*Exchange)

// Exchange is a request and the means to answer it.
type Exchange struct {
	Number  int // counted from 1 since the fault was set
	Request *http.Request

	server *Server
	w      http.ResponseWriter
}

// behave keeps all of the request.
func behave(x *Exchange) {
	if x.keep(false) {
		x.answer(http.StatusNoContent, nil, "")
	}
}

// Status answers with a status of the backend's own and keeps nothing. The text is the body.
func Status(status int, text string) Fault {
	return func(x *Exchange) { x.turnDown(status, nil, text) }
}

// RetryAfterSeconds answers 429 and asks for a pause.
func RetryAfterSeconds(pause time.Duration) Fault {
	return func(x *Exchange) {
		x.turnDown(http.StatusTooManyRequests, http.Header{"Retry-After": {strconv.Itoa(int(pause.Seconds()))}}, rateLimited)
	}
}

// RetryAfterDate answers 429 and asks for a pause until the given time.
func RetryAfterDate(until time.Time) Fault {
	return func(x *Exchange) {
		x.turnDown(http.StatusTooManyRequests, http.Header{"Retry-After": {until.UTC().Format(http.TimeFormat)}}, rateLimited)
	}
}

const rateLimited = "Ingestion rate limit exceeded for user fake: reduce log volume or contact your Loki administrator"

// RefuseEvery refuses one entry, the first, of every nth push with Loki's words, and keeps all
// else.
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

// TooLarge answers 413 to bodies of more than the given bytes, as they come, compressed.
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

// BlackHole takes connections and never answers.
func BlackHole() Fault {
	return func(x *Exchange) {
		_, _ = x.body() // while the body is not read the server does not see that the client hangs up
		<-x.Request.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// CutBody hangs up after half of the request, keeping nothing.
func CutBody() Fault {
	return func(x *Exchange) {
		_, _ = io.CopyN(io.Discard, x.Request.Body, x.Request.ContentLength/2)
		panic(http.ErrAbortHandler)
	}
}

// CutAnswer keeps the request and hangs up within its answer: who sent it cannot know.
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

// Slow keeps the request and lets each answer wait.
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

// InTurn plays the faults one after the other, a request each, again and again; nil behaves.
func InTurn(faults ...Fault) Fault {
	return func(x *Exchange) {
		if f := faults[(x.Number-1)%len(faults)]; f != nil {
			f(x)
			return
		}
		behave(x)
	}
}

// keep reads the request and keeps all of it; cut says that there will be no whole answer. If it
// cannot, it has answered.
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

// body reads the request. A client that hung up within it has sent nothing.
func (x *Exchange) body() ([]byte, bool) {
	body, err := io.ReadAll(x.Request.Body)
	return body, err == nil
}

// turnDown answers without keeping anything.
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
		_, _ = io.WriteString(x.w, text+"\n") // who hung up by now does not want it
	}
}
