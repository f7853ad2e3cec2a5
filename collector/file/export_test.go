package file

// CheckPattern returns an error if a pattern of Match is malformed.
func CheckPattern(pattern string) error {
	_, err := compile(pattern)
	return err
}
