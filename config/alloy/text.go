package alloy

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// notAlloy describes a file that is not UTF-8 text and therefore not an Alloy file, and says what to do about it. It
// replaces the errors of the parser, which would not help anybody. It returns empty strings for UTF-8 text.
func notAlloy(source []byte) (what, hint string) {
	if encoding := utf16Encoding(source); encoding != "" {
		return "the file is UTF-16 text, but an Alloy file is UTF-8 text", saveAsUTF8(encoding)
	}
	kind := http.DetectContentType(source)
	switch {
	case strings.HasPrefix(kind, "text/html"):
		return "the file is an HTML page, not an Alloy file", "if it was downloaded, use the address of the file itself, not the address of the page that shows it"
	case !strings.HasPrefix(kind, "text/") && kind != octets:
		return fmt.Sprintf("the file is %s, not text", kind), "unpack or decompress it if there is an Alloy file in it"
	case bytes.IndexByte(source, 0) >= 0 || kind == octets && !utf8.Valid(source):
		return "the file is binary data, not text", "use a text file"
	case !utf8.Valid(source):
		n := firstInvalid(source)
		return fmt.Sprintf("the file is not text in UTF-8: line %d has the byte 0x%X", 1+bytes.Count(source[:n], []byte("\n")), source[n]), saveAsUTF8("ISO-8859-1") + ", if it is in Latin-1"
	}
	return "", ""
}

// octets is the type that http.DetectContentType returns for unknown binary data.
const octets = "application/octet-stream"

// saveAsUTF8 says how to convert a file from another encoding to UTF-8.
func saveAsUTF8(encoding string) string {
	return fmt.Sprintf("save it as UTF-8, or convert it: iconv -f %s -t UTF-8 FILE > NEW_FILE", encoding)
}

// utf16Encoding returns the name of the UTF-16 encoding of a text, which it recognizes by a byte order mark or by
// letters that each have a zero byte. It returns "" for anything else.
func utf16Encoding(source []byte) string {
	if len(source) < 4 {
		return ""
	}
	first := [4]bool{source[0] != 0, source[1] != 0, source[2] != 0, source[3] != 0}
	switch {
	case source[0] == 0xFF && source[1] == 0xFE || source[0] == 0xFE && source[1] == 0xFF:
		return "UTF-16"
	case first == [4]bool{true, false, true, false}:
		return "UTF-16LE"
	case first == [4]bool{false, true, false, true}:
		return "UTF-16BE"
	}
	return ""
}

// firstInvalid returns the index of the first byte that is not valid UTF-8.
func firstInvalid(source []byte) int {
	at := 0
	for at < len(source) {
		r, size := utf8.DecodeRune(source[at:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return at
}
