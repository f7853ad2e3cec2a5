package file

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// CheckEncoding returns an error if the name is not an IANA name of an encoding, or if the encoding is not
// supported.
func CheckEncoding(name string) error {
	_, err := encodingOf(name)
	return err
}

// coding is the encoding of the text of a file. The zero value means that it is not known yet.
type coding struct {
	encoding encoding.Encoding // nil for UTF-8
	newline  []byte            // nil if the coding is not known yet; its length is the length of a unit
	skip     int64             // length of the byte order mark
}

var utf8Coding = coding{newline: []byte{'\n'}}

// encodingOf returns the encoding with a name. The length of its newline is the length of a unit.
func encodingOf(name string) (coding, error) {
	switch strings.ToUpper(name) {
	case "", "UTF-8":
		return utf8Coding, nil
	case "UTF-16", "UTF-16BE": // without a mark it is big-endian (RFC 2781)
		return utf16Coding(unicode.BigEndian), nil
	case "UTF-16LE":
		return utf16Coding(unicode.LittleEndian), nil
	case "UTF-32", "UTF-32BE":
		return coding{encoding: utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM), newline: []byte{0, 0, 0, '\n'}}, nil
	case "UTF-32LE":
		return coding{encoding: utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM), newline: []byte{'\n', 0, 0, 0}}, nil
	}
	e, err := ianaindex.IANA.Encoding(name)
	if err != nil {
		return coding{}, fmt.Errorf("the encoding %q is unknown; it must be a name that is registered with the IANA", name)
	}
	if e == nil {
		return coding{}, fmt.Errorf("the encoding %q cannot be read", name)
	}
	newline, err := e.NewEncoder().Bytes([]byte{'\n'})
	if err != nil || len(newline) != 1 {
		return coding{}, fmt.Errorf("the encoding %q cannot be read: it has no newline of one byte", name)
	}
	return coding{encoding: e, newline: newline}, nil
}

func utf16Coding(order unicode.Endianness) coding {
	newline := []byte{0, '\n'}
	if order == unicode.LittleEndian {
		newline = []byte{'\n', 0}
	}
	return coding{encoding: unicode.UTF16(order, unicode.IgnoreBOM), newline: newline}
}

// byteOrderMarks are the marks at the beginning of a file that override the configured encoding.
var byteOrderMarks = []struct {
	mark   []byte
	coding coding
}{
	{[]byte{0xEF, 0xBB, 0xBF}, utf8Coding},
	{[]byte{0xFF, 0xFE, 0, 0}, coding{encoding: utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM), newline: []byte{'\n', 0, 0, 0}}},
	{[]byte{0, 0, 0xFE, 0xFF}, coding{encoding: utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM), newline: []byte{0, 0, 0, '\n'}}},
	{[]byte{0xFE, 0xFF}, utf16Coding(unicode.BigEndian)},
	{[]byte{0xFF, 0xFE}, utf16Coding(unicode.LittleEndian)},
}

// codingOf returns the coding of a file that begins with head, which has four bytes unless the file is shorter. It
// is the configured one unless the file has a mark. It is unknown while head may be the beginning of a mark.
func codingOf(head []byte, set coding) coding {
	for _, m := range byteOrderMarks {
		if bytes.HasPrefix(head, m.mark) {
			c := m.coding
			c.skip = int64(len(m.mark))
			return c
		}
		if bytes.HasPrefix(m.mark, head) {
			return coding{}
		}
	}
	return set
}

// line returns the index of the next newline in b that begins at a unit of the text, or -1 if there is none.
func (c *coding) line(b []byte) int {
	unit := len(c.newline)
	if unit == 1 {
		return bytes.IndexByte(b, c.newline[0])
	}
	for from := 0; ; {
		n := bytes.Index(b[from:], c.newline)
		if n < 0 {
			return -1
		}
		if n += from; n%unit == 0 {
			return n
		}
		from = n + 1
	}
}
