package alloy

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// notAlloy says what a file is that is no text in UTF-8, as which Alloy reads files, and how to make one of it. What
// the parser would say of each of its lines helps nobody. It returns nothing for a text in UTF-8.
func notAlloy(source []byte) (what, hint string) {
	if encoding := utf16Encoding(source); encoding != "" {
		return "the file is text in UTF-16, and an Alloy file is text in UTF-8", saveAsUTF8(encoding)
	}
	kind := http.DetectContentType(source)
	switch {
	case strings.HasPrefix(kind, "text/html"):
		return "the file is an HTML page, and no Alloy file", "if it was downloaded, take the address of the file itself and not that of the page that shows it"
	case !strings.HasPrefix(kind, "text/") && kind != octets:
		return fmt.Sprintf("the file is no text but %s, and an Alloy file is text", kind), "unpack or decompress it if there is an Alloy file in it"
	case bytes.IndexByte(source, 0) >= 0 || kind == octets && !utf8.Valid(source):
		return "the file is no text but binary data, and an Alloy file is text", "give the name of a text file"
	case !utf8.Valid(source):
		n := firstInvalid(source)
		return fmt.Sprintf("the file is not text in UTF-8: line %d has the byte 0x%X", 1+bytes.Count(source[:n], []byte("\n")), source[n]), saveAsUTF8("ISO-8859-1") + ", if it is in Latin-1"
	}
	return "", ""
}

// octets is what http.DetectContentType says of anything that it does not know and that is no text.
const octets = "application/octet-stream"

// saveAsUTF8 says how to make UTF-8 of a file in another encoding.
func saveAsUTF8(encoding string) string {
	return fmt.Sprintf("save it as UTF-8, or convert it: iconv -f %s -t UTF-8 FILE > NEW_FILE", encoding)
}

// utf16Encoding returns the name of the UTF-16 encoding that a text is in, which its first characters tell: a byte
// order mark, or letters of which each has a zero byte. It returns "" for anything else.
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

// firstInvalid returns where a text stops to be UTF-8.
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
