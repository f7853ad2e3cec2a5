// Package near finds the name that somebody may have meant by an unknown one.
package near

// Name returns the known name that is most similar to name. Among equally similar ones it is the first. It returns the
// empty string if no names are known.
func Name(name string, known []string) string {
	best, least := "", 0
	for i, k := range known {
		if n := distance(name, k); i == 0 || n < least {
			best, least = k, n
		}
	}
	return best
}

// distance returns the number of bytes to insert, remove or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // from a prefix of a to each prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
