package send

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// verdict is the meaning of a response for the request.
type verdict int

const (
	taken    verdict = iota // the endpoint has it
	retry                   // the endpoint may take it later: try again
	hold                    // the configuration is wrong: try again, and report it at once
	refused                 // some or all of it will never be taken; the rest is stored
	tooLarge                // it may be taken in smaller requests
)

// statusBlocked is Loki's response to a tenant whose ingestion is blocked: a 2xx that means that the data
// was discarded (Loki, limits: blocked_ingestion_status_code).
const statusBlocked = 260

// judge is the complete table of statuses. An unknown status is held, not dropped: no backend of these
// protocols sends it, so it comes from something else. The same is true of a known status with a body that
// no such backend sends (foreignResponse).
func judge(status int) verdict {
	switch status {
	case statusBlocked:
		return hold
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return refused
	case http.StatusRequestEntityTooLarge:
		return tooLarge
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		return retry
	}
	switch {
	case status >= 200 && status < 300:
		return taken
	case status >= 500 && status < 600:
		return retry
	}
	return hold
}

// advice returns advice about a status that holds an endpoint. backend is the backend that should be there.
// Status 0 means that the URL is invalid.
func advice(status int, backend string) string {
	switch status {
	case 0:
		return "write it as https://host:port/path, with %XX for what is special in it"
	case http.StatusUnauthorized:
		return "check the user and the token"
	case http.StatusForbidden:
		return "check that the token may write"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "check the URL's path"
	case http.StatusProxyAuthRequired:
		return "check the proxy's credentials"
	case http.StatusRequestEntityTooLarge:
		return "even a single small item is too large for it: raise the limit on request bodies of " + backend +
			" or of the proxy in front of it, such as nginx's client_max_body_size, and check the URL"
	case statusBlocked:
		return "the backend blocks this tenant: ask whoever runs it"
	}
	return "this does not look like " + backend + ": check the URL, and what is between the agent and it, such as a proxy"
}

// retryAfter parses the seconds or the date in the header (RFC 9110, 10.2.3). It returns 0 if there is none
// or it has passed.
func retryAfter(v string, now time.Time) time.Duration {
	if v == "" {
		return 0
	}
	var d time.Duration
	if s, err := strconv.ParseUint(v, 10, 32); err == nil {
		d = time.Duration(s) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

// urlError returns why a request could not even be made, without the content of the URL.
func urlError(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	why, _, _ := strings.Cut(err.Error(), `"`) // what follows is quoted from the URL
	return "the URL is not usable: " + strings.TrimSpace(why)
}

// networkError returns why a request had no response, without the URL and without details that change from
// one attempt to the next, such as the local port.
func networkError(err error, timeout time.Duration) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no response within %s", timeout)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		to := ""
		if op.Addr != nil {
			to = " " + op.Addr.String()
		}
		return fmt.Sprintf("%s %s%s: %s", op.Op, op.Net, to, op.Err)
	}
	return err.Error()
}

// cleanText prepares an endpoint's text for a log line: one printable line, without a partial character
// where the text was cut.
func cleanText(b []byte) string {
	s := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), "\uFFFD"))
	return strings.TrimSpace(strings.TrimSuffix(s, "\uFFFD"))
}
