package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"lighter/collector/stage/redact"
)

// pieces returns the texts from which lines are assembled, to try combinations that no example covers.
func pieces() []string {
	all := []string{
		`"`, `\"`, `\\`, `'`, `:`, `=`, ` `, `,`, `&`, `;`, `@`, `://`, `:\/\/`, `\u0022`, `\u003d`, `\n`, "\n", `<`, `>`, `{`, `}`, `[`, `]`, `(`, `)`, `%20`, `%3D`, `-`, `_`, `.`, `u`, `n`, "é", "x", "17", "4", " 4111", "…[cut]",
		"password", "token", "secret", "api_key", "Bearer ", "Basic ", "Authorization: ", "AccountKey=", "sig=", "pwd", "pass", "bot", "<redacted:", "<redacted:jwt>", "null", "***", "-----BEG" + "IN PRIVATE KEY-----", "-----E" + "ND PRIVATE KEY-----",
	}
	for i, k := range kinds {
		text, secret := k.make(newMaker(uint64(i)))
		if all = append(all, text); secret != "" {
			all = append(all, secret)
		}
	}
	return all
}

// Lines of arbitrary pieces: JSON remains JSON, and redacting again changes nothing.
func TestArbitraryLines(t *testing.T) {
	r, from := redact.New(), pieces()
	for seed := range uint64(20_000) {
		m := newMaker(seed)
		var text strings.Builder
		for range 2 + m.IntN(8) {
			text.WriteString(m.pick(from...))
		}
		s := text.String()
		for _, line := range []string{s, `{"a":` + quoted(s) + `,"password":` + quoted(s) + `,"b":4}`, `["` + s + `",` + quoted(m.pick(from...)+s) + `]`, `{"a":` + quoted(`{"token":`+quoted(s)+`}`) + `}`} {
			out, changed := r.Redact(nil, []byte(line), 1<<20, nil)
			if !changed {
				continue
			}
			if json.Valid([]byte(line)) && !json.Valid(out) {
				t.Fatalf("%s\nbecame no JSON: %s", line, out)
			}
			if again, changed := r.Redact(nil, out, 1<<20, nil); changed {
				t.Fatalf("%s\nbecame %s\nand    %s", line, out, again)
			}
		}
	}
}
