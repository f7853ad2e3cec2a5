package alloy

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/token"

	"lighter/collector/scrape"
	"lighter/config"
	"lighter/exporters/remotewrite"
)

// Options are the options of Load. The zero value loads a file with the environment of the process, and
// makes a plan without a data directory.
type Options struct {
	Getenv   func(string) (string, bool)  // for sys.env; if nil, os.LookupEnv
	ReadFile func(string) ([]byte, error) // if nil, os.ReadFile
	Hostname string                       // constants.hostname, and the instance of exporters; if empty, os.Hostname
	Version  string                       // constants.version

	// Unset is for a file that is only examined: errors that occur because an environment variable is not set or
	// a file does not exist become warnings, and the plan has placeholders for the missing values.
	Unset bool

	Agent        config.Agent  // the settings that are not in the file
	LogsSince    time.Duration // how far back the log of a container is read when it is first seen
	MaxLineBytes int           // longer lines are cut; 0 means 256 KiB
	DockerRoot   string        // the data directory of the Engine whose logs are read as files; if empty, only the Engine is asked
}

// File is a loaded configuration.
type File struct {
	Plan     *config.Plan
	Warnings Diagnostics

	// Reads are the files that the plan was made from: the configuration, what it imports, and the files
	// of local.file. A change of one may change the plan. Files with passwords and certificates are not
	// among them: the components that use those read them again themselves.
	Reads []string

	// Polls are the addresses whose content the plan was made from. A change of it may change the plan.
	Polls []*Poll

	// Files are the files of the configuration and of its imports, parsed.
	Files []*ast.File
	// Sources are their texts, by name.
	Sources map[string][]byte
	// Components are the components of the configuration and of each custom component that is used, in the
	// order in which they were evaluated.
	Components []*Component
}

// Component is a component of a configuration, or one of the blocks that configure the agent, such as logging.
type Component struct {
	ID     string // of the component in the whole configuration, such as loki.write.default, or app.one.loki.write.default in a custom component
	Name   string // such as loki.write
	Label  string // such as default; empty for blocks such as logging
	Module string // ID of the custom component that it is in; empty outside of custom components
	File   string

	Block      *ast.BlockStmt
	Args       any // a pointer to its arguments, such as *LokiWrite; nil for a custom component
	References []Reference
	Exports    []Export
	Nodes      []string // the names of the nodes of the plan that were made from it
}

// Reference is where an argument of a component names an export of another one.
type Reference struct {
	Argument string   // with the blocks around it, such as endpoint.url
	Expr     ast.Expr // the name as it is written
	To       *Component
	Export   string // empty if all exports are meant
}

// Export is a value that a component gives to others.
type Export struct {
	Name    string
	Reached bool // whether another component refers to it
}

// Component returns the component with an ID.
func (f *File) Component(id string) (*Component, bool) {
	i := slices.IndexFunc(f.Components, func(c *Component) bool { return c.ID == id })
	if i < 0 {
		return nil, false
	}
	return f.Components[i], true
}

// Load reads a configuration, which is a file, or a directory whose *.alloy files are read. Its error is a
// Diagnostics with all errors and warnings.
func Load(path string, o Options) (*File, error) {
	l := newLoader(o)
	root := &module{l: l, registry: newRegistry(nil), variables: l.variables(), imports: []string{filepath.Clean(path)}}
	files := l.read(path)
	for _, f := range files {
		root.path = directoryOf(path, f.Name)
		root.collect(f.Body)
	}
	if len(files) > 0 {
		root.evaluate()
	}
	if l.errors == 0 {
		for _, finish := range l.finish {
			finish()
		}
	}
	l.leaveOut()
	if l.errors == 0 {
		l.addUnset()
		l.startTimes()
		l.validate(path)
	}
	if l.errors == 0 && len(l.components) == 0 {
		l.warn(span{start: token.Position{Filename: path}}, "", "the configuration has no component, so nothing is collected and nothing is sent")
	}
	if l.errors > 0 {
		return nil, l.diagnostics.sorted()
	}
	return &File{
		Plan:       l.plan,
		Warnings:   l.diagnostics.sorted(),
		Reads:      l.reads,
		Polls:      l.polls,
		Files:      l.files,
		Sources:    l.sources,
		Components: l.components,
	}, nil
}

// loader is the state that all modules of a configuration share.
type loader struct {
	Options
	plan       *config.Plan
	files      []*ast.File
	sources    map[string][]byte
	reads      []string
	polls      []*Poll
	unset      []string // environment variables that were read and are not set
	components []*Component
	owners     map[string]*Component // by the names of their nodes
	finish     []func()              // called when all nodes exist
	emptyURLs  []emptyURL

	diagnostics Diagnostics
	errors      int
	wanting     map[string]*wanted // by the names of environment variables that are not set
	deprecated  map[string]int     // by the function's name, the index of its diagnostic
	uses        map[string]int     // of a deprecated function
	hidden      []string           // pairs of a value that may be secret and its replacement in messages
}

func newLoader(o Options) *loader {
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname()
	}
	o.MaxLineBytes = cmp.Or(o.MaxLineBytes, 256<<10)
	return &loader{
		Options: o,
		plan:    &config.Plan{Agent: o.Agent},
		sources: map[string][]byte{},
		owners:  map[string]*Component{},

		wanting:    map[string]*wanted{},
		deprecated: map[string]int{},
		uses:       map[string]int{},
	}
}

// variables returns the parts of the standard library that depend on where the agent runs.
func (l *loader) variables() map[string]any {
	getenv := func(name string) string {
		value, set := l.Getenv(name)
		if !set {
			l.unset = appendNew(l.unset, name)
		}
		l.hide(value, "$"+name)
		return value
	}
	return map[string]any{
		"sys": map[string]any{"env": getenv},
		"env": getenv,
		"constants": map[string]string{
			"hostname": l.Hostname,
			"os":       runtime.GOOS,
			"arch":     runtime.GOARCH,
			"version":  l.Version,
		},
	}
}

func (l *loader) fail(at span, hint, format string, args ...any) {
	l.errors++
	l.tell(Error, at, hint, format, args...)
}

func (l *loader) warn(at span, hint, format string, args ...any) {
	l.tell(Warning, at, hint, format, args...)
}

func (l *loader) tell(severity Severity, at span, hint, format string, args ...any) {
	l.diagnostics = append(l.diagnostics, newDiagnostic(severity, at, l.sources[at.start.Filename], hint, fmt.Sprintf(format, args...)))
}

// deprecate warns about a function at the first place where it is used, and reports how often it is used.
func (l *loader) deprecate(at span, name, now string) {
	l.uses[name]++
	first, ok := l.deprecated[name]
	if !ok {
		l.deprecated[name] = len(l.diagnostics)
		l.warn(at, "write "+now+" instead", "the function %q is deprecated", name)
		return
	}
	l.diagnostics[first].Message = fmt.Sprintf("the function %q is deprecated; it is used %d times", name, l.uses[name])
}

// hide makes mask replace a value with another text. Short values are not hidden: they are not secrets, and
// they occur in other words.
func (l *loader) hide(value, instead string) {
	const shortest = 6
	for _, v := range []string{value, strings.TrimSpace(value)} {
		quoted := strconv.Quote(v)
		for _, v := range []string{v, quoted[1 : len(quoted)-1]} {
			if len(v) >= shortest && !slices.Contains(l.hidden, v) {
				l.hidden = append(l.hidden, v, instead)
			}
		}
	}
}

// startTimes makes each scrape read the start timestamps of its pages if it sends to an endpoint that accepts
// them.
func (l *loader) startTimes() {
	var takes func(names []string) bool
	takes = func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			n, _ := l.plan.Node(name)
			c, ok := n.Args.(remotewrite.Config)
			return ok && c.Version == 2 || takes(n.To)
		})
	}
	for i, n := range l.plan.Nodes {
		if c, ok := n.Args.(scrape.Config); ok && takes(n.To) {
			c.StartTimes = true
			l.plan.Nodes[i].Args = c
		}
	}
}

// mask returns a message about a value with the value replaced if it comes from the environment or a file.
func (l *loader) mask(message string) string {
	pairs := slices.SortedFunc(slices.Values(slices.Collect(slices.Chunk(l.hidden, 2))), func(a, b []string) int {
		return len(b[0]) - len(a[0]) // a value may be a prefix of another one
	})
	return strings.NewReplacer(slices.Concat(pairs...)...).Replace(message)
}

// validate reports each node that the plan refuses as an error of the component that it was made from.
func (l *loader) validate(path string) {
	whole := span{start: token.Position{Filename: path}}
	for _, err := range unjoin(l.plan.Validate()) {
		var wrong *config.NodeError
		if !errors.As(err, &wrong) {
			l.fail(whole, "", "%v", err)
			continue
		}
		owner, ok := l.owners[wrong.Node]
		if !ok {
			l.fail(whole, "", "%v", err)
			continue
		}
		l.complain(placeIn(owner.Block, wrong.Field), "", owner.Block.Body, "", wrong.Field+": "+l.mask(wrong.Err.Error()))
	}
}

func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
