package plain

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// FuzzNumbers compares our reading of a value, a time and an exemplar with the parsers', bit for bit. What
// we accept they must accept, with the same result; they may accept what we leave to them.
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{
		"0", "-0", "1", "-1", "12345678901234567890", "9007199254740992", "9007199254740993", "1.5", "0.1", "-0.3", "1e3", "1.234567e+06", "1e-7",
		"1e22", "1e23", "1e400", "-1e400", "4.9e-324", "1e-400", "NaN", "nan", "+Inf", "-Inf", "inf", "Infinity", "0x1p3", "1_000", "1.", ".5", "5.", "+5",
		"e5", "1e", "1e+", "--1", "1-", "", ".", "0.000000000000000000000001", "123456.789012345678", "2.2250738585072011e-308", "1e22 5", "1 -5", "1 5.5", "1 99999999999999999999",
		"1 # {} 2", `1 # {a="x"} 2 3.5`, `1 5 # {b="x",a="y",} 2`, `1 # {a="x",a="y"} 2`, `1 # {a="\\"} 2`, `1 # {a=""} NaN`, `1 # {a="x"} 2 NaN`, `1 # {a="x"}2`, `1 # {a="x"} 2 `, `1 #{a="x"} 2`, "1 # {a=\"\xff\"} 2", `1 5 `,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		if strings.ContainsAny(rest, "\n\x00") {
			t.Skip("more than a line")
		}
		for _, openMetrics := range []bool{false, true} {
			body := []byte(rest + "\n")
			v, size, ok := Float(body)
			var got Rest
			if ok && body[size] == ' ' {
				var l Labels
				var n int
				got, n, ok = l.Rest(body[size:], openMetrics)
				size += n
			}
			if !ok {
				continue
			}
			if size != len(rest) {
				t.Fatalf("%q was read up to %d", rest, size)
			}
			p := newParser([]byte("a "+rest+"\n"), openMetrics)
			entry, err := p.Next()
			if err != nil || entry != textparse.EntrySeries {
				t.Fatalf("%q is taken, and the parser says %v", rest, err)
			}
			_, wantAt, want := p.Series()
			if math.Float64bits(v) != math.Float64bits(want) || got.HasTime != (wantAt != nil) || got.HasTime && got.Time != *wantAt {
				t.Errorf("%q is %x at %d (%v), want %x at %v", rest, math.Float64bits(v), got.Time, got.HasTime, math.Float64bits(want), wantAt)
			}
			var e exemplar.Exemplar
			has := p.Exemplar(&e)
			if has != got.HasExemplar || has && (e.HasTs != got.Exemplar.HasTs || e.Ts != got.Exemplar.Ts ||
				math.Float64bits(e.Value) != math.Float64bits(got.Exemplar.Value) || !labels.Equal(e.Labels, got.Exemplar.Labels)) {
				t.Errorf("%q has the exemplar %+v, want %+v", rest, got.Exemplar, e)
			}
		}
	})
}

// TestFloat: numbers of the common shapes are parsed by hand, and all others by the library.
func TestFloat(t *testing.T) {
	for _, s := range []string{"0", "-0", "7", "-12.5", "0.005", "9007199254740992", "1.234567e+06", "1e22", "5e-05"} {
		want, _ := strconv.ParseFloat(s, 64)
		if v, size, ok := Float([]byte(s + "\n")); !ok || math.Float64bits(v) != math.Float64bits(want) || size != len(s) {
			t.Errorf("%s is %v, %d bytes, %v", s, v, size, ok)
		}
	}
	for _, s := range []string{"", "x", "1\t", "1{", "1_0", "0x1p1", "1e999"} {
		_, _, ok := Float([]byte(s + "\n"))
		if _, err := parseFloat([]byte(s)); ok != (err == nil) || ok {
			t.Errorf("%q is taken for a number", s)
		}
	}
	if _, err := parseFloat([]byte("1e999")); !errors.Is(err, strconv.ErrRange) {
		t.Errorf("err = %v", err)
	}
}

func BenchmarkFloat(b *testing.B) {
	for _, s := range []string{"0", "1234567", "0.000123", "1.234567e+06", "0.12345678901234567"} {
		line := []byte(s + "\n")
		b.Run("ours/"+s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Float(line)
			}
		})
		b.Run("reference/"+s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = strconv.ParseFloat(string(line[:len(line)-1]), 64)
			}
		})
	}
}
