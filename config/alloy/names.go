package alloy

import (
	"slices"
	"strings"
)

// nearest returns the known name that is most like name, or "" if none is like it.
func nearest(name string, known []string) string {
	best, bestDistance := "", len(name)
	for _, k := range known {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if d < bestDistance || d == bestDistance && best != "" && k < best {
			best, bestDistance = k, d
		}
	}
	if bestDistance > max(1, len(name)/3) {
		return ""
	}
	return best
}

// distance returns how many letters must be added, removed, changed or swapped with the next one to turn a into
// b.
func distance(a, b string) int {
	const longest = 80
	if len(a) > longest || len(b) > longest {
		return longest
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = last, row, before
	}
	return rows[1][len(b)]
}

// didYouMean returns a hint with the nearest of the known names, or with all of them if they are few.
func didYouMean(name string, known []string) string {
	if n := nearest(name, known); n != "" {
		return "did you mean " + quote(n) + "?"
	}
	const few = 8
	if len(known) == 0 || len(known) > few {
		return ""
	}
	known = slices.Clone(known)
	slices.Sort(known)
	return "known names: " + list(known)
}

func quote(name string) string { return `"` + name + `"` }

// list returns names as an English list.
func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	switch n := len(quoted); n {
	case 0:
		return "nothing"
	case 1:
		return quoted[0]
	default:
		return strings.Join(quoted[:n-1], ", ") + " and " + quoted[n-1]
	}
}
