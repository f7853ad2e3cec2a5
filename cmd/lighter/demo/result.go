package demo

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"lighter/exporters/receiver"
)

// unknown stands where nobody can tell how much was produced.
const unknown = -1

// Count is how much was produced, and how much of that has arrived.
type Count struct {
	Name      string
	Produced  int // or unknown
	Delivered int
}

// lost is what was produced and has not arrived.
func (c Count) lost() int {
	if c.Produced == unknown {
		return 0
	}
	return c.Produced - c.Delivered
}

// Result is what a comparison found.
type Result struct {
	Lines        []Count // by container
	Samples      Count
	LinesTwice   int      // arrived more than once
	SamplesTwice int      // likewise
	Notes        []string // what else there is to say
}

// Lost counts the lines and samples that were produced and have not arrived.
func (r Result) Lost() int { return total("", r.Lines).lost() + r.Samples.lost() }

func total(name string, counts []Count) Count {
	t := Count{Name: name}
	for _, c := range counts {
		t.Produced += c.Produced
		t.Delivered += c.Delivered
	}
	return t
}

// table writes a result in columns.
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

// columns aligns the first column to the left, the others to the right.
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

// number writes 1234567 as 1,234,567.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// arrivedOf counts the entries of want that are among got, each at most as often as it is
// there: same time, same bytes.
func arrivedOf(want, got []receiver.LogEntry) int {
	there := make(map[receiver.LogEntry]int, len(got))
	for _, e := range got {
		there[e]++
	}
	n := 0
	for _, e := range want {
		if there[e] > 0 {
			there[e]--
			n++
		}
	}
	return n
}
