package scrape

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Everyone who reads the agent's log or status page sees its errors, and a target may serve a secret by
// mistake. Therefore no error repeats the content of a response, except for metric names.

var (
	// quotedText matches a quoted piece of a page in an error. What a parser quotes in parentheses is the
	// name of a token, and what it quotes behind the words "histogram" and "metric" is a name.
	quotedText = regexp.MustCompile(`(?:\(|histogram |metric )?"(?:[^"\\]|\\.)*"`)
	// quotedName matches a metric name at the beginning of a piece of a page.
	quotedName = regexp.MustCompile(`^"([a-zA-Z_:][a-zA-Z0-9_:]{0,63})[ {]`)
	// unquoted matches where an error repeats the text that follows without quotes.
	unquoted = regexp.MustCompile(`(?s)(invalid metric name|invalid help for metric "(?:[^"\\]|\\.)*"|malformed [^:"]*[^:" ]).*`)
)

// withoutContent returns the text of an error without the content of the response.
func withoutContent(text string) string {
	text = unquoted.ReplaceAllString(text, "$1")
	return quotedText.ReplaceAllStringFunc(text, func(quoted string) string {
		if !strings.HasPrefix(quoted, `"`) {
			return quoted
		}
		if name := quotedName.FindStringSubmatch(quoted); name != nil {
			return `"` + name[1] + `…"`
		}
		return `"…"`
	})
}

// statusText returns the standard text of a status code. It ignores the text that the target sent.
func statusText(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// metricName returns the name at the beginning of a series' text.
func metricName(series []byte) []byte {
	if i := bytes.IndexAny(series, "{ \xff"); i >= 0 {
		return series[:i]
	}
	return series
}

// maxParseError limits how much of a parser's message is repeated, because it quotes the page.
const maxParseError = 200

func notMetrics(contentType string, body []byte, err error) error {
	if kind := mediaType(contentType); kind == "text/html" || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return failf(resultBadContent, "it answered with %s, which is no metrics page: check port and path", kind)
	}
	return failf(resultBadContent, "its page is broken: %s", printable([]byte(withoutContent(err.Error()))))
}

// printable shortens text from outside for an error.
func printable(b []byte) string {
	if len(b) > maxParseError {
		return strings.ToValidUTF8(string(b[:maxParseError]), "") + "…"
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
