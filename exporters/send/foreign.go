package send

import (
	"bytes"
	"encoding/json"
	"strings"
)

// foreignResponse returns the text to show for a response that evidently does not come from the backend,
// but from something in its place, such as a proxy, a captive portal or another service behind a wrong
// URL. It returns "" if the response may come from the backend, and for statuses that mean the same
// whoever sends them. Neither Loki nor a receiver of remote write answers
//   - a request that it has taken with a web page, or with JSON that reports an error: Loki and
//     Prometheus send 204 and Mimir 200, all without a body; gateways send {} or "ok";
//   - a request that it refuses with a web page, or with an empty body.
//
// Nothing else in a body is judged: backends word their refusals as they like, some as briefly as
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

// emptyRefusal is the text to show for a refusal whose body is empty.
const emptyRefusal = "an empty body"

// isMarkup reports whether a body is HTML or XML. Not all who send it say so in the header, and
// some say so of nothing.
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

// wantsTLS reports whether a 400 is a TLS server's response to plain HTTP: Go's, nginx's.
func wantsTLS(text string) bool {
	return strings.Contains(text, "HTTP request to an HTTPS server") || strings.Contains(text, "plain HTTP request was sent to HTTPS port")
}

// isJSONError reports whether a body is a JSON object that says itself that the request has failed,
// for example {"error":"unauthorized"}, {"status":"error"} or {"code":401,"message":"no token"}. What
// lies deeper in the object is not judged: it may be about anything.
func isJSONError(body []byte) bool {
	if body = trim(body); len(body) == 0 {
		return false // this is the usual response, and costs nothing
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

// isSet reports whether the value of a member such as "error" says that there is an error. Some
// servers send null, false, 0 or something empty when there is none.
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

// isFailure reports whether the value of a member such as "status" stands for a failure, as a word
// or as an HTTP status.
func isFailure(value any) bool {
	switch value := value.(type) {
	case string:
		return strings.EqualFold(value, "error") || strings.EqualFold(value, "fail")
	case float64:
		return value >= 400 && value < 600
	}
	return false
}
