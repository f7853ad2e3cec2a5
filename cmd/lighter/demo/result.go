package demo

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"lighter/exporters/receiver"
)

// unknown is the number produced if it cannot be determined.
const unknown = -1

// Count is how many lines or samples were produced, and how many of them have arrived.
type Count struct {
	Name      string
	Produced  int // may be unknown
	Delivered int
}

// lost returns how many were produced and have not arrived. It is 0 if the number is unknown.
func (c Count) lost() int {
	if c.Produced == unknown {
		return 0
	}
	return c.Produced - c.Delivered
}

// Result is the result of a comparison.
type Result struct {
	Lines        []Count // of each container
	Samples      Count
	LinesTwice   int      // number of lines that arrived more than once
	SamplesTwice int      // number of samples that arrived more than once
	Notes        []string // sentences to show below the table
}

// Lost returns how many lines and samples were produced and have not arrived.
func (r Result) Lost() int { return total("", r.Lines).lost() + r.Samples.lost() }

func total(name string, counts []Count) Count {
	t := Count{Name: name}
	for _, c := range counts {
		t.Produced += c.Produced
		t.Delivered += c.Delivered
	}
	return t
}

// table returns the result as a table.
func (r Result) table() string {
	rows := [][]string{{"", "produced", "delivered", "lost", "sent twice"}}
	add := func(c Count, twice string) {
		produced, lost := number(c.Produced), number(c.lost())
		if c.Produced == unknown {
			produced, lost = "?", "?"
		}
		rows = append(rows, []string{c.Name, produced, number(c.Delivered), lost, twice})
	}
	add(total("log lines", r.Lines), number(r.LinesTwice))
	for _, c := range r.Lines {
		c.Name = "  " + c.Name
		add(c, "")
	}
	add(r.Samples, number(r.SamplesTwice))
	return columns(rows)
}

// columns returns rows with the first column aligned to the left and the others to the right.
func columns(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := fmt.Sprintf("%-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			line += fmt.Sprintf("  %*s", widths[i+1], cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// number formats 1234567 as 1,234,567.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// arrivedOf counts the entries of want that are also in got, with the same time and the same bytes. An
// entry of got is counted once.
func arrivedOf(want, got []receiver.LogEntry) int {
	left := make(map[receiver.LogEntry]int, len(got))
	for _, e := range got {
		left[e]++
	}
	n := 0
	for _, e := range want {
		if left[e] > 0 {
			left[e]--
			n++
		}
	}
	return n
}
