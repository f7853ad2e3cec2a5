package drop

import "bytes"

// matchAccess reports whether a line logs an answered health check in a format that writes the request as
// one text. That is the common log format and the similar ones of nginx, Apache, Traefik, Envoy, gunicorn
// and uvicorn ("GET /health HTTP/1.1" 200), those of HAProxy and AWS, and the short ones of morgan and
// others (GET /health 200 1.2 ms).
func matchAccess(line []byte) bool {
	start := requestStart(line)
	if start < 0 {
		return false
	}
	head := line[:start]
	_, rest := cutWord(line[start:])
	rest = bytes.TrimLeft(rest, " ")
	n := bytes.IndexAny(rest, " \t\"")
	if n < 0 {
		n = len(rest)
	}
	if !isHealthPath(rest[:n]) {
		return false
	}
	rest = afterVersion(rest[n:])
	if len(head) == 0 || head[len(head)-1] != '"' {
		return matchUnquoted(head, rest)
	}
	head = head[:len(head)-1]
	if len(rest) == 0 || rest[0] != '"' {
		return false
	}
	return matchQuoted(head, rest[1:])
}

// requestStart returns the index of the first GET or HEAD in the line that may begin a request, or -1 if
// there is none.
func requestStart(line []byte) int {
	first := -1
	for _, method := range [...]string{"GET ", "HEAD "} {
		for from := 0; ; {
			i := bytes.Index(line[from:], []byte(method))
			if i < 0 {
				break
			}
			i += from
			if i == 0 || line[i-1] == ' ' || line[i-1] == '"' || line[i-1] == '\t' {
				if first < 0 || i < first {
					first = i
				}
				break
			}
			from = i + 1
		}
	}
	return first
}

// afterVersion returns what follows the protocol version if text begins with one.
func afterVersion(text []byte) []byte {
	rest := bytes.TrimLeft(text, " ")
	if !bytes.HasPrefix(rest, []byte("HTTP/")) {
		return text
	}
	rest = rest[len("HTTP/"):]
	for len(rest) > 0 && (isDigit(rest[0]) || rest[0] == '.') {
		rest = rest[1:]
	}
	return rest
}

// matchQuoted decides about a line from what precedes and follows the quoted request of a health check.
func matchQuoted(head, tail []byte) bool {
	word, after := cutWord(tail)
	switch {
	case is2xx(word):
		return isAccessHead(head) && isAccessTail(after)
	case string(word) == "from": // chi: from 10.0.0.1:4711 - 200 2B in 31µs
		_, after = cutWord(after)
		if word, after = cutWord(after); string(word) != "-" {
			return false
		}
		word, after = cutWord(after)
		return is2xx(word) && prose(head) == 0 && prose(after) == 0
	}
	return len(word) == 0 && matchHAProxy(head) || matchAWS(head) && prose(tail) <= 3
}

// isAccessHead reports whether head is what precedes a request in an access log.
func isAccessHead(head []byte) bool {
	head = bytes.TrimRight(head, " ")
	allowed := 0
	if n := len(head); n > 0 && head[n-1] == ']' {
		// A time is in brackets, with a user before it: 10.0.0.1 - alice [26/Nov/2026:16:00:00 +0000].
		if i := bytes.LastIndexByte(head, '['); i >= 0 && bytes.Count(head[i:], []byte(":")) >= 2 {
			allowed = 2
		}
	}
	return prose(head) <= allowed
}

// isAccessTail reports whether tail is what follows a request and its status in an access log: the status
// text, sizes, times and quoted headers.
func isAccessTail(tail []byte) bool {
	tail = bytes.TrimPrefix(tail, []byte("No Content"))
	return prose(tail) <= 2
}

// matchUnquoted decides about a line from what precedes and follows the request of a health check.
func matchUnquoted(head, tail []byte) bool {
	if bytes.HasPrefix(head, []byte("[pid: ")) { // uWSGI: => generated 2 bytes in 1 msecs (HTTP/1.1 200) 2 headers in 78 bytes
		_, tail, ok := bytes.Cut(tail, []byte(" msecs (HTTP/"))
		_, tail, found := bytes.Cut(tail, []byte(" "))
		return ok && found && len(tail) > 3 && tail[3] == ')' && is2xx(tail[:3])
	}
	head = bytes.TrimSpace(head)
	head = bytes.TrimSuffix(head, []byte("Request finished HTTP/1.1")) // ASP.NET
	head = bytes.TrimSuffix(head, []byte("Request finished HTTP/2"))
	if isStatusHead(head) {
		return prose(tail) == 0
	}
	for {
		var word []byte
		switch word, tail = cutWord(tail); {
		case string(word) == "-", string(word) == "responded": // Serilog
		case is2xx(word):
			return prose(head) == 0 && prose(bytes.TrimPrefix(tail, []byte("No Content"))) == 0
		default:
			return false
		}
	}
}

// isStatusHead reports whether head ends with a 2xx status before the request, as Laravel Octane (200 GET
// /up) and PHP's server ([Thu Nov 26 16:00:00 2026] 10.0.0.1:4711 [200]: GET /up) write it.
func isStatusHead(head []byte) bool {
	if is2xx(head) {
		return true
	}
	n := len(head)
	return n > 6 && head[n-6] == '[' && is2xx(head[n-5:n-2]) && string(head[n-2:]) == "]:" && prose(head) == 0
}

// matchHAProxy reports whether head, which precedes a request, has a 2xx status in HAProxy's httplog
// format: five times, the status, the bytes, two cookies, and how the session ended: 10/0/30/69/109 200
// 2750 - - ---- 1/1/1/1/0 0/0.
func matchHAProxy(head []byte) bool {
	if prose(head) > 3 {
		return false
	}
	for len(head) > 0 {
		var word []byte
		word, head = cutWord(head)
		if bytes.Count(word, []byte("/")) != 4 {
			continue
		}
		word, head = cutWord(head)
		if !is2xx(word) {
			return false
		}
		for range 4 {
			word, head = cutWord(head)
		}
		return len(word) == 4 && word[0] == '-' && word[1] == '-'
	}
	return false
}

// matchAWS reports whether head has the 2xx statuses of an AWS load balancer and its target. They are the
// ninth and tenth field for an application load balancer, and the eighth and ninth for a classic one, whose
// line begins with the time.
func matchAWS(head []byte) bool {
	at := 7
	for i := 0; len(head) > 0; i++ {
		var word []byte
		word, head = cutWord(head)
		switch {
		case i == 0:
			switch string(word) {
			case "http", "https", "h2":
				at = 8
			default:
				if len(word) < 20 || !isDigit(word[0]) {
					return false
				}
			}
		case i == at && !is2xx(word):
			return false
		case i == at+1:
			return is2xx(word) || string(word) == "-"
		}
	}
	return false
}

// matchColumns reports whether a line logs an answered health check in columns, as Gin and Fiber write
// them: [GIN] 2026/11/26 - 16:00:00 | 200 | 31µs | 10.0.0.1 | GET "/health".
func matchColumns(line []byte) bool {
	answered, method, path := false, false, false
	for n := 0; len(line) > 0; n++ {
		column, rest, found := bytes.Cut(line, []byte("|"))
		if n == 0 && !found {
			return false
		}
		line = rest
		column = bytes.TrimSpace(column)
		word, after := cutWord(column)
		after = bytes.Trim(after, " \"")
		switch {
		case len(column) == 3 && digits(column) == 3:
			if !is2xx(column) {
				return false
			}
			answered = true
		case isMethod(word) && len(after) == 0:
			method = true
		case isMethod(word):
			method, path = true, isHealthPath(after)
		case method && !path && isHealthPath(column):
			path = true
		case prose(column) > 0:
			return false
		}
	}
	return answered && method && path
}
