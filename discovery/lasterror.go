package discovery

// LastError remembers the error that was met last, so that a source which tries again and again
// logs an error when it appears or changes, and not each time. The zero value remembers that there
// was none. It is not safe for concurrent use.
type LastError struct{ text string }

// Set remembers err, which is nil if all is well. It reports whether that is news: whether err is
// another error than the last one, which it is if its text differs.
func (l *LastError) Set(err error) (news bool) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	news = text != l.text
	l.text = text
	return news
}
