package discovery

// LastError remembers the last error, so that a source that retries repeatedly logs an error only when
// it appears or changes. The zero value remembers no error. It is not safe for concurrent use.
type LastError struct{ text string }

// Set remembers err, which may be nil. It reports whether err is news, which means that its text differs
// from that of the last error.
func (l *LastError) Set(err error) (news bool) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	news = text != l.text
	l.text = text
	return news
}
