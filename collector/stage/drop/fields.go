package drop

import "bytes"

// facts are what the fields of a JSON or logfmt line reveal about a request.
type facts struct {
	method, path, status bool // the line has one
	inRequest, inAnswer  bool // the path is in an object req or request, the status in res or response
	text                 []byte
	doubt                bool // some field contradicts an answered health check
}

// answered reports whether the fields are those of an answered health check. Without a method they are so
// only if they are where pino and similar loggers put the request and the response.
func (f *facts) answered() bool {
	return !f.doubt && f.path && f.status && (f.method || f.inRequest && f.inAnswer)
}

// add records a field. parent is the name of the object that contains it. quoted reports that the value is
// a string; value has no quotation marks.
func (f *facts) add(parent, name, value []byte, quoted bool) {
	if len(value) == 0 || !quoted && string(value) == "null" {
		return
	}
	switch what(name) {
	case aMethod:
		f.method = true
		f.doubt = f.doubt || !isMethod(value)
	case aPath:
		if bytes.IndexByte(value, '/') < 0 {
			return // a request's number, not an object
		}
		if word, rest := cutWord(value); len(rest) > 0 { // GET /health HTTP/1.1
			f.method = true
			f.doubt = f.doubt || !isMethod(word)
			value, _ = cutWord(rest)
		}
		f.path = true
		f.inRequest = f.inRequest || string(parent) == "req" || string(parent) == "request"
		f.doubt = f.doubt || !isHealthPath(value)
	case aStatus:
		f.status = true
		f.inAnswer = f.inAnswer || string(parent) == "res" || string(parent) == "response"
		word, _ := cutWord(value) // 200 OK
		f.doubt = f.doubt || !is2xx(word)
	case aLevel:
		f.doubt = f.doubt || isTroubleLevel(value)
	case aText:
		f.text = value
		f.doubt = f.doubt || isTrouble(value)
	case anError:
		f.doubt = f.doubt || string(value) != "false" && string(value) != "0" && string(value) != "-"
	}
}

// isTroubleLevel reports whether a level is warning or above: warn, ERROR, E, or pino's 40.
func isTroubleLevel(value []byte) bool {
	switch string(value) {
	case "E", "W", "F", "C":
		return true
	}
	return isTrouble(value) || len(value) == 2 && digits(value) == 2 && value[0] >= '4'
}

// meaning is the kind of information in a field.
type meaning int

const (
	aDetail meaning = iota
	aMethod
	aPath
	aStatus
	aLevel
	aText
	anError
	headers // an object to ignore
)

// what returns the meaning of a field by its name. It ignores case, dots, dashes and underscores:
// request_method, requestMethod and http.request.method differ only in their first word.
func what(name []byte) meaning {
	var flat [32]byte
	n := 0
	for _, c := range name {
		if c == '_' || c == '.' || c == '-' || c == '@' {
			continue
		}
		if n == len(flat) {
			return aDetail
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		flat[n] = c
		n++
	}
	switch string(flat[:n]) {
	case "method", "requestmethod", "httpmethod", "httprequestmethod", "reqmethod", "verb":
		return aMethod
	case "path", "url", "uri", "request", "requestpath", "requesturi", "requesturl", "reqpath", "requrl", "requri", "urlpath",
		"httppath", "httpurl", "httptarget", "httproute", "originalurl", "requestline", "endpoint", "route":
		return aPath
	case "status", "statuscode", "code", "httpstatus", "httpstatuscode", "httpcode", "httpresponsestatuscode", "responsestatus", "responsecode",
		"responsestatuscode", "respstatus", "respcode", "resstatus", "resstatuscode", "downstreamstatus", "resp", "elbstatuscode":
		return aStatus
	case "level", "lvl", "severity", "levelname", "loglevel", "l", "logleveltext":
		return aLevel
	case "msg", "message", "m", "log", "event":
		return aText
	case "err", "error", "errors", "exception", "errormessage", "errmsg", "exc", "excinfo", "stack", "stacktrace", "x", "panic", "reason", "failure", "warning":
		return anError
	case "headers", "requestheaders", "responseheaders", "respheaders", "reqheaders":
		return headers
	}
	return aDetail
}

// matchTail reports whether a line is text followed by a JSON object with the fields of an answered health
// check, as the console formats of zap and Caddy write it.
func (h *healthRule) matchTail(line []byte) bool {
	i := bytes.Index(line, []byte(`{"`))
	return i > 0 && line[len(line)-1] == '}' && h.matchJSON(line[i:], line[:i])
}

// matchJSON reports whether a JSON object after some text has the fields of an answered health check, or a
// message that is the access-log line of one.
func (h *healthRule) matchJSON(object, text []byte) bool {
	var f facts
	rest, ok := f.object(object, nil, 0)
	if !ok || len(bytes.TrimSpace(rest)) > 0 || isTrouble(text) {
		return false
	}
	if !f.path && !f.doubt && len(f.text) > 0 {
		h.text = appendUnescaped(h.text[:0], f.text)
		return matchText(bytes.TrimSpace(h.text))
	}
	return f.answered()
}

func matchText(line []byte) bool {
	return bytes.IndexByte(line, '\n') < 0 && (matchAccess(line) || matchColumns(line))
}

// matchLogfmt reports whether a line has the fields of an answered health check as key=value, or a message
// that is the access-log line of one.
func (h *healthRule) matchLogfmt(line []byte) bool {
	var f facts
	for {
		line = bytes.TrimLeft(line, " \t,")
		if len(line) == 0 {
			break
		}
		end := bytes.IndexAny(line, "= \t\"")
		if end < 0 || line[end] != '=' {
			var word []byte
			if line[0] == '"' {
				word, line = cutQuoted(line)
			} else {
				word, line = cutWord(line)
			}
			if isTrouble(word) || len(word) == 5 && !isPlainWord(word) && digits(word[1:]) == 4 {
				return false
			}
			continue
		}
		name := line[:end]
		if i := bytes.LastIndexAny(name, "{(["); i >= 0 {
			if isTrouble(name[:i]) {
				return false
			}
			name = name[i+1:] // tracing: request{method=GET uri=/health}
		}
		line = line[end+1:]
		if len(line) > 0 && line[0] == '"' {
			var value []byte
			value, line = cutQuoted(line)
			f.add(nil, name, value, true)
			continue
		}
		var value []byte
		value, line = cutWord(line)
		f.add(nil, name, bytes.TrimRight(value, ",;:})]"), false)
	}
	if !f.path && !f.doubt && len(f.text) > 0 {
		h.text = appendUnescaped(h.text[:0], f.text)
		return matchText(bytes.TrimSpace(h.text))
	}
	return f.answered()
}
