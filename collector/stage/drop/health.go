package drop

import "bytes"

// healthRule is the built-in rule health, for the lines of one log. It matches the line that a server logs
// after it has answered a health check or a scrape with a 2xx status: a GET or HEAD request for a path such
// as /health, in one of the common access-log formats, in logfmt or in JSON.
//
// It does not match a line that leaves any doubt: an extra line costs little, but the one line that
// explains why a check failed must arrive.
type healthRule struct {
	plain []byte // memory for a line without colours, and for an unescaped JSON string
	text  []byte
}

const maxHealthLine = 8 << 10 // bytes; a longer line does not log a health check

// match reports whether the line logs an answered health check.
func (h *healthRule) match(line []byte) bool {
	if !mentionsHealth(line) || len(line) > maxHealthLine || bytes.IndexByte(line, '\n') >= 0 {
		return false
	}
	if bytes.IndexByte(line, 0x1b) >= 0 {
		h.plain = appendWithoutColours(h.plain[:0], line)
		line = h.plain
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return false
	}
	if line[0] == '{' {
		return h.matchJSON(line, nil)
	}
	return matchAccess(line) || matchColumns(line) || h.matchTail(line) || h.matchLogfmt(line)
}

// mentionsHealth reports whether the line contains a path segment of a health check. Every line pays for
// this check.
func mentionsHealth(line []byte) bool {
	for {
		i := bytes.IndexByte(line, '/')
		if i < 0 || i+2 >= len(line) {
			return false
		}
		line = line[i+1:]
		if beginsHealth(line[0], line[1]) {
			if k := kindOf(line[:segmentLength(line)]); k == strong || k == weak || k == top {
				return true
			}
		}
	}
}

// beginsHealth reports whether the segment of some health check begins with the two bytes.
func beginsHealth(a, b byte) bool {
	switch a {
	case 'h', 'r', 'm':
		return b == 'e' // health, ready, metrics
	case 'l', 'p':
		return b == 'i' || b == 'b' || b == 'r' // live, lbheartbeat, ping, prometheus
	case 'a':
		return b == 'l' // alive
	case 's':
		return b == 't' // startup, stub_status
	case 'u':
		return b == 'p'
	case 'n':
		return b == 'g' // nginx_status
	case '_':
		return true
	}
	return false
}

// segmentLength returns the length of the path segment that b begins with.
func segmentLength(b []byte) int {
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~':
		default:
			return i
		}
	}
	return len(b)
}

// kind is what a segment reveals about its path.
type kind int

const (
	other   kind = iota
	id           // of a thing, such as 42; /users/42/health is not about the server
	neutral      // a common beginning of servers' paths, such as api or v1
	strong       // a health check in any position, such as healthz
	weak         // a health check after neutral segments, such as ping
	top          // a health check at the top or after admin segments, such as metrics
	suffix       // allowed only after a strong segment, such as status
	admin        // a neutral segment of administration
)

// kindOf returns the kind of a segment.
func kindOf(seg []byte) kind {
	for len(seg) > 1 && seg[0] == '_' {
		seg = seg[1:]
	}
	for len(seg) > 1 && seg[len(seg)-1] == '_' {
		seg = seg[:len(seg)-1]
	}
	switch string(seg) {
	case "health", "healthz", "healthy", "healthcheck", "health-check", "health_check", "healthchecks",
		"readyz", "livez", "startupz", "readiness", "liveness", "lbheartbeat":
		return strong
	case "ready", "ping", "alive", "heartbeat":
		return weak
	case "metrics", "live", "up", "startup", "prometheus", "nginx_status", "stub_status":
		return top
	case "status", "check", "db", "info":
		return suffix
	case "-", "_", "actuator", "internal", "management", "manage", "monitoring", "admin", "probe", "probes", "system", "q":
		return admin
	case "api", "rest", "public":
		return neutral
	}
	if len(seg) > 1 && seg[0] == 'v' && digits(seg[1:]) == len(seg)-1 {
		return neutral // v1
	}
	if len(seg) >= 20 || len(seg) > 0 && isDigit(seg[0]) {
		return id
	}
	return other
}

// isHealthPath reports whether a request target is that of a health check or a scrape: /health,
// /api/v1/healthz, /orders/health/ready, /-/ready, /metrics?name[]=up, http://10.0.0.1:80/ping.
func isHealthPath(target []byte) bool {
	if i := bytes.Index(target, []byte("://")); i >= 0 {
		target = target[i+len("://"):]
		i = bytes.IndexByte(target, '/')
		if i < 0 {
			return false
		}
		target = target[i:]
	}
	if i := bytes.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	last, others, plain, administered, checked, depth := other, 0, 0, false, false, 0
	for len(target) > 0 {
		if target[0] == '\\' { // some JSON encoders write \/
			target = target[1:]
		}
		if len(target) == 0 || target[0] != '/' {
			return false
		}
		target = target[1:]
		n := segmentLength(target)
		seg := target[:n]
		target = target[n:]
		if n == 0 {
			if len(target) == 0 {
				break // a trailing slash
			}
			return false
		}
		if depth++; depth > 6 {
			return false
		}
		switch last = kindOf(seg); last {
		case id:
			return false
		case neutral:
			plain++
		case admin:
			administered = true
		case strong:
			checked = true
		case other:
			others++
		case weak, top, suffix:
			if depth > 1 && (others > 0 || last == top && plain > 0 && !administered) && !checked {
				return false
			}
		}
	}
	switch last {
	case strong, weak, top:
		return others <= 1
	case suffix:
		return checked && others <= 1
	}
	return false
}

// is2xx reports whether text is a 2xx status, such as 200.
func is2xx(text []byte) bool { return len(text) == 3 && text[0] == '2' && digits(text) == 3 }

// isMethod reports whether text is GET or HEAD.
func isMethod(text []byte) bool { return string(text) == "GET" || string(text) == "HEAD" }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// digits returns the number of digits that b begins with.
func digits(b []byte) int {
	for i, c := range b {
		if !isDigit(c) {
			return i
		}
	}
	return len(b)
}

// appendWithoutColours appends line to b without terminal escape sequences such as ESC [32m.
func appendWithoutColours(b, line []byte) []byte {
	for i := 0; i < len(line); i++ {
		if line[i] != 0x1b {
			b = append(b, line[i])
			continue
		}
		if i++; i < len(line) && line[i] == '[' {
			for i++; i < len(line) && !isLetter(line[i]); i++ {
			}
		}
	}
	return b
}
