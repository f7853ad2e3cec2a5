package redact_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"lighter/collector/stage/redact"
)

func redacted(r *redact.Redactor, line string) string {
	out, _ := r.Redact(nil, []byte(line), 1<<20, nil)
	return string(out)
}

// The text around a secret is unchanged, and JSON remains JSON.
func TestRedact(t *testing.T) {
	r := redact.New()
	gh := "gh" + "p_" + strings.Repeat("a1B2", 9)
	visa := "4111" + "111111111111"
	for in, want := range map[string]string{
		`pass` + `word=hunter2 user=x`:                         `password=<redacted:password> user=x`,
		`pass` + `word="x y" user=x`:                           `password="<redacted:password>" user=x`,
		`pass` + `word='it is' user=x`:                         `password='it is' user=x`,
		`{"pass` + `word":"a\"b","n":1}`:                       `{"password":"<redacted:password>","n":1}`,
		`{"pass` + `word" : 123456}`:                           `{"password" : "<redacted:password>"}`,
		`{"m":"{\"pass` + `word\":\"a\\\"b\",\"n\":1}"}`:       `{"m":"{\"password\":\"<redacted:password>\",\"n\":1}"}`,
		`{"m":"\u0022pass` + `word\u0022:\u0022ab\u0022"}`:     `{"m":"\u0022password\u0022:\u0022<redacted:password>\u0022"}`,
		`{"m":"a=1\u0026pass` + `word\u003dhunter2\u0026b=1"}`: `{"m":"a=1\u0026password\u003d<redacted:password>\u0026b=1"}`,
		`Server=db;Uid=app;Pwd=hunter2;Pooling=1`:              `Server=db;Uid=app;Pwd=<redacted:password>;Pooling=1`,
		`  password: hunter2`:                                  `  password: <redacted:password>`,
		`User(name=x, password=hunter2)`:                       `User(name=x, password=<redacted:password>)`,
		`a ` + gh + `, b`:                                      `a <redacted:github-token>, b`,
		`{"m":"a\n` + gh + `\nb"}`:                             `{"m":"a\n<redacted:github-token>\nb"}`,
		`token=` + gh:                                          `token=<redacted:github-token>`,
		`x` + gh:                                               `x` + gh,
		`{"card":` + visa + `,"n":1}`:                          `{"card":"<redacted:card-number>","n":1}`,
		`{"card":"` + visa + `"}`:                              `{"card":"<redacted:card-number>"}`,
		visa:                                                   `"<redacted:card-number>"`,
		`paid with ` + visa + ` today`:                         `paid with <redacted:card-number> today`,
		`1` + visa + ` 0.` + visa + ` id_` + visa:              `1` + visa + ` 0.` + visa + ` id_` + visa,
		`4111 ` + `1111 1111 1111 12/27 123`:                   `<redacted:card-number> 12/27 123`,
		`["-----BEG` + `IN PRIVATE KEY-----","MIIEvQIBADANBgkqhkiG9w0B","-----E` + `ND PRIVATE KEY-----"]`: `["<redacted:private-key>"]`,
		`pass=` + `Abcdef123`:                   `pass=<redacted:password>`,
		`{"order_id":` + visa + `}`:             `{"order_id":` + visa + `}`,
		`postgres://app:p@ss@db:5432/x?a=b`:     `postgres://app:<redacted:url-password>@db:5432/x?a=b`,
		`"http:\/\/u:pw@h\/"`:                   `"http:\/\/u:<redacted:url-password>@h\/"`,
		`mail a@b.c, see http://h/x:y@z`:        `mail a@b.c, see http://h/x:y@z`,
		`Authorization: Token 0123456789abcdef`: `Authorization: Token <redacted:bearer-token>`,
	} {
		if got := redacted(r, in); got != want {
			t.Errorf("%s\nbecame %s\nwant   %s", in, got, want)
		}
	}
}

// A changed line that exceeds the limit is cut at a character boundary.
func TestCut(t *testing.T) {
	r := redact.New()
	line := "pass" + "word=a1; ééééééééééééééé"
	for limit := range len(line) + 1 {
		out, _ := r.Redact([]byte("before "), []byte(line), limit, nil)
		text := strings.TrimPrefix(string(out), "before ")
		if len(text) > limit || !utf8.ValidString(text) || limit >= 8 && !strings.HasSuffix(text, "…[cut]") {
			t.Errorf("limit %d: %q", limit, text)
		}
	}
}

// Redact returns a line without secrets itself, and appends nothing.
func TestUnchanged(t *testing.T) {
	line := []byte("hello")
	out, changed := redact.New().Redact([]byte("x"), line, 1, nil)
	if changed || &out[0] != &line[0] || len(out) != len(line) {
		t.Errorf("got %q, %v", out, changed)
	}
}

func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range redact.New().Rules() {
		if rule.Name == "" || rule.Description == "" || seen[rule.Name] {
			t.Errorf("rule %+v", rule)
		}
		seen[rule.Name] = true
	}
}

// Whatever a line contains, the result never exceeds the limit, JSON remains JSON unless it is cut, UTF-8
// remains UTF-8, and redacting again changes nothing.
func FuzzRedact(f *testing.F) {
	r := redact.New()
	for i, k := range kinds {
		m := newMaker(uint64(i))
		text, _ := k.make(m)
		for _, wrap := range surroundings {
			f.Add([]byte(wrap(m, text)), 200)
		}
	}
	for _, make := range innocent {
		f.Add([]byte(make(newMaker(1))), 4096)
	}
	f.Fuzz(func(t *testing.T, line []byte, limit int) {
		if limit < 0 || limit > 1<<20 {
			limit = 1 << 20
		}
		source := string(line)
		out, changed := r.Redact(nil, line, limit, nil)
		if string(line) != source {
			t.Fatal("the line was changed")
		}
		if !changed {
			return
		}
		if len(out) > limit {
			t.Fatalf("%d bytes, the limit is %d", len(out), limit)
		}
		if utf8.Valid(line) && !utf8.Valid(out) {
			t.Fatalf("%q is no UTF-8", out)
		}
		if !strings.HasSuffix(string(out), "…[cut]") && len(out) < limit && json.Valid(line) && !json.Valid(out) {
			t.Fatalf("%s is no JSON, %s was", out, line)
		}
		if again, changed := r.Redact(nil, out, 1<<20, nil); changed {
			t.Fatalf("%q\nbecame %q\nand    %q", line, out, again)
		}
	})
}
