// Command size prints what each module adds to the lighter binary, as a Markdown table.
//
// It builds the agent twice: as it is released, for its size, and with symbols, for its composition. A
// module's code and data are the symbols of its packages. Each function also has an entry in the table for
// stack traces and the garbage collector, which is about half as large as the code itself: it is divided
// among the modules in proportion to their code. Types, strings and other data that the linker merges for
// all modules have a separate row.
package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const (
	agent        = "lighter/cmd/lighter"
	releaseFlags = "-s -w" // as in the Makefile and the Dockerfile
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "lighter-size-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	released, err := build(ctx, filepath.Join(dir, "released"), releaseFlags)
	if err != nil {
		return err
	}
	whole, err := build(ctx, filepath.Join(dir, "whole"), "")
	if err != nil {
		return err
	}
	modules, err := modulesOf(ctx)
	if err != nil {
		return err
	}
	f, err := elf.Open(filepath.Join(dir, "whole"))
	if err != nil {
		return err
	}
	defer f.Close()
	parts, err := measure(f, modules)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %s/%s: %s as released (`-trimpath -ldflags %q`), %s with symbols.\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, kib(released), releaseFlags, kib(whole))
	print(out, parts, modules, released)
	return nil
}

// build returns the size of the binary.
func build(ctx context.Context, to, ldflags string) (int64, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", ldflags, "-o", to, agent)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build: %w: %s", err, out)
	}
	info, err := os.Stat(to)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Names for packages and data that belong to no module of the module proxy.
const (
	standard = "the standard library and the runtime"
	merged   = "types, strings and what else the linker merges"
)

// modulesOf returns the module of each package of the agent.
func modulesOf(ctx context.Context) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", "{{.ImportPath}} {{with .Module}}{{.Path}}{{end}}", agent)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	modules := map[string]string{}
	for line := range strings.Lines(string(out)) {
		pkg, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		if module == "" {
			module = standard
		}
		modules[pkg] = module
	}
	return modules, nil
}

// part is what a module adds to the binary, in bytes.
type part struct {
	code  int64
	data  int64 // in the file
	table int64 // its share of the function table
}

func (p part) sum() int64 { return p.code + p.data + p.table }

// measure sums up the symbols of a binary by module.
func measure(f *elf.File, modules map[string]string) (map[string]*part, error) {
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	parts := map[string]*part{}
	of := func(module string) *part {
		if parts[module] == nil {
			parts[module] = &part{}
		}
		return parts[module]
	}
	var code, told, all int64
	for _, s := range symbols {
		if int(s.Section) >= len(f.Sections) || s.Size == 0 {
			continue
		}
		in := f.Sections[s.Section]
		if in.Type != elf.SHT_PROGBITS || in.Name == ".gopclntab" {
			continue // data that is zero at the start is not in the file
		}
		module, ok := modules[packageOf(s.Name)]
		if !ok {
			continue
		}
		if in.Name == ".text" {
			of(module).code += int64(s.Size)
			code += int64(s.Size)
		} else {
			of(module).data += int64(s.Size)
		}
		told += int64(s.Size)
	}
	table := f.Section(".gopclntab")
	if table == nil || code == 0 {
		return nil, errors.New("the file is not a Go binary with symbols")
	}
	for _, p := range parts {
		p.table = int64(float64(table.Size) * float64(p.code) / float64(code))
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_PROGBITS && s.Flags&elf.SHF_ALLOC != 0 {
			all += int64(s.Size)
		}
	}
	of(merged).data = all - told - int64(table.Size)
	return parts, nil
}

// packageOf returns the package of a symbol, as the linker names it. For a symbol without a package, it
// returns a name that no package has.
func packageOf(symbol string) string {
	name := symbol
	for _, generated := range []string{"type:.eq.", "type:.hash.", "go:struct."} {
		name = strings.TrimPrefix(name, generated)
	}
	name, _, _ = strings.Cut(name, "[") // a generic's type arguments
	name, _, _ = strings.Cut(name, "(")
	slash := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[slash:], '.')
	if dot < 0 {
		return name
	}
	name = strings.ReplaceAll(name[:slash+dot], "%2e", ".")
	if name == "main" {
		return agent
	}
	return name
}

func print(out io.Writer, parts map[string]*part, modules map[string]string, released int64) {
	packages := map[string]int{}
	for _, module := range modules {
		packages[module]++
	}
	names := slices.SortedFunc(maps.Keys(parts), func(a, b string) int { return int(parts[b].sum() - parts[a].sum()) })
	fmt.Fprint(out, "| module | packages | code | data | function table | together | of the binary |\n|---|---|---|---|---|---|---|\n")
	row := func(name string, packages int, p part) {
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s | %s | %.1f %% |\n", name, packages, kib(p.code), kib(p.data), kib(p.table), kib(p.sum()), 100*float64(p.sum())/float64(released))
	}
	var rest part
	var small, ofSmall int
	for _, name := range names {
		p := parts[name]
		if p.sum() < smallest {
			rest.code, rest.data, rest.table = rest.code+p.code, rest.data+p.data, rest.table+p.table
			small, ofSmall = small+1, ofSmall+packages[name]
			continue
		}
		row(name, packages[name], *p)
	}
	row(fmt.Sprintf("%d smaller ones", small), ofSmall, rest)
}

// smallest is the size in bytes from which a module has its own row.
const smallest = 20 << 10

func kib(n int64) string { return fmt.Sprintf("%d KiB", (n+512)>>10) }
