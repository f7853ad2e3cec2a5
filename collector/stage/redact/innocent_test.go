package redact_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"lighter/collector/stage/redact"
)

func uuid(m maker) string {
	return m.of(hexes, 8) + "-" + m.of(hexes, 4) + "-4" + m.of(hexes, 3) + "-a" + m.of(hexes, 3) + "-" + m.of(hexes, 12)
}

func date(m maker) string {
	return fmt.Sprintf("20%02d-%02d-%02d", m.IntN(60), 1+m.IntN(12), 1+m.IntN(28))
}

func clock(m maker) string {
	return fmt.Sprintf("%02d:%02d:%02d", m.IntN(24), m.IntN(60), m.IntN(60))
}

func name(m maker) string {
	return m.pick("alice", "bob", "carol", "mallory", "trent", "peggy", "oscar", "victor")
}

func noun(m maker) string {
	return m.pick("order", "request", "session", "worker", "cluster", "index", "task-queue", "disk", "token-service", "password-reset", "secret-store", "basic-auth", "risk-engine", "image", "passenger", "compass", "bearer-proxy", "skill", "map", "tokenizer", "secretary")
}

// innocent makes lines that resemble secrets, but contain none.
var innocent = []func(m maker) string{
	func(m maker) string {
		return `{"id":"` + uuid(m) + `","trace_id":"` + m.of(hexes, 32) + `","span_id":"` + m.of(hexes, 16) + `"}`
	},
	func(m maker) string {
		return "commit " + m.of(hexes, 40) + " by " + name(m) + " <" + name(m) + "@example.com>"
	},
	func(m maker) string {
		return "pulled image registry.example.com/team/" + noun(m) + "@sha256:" + m.of(hexes, 64)
	},
	func(m maker) string { return "HEAD is now at " + m.of(hexes, 7) + " mend the " + noun(m) },
	func(m maker) string { return `{"icon":"data:image/png;base64,iVBORw0KGgo` + m.of(base64s, 400) + `"}` },
	func(m maker) string { return "payload=" + base64.StdEncoding.EncodeToString([]byte(m.of(words, 90))) },
	func(m maker) string { return "digest: AAAA" + strings.Repeat("A", m.IntN(60)) + m.of(base64s, 60) },
	func(m maker) string {
		return "\tat com.example." + noun(m) + ".TokenService.checkPassword(TokenService.java:" + fmt.Sprint(m.IntN(900)) + ")"
	},
	func(m maker) string {
		return `  File "/usr/lib/python3/site-packages/` + noun(m) + `/auth.py", line ` + fmt.Sprint(m.IntN(900)) + `, in get_token`
	},
	func(m maker) string {
		return "main.(*Server).Authorization(0xc000" + m.of(hexes, 6) + ", {0x" + m.of(hexes, 6) + ", 0x1a})"
	},
	func(m maker) string {
		return "    at Object.<anonymous> (/app/node_modules/@scope/" + noun(m) + "/index.js:" + fmt.Sprint(m.IntN(900)) + ":13)"
	},
	func(m maker) string {
		return "SELECT id, password, token FROM users WHERE password = $1 AND created_at > '" + date(m) + "' LIMIT " + fmt.Sprint(m.IntN(100))
	},
	func(m maker) string {
		return "UPDATE users SET password = ?, secret = NULL, token = :token WHERE id = " + fmt.Sprint(m.IntN(1e9))
	},
	func(m maker) string {
		return "INSERT INTO accounts (name, password, api_key) VALUES ($1, $2, $3) -- " + noun(m)
	},
	func(m maker) string {
		return `{"a":[` + fmt.Sprint(m.IntN(100)) + `,2,{"b":null}],"t":` + fmt.Sprint(1700000000000+m.IntN(1e10)) + `,"tokens":` + fmt.Sprint(m.IntN(4000)) + `,"max_tokens":4096}`
	},
	func(m maker) string {
		return `{"time":` + fmt.Sprint(1700000000000000000+m.Int64N(1e17)) + `,"level":30,"msg":"` + noun(m) + ` done","pid":` + fmt.Sprint(m.IntN(40000)) + `}`
	},
	func(m maker) string {
		return date(m) + " " + clock(m) + "," + m.of(numerals, 3) + " INFO " + noun(m) + ": done in " + fmt.Sprint(m.IntN(5000)) + " ms"
	},
	func(m maker) string {
		return date(m) + "T" + clock(m) + "." + m.of(numerals, 9) + "Z stderr F " + noun(m)
	},
	func(m maker) string {
		return "mail from " + name(m) + "." + name(m) + "@mail.example.org to " + name(m) + "+" + noun(m) + "@example.com accepted"
	},
	func(m maker) string {
		return fmt.Sprintf("price=%d.%02d total: EUR %d.%03d,%02d qty=%d", m.IntN(1000), m.IntN(100), m.IntN(100), m.IntN(1000), m.IntN(100), m.IntN(50))
	},
	func(m maker) string {
		return "calling +49 30 " + m.of(numerals, 4) + " " + m.of(numerals, 4) + " and (555) 555-" + m.of(numerals, 4) + " or +1-202-555-" + m.of(numerals, 4)
	},
	func(m maker) string {
		return fmt.Sprintf("connect 10.%d.%d.%d:5432 from [fe80::%s:1]:%d", m.IntN(256), m.IntN(256), m.IntN(256), m.of(hexes, 4), m.IntN(65536))
	},
	func(m maker) string {
		return "pod " + noun(m) + "-" + m.of(lowers+numerals, 10) + "-" + m.of(lowers+numerals, 5) + " in namespace kube-" + noun(m) + " is ready"
	},
	func(m maker) string {
		return `secret "` + noun(m) + `-tls" not found; secrets "` + noun(m) + `" is forbidden`
	},
	func(m maker) string {
		return "the Authorization header is missing, expected a Bearer token or Basic authentication for " + noun(m)
	},
	func(m maker) string {
		return "WWW-Authenticate: Bearer realm=\"" + noun(m) + "\", error=\"invalid_token\""
	},
	func(m maker) string {
		return fmt.Sprintf("SyntaxError: Unexpected token %s in JSON at position %d", m.pick("<", "}", "o", "'", "EOF"), m.IntN(5000))
	},
	func(m maker) string {
		return fmt.Sprintf("parse error: line %d, unexpected token: %s, expected token: IDENTIFIER", m.IntN(100), m.pick("SELECT", "identifier", "'}'", "\"}\"", "=>", "end_of_file"))
	},
	func(m maker) string {
		return "token: " + m.pick("expired", "invalid", "missing", "revoked", "required") + " for user " + name(m)
	},
	func(m maker) string {
		return "password: " + m.pick("required", "must be at least 12 characters", "too short", "invalid", "does not match")
	},
	func(m maker) string {
		return `{"error":"validation","fields":{"password":"` + m.pick("is required", "required", "must be at least 8 characters", "too short", "invalid", "can't be blank") + `"}}`
	},
	func(m maker) string {
		return `{"user":"` + name(m) + `","password":` + m.pick(`null`, `""`, `"***"`, `"[REDACTED]"`, `"<redacted:password>"`, `"********"`, `true`, `"[FILTERED]"`, `"xxxxx"`) + `}`
	},
	func(m maker) string {
		return "DB_PASSWORD=" + m.pick("${DB_PASSWORD}", "$DB_PASSWORD", "***", "", "<password>", "%s", "{{ .Values.password }}", "(unset)")
	},
	func(m maker) string {
		return fmt.Sprintf(`10.0.%d.%d - %s [02/Jan/2026:%s +0000] "GET /api/v%d/%s?page=%d HTTP/1.1" 200 %d "https://example.com/" "Mozilla/5.0 (X11; Linux x86_64; rv:%d.0)"`, m.IntN(256), m.IntN(256), name(m), clock(m), 1+m.IntN(3), noun(m), m.IntN(40), m.IntN(1e6), m.IntN(140))
	},
	func(m maker) string {
		return "GET https://" + noun(m) + ".example.com:8443/reset-password/" + uuid(m) + "?next=/users/@me&sort=-created"
	},
	func(m maker) string {
		return "cloning git@github.com:" + name(m) + "/" + noun(m) + ".git and ssh://git@host.example.com:22/repo"
	},
	func(m maker) string {
		return "npm WARN deprecated @" + name(m) + "/" + noun(m) + "@1.2." + fmt.Sprint(m.IntN(30)) + ": use npm_config_cache instead"
	},
	func(m maker) string {
		return "Failed password for " + name(m) + " from 10.0.0." + fmt.Sprint(m.IntN(256)) + " port " + fmt.Sprint(m.IntN(65536)) + " ssh2"
	},
	func(m maker) string {
		return fmt.Sprintf("tests: pass=%d fail=%d skip=%d pass rate: 0.%s", m.IntN(9000), m.IntN(10), m.IntN(10), m.of(numerals, 16))
	},
	func(m maker) string {
		return "shipment " + m.of(uppers, 2) + m.of(numerals, 9) + "DE ref " + m.of(uppers+numerals, 20) + " order #" + m.of(numerals, 12)
	},
	func(m maker) string {
		return "user_id=4" + m.of(numerals, 17) + " guild_id=" + m.of("123456789", 18) + " ratio=0.4" + m.of(numerals, 15)
	},
	func(m maker) string {
		return "-----BEGIN CERTIFICATE-----\nMII" + m.of(base64s, 61) + "\n-----END CERTIFICATE-----"
	},
	func(m maker) string {
		return "could not parse " + noun(m) + ": no -----BEGIN PRIVATE " + "KEY----- block found in the file"
	},
	func(m maker) string {
		return "skipping sk-" + noun(m) + "-and-other-long-words-of-a-name, hf_" + noun(m) + ", ghp_short, SG.Collections.Generic, org.apache.SG.Foo"
	},
	func(m maker) string {
		return "etag W/\"" + m.of(hexes, 27) + "\" md5=" + m.of(hexes, 32) + " crc=" + m.of(hexes, 8)
	},
	func(m maker) string {
		return "minified: function(e,t){return e.token===t.token?e.password:n[o]}(" + m.of(lowers, 1) + "," + m.of(lowers, 1) + "),t.secret=void 0"
	},
	func(m maker) string {
		return `{"token_type":"bearer","expires_in":` + fmt.Sprint(m.IntN(9000)) + `,"scope":"read","token_count":` + fmt.Sprint(m.IntN(9000)) + `,"password_changed_at":"` + date(m) + `"}`
	},
	func(m maker) string {
		return "export interface Login { user: string; password: string; token?: string } // " + noun(m)
	},
	func(m maker) string {
		return "usage: tool --password=PASSWORD --token <token> [--secret NAME] " + noun(m)
	},
	func(m maker) string {
		return "eyJ is how " + noun(m) + " begins; eyJh.eyJz.x is too short; 12:34:AA:BB:CC:DD mac 00:1A:2B:AA:" + m.of("0123456789ABCDEF", 2)
	},
}

// Lines without secrets are unchanged.
func TestInnocentLines(t *testing.T) {
	r := redact.New()
	total := 0
	for i, make := range innocent {
		for n := range 70 {
			line := make(newMaker(uint64(i*1000 + n)))
			total++
			if out, changed := r.Redact(nil, []byte(line), 1<<20, nil); changed {
				t.Errorf("%s\nbecame\n%s", line, out)
				break
			}
		}
	}
	if total < 3000 {
		t.Errorf("%d lines, want at least 3,000", total)
	}
	t.Logf("%d lines", total)
}
