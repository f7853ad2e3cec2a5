package logmetrics_test

import (
	"strings"
	"testing"

	"lighter/collector/stage/logmetrics"
)

// Declarations are parsed, and written again in full.
func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		`http_requests_total{path,status} = count(msg="http_request")`: `http_requests_total{path,status} = count(msg="http_request")`,
		`queue_depth = gauge(depth, msg="queue")`:                      `queue_depth = gauge(depth, msg="queue")`,
		`all = count()`:                               `all = count()`,
		"\t all=count( ) # everything":                `all = count()`,
		`b{user=ctx.user.id,a.status} = sum(bytes*8)`: `b{status=a.status,user=ctx.user.id} = sum(bytes*8)`,
		`b = sum(user-id-1)`:                          `b = sum(user-id-1)`,
		`d = gauge(x + 1e-3, y)`:                      `d = gauge(x+0.001, y)`,
		`h = histogram(buckets, buckets = [ .1, 1,10 ], buckets>=-2.5)`: `h = histogram(buckets, buckets=[0.1,1,10], buckets>=-2.5)`,
		`h = histogram(ms/1000)`:                                                      `h = histogram(ms/1000, buckets=[0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10])`,
		`m = count("RESEND_API_KEY not set")`:                                         `m = count("RESEND_API_KEY not set")`,
		"m = count(|=`a # \"b\"`, != \"c\", |~ `\\d+`, !~\"e\")":                      `m = count("a # \"b\"", !="c", |~"\\d+", !~"e")`,
		`m = count(a=1, b==2, c!=3, d>4, e>=5, f<6, g<=7)`:                            `m = count(a==1, b==2, c!=3, d>4, e>=5, f<6, g<=7)`,
		`m = count(a="1", b!="2", c=~"3|4", d!~"5")`:                                  `m = count(a="1", b!="2", c=~"3|4", d!~"5")`,
		"\n# a comment\n\nm=count()\r\n":                                              `m = count()`,
		"m{a} = count(x=\"1\")\nm{a} = count(x=\"2\")":                                "m{a} = count(x=\"1\")\nm{a} = count(x=\"2\")",
		"m{b,a} = count()\nm{a,b=c} = count()":                                        "m{a,b} = count()\nm{a,b=c} = count()",
		"webhook_failed_total = count(\"activity log webhook POST failed\") # loud\n": `webhook_failed_total = count("activity log webhook POST failed")`,
	} {
		got := parse(t, in)
		if text(got) != want {
			t.Errorf("%s\n got %s\nwant %s", in, text(got), want)
		}
		if again := parse(t, text(got)); text(again) != want {
			t.Errorf("%s\nread again it is %s", want, text(again))
		}
	}
}

func text(all []*logmetrics.Declaration) string {
	var lines []string
	for _, d := range all {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}

func parse(t testing.TB, text string) []*logmetrics.Declaration {
	t.Helper()
	all, err := logmetrics.Parse(text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return all
}

// Each error names its position, and what is accepted.
func TestParseErrors(t *testing.T) {
	for in, want := range map[string]string{
		`= count()`:                       "line 1, column 1: a metric's name is expected",
		`1m = count()`:                    "line 1, column 1: a metric's name is expected",
		`m`:                               "line 1, column 2: = is expected or {labels}",
		`m = counts()`:                    "line 1, column 5: one of count(…), sum(…), gauge(…) and histogram(…) is expected",
		`m = count`:                       "line 1, column 10: ( is expected after count",
		`m = count(`:                      "line 1, column 11: a condition is expected",
		`m = count(a`:                     "line 1, column 12: , and a condition, or ) is expected",
		`m = count(a,)`:                   "line 1, column 13: a condition is expected",
		`m = count() count()`:             "line 1, column 13: only a # and a comment may follow the closing )",
		`m = count(a=b)`:                  "line 1, column 13: a text in quotes, or a number, is expected after =",
		`m = count(a=true)`:               "line 1, column 13: a text in quotes, or a number, is expected after =",
		`m = count(a>"1")`:                "line 1, column 13: > compares with a number, which has no quotes",
		`m = count(a>x)`:                  "line 1, column 13: a number is expected after >",
		`m = count(a=~1)`:                 "line 1, column 14: a text in quotes is expected after =~",
		`m = count(a=~"(")`:               "line 1, column 14: missing closing ): `(`",
		`m = count(a=~")(")`:              "line 1, column 14: unexpected ): `)(`",
		`m = count("\d")`:                 "line 1, column 11: this text has no closing quote, or contains a single backslash",
		`m = count("ä", "`:                "line 1, column 16: this text has no closing quote",
		`m = count(a..b)`:                 `line 1, column 11: the path "a..b" has an empty key`,
		`m = count(a, buckets=[1])`:       "line 1, column 14: buckets belong to a histogram, once",
		`m = sum()`:                       "line 1, column 9: the field is expected from which sum takes its numbers",
		`m = gauge(a/0)`:                  "line 1, column 13: nothing can be divided by 0",
		`m = gauge(a*b)`:                  "line 1, column 13: a number is expected after *",
		`m = gauge(a*1e999)`:              "line 1, column 13: a number is expected after *",
		`m = histogram(a, buckets=[1,1])`: "line 1, column 29: buckets must ascend",
		`m = histogram(a, buckets=[])`:    "line 1, column 27: the upper bound of a bucket is expected",
		`m = histogram(a, buckets=[1;2])`: "line 1, column 28: , or ] is expected",
		`lighter_x = count()`:             "line 1, column 1: the name lighter_x is reserved for the agent",
		`up = count()`:                    "line 1, column 1: the name up is reserved for the agent",
		`m{service} = count()`:            "line 1, column 3: the label service is set by the agent",
		`m{a,le=b} = count()`:             "line 1, column 5: the label le is set by the agent",
		`m{__a} = count()`:                "line 1, column 3: the label __a begins with __",
		`m{a,b.a} = count()`:              "line 1, column 5: the label a is there twice",
		`m{user-id} = count()`:            "line 1, column 3: a label's name has letters, digits and _ only",
		`m{a b} = count()`:                "line 1, column 5: , or } is expected",
		`m{a`:                             "line 1, column 4: , or } is expected",
		`m{=a}`:                           "line 1, column 3: a label is expected",
		`m{a=}`:                           "line 1, column 5: the field is expected from which the label gets its value",

		"m = count()\n\n m = gauge(a)":           "line 3, column 2: m is declared as count on line 1",
		"m{a} = count()\nm{b} = count()":         "line 2, column 1: m is declared with other labels or buckets on line 1",
		"m = count()\nm = count()":               "line 2, column 1: m is already declared in the same way on line 1",
		"m = histogram(a)\nm_count = count()":    "line 2, column 1: m and m_count would both be shown under the name m_count",
		"m_sum = gauge(a)\nm = histogram(a)":     "line 2, column 1: m_sum and m would both be shown under the name m_sum",
		"m_total = count()\nm = gauge(a)":        "line 2, column 1: m_total and m would both be shown under the name m",
		"m = count(\nok = count()\nn = count(a=": "line 1, column 11: a condition is expected",
	} {
		all, err := logmetrics.Parse(in)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", in, err, want)
		}
		if all != nil {
			t.Errorf("%s: declarations are returned with an error", in)
		}
	}
	if _, err := logmetrics.Parse("m = count(\nok = count()\nn = count(a="); strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not all errors are said: %v", err)
	}
}

func TestMerge(t *testing.T) {
	all := parse(t, "m{a} = count()\nn = gauge(a)")
	got, err := logmetrics.Merge(all, parse(t, "n=gauge(a)\nm{a} = count(b)\no = count()"))
	if want := "m{a} = count()\nn = gauge(a)\nm{a} = count(b)\no = count()"; err != nil || text(got) != want {
		t.Errorf("got %s, %v", text(got), err)
	}
	if _, err := logmetrics.Merge(all, parse(t, "o=count()\nn=count()")); err == nil || !strings.HasPrefix(err.Error(), "line 2, column 1: n is declared as gauge") {
		t.Errorf("err = %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("m{a,b=c.d} = histogram(x/1000, buckets=[1,2], y=~\"a\", !=`b`, z>1) # c")
	f.Add("m = count(a=\"b\")\nm=sum(a-b*2)")
	f.Fuzz(func(t *testing.T, in string) {
		all, err := logmetrics.Parse(in)
		if err != nil {
			return
		}
		again, err := logmetrics.Parse(text(all))
		if err != nil || text(again) != text(all) {
			t.Errorf("%q is %q, read again %q, %v", in, text(all), text(again), err)
		}
	})
}
