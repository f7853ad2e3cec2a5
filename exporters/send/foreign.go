package send

import (
	"bytes"
	"encoding/json"
	"strings"
)

// foreignResponse returns the text to show for a response that evidently does not come from the backend,
// but from something in its place, such as a proxy, a captive portal or another service at a wrong URL. It
// returns "" if the response may come from the backend, and for statuses whose meaning does not depend on
// the sender. Neither Loki nor a remote-write receiver sends
//   - a web page, or JSON that reports an error, in response to a request that it has accepted: Loki and
//     Prometheus send 204 and Mimir 200, all without a body; gateways send {} or "ok";
//   - a web page or an empty body in response to a request that it refuses.
//
// It does not judge anything else in a body: backends word their refusals as they like, some as briefly as
// "bad request".
func foreignResponse(status int, contentType string, body []byte) string {
	verdict, text := judge(status), cleanText(body[:min(len(body), maxText)])
	switch {
	case verdict == taken && isMarkup(contentType, body):
		return "a web page"
	case verdict == taken && isJSONError(body):
		return text
	case verdict == refused && (isMarkup(contentType, body) || wantsTLS(text)):
		return text
	case verdict == refused && text == "":
		return emptyRefusal
	}
	return ""
}

// emptyRefusal is the text to show for a refusal with an empty body.
const emptyRefusal = "an empty body"

// isMarkup reports whether a body is HTML or XML. The Content-Type may be missing or wrong.
func isMarkup(contentType string, body []byte) bool {
	if body = trim(body); len(body) == 0 {
		return false
	}
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(kind) {
	case "text/html", "application/xhtml+xml":
		return true
	}
	return body[0] == '<'
}

func trim(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\uFEFF")))
}

// wantsTLS reports whether a 400 is the response of a TLS server, such as Go's or nginx, to plain HTTP.
func wantsTLS(text string) bool {
	return strings.Contains(text, "HTTP request to an HTTPS server") || strings.Contains(text, "plain HTTP request was sent to HTTPS port")
}

// isJSONError reports whether a body is a JSON object that reports a failure of the request, for example
// {"error":"unauthorized"}, {"status":"error"} or {"code":401,"message":"no token"}. It does not examine
// nested values, which may be about anything.
func isJSONError(body []byte) bool {
	if body = trim(body); len(body) == 0 {
		return false // the usual response, which costs nothing
	}
	var object struct {
		Error, Errors, Success   any
		Status, Code, StatusCode any
	}
	if json.Unmarshal(body, &object) != nil {
		return false
	}
	return isSet(object.Error) || isSet(object.Errors) || object.Success == false ||
		isFailure(object.Status) || isFailure(object.Code) || isFailure(object.StatusCode)
}

// isSet reports whether the value of a member such as "error" reports an error. Some servers send null,
// false, 0 or something empty if there is none.
func isSet(value any) bool {
	switch value := value.(type) {
	case bool:
		return value
	case string:
		return value != ""
	case float64:
		return value != 0
	case []any:
		return len(value) > 0
	case map[string]any:
		return len(value) > 0
	}
	return false
}

// isFailure reports whether the value of a member such as "status" means a failure, as a word or as an HTTP
// status.
func isFailure(value any) bool {
	switch value := value.(type) {
	case string:
		return strings.EqualFold(value, "error") || strings.EqualFold(value, "fail")
	case float64:
		return value >= 400 && value < 600
	}
	return false
}
