package dockerlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lighter/collector/tail"
)

// got is a line as a decoder emitted it.
type got struct {
	Time   string
	Stream int
	Line   string
}

func frame(stream byte, text string) []byte {
	b := make([]byte, frameHeader, frameHeader+len(text))
	b[0] = stream
	binary.BigEndian.PutUint32(b[4:], uint32(len(text)))
	return append(b, text...)
}

func frames(all ...[]byte) []byte { return bytes.Join(all, nil) }

// decodeInPieces feeds in to a decoder as reads of n bytes would, keeping what is left
// over, and finishes as at a container's end.
func decodeInPieces(in []byte, n int, tty bool, maxLine int) (lines []got, cuts int, err error) {
	d := decoder{lines: tail.Lines{Terminal: tty, MaxBytes: maxLine, Cut: func() { cuts++ }, Emit: func(t int64, stream int, line []byte, _ bool) {
		lines = append(lines, got{time.Unix(0, t).UTC().Format(time.RFC3339Nano), stream + 1, string(line)})
	}}}
	var held []byte
	for len(in) > 0 {
		n := min(n, len(in))
		held = append(bytes.Clone(held), in[:n]...) // memory of its own, as the next chunk has
		in = in[n:]
		taken, err := d.decode(held)
		if err != nil {
			return lines, cuts, err
		}
		held = held[taken:]
	}
	return lines, cuts, d.finish(held)
}

const (
	t1 = "2026-01-02T03:04:05.000000006Z"
	t2 = "2026-01-02T03:04:05.100000000Z"
	s1 = "2026-01-02T03:04:05.000000006Z"
	s2 = "2026-01-02T03:04:05.1Z"
)

func TestDecode(t *testing.T) {
	k16, k8 := strings.Repeat("x", 16<<10), strings.Repeat("y", 8<<10)
	for name, tc := range map[string]struct {
		in   []byte
		tty  bool
		max  int // 0 is 256 KiB
		want []got
		cuts int
		err  error
	}{
		"two streams": {
			in:   frames(frame(1, t1+" hello\n"), frame(2, t2+" oops\n")),
			want: []got{{s1, 1, "hello"}, {s2, 2, "oops"}},
		},
		"stdin is stdout, as old Engines had it": {in: frame(0, t1+" hello\n"), want: []got{{s1, 1, "hello"}}},
		"empty lines are lines":                  {in: frames(frame(1, t1+" \n"), frame(1, t1+" \n")), want: []got{{s1, 1, ""}, {s1, 1, ""}}},
		"blanks, CR and control characters stay": {in: frame(1, t1+"  \ta\x1b[0m \r\n"), want: []got{{s1, 1, " \ta\x1b[0m \r"}}},
		"a line of pieces":                       {in: frames(frame(1, t1+" "+k16), frame(1, t1+" "+k16), frame(1, t1+" "+k8+"\n")), want: []got{{s1, 1, k16 + k16 + k8}}},
		"pieces end in an empty one":             {in: frames(frame(1, t1+" "+k16), frame(1, t1+" \n")), want: []got{{s1, 1, k16}}},
		"another stream between the pieces": {
			in:   frames(frame(1, t1+" "+k16), frame(2, t2+" oops\n"), frame(1, t1+" end\n")),
			want: []got{{s2, 2, "oops"}, {s1, 1, k16 + "end"}},
		},
		"last line without newline":              {in: frame(1, t1+" bye"), want: []got{{s1, 1, "bye"}}},
		"last line without newline, and another": {in: frames(frame(1, t1+" bye"), frame(1, t2+" hello\n")), want: []got{{s1, 1, "bye"}, {s2, 1, "hello"}}},
		"as long as may be":                      {in: frame(1, t1+" 0123456789\n"), max: 10, want: []got{{s1, 1, "0123456789"}}},
		"too long":                               {in: frame(1, t1+" 0123456789ab\n"), max: 11, want: []got{{s1, 1, "012…[cut]"}}, cuts: 1},
		"cut before a character, not in it":      {in: frame(1, t1+" 01ééééééééééé\n"), max: 11, want: []got{{s1, 1, "01…[cut]"}}, cuts: 1},
		"too long, in pieces":                    {in: frames(frame(1, t1+" "+k16), frame(1, t1+" "+k16+"\n")), max: 20 << 10, want: []got{{s1, 1, k16 + strings.Repeat("x", 4<<10-8) + "…[cut]"}}, cuts: 1},
		"a message longer than is held": {
			in:   frames(frame(1, t1+" "+strings.Repeat("z", 3<<20)+"\n"), frame(1, t2+" next\n")),
			want: []got{{s1, 1, strings.Repeat("z", 256<<10-9) + "…[cut]"}, {s2, 1, "next"}}, cuts: 1, max: 256<<10 - 1,
		},
		"not UTF-8":          {in: frame(1, t1+" a\xffb\n"), want: []got{{s1, 1, "a\uFFFDb"}}},
		"time of other form": {in: frame(1, "2026-01-02T03:04:05Z hello\n"), want: []got{{"2026-01-02T03:04:05Z", 1, "hello"}}},
		"an error in the stream": {
			in:   frames(frame(1, t1+" hello\n"), frame(3, "Error grabbing logs: EOF\n")),
			want: []got{{s1, 1, "hello"}}, err: engineError("Error grabbing logs: EOF"),
		},
		"no timestamp":    {in: frame(1, "hello world\n"), err: errNoTimestamp},
		"no frames":       {in: []byte("<html><body>"), err: errFrame},
		"cut in a header": {in: frame(1, t1+" hello\n")[:5]},
		"cut in a frame":  {in: frame(1, t1+" hello\n")[:20]},

		"terminal":                    {tty: true, in: []byte(t1 + " hello\r\n" + t2 + " \r\n"), want: []got{{s1, 1, "hello"}, {s2, 1, ""}}},
		"terminal, CR in the line":    {tty: true, in: []byte(t1 + " 10%\r20%\r\r\n"), want: []got{{s1, 1, "10%\r20%\r"}}},
		"terminal, a line of pieces":  {tty: true, in: []byte(t1 + " " + k16 + t1 + " " + k16 + t1 + " " + k8 + "\r\n" + t2 + " next\r\n"), want: []got{{s1, 1, k16 + k16 + k8}, {s2, 1, "next"}}},
		"terminal, no newline":        {tty: true, in: []byte(t1 + " $ "), want: []got{{s1, 1, "$ "}}},
		"terminal, long, no newline":  {tty: true, in: []byte(t1 + " " + k16 + t1 + " " + k16), want: []got{{s1, 1, k16 + k16}}},
		"terminal, too long":          {tty: true, max: 20 << 10, in: []byte(t1 + " " + k16 + t1 + " " + k16 + t1 + " " + k16 + "\r\n"), want: []got{{s1, 1, k16 + strings.Repeat("x", 4<<10-8) + "…[cut]"}}, cuts: 1},
		"terminal without timestamps": {tty: true, in: []byte("hello world\r\n"), err: errNoTimestamp},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.max == 0 {
				tc.max = 256 << 10
			}
			for _, n := range []int{1 << 30, 4096, 1000, 7} {
				if n == 7 && len(tc.in) > 2000 {
					continue // quadratic
				}
				lines, cuts, err := decodeInPieces(bytes.Clone(tc.in), n, tc.tty, tc.max)
				if diff := cmp.Diff(tc.want, lines); diff != "" || cuts != tc.cuts || !errors.Is(err, tc.err) {
					t.Fatalf("reads of %d: err = %v, want %v; cuts = %d, want %d; lines (-want +got):\n%.2000s", n, err, tc.err, cuts, tc.cuts, diff)
				}
			}
		})
	}
}

func TestTheLogOfAContainerIsInNoError(t *testing.T) {
	for _, tty := range []bool{false, true} {
		in := []byte("password=hunter2 and more\n")
		if !tty {
			in = frame(1, string(in))
		}
		if _, _, err := decodeInPieces(in, 100, tty, 1000); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("terminal %t: err = %v", tty, err)
		}
	}
}

// slowDecode is the decoder as simple as it can be: whole frames of one read, no memory
// kept, no limits. The fuzz target holds the real one to it.
func slowDecode(in []byte) (lines []got) {
	open := map[byte]*got{}
	closeLine := func(s byte) {
		if open[s] != nil {
			lines = append(lines, *open[s])
			delete(open, s)
		}
	}
	for len(in) >= frameHeader {
		size := int(binary.BigEndian.Uint32(in[4:]))
		if in[0] > 2 || in[1]|in[2]|in[3] != 0 || len(in) < frameHeader+size {
			break
		}
		s := max(in[0], 1)
		stamp, text, ok := strings.Cut(string(in[frameHeader:frameHeader+size]), " ")
		in = in[frameHeader+size:]
		if size == 0 {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if !ok || err != nil || len(stamp) >= 64 {
			break
		}
		when := time.Unix(0, at.UnixNano()).UTC().Format(time.RFC3339Nano)
		if open[s] != nil && open[s].Time != when {
			closeLine(s)
		}
		if open[s] == nil {
			open[s] = &got{Time: when, Stream: int(s)}
		}
		body, whole := strings.CutSuffix(text, "\n")
		open[s].Line += body
		if whole {
			closeLine(s)
		}
	}
	closeLine(1)
	closeLine(2)
	for i := range lines {
		lines[i].Line = string([]rune(lines[i].Line)) // U+FFFD for each byte of no character
	}
	return lines
}

func FuzzDecodeFrames(f *testing.F) {
	f.Add(frames(frame(1, t1+" hello\n"), frame(2, t2+" oops\n")), 5)
	f.Add(frames(frame(1, t1+" one"), frame(2, t1+" two\n"), frame(1, t1+" three\n")), 9)
	f.Add(frames(frame(1, t1+" \n"), frame(1, "2026-01-02T03:04:05+01:00 x\n")), 100)
	f.Add(frames(frame(1, t1+" bye"), frame(3, "Error")), 3)
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'x'}, 4)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		if n < 1 || len(in) > 1<<16 {
			return
		}
		want := slowDecode(in)
		lines, _, err := decodeInPieces(in, n, false, 256<<10)
		if err != nil { // then what follows is not decoded, and the ends of lines are not known
			want = want[:min(len(want), len(lines))]
		}
		if diff := cmp.Diff(want, lines, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("err = %v; lines (-want +got):\n%s", err, diff)
		}
	})
}

func FuzzDecodeTerminal(f *testing.F) {
	f.Add([]byte(t1+" hello\r\n"+t2+" x\r\n"), 7)
	f.Add([]byte(t1+" "+strings.Repeat("x", 2000)+t1+" y\r\n"), 999)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		if n < 1 || len(in) > 1<<16 {
			return
		}
		whole, _, err := decodeInPieces(bytes.Clone(in), 1<<30, true, 4096)
		pieces, _, err2 := decodeInPieces(bytes.Clone(in), n, true, 4096)
		if diff := cmp.Diff(whole, pieces, cmpopts.EquateEmpty()); diff != "" || (err == nil) != (err2 == nil) {
			t.Errorf("whole: err = %v; in reads of %d: err = %v; lines (-whole +pieces):\n%s", err, n, err2, diff)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{10, 200, 2000} {
		line := frame(1, t1+" "+strings.Repeat("x", n)+"\n")
		in := bytes.Repeat(line, 16<<10/len(line))
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			d := decoder{lines: tail.Lines{MaxBytes: 256 << 10, Emit: func(int64, int, []byte, bool) {}}}
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.decode(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
