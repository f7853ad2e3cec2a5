package push

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// response is the response to a request: its status and, unless that is 204, the reason.
type response struct {
	status int
	err    error
}

// The reasons why a request may succeed when it is sent again.
var (
	errNoRoom   = errors.New("the endpoints of this source have no room for more: send the request again later")
	errTooLate  = errors.New("the entries have been received but are not acknowledged by all endpoints yet: send the same request again to wait for them")
	errStopping = errors.New("the agent is stopping: send the request again a little later")
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

// serve responds to one request that brings entries. decode is nil if these are raw lines.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, path string, decode func(*http.Request, []byte, *taken) error) {
	start := time.Now()
	s.o.Metrics.inflight.Inc()
	var a response
	if s.requests.Add(1) > maxRequests {
		a = response{http.StatusTooManyRequests, errBusy}
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
		s.o.Logger.Debug("a push request was refused", "path", path, "from", r.RemoteAddr, "status", a.status, "error", a.err)
	}
	http.Error(w, a.err.Error(), a.status)
}

// take takes the entries of a request and waits until they are acknowledged.
func (s *Server) take(w http.ResponseWriter, r *http.Request, decode func(*http.Request, []byte, *taken) error) response {
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
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // the deadline would also end the wait for the acknowledgement
	timeout := time.After(AckTimeout)
	var key *requestKey // nil for raw lines, whose request is never recognized when it is sent again
	if decode != nil {
		k := keyOf(r, who, body)
		key = &k
		if d := s.unanswered.claim(k); d != nil {
			l.shrinkTo(0) // the entries have a lease of their own since the request came before
			return s.await(r, d, key, timeout)
		}
	} else {
		decode = func(_ *http.Request, body []byte, t *taken) error { return decodeRaw(body, t) }
	}
	t := &taken{s: s, tenant: who, lease: l}
	if err := decode(r, body, t); err != nil {
		return refusal(err)
	}
	l.shrinkTo(t.memory())
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
		err = errNoRoom // the sender has gone, so nobody reads the response
	case <-s.stopping:
		err = errStopping
	}
	d.release()
	return response{http.StatusServiceUnavailable, err}
}

// await waits until a delivery is acknowledged.
func (s *Server) await(r *http.Request, d *delivery, key *requestKey, timeout <-chan time.Time) response {
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
	return response{http.StatusServiceUnavailable, err}
}

// tooSlow logs, once until the endpoints have caught up, that entries are not acknowledged in time.
func (s *Server) tooSlow() {
	if !s.failing.Swap(true) {
		s.o.Logger.Warn("the endpoints do not acknowledge the entries of push requests in time, and senders are told to send their requests again", "within", AckTimeout)
	}
}

// final returns the response to a request whose entries are all acknowledged.
func final(d *delivery) response {
	if err := d.err(); err != nil {
		return response{http.StatusBadRequest, err}
	}
	return response{status: http.StatusNoContent}
}

// refusal returns the response to a request that is refused because of err.
func refusal(err error) response {
	switch {
	case errors.Is(err, errBusy):
		return response{http.StatusTooManyRequests, err}
	case errors.Is(err, errTooLarge):
		return response{http.StatusRequestEntityTooLarge, err}
	}
	return response{http.StatusBadRequest, err}
}
