package drop

import "bytes"

const maxDepth = 8 // of objects in a JSON line; a deeper line does not log a health check

// object records the fields of the JSON object that b begins with, which is called name, and returns what
// follows it. ok is false if b does not begin with an object. It checks the syntax only as far as it needs
// to.
func (f *facts) object(b, name []byte, depth int) (rest []byte, ok bool) {
	if depth > maxDepth {
		return nil, false
	}
	b = trimSpace(b[1:])
	if len(b) > 0 && b[0] == '}' {
		return b[1:], true
	}
	for len(b) > 0 && b[0] == '"' {
		var key []byte
		key, b = cutQuoted(b)
		b = trimSpace(b)
		if len(b) == 0 || b[0] != ':' {
			return nil, false
		}
		if b, ok = f.value(trimSpace(b[1:]), name, key, depth); !ok {
			return nil, false
		}
		b = trimSpace(b)
		if len(b) == 0 {
			return nil, false
		}
		if b[0] == '}' {
			return b[1:], true
		}
		if b[0] != ',' {
			return nil, false
		}
		b = trimSpace(b[1:])
	}
	return nil, false
}

// value records the JSON value that b begins with, for a key of the object called parent, and returns what
// follows it.
func (f *facts) value(b, parent, key []byte, depth int) (rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	switch b[0] {
	case '"':
		value, rest := cutQuoted(b)
		f.add(parent, key, value, true)
		return rest, rest != nil
	case '{':
		switch what(key) {
		case headers:
			return (&facts{}).object(b, key, depth+1)
		case anError:
			f.doubt = f.doubt || !bytes.HasPrefix(b, []byte("{}"))
		}
		return f.object(b, key, depth+1)
	case '[':
		if what(key) == anError && !bytes.HasPrefix(b, []byte("[]")) {
			f.doubt = true
		}
		return array(b, depth+1)
	}
	n := bytes.IndexAny(b, ",}] \t\r")
	if n <= 0 {
		return nil, false
	}
	f.add(parent, key, b[:n], false)
	return b[n:], true
}

// array returns what follows the JSON array that b begins with. Arrays reveal nothing about the request.
func array(b []byte, depth int) (rest []byte, ok bool) {
	if depth > maxDepth {
		return nil, false
	}
	b = trimSpace(b[1:])
	if len(b) > 0 && b[0] == ']' {
		return b[1:], true
	}
	var ignored facts
	for {
		if b, ok = ignored.value(b, nil, nil, depth); !ok {
			return nil, false
		}
		b = trimSpace(b)
		if len(b) == 0 {
			return nil, false
		}
		if b[0] == ']' {
			return b[1:], true
		}
		if b[0] != ',' {
			return nil, false
		}
		b = trimSpace(b[1:])
	}
}

func trimSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// appendUnescaped appends a JSON string to b without its escapes. A control character is unescaped; a \u
// escape becomes a question mark, because no known format has one.
func appendUnescaped(b, escaped []byte) []byte {
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c == '\\' && i+1 < len(escaped) {
			i++
			switch c = escaped[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'r':
				c = '\r'
			case 'u':
				c = '?'
				i = min(i+4, len(escaped))
			}
		}
		b = append(b, c)
	}
	return b
}
