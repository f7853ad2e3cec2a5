package jsontext

import (
	"encoding/json"
	"testing"
)

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		``:                         "",
		`plain`:                    "plain",
		`\"\\\/\b\f\n\r\t`:         "\"\\/\b\f\n\r\t",
		`a\u00e4\u00C4b`:           "aäÄb",
		`\ud83d\ude00!`:            "😀!",
		`\ud83d!`:                  "\ufffd!",
		`\ude00\ud83d`:             "\ufffd\ufffd",
		`\ud83d\u0041`:             "\ufffdA",
		`\q\u12`:                   `\q\u12`,
		`\u12g4x`:                  `\u12g4x`,
		`at the end \`:             `at the end \`,
		`surrogate, then \ud83d\n`: "surrogate, then \ufffd\n",
	} {
		if got := string(Unescape(nil, []byte(in))); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// For valid JSON, encoding/json returns the same.
func FuzzUnescape(f *testing.F) {
	f.Add(`a\u00e4\ud83d\ude00\n\"`)
	f.Add(`\ud83d\ud83d\ude00`)
	f.Fuzz(func(t *testing.T, s string) {
		got := string(Unescape(nil, []byte(s)))
		var want string
		if json.Unmarshal([]byte(`"`+s+`"`), &want) != nil {
			return
		}
		if valid := string([]rune(got)); valid != want { // Unescape keeps bytes that are not UTF-8
			t.Errorf("%q, want %q", got, want)
		}
	})
}
