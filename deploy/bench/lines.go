package main

import (
	"bufio"
	"context"
	"flag"
	"io"
	"strconv"
	"time"
)

// lineBytes is the length of every line without its newline.
const lineBytes = 200

// appendLine appends line seq of a container's log, alternately in the format of a web server and in that
// of a service that logs JSON. It depends only on seq, so that the receiver can check whether a line is
// what was written.
func appendLine(dst []byte, seq int) []byte {
	end := len(dst) + lineBytes
	h := uint64(seq) * 0x9e3779b97f4a7c15 // digits that differ from line to line
	if seq%2 == 0 {
		dst = appendSeq(dst, seq)
		dst = append(dst, ` 10.7.0.`...)
		dst = strconv.AppendUint(dst, h%251, 10)
		dst = append(dst, ` - - "GET /api/v1/orders/`...)
		dst = strconv.AppendUint(dst, h>>8%100_000, 10)
		dst = append(dst, `?expand=items HTTP/1.1" 200 `...)
		dst = strconv.AppendUint(dst, h>>24%50_000, 10)
		dst = append(dst, ` "-" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" trace=`...)
		return appendHex(dst, h, end)
	}
	dst = append(dst, `{"seq":"`...)
	dst = appendSeq(dst, seq)
	dst = append(dst, `","level":"info","logger":"http.access","msg":"request served","method":"POST","path":"/api/v1/carts/`...)
	dst = strconv.AppendUint(dst, h>>8%100_000, 10)
	dst = append(dst, `","status":201,"took_ms":`...)
	dst = strconv.AppendUint(dst, h>>24%900, 10)
	dst = append(dst, `,"trace":"`...)
	return append(appendHex(dst, h, end-2), `"}`...)
}

const seqDigits = 10

func appendSeq(dst []byte, seq int) []byte {
	for div := 1_000_000_000; div > 0; div /= 10 {
		dst = append(dst, byte('0'+seq/div%10))
	}
	return dst
}

// appendHex fills dst up to end.
func appendHex(dst []byte, h uint64, end int) []byte {
	for len(dst) < end {
		dst = append(dst, "0123456789abcdef"[h&15])
		h = h>>4 | h<<60
	}
	return dst
}

// seqOf returns the number of a line, or 0 if it has none.
func seqOf(line string) int {
	const before = len(`{"seq":"`)
	if len(line) != lineBytes {
		return 0
	}
	digits := line[:seqDigits]
	if line[0] == '{' {
		digits = line[before : before+seqDigits]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// runWriter is the program of a container: it writes lines, and keeps running after the last one.
func runWriter(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("write", flag.ContinueOnError)
	count := f.Int("count", 0, "lines to write at once")
	rate := f.Int("rate", 0, "lines a second to write after that; 0 is none")
	if err := f.Parse(args); err != nil {
		return err
	}
	seq := 0
	flood := bufio.NewWriterSize(stdout, 32<<10)
	var line []byte
	for seq < *count {
		seq++
		line = append(appendLine(line[:0], seq), '\n')
		if _, err := flood.Write(line); err != nil {
			return err
		}
	}
	if err := flood.Flush(); err != nil {
		return err
	}
	if *rate == 0 {
		<-ctx.Done()
		return nil
	}
	for began, first := time.Now(), seq; ; {
		due := began.Add(time.Duration(seq-first) * time.Second / time.Duration(*rate))
		if !sleep(ctx, time.Until(due)) {
			return nil
		}
		seq++
		line = append(appendLine(line[:0], seq), '\n')
		if _, err := stdout.Write(line); err != nil {
			return err
		}
	}
}
