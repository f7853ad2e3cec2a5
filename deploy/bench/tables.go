package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tables writes Markdown tables, each row as soon as it is known.
type tables struct {
	out  io.Writer
	last []string // header of the open table
}

func (t *tables) text(s string) { fmt.Fprintf(t.out, "%s\n", s) }

// table opens a table, unless one with this header is open.
func (t *tables) table(header []string) {
	if slices.Equal(header, t.last) {
		return
	}
	t.last = header
	fmt.Fprintf(t.out, "\n| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat("---|", len(header)))
}

func (t *tables) row(cells []string) {
	fmt.Fprintf(t.out, "| %s |\n", strings.Join(cells, " | "))
}

// skip writes a row with the reason why there are no figures.
func (t *tables) skip(header []string, workload, program string, why error) {
	cells := []string{workload, program}
	for range header[3:] {
		cells = append(cells, "–")
	}
	t.row(append(cells, "skipped: "+strings.ReplaceAll(why.Error(), "|", "/")))
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func rate(items int, took time.Duration) string {
	if items == 0 || took <= 0 {
		return "–"
	}
	return thousands(int(float64(items) / took.Seconds()))
}

func perMillion(cpu time.Duration, items int) string {
	if items <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", cpu.Seconds()/float64(items)*1e6)
}

func share(cpu, took time.Duration) string {
	return fmt.Sprintf("%.2f %%", 100*float64(cpu)/float64(took))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// describeMachine returns a line about the machine on which the figures were measured.
func describeMachine(ctx context.Context) string {
	engine, err := docker(ctx, nil, "version", "--format", "{{.Server.Version}}")
	if err != nil {
		engine = err.Error()
	}
	var u unix.Utsname
	_ = unix.Uname(&u) // an error leaves the name empty
	return fmt.Sprintf("%s, %d cores, %s; Linux %s; Docker Engine %s; %s.", field("/proc/cpuinfo", "model name"), runtime.NumCPU(),
		memoryOf(field("/proc/meminfo", "MemTotal")), unix.ByteSliceToString(u.Release[:]), engine, runtime.Version())
}

// field returns the value of the first line with the name in a file of the kernel.
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func memoryOf(total string) string {
	kib, err := strconv.ParseInt(strings.TrimSuffix(total, " kB"), 10, 64)
	if err != nil {
		return total
	}
	return fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20))
}
