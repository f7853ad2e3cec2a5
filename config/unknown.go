package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// unknown warns of variables that look like ours and are not, with the nearest name that is.
func unknown(values map[string]string, all []setting) (warnings []string) {
	var known []string
	for _, v := range all {
		known = append(known, v.name)
	}
	for name := range values {
		if strings.HasPrefix(name, "LIGHTER_") && !slices.Contains(known, name) {
			near := slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
			escaped := strings.Trim(strconv.Quote(name), `"`) // a warning is one line, whatever the name
			warnings = append(warnings, fmt.Sprintf("%s is no setting and has no effect; the nearest is %s", escaped, near))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// distance counts the bytes that must be inserted, removed or replaced to make b of a.
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
