package redact_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"lighter/collector/stage/redact"
)

// The secrets of the corpus are made up. They are assembled here, so that a search of the repository for
// secrets finds none.

const (
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	uppers   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	numerals = "0123456789"
	letters  = lowers + uppers
	alnums   = letters + numerals
	words    = alnums + "_"
	urlSafe  = alnums + "-_"
	base64s  = alnums + "+/"
	hexes    = "0123456789abcdef"
)

// maker makes secrets. The same seed makes the same secrets.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, seed))} }

// of returns n bytes of a set, with at least one digit if the set has digits and letters.
func (m maker) of(set string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = set[m.IntN(len(set))]
	}
	if n > 4 && strings.Contains(set, "7") && strings.Contains(set, "a") {
		b[2], b[3] = '7', 'a'
	}
	return string(b)
}

func (m maker) pick(from ...string) string { return from[m.IntN(len(from))] }

// kind is a kind of secret.
type kind struct {
	rule string
	make func(m maker) (text, secret string) // the logged text, and the part of it that must not leave; "" means all of it
}

func token(prefix, set string, n int) func(maker) (string, string) {
	return func(m maker) (string, string) { return prefix + m.of(set, n), "" }
}

// pair returns name=value, with value as the secret.
func pair(set string, n int, names ...string) func(maker) (string, string) {
	return func(m maker) (string, string) {
		v := m.of(set, n)
		return m.pick(names...) + "=" + v, v
	}
}

func jwtOf(m maker) string {
	enc := base64.RawURLEncoding
	head := enc.EncodeToString([]byte(`{"alg":"` + m.pick("HS256", "RS256", "ES384") + `","typ":"JWT"}`))
	body := enc.EncodeToString([]byte(fmt.Sprintf(`{"sub":"%d","iat":%d}`, m.IntN(1e9), 1700000000)))
	return head + "." + body + "." + m.of(urlSafe, 43)
}

// card returns a number with the right check digit.
func card(m maker, prefix string, n int) string {
	b := []byte(prefix + m.of(numerals, n-len(prefix)))
	for d := byte('0'); d <= '9'; d++ {
		b[n-1] = d
		sum := 0
		for i, c := range b {
			x := int(c - '0')
			if (n-i)%2 == 0 {
				if x *= 2; x > 9 {
					x -= 9
				}
			}
			sum += x
		}
		if sum%10 == 0 {
			break
		}
	}
	return string(b)
}

func grouped(number, separator string) string {
	var out []string
	for len(number) > 4 {
		out, number = append(out, number[:4]), number[4:]
	}
	return strings.Join(append(out, number), separator)
}

func pemOf(m maker, label string, lines int) string {
	var b strings.Builder
	b.WriteString("-----BEG" + "IN " + label + "-----\n")
	for range lines {
		b.WriteString("M" + m.of(base64s, 63) + "\n")
	}
	b.WriteString(m.of(base64s, 30) + "==\n-----E" + "ND " + label + "-----")
	return b.String()
}

func pemKind(label string) func(maker) (string, string) {
	return func(m maker) (string, string) { return pemOf(m, label, 4), "" }
}

var kinds = []kind{
	{"private-key", pemKind("RSA PRIVATE " + "KEY")},
	{"private-key", pemKind("PRIVATE " + "KEY")},
	{"private-key", pemKind("EC PRIVATE " + "KEY")},
	{"private-key", pemKind("OPENSSH PRIVATE " + "KEY")},
	{"private-key", pemKind("ENCRYPTED PRIVATE " + "KEY")},
	{"private-key", pemKind("PGP PRIVATE " + "KEY BLOCK")},
	{"aws-access-key", func(m maker) (string, string) {
		return m.pick("AK", "AS") + "IA" + m.of(uppers+"234567", 16), ""
	}},
	{"aws-secret-key", pair(base64s, 40, "aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "SecretAccessKey", "secretAccessKey")},
	{"gcp-api-key", token("AI"+"za", urlSafe, 35)},
	{"azure-key", func(m maker) (string, string) {
		k := m.of(base64s, 86) + "=="
		return "DefaultEndpointsProtocol=https;AccountName=logs;Account" + "Key=" + k + ";EndpointSuffix=core.windows.net", k
	}},
	{"azure-key", func(m maker) (string, string) {
		k := m.of(alnums, 43) + "%3D"
		return "sv=2022-11-02&ss=b&srt=o&se=2026-01-02T00%3A00%3A00Z&sig=" + k, k
	}},
	{"azure-key", func(m maker) (string, string) { return m.of(alnums, 3) + "8Q~" + m.of(alnums+"-_.", 33) + "a", "" }},
	{"github-token", token("gh"+"p_", alnums, 36)},
	{"github-token", token("gh"+"o_", alnums, 36)},
	{"github-token", token("gh"+"s_", alnums, 36)},
	{"github-token", token("github"+"_pat_", words, 82)},
	{"gitlab-token", token("gl"+"pat-", urlSafe, 20)},
	{"gitlab-token", token("gl"+"rt-", urlSafe, 20)},
	{"gitlab-token", token("gl"+"dt-", urlSafe, 20)},
	{"slack-token", func(m maker) (string, string) {
		return "xo" + "xb-" + m.of(numerals, 12) + "-" + m.of(numerals, 12) + "-" + m.of(alnums, 24), ""
	}},
	{"slack-token", func(m maker) (string, string) {
		return "xo" + "xp-" + m.of(numerals, 12) + "-" + m.of(numerals, 12) + "-" + m.of(numerals, 12) + "-" + m.of(hexes, 32), ""
	}},
	{"slack-token", func(m maker) (string, string) {
		return "xa" + "pp-1-A" + m.of(uppers+numerals, 10) + "-" + m.of(numerals, 13) + "-" + m.of(hexes, 64), ""
	}},
	{"slack-webhook", func(m maker) (string, string) {
		k := "T" + m.of(uppers+numerals, 10) + "/B" + m.of(uppers+numerals, 10) + "/" + m.of(alnums, 24)
		return "https://hooks.slack" + ".com/services/" + k, k
	}},
	{"stripe-key", token("sk"+"_live_", alnums, 24)},
	{"stripe-key", token("rk"+"_live_", alnums, 60)},
	{"stripe-key", token("sk"+"_test_", alnums, 24)},
	{"stripe-key", token("wh"+"sec_", alnums, 32)},
	{"npm-token", token("np"+"m_", alnums, 36)},
	{"pypi-token", token("py"+"pi-AgEIcHlwaS5vcmc", urlSafe, 120)},
	{"grafana-token", func(m maker) (string, string) { return "gl" + "sa_" + m.of(alnums, 32) + "_" + m.of(hexes, 8), "" }},
	{"grafana-token", func(m maker) (string, string) {
		return "gl" + "c_" + base64.StdEncoding.EncodeToString([]byte(`{"o":"1","n":"x","k":"`+m.of(alnums, 24)+`"}`)), ""
	}},
	{"grafana-token", func(m maker) (string, string) {
		return base64.StdEncoding.EncodeToString([]byte(`{"k":"` + m.of(alnums, 32) + `","n":"grafana","id":1}`)), ""
	}},
	{"anthropic-key", token("sk-"+"ant-api03-", urlSafe, 95)},
	{"openai-key", token("sk-"+"proj-", urlSafe, 120)},
	{"openai-key", func(m maker) (string, string) {
		return "sk-" + m.of(alnums, 20) + "T3Blb" + "kFJ" + m.of(alnums, 20), ""
	}},
	{"openai-key", token("sk-", alnums, 48)},
	{"telegram-token", func(m maker) (string, string) { return "5" + m.of(numerals, 9) + ":A" + "A" + m.of(urlSafe, 33), "" }},
	{"discord-token", func(m maker) (string, string) {
		return base64.RawURLEncoding.EncodeToString([]byte("1"+m.of(numerals, 17))) + "." + m.of(urlSafe, 6) + "." + m.of(urlSafe, 38), ""
	}},
	{"discord-webhook", func(m maker) (string, string) {
		k := m.of(urlSafe, 68)
		return "https://discord" + ".com/api/webhooks/" + m.of("123456789", 18) + "/" + k, k
	}},
	{"sendgrid-key", func(m maker) (string, string) { return "S" + "G." + m.of(urlSafe, 22) + "." + m.of(urlSafe, 43), "" }},
	{"twilio-key", token("S"+"K", hexes, 32)},
	{"digitalocean-token", token("do"+"p_v1_", hexes, 64)},
	{"huggingface-token", token("h"+"f_", alnums, 34)},
	{"jwt", func(m maker) (string, string) { return jwtOf(m), "" }},
	{"bearer-token", func(m maker) (string, string) {
		k := m.of(alnums+"-._~", 40) + "x"
		return m.pick("Authorization: ", "authorization: ", "") + m.pick("Bearer ", "bearer ", "BEARER ") + k, k
	}},
	{"basic-credentials", func(m maker) (string, string) {
		k := base64.StdEncoding.EncodeToString([]byte(m.of(lowers, 6) + ":" + m.of(alnums, 11)))
		return m.pick("Authorization: ", "") + m.pick("Basic ", "basic ") + k, k
	}},
	{"url-password", func(m maker) (string, string) {
		k := m.of(alnums+"!*-_.~$", 16)
		return m.pick("postgres", "mysql", "amqp", "https", "mongodb+srv") + "://" + m.of(lowers, 5) + ":" + k + "@" + m.of(lowers, 6) + ".example.com:5432/db", k
	}},
	{"url-password", func(m maker) (string, string) {
		k := m.of(alnums, 20)
		return "redis://:" + k + "@cache:6379/0", k
	}},
	{"password", pair(alnums+"!@#%^*-_+.", 14, "password", "PASSWORD", "DB_PASSWORD", "passwd", "userPassword", "pwd", "spring.datasource.password", "POSTGRES_PASSWORD")},
	{"secret", pair(alnums, 32, "client_secret", "api_key", "apikey", "access_token", "refresh_token", "auth_token", "token", "secret", "SECRET_KEY", "csrf_token", "X-Api-Key", "private_key")},
	{"card-number", func(m maker) (string, string) {
		return m.pick(card(m, "4", 16), card(m, "52", 16), card(m, "37", 15), card(m, "6011", 16), card(m, "2345", 16)), ""
	}},
	{"card-number", func(m maker) (string, string) { return grouped(card(m, "4", 16), m.pick(" ", "-")), "" }},
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// surroundings are the texts in which a secret is logged. A pair's name and value are written in the style
// of the surroundings.
var surroundings = map[string]func(m maker, text string) string{
	"plain": func(_ maker, s string) string {
		return "2026-01-02 03:04:05,123 INFO worker: using " + s + " for the next call"
	},
	"logfmt": func(_ maker, s string) string {
		if strings.ContainsAny(s, " \n\"=") && !isPair(s) {
			s = quoted(s)
		}
		if !isPair(s) {
			s = "value=" + s
		}
		return "ts=2026-01-02T03:04:05Z level=info " + s + " caller=main.go:12"
	},
	"json": func(m maker, s string) string {
		if name, value, ok := cutPair(s); ok && m.IntN(2) == 0 {
			return `{"level":"info","req":{` + quoted(name) + m.pick(":", ": ") + quoted(value) + `},"n":1}`
		}
		return `{"level":"info","msg":` + quoted("sent "+s) + `,"n":1}`
	},
	"json in json": func(m maker, s string) string {
		inner := `{"msg":` + quoted(s) + `}`
		if name, value, ok := cutPair(s); ok {
			inner = `{` + quoted(name) + `:` + quoted(value) + `}`
		}
		return `{"level":"info","body":` + quoted(inner) + `}`
	},
	"url": func(_ maker, s string) string {
		if !isPair(s) {
			s = "value=" + s
		}
		return `10.0.0.7 - - [02/Jan/2026:03:04:05 +0000] "GET /api/v1/items?page=2&` + strings.ReplaceAll(s, "\n", "%0A") + `&sort=asc HTTP/1.1" 200 17`
	},
	"lines": func(_ maker, s string) string {
		if name, value, ok := cutPair(s); ok {
			s = name + ": " + value
		}
		return "config:\n  first: 1\n  " + s + "\n  last: true"
	},
}

func cutPair(s string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(s, "=")
	return name, value, ok && !strings.ContainsAny(name, " :/;\n") && !strings.ContainsAny(value, "&;\n") && len(name) > 0 && len(name) < 40
}

func isPair(s string) bool { _, _, ok := cutPair(s); return ok }

// perKind is how many secrets of each kind are tried in each of the surroundings.
const perKind = 10

// Every secret of the corpus is found by its rule in all surroundings, and nothing of it remains.
func TestCorpus(t *testing.T) {
	r := redact.New()
	total, names := 0, map[string]bool{}
	for i, k := range kinds {
		names[k.rule] = true
		for n := range perKind {
			for where, wrap := range surroundings {
				m := newMaker(uint64(i*1000 + n))
				text, secret := k.make(m)
				line := wrap(m, text)
				if secret == "" {
					secret = text
				}
				total++
				check(t, r, k.rule, where, line, secret)
			}
		}
	}
	if total < 250 || len(names) < 25 {
		t.Errorf("%d secrets of %d kinds, want at least 250 of 25", total, len(names))
	}
	t.Logf("%d secrets of %d kinds", total, len(names))
}

func check(t *testing.T, r *redact.Redactor, rule, where, line, secret string) {
	t.Helper()
	found := map[string]bool{}
	out, changed := r.Redact(nil, []byte(line), 1<<20, func(i int) { found[r.Rules()[i].Name] = true })
	if !changed || !found[rule] {
		t.Errorf("%s, %s: found %v in %s", rule, where, found, line)
		return
	}
	// No piece of eight bytes may remain.
	plain := strings.NewReplacer(`\n`, "", "\n", "", "%0A", "").Replace
	left := plain(string(out))
	whole := plain(secret)
	for i := 0; i+8 <= len(whole); i++ {
		if piece := whole[i : i+8]; strings.Contains(left, piece) && !strings.Contains(piece, "---") && !strings.Contains(piece, "KEY") {
			t.Errorf("%s, %s: %q is left in %s\nof %s", rule, where, piece, out, line)
			return
		}
	}
	if json.Valid([]byte(line)) && !json.Valid(out) {
		t.Errorf("%s, %s: no valid JSON any more: %s\nof %s", rule, where, out, line)
	}
	if again, changed := r.Redact(nil, out, 1<<20, nil); changed {
		t.Errorf("%s, %s: redacted again: %s\nof %s", rule, where, again, out)
	}
}
