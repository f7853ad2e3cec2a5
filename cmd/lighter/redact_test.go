package main

import (
	"strings"
	"testing"
)

// redact prints each line of its input as it would be sent, including a last line without a newline, and a
// key that spans several lines.
func TestRedact(t *testing.T) {
	var out output
	in := "hello\npass" + "word=hunter2\n-----BEG" + "IN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkq", 4) + "\n-----E" + "ND PRIVATE KEY-----\nlast"
	c := &cli{stdout: &out, stderr: &out}
	root := c.rootCommand()
	root.SetArgs([]string{"redact"})
	root.SetIn(strings.NewReader(in))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "hello\npassword=<redacted:password>\n-----BEG" + "IN PRIVATE KEY-----\n<redacted:private-key>\n-----E" + "ND PRIVATE KEY-----\nlast"
	if got := out.String(); got != want {
		t.Errorf("output = %q, want %q", got, want)
	}
}

func TestRedactList(t *testing.T) {
	code, stdout, _ := command(t, nil, "redact", "--list")
	if code != exitOK || !strings.Contains(stdout, "github-token ") || !strings.Contains(stdout, "private-key ") {
		t.Errorf("exit %d, output:\n%s", code, stdout)
	}
}
