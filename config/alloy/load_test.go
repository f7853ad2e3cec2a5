package alloy_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config/alloy"
)

// from returns options with which the file "-" has a text.
func from(text string) alloy.Options {
	o := options()
	o.ReadFile = func(name string) ([]byte, error) {
		if name == "-" {
			return []byte(text), nil
		}
		return os.ReadFile(name)
	}
	return o
}

func TestComponents(t *testing.T) {
	f, err := alloy.Load("testdata/good/modules.d", options())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range f.Components {
		ids = append(ids, c.ID)
	}
	for _, want := range []string{"sink.one", "sink.one.loki.write.default", "lib.docker_logs.all.names.all.discovery.relabel.names", "prometheus.scrape.containers"} {
		if !slices.Contains(ids, want) {
			t.Errorf("there is no component %s in %s", want, ids)
		}
	}
	c, ok := f.Component("prometheus.scrape.containers")
	if !ok {
		t.Fatal("there is no scrape")
	}
	args, ok := c.Args.(*alloy.PrometheusScrape)
	if !ok || len(args.Targets) != 2 || args.Targets[0].Node != "lib.docker_logs.all.names.all.discovery.relabel.names" {
		t.Errorf("the scrape's arguments are %+v", c.Args)
	}
	var references []string
	for _, r := range c.References {
		references = append(references, r.Argument+" "+r.To.ID+" "+r.Export)
	}
	want := []string{"targets lib.docker_logs.all targets", "forward_to prometheus.remote_write.default receiver"}
	if diff := cmp.Diff(want, references); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if sink, _ := f.Component("sink.one"); len(sink.Exports) != 1 || !sink.Exports[0].Reached {
		t.Errorf("the exports of sink.one are %+v", sink.Exports)
	}
	relabel, _ := f.Component("lib.docker_logs.all.names.all.discovery.relabel.names")
	wantExports := []alloy.Export{{Name: "output", Reached: true}, {Name: "rules"}}
	if diff := cmp.Diff(wantExports, relabel.Exports); diff != "" {
		t.Errorf("exports (-want +got):\n%s", diff)
	}
	wantReads := []string{
		"testdata/good/modules.d/main.alloy", "testdata/good/modules.d/lib/docker.alloy", "testdata/good/modules.d/lib/names.alloy", "testdata/token",
	}
	if diff := cmp.Diff(wantReads, f.Reads); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
}

// TestUnreadable loads files that are not configurations.
func TestUnreadable(t *testing.T) {
	deep := strings.Repeat("[", 300)
	for name, tc := range map[string]struct {
		path string
		text string
		want string
	}{
		"no file":           {path: "testdata/none.alloy", want: "testdata/none.alloy: the configuration cannot be read: no such file or directory; check the path; in a container it is a path inside the container, and the file must be mounted there"},
		"no *.alloy in it":  {path: "testdata", want: "testdata: the directory has no file whose name ends in .alloy"},
		"too many brackets": {path: "-", text: "a = " + deep, want: "-: brackets are nested more than 200 deep"},
		"too large":         {path: "-", text: strings.Repeat(" ", 1<<20+1), want: "-: the file has more than 1048576 bytes, which is the limit; split it into several files in one directory, and give lighter the directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := alloy.Load(tc.path, from(tc.text))
			var ds alloy.Diagnostics
			if !errors.As(err, &ds) || err.Error() != tc.want {
				t.Errorf("the error is %v, want %s", err, tc.want)
			}
		})
	}
}

// TestGrowth loads small files that would become large.
func TestGrowth(t *testing.T) {
	var doubling strings.Builder
	for i := range 30 {
		name, next := string(rune('a'+i%26))+string(rune('a'+i/26)), string(rune('a'+(i+1)%26))+string(rune('a'+(i+1)/26))
		doubling.WriteString("declare \"" + name + "\" {\n" + next + " \"x\" { }\n" + next + " \"y\" { }\n}\n")
	}
	doubling.WriteString("declare \"ea\" { }\naa \"start\" { }\n")
	for name, tc := range map[string]struct{ text, want string }{
		"a component in itself":   {"declare \"a\" {\n\ta \"x\" { }\n}\n\na \"x\" { }\n", "contains itself"},
		"components that double":  {doubling.String(), "too many components"},
		"a file that imports it":  {"import.file \"x\" {\n\tfilename = \"-\"\n}\n", "imports itself, directly or through another file"},
		"an import in a declare":  {"declare \"a\" {\n\timport.file \"x\" {\n\t\tfilename = \"-\"\n\t}\n\n\tx.a \"x\" { }\n}\n\na \"x\" { }\n", "imports itself, directly or through another file"},
		"thousands of characters": {"x = " + strings.Repeat("\xd2", 20_000), "not text in UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := alloy.Load("-", from(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %.300v, want %q in it", err, tc.want)
			}
		})
	}
}

// TestPlanRefused loads a file whose plan is refused because of a setting that is not in the file.
func TestPlanRefused(t *testing.T) {
	o := from("loki.write \"x\" {\nendpoint {\nurl = \"http://loki/push\"\n}\n}\n")
	o.Agent.DataDir = ""
	_, err := alloy.Load("-", o)
	if want := `-: node "agent": data_dir: want a directory for positions and buffers`; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

// TestEmpty loads a file without components.
func TestEmpty(t *testing.T) {
	f, err := alloy.Load("-", from("// nothing\n"))
	if err != nil || len(f.Plan.Nodes) != 0 || f.Plan.Agent.DataDir != "/data" {
		t.Errorf("the plan is %+v, err = %v", f, err)
	}
	if want := "-: the configuration has no component, so nothing is collected and nothing is sent"; f.Warnings.Error() != want {
		t.Errorf("the warnings are %v, want %s", f.Warnings, want)
	}
}

// TestDirectoryForAFile loads a directory that Docker has created in place of a file that does not exist.
func TestDirectoryForAFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config.alloy")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := alloy.Load(dir, options())
	if err == nil || !strings.Contains(err.Error(), "Docker creates a directory") {
		t.Errorf("the error is %v", err)
	}
}

// TestNotPermitted loads a file that lighter may not read.
func TestNotPermitted(t *testing.T) {
	o := options()
	o.ReadFile = func(name string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	_, err := alloy.Load("config.alloy", o)
	want := fmt.Sprintf("config.alloy: the configuration cannot be read: permission denied; lighter runs as the user with ID %d: allow that user to read it", os.Geteuid())
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

// TestUnusedExporter loads a file with an exporter that the agent lacks. That is an error only if something
// scrapes it.
func TestUnusedExporter(t *testing.T) {
	const file = `prometheus.exporter.memcached "sessions" {
	address = "sessions:11211"
}

prometheus.scrape "all" {
	targets    = %s
	forward_to = [prometheus.remote_write.out.receiver]
}

prometheus.remote_write "out" {
	endpoint {
		url = "http://prometheus:9090/api/v1/write"
	}
}
`
	f, err := alloy.Load("-", from(fmt.Sprintf(file, `[{__address__ = "app:8080"}]`)))
	if err != nil || len(f.Plan.Nodes) != 3 || len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0].Message, "nothing uses prometheus.exporter.memcached.sessions") {
		t.Errorf("the file is %+v, the error is %v, want a warning", f, err)
	}
	f, err = alloy.Load("-", from(fmt.Sprintf(file, "prometheus.exporter.memcached.sessions.targets")))
	if err == nil || !strings.Contains(err.Error(), `lighter has no component "prometheus.exporter.memcached"`) {
		t.Errorf("the file is %+v, the error is %v", f, err)
	}
}

// TestSecrets looks for secrets in the diagnostics about a file with errors.
func TestSecrets(t *testing.T) {
	_, err := alloy.Load("-", from(`
loki.write "default" {
	endpoint {
		url          = "http://loki/push"
		bearer_token = [sys.env("TOKEN")]
		tenant_id    = {a = sys.env("TOKEN")}
		batch_wait   = sys.env("TOKEN")
		headers      = {"a" = [sys.env("TOKEN")]}
	}
}

prometheus.remote_write "default" {
	endpoint {
		url       = sys.env("TOKEN")
		proxy_url = "http://a:" + sys.env("TOKEN") + "@x:port"
	}
}

logging {
	level = sys.env("TOKEN")
}

declare "a" {
	argument "x" { }
}

a "x" {
	x = sys.env("TOKEN") + 1 + sys.env("TOKEN")
}
`))
	if err == nil || strings.Contains(printed(t, diagnostics(err)), "glc_secret") {
		t.Errorf("the error is %v", err)
	}
}

// TestFiles checks that only the files that the configuration names are opened.
func TestFiles(t *testing.T) {
	var opened []string
	o := options()
	o.ReadFile = func(name string) ([]byte, error) {
		opened = append(opened, name)
		if name == "/etc/alloy/config.alloy" {
			return []byte("local.file \"a\" {\n\tfilename = \"/run/secrets/a\"\n}\n\nimport.file \"b\" {\n\tfilename = \"/etc/alloy/b.alloy\"\n}\n"), nil
		}
		return nil, fs.ErrPermission
	}
	_, err := alloy.Load("/etc/alloy/config.alloy", o)
	var ds alloy.Diagnostics
	if !errors.As(err, &ds) || len(ds) != 2 {
		t.Errorf("the error is %v", err)
	}
	for _, name := range opened {
		if !slices.Contains([]string{"/etc/alloy/config.alloy", "/run/secrets/a", "/etc/alloy/b.alloy"}, filepath.Clean(name)) {
			t.Errorf("%s was opened", name)
		}
	}
}

// TestKinds looks for notes of kinds about paths that are not among their arguments.
func TestKinds(t *testing.T) {
	kinds := alloy.Kinds()
	if len(kinds) < 20 {
		t.Fatalf("there are %d kinds", len(kinds))
	}
	for _, k := range kinds {
		for _, path := range alloy.SpokenOf(k.Name) {
			if !slices.ContainsFunc(k.Arguments, func(a alloy.Argument) bool { return a.Path == path }) {
				t.Errorf("%s has no argument %s", k.Name, path)
			}
		}
	}
}

// TestSameAgain loads each file twice: the same file makes the same plan, so that a reload changes nothing.
func TestSameAgain(t *testing.T) {
	files, _ := filepath.Glob("testdata/good/*.alloy")
	for _, file := range files {
		var hashes [2][]string
		for i := range hashes {
			f, err := alloy.Load(file, options())
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range f.Plan.Nodes {
				hashes[i] = append(hashes[i], n.Name+" "+n.Hash()+" "+strings.Join(n.To, " "))
			}
		}
		if diff := cmp.Diff(hashes[0], hashes[1]); diff != "" {
			t.Errorf("%s makes another plan when it is loaded again:\n%s", file, diff)
		}
	}
}
