package scrape

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// What a target answers is shown to whoever reads the agent's log and its status page, and a target
// may serve a secret by mistake. So no error repeats what an answer holds, but for the names of metrics.

var (
	// quotedText is a quoted piece of a page in an error. What a parser quotes in parentheses is the
	// name of a token, and what it quotes behind the words "histogram" and "metric" is a name.
	quotedText = regexp.MustCompile(`(?:\(|histogram |metric )?"(?:[^"\\]|\\.)*"`)
	// quotedName is a metric's name at the beginning of a piece of a page.
	quotedName = regexp.MustCompile(`^"([a-zA-Z_:][a-zA-Z0-9_:]{0,63})[ {]`)
	// unquoted is where an error repeats what follows without quotes.
	unquoted = regexp.MustCompile(`(?s)(invalid metric name|invalid help for metric "(?:[^"\\]|\\.)*"|malformed [^:"]*[^:" ]).*`)
)

// withoutContent returns the text of an error without what it repeats of an answer.
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

// maxParseError is how much of a parser's words is repeated: they quote the page.
const maxParseError = 200

func notMetrics(contentType string, body []byte, err error) error {
	if kind := mediaType(contentType); kind == "text/html" || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return failf(resultBadContent, "it answered with %s, which is no metrics page: check port and path", kind)
	}
	return failf(resultBadContent, "its page is broken: %s", printable([]byte(withoutContent(err.Error()))))
}

// printable shortens foreign text for an error.
func printable(b []byte) string {
	if len(b) > maxParseError {
		return strings.ToValidUTF8(string(b[:maxParseError]), "") + "…"
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
