package plain

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/textparse"
)

// FuzzMeta compares our reading of TYPE, HELP and UNIT lines with the parsers'. A line that we accept they
// must accept, with the same result; they may accept lines that we leave to them.
func FuzzMeta(f *testing.F) {
	for _, s := range []string{
		"# TYPE a counter", "# TYPE a gaugehistogram", "# TYPE a untyped", "# TYPE a unknown", "# TYPE a", "# TYPE a  gauge", "# TYPE 9a gauge", "# TYPE a gauge ",
		"# TYPE a:b histogram", "# TYPE \"a\" gauge", "#  TYPE a gauge", "#\tTYPE a gauge", "# TYPE\ta gauge", "# TYPE a-b gauge", "# TYPE a stateset", "# TYPE a x",
		"# HELP a What it is.", "# HELP a \\\\", "# HELP a ", "# HELP a", "# HELP a  x", "# HELP a \xff", "# HELP a x\r", "# HELP a \t",
		"# UNIT a_seconds seconds", "# UNIT aseconds seconds", "# UNIT _seconds seconds", "# UNIT a bytes", "# UNIT a ", "# UNIT seconds seconds",
		"# EOF", "# other a x", "#", "# TYPE ", "a 1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\n\x00") {
			t.Skip("more than a line")
		}
		for _, openMetrics := range []bool{false, true} {
			got, size := ReadMeta([]byte(line+"\n"), openMetrics)
			if size == 0 {
				continue
			}
			if size != len(line)+1 {
				t.Fatalf("%q is read up to %d", line, size)
			}
			p := newParser([]byte(line+"\n"), openMetrics)
			entry, err := p.Next()
			if err != nil {
				t.Fatalf("%q is taken, and the parser says %v", line, err)
			}
			want := MetaOf(p, entry)
			if got.Entry == textparse.EntryType {
				want.Text = got.Text
			}
			if got.Entry != want.Entry || string(got.Name) != string(want.Name) || got.Type != want.Type || string(got.Text) != string(want.Text) {
				t.Errorf("%q is %+v, want %+v", line, got, want)
			}
		}
	})
}

// TestReadMeta: the lines that all pages have are read by hand.
func TestReadMeta(t *testing.T) {
	for _, line := range []string{"# TYPE a counter\n", "# TYPE a:b_1 histogram\n", "# HELP a What it is, ä.\n"} {
		for _, openMetrics := range []bool{false, true} {
			if _, size := ReadMeta([]byte(line), openMetrics); size != len(line) {
				t.Errorf("%q is left to the parser", line)
			}
		}
	}
	const unit = "# UNIT a_seconds seconds\n"
	if _, size := ReadMeta([]byte(unit), true); size != len(unit) {
		t.Errorf("%q is left to the parser", unit)
	}
}
