package redact

import (
	"bytes"
	"encoding/base64"
)

// span is a secret in a line.
type span struct {
	from, to int
	rule     rule
	open     bool // a private key that continues in the next line; the span may be empty then
}

// escaped returns the character at line[i:] and its length in bytes. It treats JSON's escapes \/ and \u00XX
// as one character. At the end of the line it returns 0.
func escaped(line []byte, i int) (c byte, n int) {
	if i >= len(line) {
		return 0, 0
	}
	c = line[i]
	if c != '\\' || i+1 >= len(line) {
		return c, 1
	}
	switch line[i+1] {
	case '/':
		return '/', 2
	case 'u':
		if i+6 <= len(line) && line[i+2] == '0' && line[i+3] == '0' && hex[line[i+4]] && hex[line[i+5]] {
			return unhex(line[i+4])<<4 | unhex(line[i+5]), 6
		}
	}
	return c, 1
}

// run returns the end of the run of bytes of class that begins at i, and the number of its characters.
func run(line []byte, i int, class *set) (end, chars int) {
	for i < len(line) {
		if c := line[i]; class[c] && c != '\\' {
			i++
			chars++
			continue
		}
		c, n := escaped(line, i)
		if n <= 1 || !class[c] {
			break
		}
		i += n
		chars++
	}
	return i, chars
}

// random reports whether a token looks machine-made: it contains letters and digits, or, if it is long,
// letters of both cases.
func random(b []byte) bool {
	var lower, upper, digit int
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z':
			lower++
		case 'A' <= c && c <= 'Z':
			upper++
		case '0' <= c && c <= '9':
			digit++
		}
	}
	return digit > 0 && lower+upper > 0 || lower > 2 && upper > 2 && len(b) >= 16
}

// findToken finds tokens with a prefix: the anchor, followed by at least min characters of its class.
func findToken(line []byte, at int, a *anchor) (span, bool) {
	begin := at + len(a.text)
	end, n := run(line, begin, a.class)
	if n < a.min || !random(line[begin:end]) && a.rule != awsAccessKey {
		return span{to: end}, false
	}
	if (a.rule == awsAccessKey || a.rule == twilioKey) && (n != a.min || end < len(line) && alnum[line[end]]) {
		return span{}, false
	}
	for a.class == wordDot && end > begin && line[end-1] == '.' {
		end-- // of a sentence
	}
	return span{from: at, to: end, rule: a.rule}, true
}

// findSendgrid finds SG. followed by two parts of 22 and 43 characters.
func findSendgrid(line []byte, at int, _ *anchor) (span, bool) {
	end, n := run(line, at+3, wordDash)
	if n < 16 || end >= len(line) || line[end] != '.' {
		return span{}, false
	}
	end, n = run(line, end+1, wordDash)
	return span{from: at, to: end, rule: sendgridKey}, n >= 32
}

// findJWT finds a token of three parts, the second of which is also base64-encoded JSON, or of five parts.
func findJWT(line []byte, at int, _ *anchor) (span, bool) {
	end, n := run(line, at, wordDash)
	first := end
	if n < 12 {
		return span{to: end}, false
	}
	parts, signed := 1, false
	for parts < 5 && end+1 < len(line) && line[end] == '.' {
		begin := end + 1
		next, n := run(line, begin, wordDash)
		if n == 0 && parts != 1 { // only the encrypted key may be empty
			break
		}
		if parts == 1 {
			signed = bytes.HasPrefix(line[begin:next], []byte("ey"))
		}
		end, parts = next, parts+1
		if signed && parts == 3 {
			break
		}
	}
	if signed && parts == 3 || parts == 5 {
		for end < len(line) && line[end] == '=' {
			end++
		}
		return span{from: at, to: end, rule: jwt}, true
	}
	return span{to: first}, false
}

// findTelegramToken finds a bot's number, a colon and 35 characters that begin with AA. at is within the
// number.
func findTelegramToken(line []byte, at int, _ *anchor) (span, bool) {
	begin := at
	for begin > 0 && decimal[line[begin-1]] {
		begin--
	}
	if n := at + 3 - begin; n < 6 || n > 12 {
		return span{}, false
	}
	if !startsWord(line, begin) && !(begin >= 3 && hasPrefixFold(line[begin-3:], "bot")) {
		return span{}, false
	}
	end, n := run(line, at+4, wordDash)
	return span{from: begin, to: end, rule: telegramToken}, 33 <= n && n <= 45
}

// findDiscordToken finds a bot's number in base64 and two more parts. at is within the first part.
func findDiscordToken(line []byte, at int, _ *anchor) (span, bool) {
	begin := at
	for begin > 0 && wordDash[line[begin-1]] && at-begin < 32 {
		begin--
	}
	for begin < at && !startsWord(line, begin) || begin < at && !bytes.ContainsAny(line[begin:begin+1], "MNO") {
		begin++ // part of a longer word
	}
	end, n := run(line, begin, wordDash)
	if n < 22 || n > 40 || end >= len(line) || line[end] != '.' {
		return span{to: end}, false
	}
	if end, n = run(line, end+1, wordDash); n < 6 || n > 7 || end >= len(line) || line[end] != '.' {
		return span{}, false
	}
	end, n = run(line, end+1, wordDash)
	return span{from: begin, to: end, rule: discordToken}, n >= 25
}

// slash returns the index after a slash at line[i:], which JSON may escape, or -1.
func slash(line []byte, i int) int {
	if c, n := escaped(line, i); c == '/' {
		return i + n
	}
	return -1
}

// findSlackWebhook finds what follows the path of a Slack webhook.
func findSlackWebhook(line []byte, at int, a *anchor) (span, bool) {
	i := slash(line, at+len(a.text))
	if i < 0 {
		return span{}, false
	}
	end, _ := run(line, i, alnum)
	switch string(line[i:end]) {
	case "services", "workflows", "triggers":
	default:
		return span{}, false
	}
	if i = slash(line, end); i < 0 {
		return span{}, false
	}
	end, n := run(line, i, webhookPath)
	return span{from: i, to: end, rule: slackWebhook}, n >= 20
}

var webhookPath = union(wordDash, setOf("/"))

// findDiscordWebhook finds the token of a webhook, which follows the webhook's number.
func findDiscordWebhook(line []byte, at int, a *anchor) (span, bool) {
	i := slash(line, at+len(a.text))
	if i < 0 {
		return span{}, false
	}
	end, n := run(line, i, decimal)
	if n < 15 {
		return span{}, false
	}
	if i = slash(line, end); i < 0 {
		return span{}, false
	}
	end, n = run(line, i, wordDash)
	return span{from: i, to: end, rule: discordWebhook}, n >= 50
}

// findAzureSecret finds a client secret: three characters, a digit, Q~ and more characters.
func findAzureSecret(line []byte, at int, _ *anchor) (span, bool) {
	begin := at - 3
	if begin < 0 || !startsWord(line, begin) {
		return span{}, false
	}
	for _, c := range line[begin:at] {
		if !wordDot[c] && c != '~' {
			return span{}, false
		}
	}
	end, n := run(line, at+3, azureSecret)
	return span{from: begin, to: end, rule: azureKey}, 30 <= n && n <= 40
}

var azureSecret = union(wordDot, setOf("~"))

// findSignature finds the signature of a shared access signature: 32 bytes in base64, percent-encoded or
// not.
func findSignature(line []byte, at int, a *anchor) (span, bool) {
	begin := at + len(a.text)
	end, n := run(line, begin, base64URL)
	return span{from: begin, to: end, rule: azureKey}, n >= 40 && n <= 120 && random(line[begin:end])
}

// blanks returns the index after what separates an authentication scheme from its credentials, which may be
// percent-encoded. It returns i if there is no separator.
func blanks(line []byte, i int) int {
	for i < len(line) {
		switch {
		case line[i] == ' ' || line[i] == '\t' || line[i] == '+':
			i++
		case bytes.HasPrefix(line[i:], []byte("%20")):
			i += 3
		default:
			return i
		}
	}
	return i
}

// findBearer finds the credentials of the scheme Bearer.
func findBearer(line []byte, at int, a *anchor) (span, bool) {
	begin := blanks(line, at+len(a.text))
	if begin == at+len(a.text) || at > 0 && alnum[line[at-1]] && !startsWord(line, at) {
		return span{}, false
	}
	return credentials(line, begin, 8)
}

// credentials finds a token of at least least characters that looks random.
func credentials(line []byte, begin, least int) (span, bool) {
	end, n := run(line, begin, bearerSet)
	if n < least || !random(line[begin:end]) {
		return span{to: end}, false
	}
	return span{from: begin, to: end, rule: bearerToken}, true
}

var bearerSet = union(base64URL, setOf("._~:"))

// findBasic finds the credentials of basic authentication: a name, a colon and a password, in base64.
func findBasic(line []byte, at int, a *anchor) (span, bool) {
	begin := blanks(line, at+len(a.text))
	end, _ := run(line, begin, base64Set)
	if begin == at+len(a.text) || end-begin < 4 || end-begin > 1024 {
		return span{to: end}, false
	}
	var packed [1024]byte
	n := 0
	for i := begin; i < end; {
		c, size := escaped(line, i)
		if i += size; c != '=' {
			packed[n] = c
			n++
		}
	}
	var plain [1024]byte
	n, err := base64.RawStdEncoding.Decode(plain[:], packed[:n])
	if err != nil || bytes.IndexByte(plain[:n], ':') < 0 {
		return span{}, false
	}
	for _, c := range plain[:n] {
		if c < ' ' || c == 0x7f {
			return span{}, false
		}
	}
	return span{from: begin, to: end, rule: basicCredentials}, true
}
