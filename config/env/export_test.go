package env

import (
	"fmt"
	"strings"
)

// Markdown returns README's tables of the settings.
func Markdown() string {
	var b strings.Builder
	section := ""
	for _, v := range table() {
		if v.section != section {
			section = v.section
			fmt.Fprintf(&b, "\n**%s**\n\n| variable | default | meaning |\n|---|---|---|\n", section)
		}
		name := "`" + v.name + "`"
		switch {
		case v.fromFile():
			name += ", or a file: `" + v.name + fileSuffix + "`"
		case v.alias != "":
			name += " or `" + v.alias + "`"
		}
		value := "–"
		switch {
		case v.shown != "":
			value = v.shown
		case v.value != "":
			value = "`" + v.value + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, value, v.meaning)
	}
	return b.String() + "\n"
}
