package fields

import "bytes"

// logfmt searches a line of words and pairs for all paths, and reports whether there is a pair. A word
// without a value counts as a field only if there is no pair with that key, because it may just be text.
func (s *search) logfmt() bool {
	line, pairs := s.line, false
	for i := 0; i < len(line); {
		if line[i] <= ' ' {
			i++
			continue
		}
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' {
			i++
		}
		key := line[start:i]
		if i == len(line) || line[i] != '=' {
			if set := s.key(key); set != 0 {
				s.set(set, Value{Raw: key[len(key):], Kind: String}, false)
			}
			continue
		}
		i++
		pairs = pairs || len(key) > 0
		set := s.key(key)
		v := Value{Kind: String}
		if i < len(line) && line[i] == '"' {
			end := stringEnd(line, i+1)
			if end < 0 {
				return pairs // the line was cut here
			}
			v.Raw, i = line[i+1:end], end+1
		} else {
			start = i
			for i < len(line) && line[i] > ' ' {
				i++
			}
			v.Raw = line[start:i]
			if set != 0 {
				v.Kind = wordKind(v.Raw)
			}
		}
		if set == 0 {
			continue
		}
		if s.set(set, v, true); s.found == s.all {
			return true
		}
	}
	return pairs
}

// key returns the paths that equal the key.
func (s *search) key(key []byte) (set uint64) {
	if len(key) == 0 {
		return 0
	}
	live := s.heads[key[0]] &^ s.found
	if live == 0 {
		return 0
	}
	for i, text := range s.texts {
		if live>>i&1 != 0 && text == string(key) {
			set |= 1 << i
		}
	}
	return set
}

// wordKind returns the kind of an unquoted logfmt value.
func wordKind(word []byte) Kind {
	if string(word) == "true" || string(word) == "false" {
		return Bool
	}
	if _, ok := parseDecimal(word); ok {
		return Number
	}
	return String
}

// hasPair reports whether a line contains a key with a value.
func hasPair(line []byte) bool {
	for i := 0; ; {
		n := bytes.IndexByte(line[i:], '=')
		if n < 0 {
			return false
		}
		if i += n; i > 0 && line[i-1] > ' ' && line[i-1] != '=' {
			return true
		}
		i++
	}
}
