package dockerlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lighter/collector/tail"
)

// got is a decoded line.
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

// decodeInPieces passes in to a decoder in reads of n bytes, keeps what is left over, and finishes as at a
// container's end.
func decodeInPieces(in []byte, n int, tty bool, maxLine int) (lines []got, cuts, broken int, err error) {
	d := decoder{broken: func(error) { broken++ }, started: math.MaxInt64, lines: tail.Lines{Terminal: tty, MaxBytes: maxLine}}
	take := func() {
		for d.next() {
			l := &d.lines.Line
			lines = append(lines, got{time.Unix(0, l.Time).UTC().Format(time.RFC3339Nano), l.Stream + 1, string(l.Text)})
			if l.Cut {
				cuts++
			}
		}
	}
	var held []byte
	for len(in) > 0 {
		n := min(n, len(in))
		held = append(bytes.Clone(held), in[:n]...) // in new memory, like the next chunk
		in = in[n:]
		d.decode(held)
		if take(); d.err != nil {
			return lines, cuts, broken, d.err
		}
		held = d.rest()
	}
	d.finish(held)
	take()
	return lines, cuts, broken, d.err
}

const (
	t1 = "2026-01-02T03:04:05.000000006Z"
	t2 = "2026-01-02T03:04:05.100000000Z"
	s1 = "2026-01-02T03:04:05.000000006Z"
	s2 = "2026-01-02T03:04:05.1Z"
	t3 = "2026-01-02T03:04:06.000000001Z"
	s3 = t3
)

func TestDecode(t *testing.T) {
	k16, k8, k4 := strings.Repeat("x", 16<<10), strings.Repeat("y", 8<<10), strings.Repeat("v", 4<<10)
	for name, tc := range map[string]struct {
		in   []byte
		tty  bool
		max  int // 0 is 256 KiB
		want []got
		cuts int

		broken int // skipped messages
		err    error
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
		"no timestamp":                {in: frames(frame(1, t1+" hello\n"), frame(1, "hello world\n"), frame(2, t2+" oops\n")), broken: 1, want: []got{{s1, 1, "hello"}, {s2, 2, "oops"}}},
		"no timestamp between pieces": {in: frames(frame(1, t1+" "+k16), frame(1, "hello world\n"), frame(1, t1+" end\n")), broken: 1, want: []got{{s1, 1, k16 + "end"}}},
		"no timestamp, longer than is held": {
			in:   frames(frame(1, t1+" "+k16), frame(1, strings.Repeat("z", 3<<20)+"\n"), frame(1, t1+" end\n")),
			want: []got{{s1, 1, k16 + "end"}}, broken: 1,
		},
		"a run ends in the middle of a line, and the next begins on the other stream": {
			in:   frames(frame(1, t1+" start 1\n"), frame(2, t1+" last words"), frame(1, t2+" start 2\n"), frame(2, t2+" last words")),
			want: []got{{s1, 1, "start 1"}, {s1, 2, "last words"}, {s2, 1, "start 2"}, {s2, 2, "last words"}},
		},
		"both streams end in the middle of a line": {
			in:   frames(frame(1, t1+" out"), frame(2, t2+" err"), frame(2, t3+" next\n"), frame(1, t3+" next\n")),
			want: []got{{s1, 1, "out"}, {s2, 2, "err"}, {s3, 2, "next"}, {s3, 1, "next"}},
		},
		"a run ends in the middle of a long line": {
			in:   frames(frame(2, t1+" "+k16), frame(2, t1+" bye"), frame(1, t2+" start 2\n"), frame(2, t3+" oops\n")),
			want: []got{{s1, 2, k16 + "bye"}, {s2, 1, "start 2"}, {s3, 2, "oops"}},
		},
		"no frames":       {in: []byte("<html><body>"), err: errFrame},
		"cut in a header": {in: frame(1, t1+" hello\n")[:5]},
		"cut in a frame":  {in: frame(1, t1+" hello\n")[:20]},

		"terminal":                                          {tty: true, in: []byte(t1 + " hello\r\n" + t2 + " \r\n"), want: []got{{s1, 1, "hello"}, {s2, 1, ""}}},
		"terminal, CR in the line":                          {tty: true, in: []byte(t1 + " 10%\r20%\r\r\n"), want: []got{{s1, 1, "10%\r20%\r"}}},
		"terminal, a line of pieces":                        {tty: true, in: []byte(t1 + " " + k16 + t1 + " " + k16 + t1 + " " + k8 + "\r\n" + t2 + " next\r\n"), want: []got{{s1, 1, k16 + k16 + k8}, {s2, 1, "next"}}},
		"terminal, no newline":                              {tty: true, in: []byte(t1 + " $ "), want: []got{{s1, 1, "$ "}}},
		"terminal, long, no newline":                        {tty: true, in: []byte(t1 + " " + k16 + t1 + " " + k16), want: []got{{s1, 1, k16 + k16}}},
		"terminal, too long":                                {tty: true, max: 20 << 10, in: []byte(t1 + " " + k16 + t1 + " " + k16 + t1 + " " + k16 + "\r\n"), want: []got{{s1, 1, k16 + strings.Repeat("x", 4<<10-8) + "…[cut]"}}, cuts: 1},
		"terminal, a line without timestamp":                {tty: true, in: []byte(t1 + " hello\r\nhello world\r\n" + t2 + " next\r\n"), broken: 1, want: []got{{s1, 1, "hello"}, {s2, 1, "next"}}},
		"terminal, a run ends with a prompt":                {tty: true, in: []byte(t1 + " start 1\r\n" + t1 + " > " + t2 + " start 2\r\n" + t3 + " $ "), want: []got{{s1, 1, "start 1"}, {s1, 1, "> "}, {s2, 1, "start 2"}, {s3, 1, "$ "}}},
		"terminal, prompts of two runs":                     {tty: true, in: []byte(t1 + " > " + t2 + " > " + t3 + " start 3\r\n"), want: []got{{s1, 1, "> "}, {s2, 1, "> "}, {s3, 1, "start 3"}}},
		"terminal, a run ends in the middle of a long line": {tty: true, in: []byte(t1 + " " + k16 + t1 + " 10%\r20%" + t2 + " start 2\r\n"), want: []got{{s1, 1, k16 + "10%\r20%"}, {s2, 1, "start 2"}}},
		"terminal, a run ends in the middle of a line that is too long": {
			tty: true, max: 20 << 10, in: []byte(t1 + " " + strings.Repeat(k16+t1+" ", 20) + "end" + t2 + " start 2\r\n"),
			want: []got{{s1, 1, k16 + strings.Repeat("x", 4<<10-8) + "…[cut]"}, {s2, 1, "start 2"}}, cuts: 1,
		},
		"terminal, timestamps in the text": {
			tty: true, in: []byte(t2 + " at " + t1 + " and " + t2 + " and 2999-01-02T03:04:05.000000000Z it rained\r\n"),
			want: []got{{s2, 1, "at " + t1 + " and " + t2 + " and 2999-01-02T03:04:05.000000000Z it rained"}},
		},
		"terminal, whole seconds": {
			tty: true, in: []byte("2026-01-02T03:04:05Z start 2026-01-02T03:04:05Z ok\r\n2026-01-02T03:04:05Z > 2026-01-02T03:04:07Z start 2\r\n2026-01-02T03:04:08Z " + k4 + "2026-01-02T03:04:08Z end\r\n"),
			want: []got{{"2026-01-02T03:04:05Z", 1, "start 2026-01-02T03:04:05Z ok"}, {"2026-01-02T03:04:05Z", 1, "> "}, {"2026-01-02T03:04:07Z", 1, "start 2"}, {"2026-01-02T03:04:08Z", 1, k4 + "end"}},
		},
		"terminal, Podman reads the newline by itself": {
			tty: true, in: []byte("2026-01-02T03:04:05Z hello2026-01-02T03:04:05Z \r\n2026-01-02T03:04:05Z seen at 2026-01-02T03:04:05Z here\r\n2026-01-02T03:04:06Z next\r\n"),
			want: []got{{"2026-01-02T03:04:05Z", 1, "hello"}, {"2026-01-02T03:04:05Z", 1, "seen at 2026-01-02T03:04:05Z here"}, {"2026-01-02T03:04:06Z", 1, "next"}},
		},
		"terminal, a line longer than is held": {
			tty: true, in: []byte(t1 + " " + strings.Repeat("z", 3<<20) + "\r\n" + t2 + " next\r\n"),
			want: []got{{s1, 1, strings.Repeat("z", 256<<10-9) + "…[cut]"}, {s2, 1, "next"}}, cuts: 1, max: 256<<10 - 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.max == 0 {
				tc.max = 256 << 10
			}
			for _, n := range []int{1 << 30, 4096, 1000, 7} {
				if n == 7 && len(tc.in) > 2000 {
					continue // quadratic
				}
				lines, cuts, broken, err := decodeInPieces(bytes.Clone(tc.in), n, tc.tty, tc.max)
				if diff := cmp.Diff(tc.want, lines); diff != "" || cuts != tc.cuts || broken != tc.broken || !errors.Is(err, tc.err) {
					t.Fatalf("reads of %d: err = %v, want %v; cuts = %d, want %d; broken = %d, want %d; lines (-want +got):\n%.2000s", n, err, tc.err, cuts, tc.cuts, broken, tc.broken, diff)
				}
			}
		})
	}
}

// A line of the container's present run has no other message behind it, whatever its content.
func TestTimestampsInThePresentRun(t *testing.T) {
	in := t1 + " next run at " + t3 + " by cron\r\n"
	var lines []string
	d := decoder{lines: tail.Lines{Terminal: true, MaxBytes: 1000}}
	d.decode([]byte(in))
	for d.next() {
		lines = append(lines, string(d.lines.Line.Text))
	}
	if d.err != nil {
		t.Fatal(d.err)
	}
	if diff := cmp.Diff([]string{"next run at " + t3 + " by cron"}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestTheLogOfAContainerIsInNoError(t *testing.T) {
	for _, tty := range []bool{false, true} {
		in := []byte("password=hunter2 and more\n")
		if !tty {
			in = frame(1, string(in))
		}
		var broken error
		d := decoder{lines: tail.Lines{Terminal: tty, MaxBytes: 1000}, broken: func(err error) { broken = err }}
		d.decode(in)
		if d.next() || d.err != nil || broken == nil || strings.Contains(broken.Error(), "hunter2") {
			t.Errorf("terminal %t: err = %v, broken: %v", tty, d.err, broken)
		}
	}
}

// slowDecode is the simplest possible decoder: complete frames of one read, no memory kept, no limits. The
// fuzz target compares the real decoder with it.
func slowDecode(in []byte) (lines []got) {
	open := map[byte]*got{}
	short := map[byte]bool{} // the last piece is shorter than the Engine's pieces
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
			continue
		}
		when := time.Unix(0, at.UnixNano()).UTC().Format(time.RFC3339Nano)
		if open[s] != nil && open[s].Time != when {
			closeLine(s)
		}
		if other := 3 - s; short[other] && open[other] != nil && (open[other].Time != when || at.UnixNano()%int64(time.Second) != 0) {
			closeLine(other)
		}
		if open[s] == nil {
			open[s] = &got{Time: when, Stream: int(s)}
		}
		body, whole := strings.CutSuffix(text, "\n")
		open[s].Line += body
		short[s] = !whole && len(body) < tail.DefaultPieceBytes
		if whole {
			closeLine(s)
		}
	}
	closeLine(1)
	closeLine(2)
	for i := range lines {
		lines[i].Line = string([]rune(lines[i].Line)) // U+FFFD for each invalid byte
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
		lines, _, _, err := decodeInPieces(in, n, false, 256<<10)
		if err != nil { // then the rest is not decoded, and the ends of lines are unknown
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
		whole, _, _, err := decodeInPieces(bytes.Clone(in), 1<<30, true, 4096)
		pieces, _, _, err2 := decodeInPieces(bytes.Clone(in), n, true, 4096)
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
			d := decoder{lines: tail.Lines{MaxBytes: 256 << 10}}
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				d.decode(in)
				for d.next() {
				}
				if d.err != nil {
					b.Fatal(d.err)
				}
			}
		})
	}
}
