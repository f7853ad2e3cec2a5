package tail

// Text returns a line as it is sent: as UTF-8, and with the end of a line that is longer than limit bytes
// replaced by a mark. cut reports whether the line was cut. Text may change line.
func Text(line []byte, limit int) (text []byte, cut bool) {
	line, _ = valid(line)
	if len(line) <= limit {
		return line, false
	}
	return cutLine(line[:len(line):len(line)], limit), true
}
