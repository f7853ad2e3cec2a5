package process

import (
	"bytes"
	"errors"
	"fmt"
)

// pattern is a LogQL pattern such as <ip> - <_> "<method> <path>". Literals and captures alternate.
type pattern struct {
	begin []byte // literal before the first capture
	parts []capture
	names []string // of the named captures, in order
}

// capture is a capture and the literal after it.
type capture struct {
	named bool
	end   []byte // empty for the last capture, which takes the rest
}

// parsePattern parses a pattern.
func parsePattern(text string) (*pattern, error) {
	if text == "" {
		return nil, errors.New("pattern must not be empty")
	}
	p := &pattern{}
	literal := &p.begin
	for i := 0; i < len(text); {
		name, n := captureName(text[i:])
		if n == 0 {
			*literal = append(*literal, text[i])
			i++
			continue
		}
		if len(p.parts) > 0 && len(*literal) == 0 {
			return nil, fmt.Errorf("pattern %q has the capture <%s> right behind another one; want a text between them", text, name)
		}
		if name != "_" {
			for _, other := range p.names {
				if other == name {
					return nil, fmt.Errorf("pattern %q has the capture <%s> twice", text, name)
				}
			}
			p.names = append(p.names, name)
		}
		p.parts = append(p.parts, capture{named: name != "_"})
		literal = &p.parts[len(p.parts)-1].end
		i += n
	}
	if len(p.names) == 0 {
		return nil, fmt.Errorf("pattern %q has no named capture such as <path>", text)
	}
	return p, nil
}

// captureName returns the name of the capture at the beginning of text, and its length, or 0 if there is
// none.
func captureName(text string) (string, int) {
	if text[0] != '<' {
		return "", 0
	}
	i := 1
	for i < len(text) && isNameByte(text[i], i == 1) {
		i++
	}
	if i == 1 || i == len(text) || text[i] != '>' {
		return "", 0
	}
	return text[1:i], i + 1
}

// match appends the matches of the named captures to found, in order. If the literal after a capture is not
// in the line, the capture takes the rest of the line, and those after it match nothing.
func (p *pattern) match(line []byte, found [][]byte) [][]byte {
	if len(line) == 0 || !bytes.HasPrefix(line, p.begin) {
		return found
	}
	line = line[len(p.begin):]
	for _, c := range p.parts {
		i := -1
		if len(c.end) > 0 {
			i = bytes.Index(line, c.end)
		}
		if i < 0 {
			if c.named {
				found = append(found, line)
			}
			return found
		}
		if c.named {
			found = append(found, line[:i])
		}
		line = line[i+len(c.end):]
	}
	return found
}
