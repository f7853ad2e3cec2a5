package lighter

import "time"

// Failures follows something that is tried again and again, so that a failure is logged when it begins,
// when it becomes another one and when it is over, and not each time. The zero value has not failed. It is
// not safe for concurrent use.
type Failures struct {
	since time.Time // of the first of the present failures
	count int       // of the present failures
	text  string    // of the last one
}

// Failed records a failure with the given text, and reports whether that is news: whether it is the first
// one, or its text differs from that of the failure before.
func (f *Failures) Failed(text string) (news bool) {
	if f.count == 0 {
		f.since = time.Now()
	}
	news = f.count == 0 || text != f.text
	f.count++
	f.text = text
	return news
}

// Works records a success, and reports whether it ends failures. If so, after is the time since the first
// of them, and count is their number.
func (f *Failures) Works() (after time.Duration, count int, ended bool) {
	if f.count == 0 {
		return 0, 0, false
	}
	after, count = time.Since(f.since), f.count
	*f = Failures{}
	return after, count, true
}

// Set records a failure with the text of err, or a success if err is nil, and reports whether that is news.
func (f *Failures) Set(err error) (news bool) {
	if err != nil {
		return f.Failed(err.Error())
	}
	_, _, ended := f.Works()
	return ended
}
