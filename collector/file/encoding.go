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

// CheckEncoding returns an error if the name is none that the IANA gives to an encoding, or one of an
// encoding that cannot be read.
func CheckEncoding(name string) error {
	_, err := encodingOf(name)
	return err
}

// coding is how the text of a file is encoded. The zero value is not known yet.
type coding struct {
	encoding encoding.Encoding // nil for UTF-8
	newline  []byte            // nil if the coding is not known yet; its length is that of a unit
	skip     int64             // bytes of the mark at the beginning of the file
}

var utf8Coding = coding{newline: []byte{'\n'}}

// encodingOf returns the encoding of a name; the newline says in how many bytes a unit is.
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
		return coding{}, fmt.Errorf("the encoding %q is none that the IANA knows", name)
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

// byteOrderMarks are what files begin with that say their encoding themselves, in place of what was set.
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

// codingOf returns the coding of a file that begins with head, four bytes unless the file is shorter. It
// is the set one unless the file says another. It is not known yet as long as head may be a part of a mark.
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

// line returns where the next newline of b is, which begins at a unit of the text; -1 if there is none.
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
