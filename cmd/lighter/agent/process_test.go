package agent_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/grafana/alloy/syntax"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter/collector/stage/process"
	"lighter/config"
)

// processing returns the node of a loki.process component.
func processing(t *testing.T, name, text string, to ...string) config.Node {
	t.Helper()
	var block struct {
		Stages []process.Stage `alloy:"stage,enum"`
	}
	if err := syntax.Unmarshal([]byte(text), &block); err != nil {
		t.Fatal(err)
	}
	return config.Node{Name: name, To: to, Args: config.Stages{List: []any{process.Arguments{Stages: block.Stages}}}}
}

// Containers without labels are read if a stage adds labels to their streams. A reload changes the stages,
// and no line is lost or sent twice.
func TestProcess(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	h.write(api, 100)
	source := config.Node{Name: "logs", From: []string{"engine"}, To: []string{"process"}, Args: config.LogSource{Engine: "engine", MaxLineBytes: 256 << 10, Since: 24 * time.Hour}}
	plan := func(text string) *config.Plan {
		return h.plan([]config.Node{source, processing(t, "process", text, "relabel"), {
			Name: "relabel", To: []string{"loki"},
			Args: config.Stages{List: []any{config.RelabelStreams{Rules: []*relabel.Config{set("source", "logs")}}}},
		}, lokiNode("loki", b)})
	}
	one := `
stage.regex {
	expression = "^(?P<container>[a-z]+) "
}
stage.labels {
	values = { container = "" }
}`
	a := h.run(plan(one))
	h.arrived(b, "api", "source", "logs")
	for i := range 10 {
		h.write(api, 20)
		a.apply(t, plan(one+fmt.Sprintf(`
stage.static_labels {
	values = { generation = "%d" }
}`, i)))
	}
	h.write(api, 20)
	await(t, "all lines arrive", func() bool { return len(b.lines("source", "logs")) >= 320 })
	a.stop()
	seen := map[string]bool{}
	for _, line := range b.lines("source", "logs") {
		seen[line] = true
	}
	if len(seen) != 320 || len(b.lines("source", "logs")) != 320 {
		t.Errorf("%d lines arrived, %d of them different, want 320", len(b.lines("source", "logs")), len(seen))
	}
	if last := b.lines("generation", "9"); len(last) < 20 {
		t.Errorf("%d lines have the last stages' label, want at least 20", len(last))
	}
}

// Entries without labels after the stages are dropped, and that is logged once.
func TestStagesThatTakeAllLabels(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	h.write(h.container("api"), 10)
	drop := `
stage.label_drop {
	values = ["container", "source"]
}`
	a := h.run(h.plan(logs("logs", "logs", "drop", "keep"), []config.Node{processing(t, "drop", drop, "loki"), {Name: "keep", To: []string{"loki"}, Args: config.Stages{}}, lokiNode("loki", b)}))
	h.arrived(b, "api", "source", "logs")
	await(t, "it is said", func() bool { return len(a.said.lines("without labels")) > 0 })
	h.write(h.container("db"), 10)
	h.arrived(b, "db", "source", "logs")
	a.stop()
	if n := b.PushStats().Lines; n != 20 {
		t.Errorf("%d lines arrived, want 20", n)
	}
}

// Syslog messages arrive once on every path, even if a reload changes the paths.
func TestSyslogSource(t *testing.T) {
	h, b, other := newHost(t), newBackend(t), newBackend(t)
	address := freeAddress(t)
	host := set("host", "$1")
	host.SourceLabels = model.LabelNames{"__syslog_message_hostname"}
	source := func(to ...string) config.Node {
		return config.Node{Name: "syslog", To: to, Args: config.SyslogSource{
			Listeners: []config.SyslogListener{{Address: address, Protocol: "tcp", Format: "rfc5424", Labels: labels.FromStrings("source", "syslog"), MaxMessageBytes: 8192, IdleTimeout: time.Minute}},
			Rules:     []*relabel.Config{host},
		}}
	}
	send := func(from, to int) {
		var c net.Conn
		await(t, "a connection", func() (ok bool) {
			var err error
			c, err = net.Dial("tcp", address)
			return err == nil
		})
		for i := from; i < to; i++ {
			if _, err := fmt.Fprintf(c, "<13>1 %s web app - - - line %d\n", time.Now().Format("2006-01-02T15:04:05.000000Z07:00"), i); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a := h.run(h.plan([]config.Node{source("loki"), lokiNode("loki", b)}))
	send(0, 50)
	b.once(t, "host", "web", 50)
	a.apply(t, h.plan([]config.Node{source("loki", "other"), lokiNode("loki", b), lokiNode("other", other)}))
	send(50, 100)
	b.once(t, "source", "syslog", 100)
	await(t, "the other path has its lines", func() bool { return len(other.lines("host", "web")) >= 50 })
	st := a.Status().Sources
	if len(st) != 1 || st[0].Kind != "syslog" || st[0].Name != "tcp://"+address || st[0].Read != 50 {
		t.Errorf("status: %+v", st)
	}
	a.stop()
	if got := other.lines("host", "web"); len(got) != 50 || !strings.HasSuffix(got[0], "line 50") {
		t.Errorf("the other path has %d lines, the first one %q", len(got), got[0])
	}
}
