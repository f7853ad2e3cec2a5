package push

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// answer is what a request is answered with: a status, and why if it is not 204.
type answer struct {
	status int
	err    error
}

// What requests are answered with that might be taken at another time.
var (
	errNoRoom   = errors.New("the endpoints of this source have no room for more: send it again later")
	errTooLate  = errors.New("the entries are taken, but no endpoint has acknowledged them yet: send the same request again, and it waits for them")
	errStopping = errors.New("the agent stops: send it again a little later")
)

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for path, decode := range map[string]func(*http.Request, []byte, *taken) error{
		"/loki/api/v1/push": s.decode,
		"/api/v1/push":      s.decode,
		"/loki/api/v1/raw":  nil,
		"/api/v1/raw":       nil,
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, path, decode) })
	}
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ready")) })
	return mux
}

// serve answers one request for entries. A nil decode is for raw lines.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, path string, decode func(*http.Request, []byte, *taken) error) {
	start := time.Now()
	s.o.Metrics.inflight.Inc()
	var a answer
	if s.requests.Add(1) > maxRequests {
		a = answer{http.StatusTooManyRequests, errBusy}
	} else {
		a = s.take(w, r, decode)
	}
	s.requests.Add(-1)
	s.o.Metrics.inflight.Dec()
	s.o.Metrics.requests.WithLabelValues(r.Method, path, strconv.Itoa(a.status)).Observe(time.Since(start).Seconds())
	switch a.status {
	case http.StatusNoContent:
		w.WriteHeader(a.status)
		return
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", retryBusy)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryFull)
	default:
		s.o.Logger.Debug("a push request was refused", "path", path, "from", r.RemoteAddr, "status", a.status, "err", a.err)
	}
	http.Error(w, a.err.Error(), a.status)
}

// take takes the entries of a request and waits until they are acknowledged.
func (s *Server) take(w http.ResponseWriter, r *http.Request, decode func(*http.Request, []byte, *taken) error) answer {
	l := &lease{room: &s.room}
	handedOn := false
	defer func() {
		if !handedOn {
			l.shrinkTo(0)
		}
	}()
	who, err := tenant(r)
	if err != nil {
		return refusal(err)
	}
	body, err := s.readBody(r, l)
	if err != nil {
		return refusal(err)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it would end the wait, too
	timeout := time.After(AckTimeout)
	var key *requestKey // nil: nobody sends the request again
	if decode != nil {
		k := keyOf(r, who, body)
		key = &k
		if d := s.unanswered.claim(k); d != nil {
			return s.await(r, d, key, timeout)
		}
	} else {
		decode = func(_ *http.Request, body []byte, t *taken) error { return decodeRaw(body, t) }
	}
	t := &taken{s: s, tenant: who, lease: l}
	if err := decode(r, body, t); err != nil {
		return refusal(err)
	}
	kept := int64(0)
	for _, b := range t.batches {
		kept += int64(b.Bytes)
	}
	l.shrinkTo(kept)
	d := newDelivery(t)
	handedOn = true
	if len(t.batches) == 0 {
		return final(d)
	}
	select {
	case s.deliveries <- d:
		return s.await(r, d, key, timeout)
	case <-timeout:
		err = errNoRoom
		s.tooSlow()
	case <-r.Context().Done():
		err = errNoRoom // nobody reads it
	case <-s.stopping:
		err = errStopping
	}
	d.release()
	return answer{http.StatusServiceUnavailable, err}
}

// await waits until a delivery is acknowledged.
func (s *Server) await(r *http.Request, d *delivery, key *requestKey, timeout <-chan time.Time) answer {
	err := errTooLate
	select {
	case <-d.done:
		if s.failing.Swap(false) {
			s.o.Logger.Info("push requests are acknowledged in time again")
		}
		return final(d)
	case <-timeout:
		s.tooSlow()
	case <-r.Context().Done():
	case <-s.stopping:
		err = errStopping
	}
	if key != nil {
		s.unanswered.remember(*key, d)
	}
	return answer{http.StatusServiceUnavailable, err}
}

func (s *Server) tooSlow() {
	if !s.failing.Swap(true) {
		s.o.Logger.Warn("the endpoints do not acknowledge the entries of push requests in time: their senders are told to send them again", "within", AckTimeout)
	}
}

// final returns the answer to a request whose entries are all acknowledged.
func final(d *delivery) answer {
	if err := d.err(); err != nil {
		return answer{http.StatusBadRequest, err}
	}
	return answer{status: http.StatusNoContent}
}

// refusal returns the answer to a request that is not taken.
func refusal(err error) answer {
	switch {
	case errors.Is(err, errBusy):
		return answer{http.StatusTooManyRequests, err}
	case errors.Is(err, errTooLarge):
		return answer{http.StatusRequestEntityTooLarge, err}
	}
	return answer{http.StatusBadRequest, err}
}
