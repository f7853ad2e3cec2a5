package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// starts is the file with the number of times that the container was started.
const starts = "/starts"

// say executes the steps one after the other and returns the exit code:
//
//	out:TEXT  err:TEXT   one write of the unchanged text; %n in it is the number of this start
//	lines:60,5           as many numbered lines as the first number, and as the second number in later starts
//	wait:1s              wait for that long
//	stay                 wait for a signal
//	exit:3               exit with this code; the default is 0
func say(ctx context.Context, file string, steps []string, stdout, stderr io.Writer) (int, error) {
	n, err := countStart(file)
	if err != nil {
		return 0, err
	}
	for _, step := range steps {
		what, value, _ := strings.Cut(step, ":")
		switch what {
		case "out", "err":
			to := stdout
			if what == "err" {
				to = stderr
			}
			if _, err := io.WriteString(to, strings.ReplaceAll(value, "%n", strconv.Itoa(n))); err != nil {
				return 0, err
			}
		case "lines":
			var first, later int
			if _, err := fmt.Sscanf(value, "%d,%d", &first, &later); err != nil {
				return 0, fmt.Errorf("step %q: %w", step, err)
			}
			if n > 1 {
				first = later
			}
			for i := 1; i <= first; i++ {
				if _, err := fmt.Fprintf(stdout, "%d line %d\n", n, i); err != nil {
					return 0, err
				}
			}
		case "wait":
			d, err := time.ParseDuration(value)
			if err != nil {
				return 0, fmt.Errorf("step %q: %w", step, err)
			}
			if !sleepUntil(ctx, time.Now().Add(d)) {
				return 0, nil
			}
		case "stay":
			<-ctx.Done()
		case "exit":
			return strconv.Atoi(value)
		default:
			return 0, fmt.Errorf("step %q: want out:TEXT, err:TEXT, lines:N,N, wait:DURATION, stay or exit:CODE", step)
		}
	}
	return 0, nil
}

// countStart adds one to the number in the file and returns it.
func countStart(file string) (int, error) {
	n := 0
	b, err := os.ReadFile(file)
	if err == nil {
		n, err = strconv.Atoi(string(bytes.TrimSpace(b)))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("count the starts: %w", err)
	}
	n++
	return n, os.WriteFile(file, []byte(strconv.Itoa(n)), 0o600)
}
