package env

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lighter/config/internal/near"
)

// ownPrefixes are prefixes reserved for settings.
var ownPrefixes = []string{"LIGHTER_", "GRAFANA_LOKI_", "GRAFANA_PROM_"}

// unknown warns of variables that look like settings but are not, and suggests the nearest setting.
func unknown(values map[string]string, all []setting) (warnings []string) {
	var known []string
	for _, v := range all {
		known = append(known, v.name)
		if v.fromFile() {
			known = append(known, v.name+fileSuffix)
		}
	}
	for name := range values {
		meant, _ := cleaned(name) // the first name in a file may have a byte order mark before it
		own := slices.ContainsFunc(ownPrefixes, func(prefix string) bool { return strings.HasPrefix(meant, prefix) })
		if own && !slices.Contains(known, name) {
			meant = usualName(meant)
			escaped := strings.Trim(strconv.QuoteToASCII(name), `"`) // a warning is one line, whatever the name
			warnings = append(warnings, fmt.Sprintf("%s is not a setting and has no effect; the nearest is %s", escaped, nearest(meant, known)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// nearest returns the known name that is most similar to an unknown one. For the _FILE form of a setting
// that cannot be read from a file, that is the setting.
func nearest(name string, known []string) string {
	if setting, file := strings.CutSuffix(name, fileSuffix); file && !slices.Contains(known, name) && slices.Contains(known, setting) {
		return setting
	}
	return near.Name(name, known)
}

// otherWords are the last words of names in other programs, with ours. A word that is the end of another
// one must follow it.
var otherWords = []struct{ other, ours string }{
	{"_PASSWORD", "_TOKEN"}, {"_PASS", "_TOKEN"}, {"_SECRET", "_TOKEN"}, {"_API_KEY", "_TOKEN"}, {"_KEY", "_TOKEN"}, {"_USERNAME", "_USER"},
}

// usualName returns a variable's name with our word in place of the one that other programs use.
func usualName(name string) string {
	name, file := strings.CutSuffix(name, fileSuffix)
	for _, w := range otherWords {
		if before, ok := strings.CutSuffix(name, w.other); ok {
			name = before + w.ours
			break
		}
	}
	if file {
		name += fileSuffix
	}
	return name
}
