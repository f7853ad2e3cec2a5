package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// page renders the status for a browser. It needs no script, because the browser loads the page again
// every few seconds.
type page struct {
	template *template.Template
	policy   string // the Content-Security-Policy, which allows the page's own style and nothing else
}

func newPage() *page {
	sum := sha256.Sum256([]byte(pageCSS))
	return &page{
		template: template.Must(template.New("page").Funcs(template.FuncMap{
			"ago":     ago,
			"until":   until,
			"bytes":   func(n int64) string { return units.BytesSize(float64(n)) },
			"count":   count,
			"labels":  labelText,
			"ms":      func(seconds float64) string { return strconv.FormatFloat(seconds*1000, 'f', 1, 64) + " ms" },
			"drops":   dropText,
			"percent": func(share float64) string { return strconv.FormatFloat(share*100, 'f', 1, 64) + " %" },
		}).Parse(pageHTML)),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

func (p *page) render(s Status, checks []Check) ([]byte, error) {
	data := struct {
		Status
		Checks []Check
		CSS    template.CSS
	}{s, sortedBy(checks, func(c Check) []string { return []string{c.Name} }), template.CSS(pageCSS)}
	var b bytes.Buffer
	err := p.template.Execute(&b, data)
	return b.Bytes(), err
}

// ago formats how long before now t was, rounded down to one unit: "3 min". For the zero time it returns
// "–".
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	switch d := now.Sub(t); {
	case d < time.Minute:
		return strconv.Itoa(max(0, int(d.Seconds()))) + " s" // max, because a clock may be set back
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + " days"
	}
}

// until writes how long after now t is: "in 3 min".
func until(now, t time.Time) string {
	if !t.After(now) {
		return "now"
	}
	return "in " + ago(t, now)
}

// count formats 1234567 as 1,234,567.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// labelText formats labels as a selector, which can be pasted into Grafana.
func labelText(labels map[string]string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(labels)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + "=" + strconv.Quote(labels[name]))
	}
	b.WriteByte('}')
	return b.String()
}

// dropText formats counts of dropped entries or samples with their reasons: "12 too_old, 3 refused".
func dropText(dropped map[string]int64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(dropped)) {
		if n := dropped[reason]; n > 0 {
			parts = append(parts, count(n)+" "+reason)
		}
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, ", ")
}
