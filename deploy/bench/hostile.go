package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// hostileTargets is the number of targets that misbehave.
const hostileTargets = 17

// hostilePages are the pages that they send, by the name in -sends.
var hostilePages = map[string]func(http.ResponseWriter, *http.Request){
	"endless": func(w http.ResponseWriter, _ *http.Request) { writeComments(w, 1<<40) },
	"largest": func(w http.ResponseWriter, _ *http.Request) { writeComments(w, 1032*len(comments)) }, // a little less than 64 MiB
	"bomb":    writeBomb,
	"stall": func(w http.ResponseWriter, r *http.Request) {
		writeComments(w, 3700<<10)
		_ = http.NewResponseController(w).Flush() // the client may have hung up
		<-r.Context().Done()
	},
}

// comments are lines of a page that contain no sample.
var comments = bytes.Repeat([]byte("# a line that nobody needs, as long as sixty-four characters are\n"), 1000)

// writeComments writes about n bytes, or less if the client hangs up.
func writeComments(w io.Writer, n int) {
	for n > 0 {
		if _, err := w.Write(comments); err != nil {
			return
		}
		n -= len(comments)
	}
}

// bomb is a page of 256 MiB, compressed.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	writeComments(z, 256<<20)
	if err := z.Close(); err != nil {
		panic(err) // writing to a buffer does not fail
	}
	return b.Bytes()
})

func writeBomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(bomb()) // the client may have hung up
}

// runHostile serves the targets on loopback until stdin ends. It prints their addresses as JSON.
func runHostile(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("hostile", flag.ContinueOnError)
	sends := f.String("sends", "endless", "what the targets send")
	if err := f.Parse(args); err != nil {
		return err
	}
	page, ok := hostilePages[*sends]
	if !ok {
		return fmt.Errorf("-sends %q is not a page", *sends)
	}
	srv := &http.Server{Handler: http.HandlerFunc(page), ReadHeaderTimeout: 10 * time.Second}
	var addrs []string
	failed := make(chan error, hostileTargets)
	for range hostileTargets {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return errors.Join(err, srv.Close())
		}
		addrs = append(addrs, l.Addr().String())
		go func() { failed <- srv.Serve(l) }() // ends with Close
	}
	if err := json.NewEncoder(stdout).Encode(addrs); err != nil {
		return errors.Join(err, srv.Close())
	}
	return errors.Join(untilEnd(ctx, stdin, failed), srv.Close())
}

// scrapeHostile measures three targets of 20,000 series (2 MB) every two seconds, together with targets
// that try to use all of the program's memory. It shows the peak memory, and that no sample of the three
// targets is lost.
func (b *bench) scrapeHostile(ctx context.Context) error {
	for _, one := range []struct{ sends, what string }{
		{"endless", "that send without end"},
		{"bomb", "that send 256 MiB in gzip"},
		{"stall", "that send 3.7 MiB and stall"},
		{"largest", "that send 64 MiB, as much as is read"},
	} {
		if err := b.scrapeBeside(ctx, one.sends, fmt.Sprintf("3 × 20,000 series every 2s, beside %d %s", hostileTargets, one.what)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) scrapeBeside(ctx context.Context, sends, name string) error {
	var others []string
	p, err := startRole(&others, "hostile", "-sends", sends)
	if err != nil {
		return err
	}
	err = b.scrape(ctx, name, 3, 20_000, 2*time.Second, others...)
	return errors.Join(err, p.stop())
}
