package journalfile_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"lighter/collector/journal/journalfile"
	"lighter/collector/journal/journaltest"
)

// unpack returns what a file of testdata holds.
func unpack(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer d.Close()
	if b, err = d.DecodeAll(b, nil); err != nil {
		tb.Fatal(err)
	}
	return b
}

// journalctl returns what journalctl's output in JSON says of each entry: its cursor, and its fields.
func journalctl(tb testing.TB, path string) [][]string {
	tb.Helper()
	var all [][]string
	s := bufio.NewScanner(bytes.NewReader(unpack(tb, path)))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var fields map[string]any
		if err := json.Unmarshal(s.Bytes(), &fields); err != nil {
			tb.Fatal(err)
		}
		var one []string
		for name, value := range fields {
			if name == "__REALTIME_TIMESTAMP" || name == "__MONOTONIC_TIMESTAMP" {
				continue // the cursor has it
			}
			for _, v := range values(value) {
				one = append(one, name+"="+v)
			}
		}
		slices.Sort(one)
		all = append(all, one)
	}
	return all
}

// values returns the values of a field: several are a list, and one that is not text is a list of its bytes.
func values(v any) (all []string) {
	list, ok := v.([]any)
	if !ok {
		return []string{v.(string)}
	}
	var b []byte
	for _, one := range list {
		if n, ok := one.(float64); ok {
			b = append(b, byte(n))
			continue
		}
		all = append(all, values(one)...)
	}
	if b != nil {
		all = append(all, string(b))
	}
	return all
}

func everything([]byte) bool { return true }

// entries returns of each entry what journalctl does.
func entries(tb testing.TB, f *journalfile.File) [][]string {
	tb.Helper()
	var all [][]string
	var e journalfile.Entry
	for i := range f.Len() {
		if err := f.Entry(i, &e); err != nil {
			tb.Fatal(err)
		}
		one := []string{fmt.Sprintf("__CURSOR=s=%s;i=%x;b=%s;m=%x;t=%x;x=%x", f.Source(), e.Seqnum, e.Boot, e.Monotonic, e.Realtime, e.Hash)}
		offsets, err := f.Fields(&e, nil)
		if err != nil {
			tb.Fatal(err)
		}
		for _, at := range offsets {
			b, cut, err := f.Field(at, nil, 1<<20, everything)
			if err != nil || cut {
				tb.Fatal(cut, err)
			}
			one = append(one, string(b))
		}
		slices.Sort(one)
		all = append(all, one)
	}
	return all
}

// Files of each form are read as journalctl reads them. testdata/make.sh tells how they were made.
func TestAsJournalctl(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.journal.zst")
	if len(files) != 5 {
		t.Fatal(files)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".journal.zst"), func(t *testing.T) {
			f, err := journalfile.New(bytes.NewReader(unpack(t, path)), &journalfile.Windows{})
			if err != nil {
				t.Fatal(err)
			}
			want := journalctl(t, strings.Replace(path, ".journal.", ".json.", 1))
			if len(want) < 60 || f.Short() != nil {
				t.Fatal(len(want), f.Short())
			}
			if diff := cmp.Diff(want, entries(t, f)); diff != "" {
				t.Errorf("entries (-journalctl +ours):\n%s", diff)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	f, err := journalfile.New(bytes.NewReader(unpack(t, "testdata/plain.journal.zst")), &journalfile.Windows{})
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(0); n <= f.Len()+1; n++ {
		if got := f.Search(func(e *journalfile.Entry) bool { return e.Seqnum > n }); got != min(n, f.Len()) {
			t.Errorf("first entry after number %d: %d", n, got)
		}
	}
}

// A field is read as far as it is wanted, whatever it is compressed by.
func TestFieldCut(t *testing.T) {
	value := strings.Repeat("abcdefgh", 100) + strings.Repeat("-", 5000) + "end"
	for _, compress := range []string{"", "lz4", "zstd"} {
		for _, compact := range []bool{false, true} {
			t.Run(fmt.Sprint(compress, compact), func(t *testing.T) {
				f := write(t, journaltest.Options{Compress: compress, Compact: compact}, []string{"MESSAGE=" + value, "A=", "B=" + value})
				var e journalfile.Entry
				if err := f.Entry(0, &e); err != nil {
					t.Fatal(err)
				}
				offsets, err := f.Fields(&e, nil)
				if err != nil || len(offsets) != 3 {
					t.Fatal(offsets, err)
				}
				for _, limit := range []int{0, 1, 40, 100, 1000, len(value) - 1, len(value), len(value) + 1, 1 << 20} {
					b, cut, err := f.Field(offsets[0], []byte("before"), limit, everything)
					if want := "beforeMESSAGE=" + value[:min(limit, len(value))]; err != nil || string(b) != want || cut != (limit < len(value)) {
						t.Errorf("limit %d: %d bytes and not %d, cut %v, error %v", limit, len(b), len(want), cut, err)
					}
				}
				if b, cut, err := f.Field(offsets[1], nil, 10, everything); string(b) != "A=" || cut || err != nil {
					t.Errorf("an empty value is %q, cut %v, error %v", b, cut, err)
				}
				none := func(name []byte) bool { return string(name) != "B" }
				if b, _, err := f.Field(offsets[2], nil, 10, none); len(b) != 0 || err != nil {
					t.Errorf("a field that is not wanted is %q, error %v", b, err)
				}
			})
		}
	}
}

// write returns a file with an entry for each list of fields.
func write(tb testing.TB, o journaltest.Options, entries ...[]string) *journalfile.File {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "a.journal")
	w, err := journaltest.Create(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	for i, fields := range entries {
		if err := w.Append(journaltest.Entry{Seqnum: uint64(i) + 1, Fields: fields}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Archive(); err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := journalfile.New(bytes.NewReader(b), &journalfile.Windows{})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// A file is read while it is written.
func TestRefresh(t *testing.T) {
	for _, compact := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "a.journal")
		w, err := journaltest.Create(path, journaltest.Options{Compact: compact})
		if err != nil {
			t.Fatal(err)
		}
		r, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		f, err := journalfile.New(r, &journalfile.Windows{})
		if err != nil || f.Len() != 0 || f.Archived() {
			t.Fatal(f, err)
		}
		for n := uint64(1); n < 300; n++ {
			message := fmt.Sprintf("MESSAGE=line %d", n)
			if err := w.Append(journaltest.Entry{Seqnum: n, Fields: []string{"A=b", message}}); err != nil {
				t.Fatal(err)
			}
			changed, err := f.Refresh()
			if !changed || err != nil || f.Len() != n {
				t.Fatal(n, changed, err, f.Len())
			}
			if got := entries(t, f)[n-1]; got[1] != message {
				t.Fatal(n, got)
			}
		}
		if changed, err := f.Refresh(); changed || err != nil {
			t.Error(changed, err)
		}
		if err := w.Archive(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Refresh(); err != nil || !f.Archived() {
			t.Error(f.Archived(), err)
		}
	}
}

// readAll reads what there is to read in a file that may be damaged, and returns how much that was.
func readAll(b []byte) (entries, fields int, err error) {
	f, err := journalfile.New(bytes.NewReader(b), &journalfile.Windows{})
	if err != nil {
		return 0, 0, err
	}
	var e journalfile.Entry
	var offsets []uint64
	var text []byte
	for i := range f.Len() {
		if f.Entry(i, &e) != nil {
			continue
		}
		entries++
		if offsets, err = f.Fields(&e, offsets[:0]); err != nil {
			continue
		}
		for _, at := range offsets {
			if text, _, err = f.Field(at, text[:0], 4<<10, everything); err == nil {
				fields++
			}
		}
	}
	f.Search(func(e *journalfile.Entry) bool { return e.Seqnum > 10 })
	return entries, fields, nil
}

func TestDamaged(t *testing.T) {
	whole := unpack(t, "testdata/plain.journal.zst")
	for name, tc := range map[string]struct {
		damage  func(b []byte) []byte
		entries int // that are left, at least
		err     string
	}{
		"empty":               {func([]byte) []byte { return nil }, 0, "does not begin as a journal file"},
		"only zeros":          {func(b []byte) []byte { clear(b); return b }, 0, "does not begin as a journal file"},
		"another format":      {func(b []byte) []byte { b[12] = 0x80; return b }, 0, "newer systemd"},
		"header too long":     {func(b []byte) []byte { b[94] = 0x80; return b }, 0, "damaged"},
		"objects end nowhere": {func(b []byte) []byte { b[103] = 0xff; return b }, 0, "damaged"},
		"a list without an end": {func(b []byte) []byte {
			b[102], b[158] = 0x10, 0x10 // of the objects and of the entries
			binary.LittleEndian.PutUint64(b[binary.LittleEndian.Uint64(b[176:])+8:], 1<<50)
			return b
		}, 0, ""},
		"more entries claimed":  {func(b []byte) []byte { b[158] = 0xff; return b }, 120, ""},
		"no list of entries":    {func(b []byte) []byte { clear(b[176:184]); return b }, 0, ""},
		"end is missing":        {func(b []byte) []byte { return b[:len(b)/2] }, 120, ""},
		"end of data is zeroed": {func(b []byte) []byte { clear(b[3_800_000:]); return b }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			entries, fields, err := readAll(tc.damage(bytes.Clone(whole)))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v and not %q", err, tc.err)
				}
				return
			}
			if err != nil || entries < tc.entries {
				t.Errorf("%d entries with %d fields, error %v", entries, fields, err)
			}
		})
	}
}

// An error of the disk is not taken for the end of a file.
func TestReadError(t *testing.T) {
	b := unpack(t, "testdata/plain.journal.zst")
	r := &failing{bytes.NewReader(b), len(b)}
	f, err := journalfile.New(r, &journalfile.Windows{})
	if err != nil {
		t.Fatal(err)
	}
	r.from = 0
	if _, err := f.Refresh(); err == nil || !strings.Contains(err.Error(), "disk") {
		t.Error(err)
	}
	var e journalfile.Entry
	if err := f.Entry(100, &e); err != nil && !strings.Contains(err.Error(), "disk") {
		t.Error(err)
	}
}

// failing is a file that cannot be read from an offset on.
type failing struct {
	r    io.ReaderAt
	from int
}

func (f *failing) ReadAt(b []byte, at int64) (int, error) {
	if int(at)+len(b) > f.from {
		return 0, fmt.Errorf("the disk is broken")
	}
	return f.r.ReadAt(b, at)
}

// FuzzDamage changes, cuts and zeroes a file anywhere: reading it neither panics nor goes on for ever.
func FuzzDamage(f *testing.F) {
	var small [][]byte
	for _, o := range []journaltest.Options{{}, {Compact: true, Compress: "lz4"}, {Compress: "zstd"}} {
		path := filepath.Join(f.TempDir(), "a.journal")
		w, err := journaltest.Create(path, o)
		if err != nil {
			f.Fatal(err)
		}
		for i := range uint64(40) {
			err := w.Append(journaltest.Entry{Seqnum: i, Fields: []string{"UNIT=a", fmt.Sprintf("MESSAGE=%d ", i) + strings.Repeat("x", 200)}})
			if err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		small = append(small, b)
	}
	f.Add(uint8(0), uint32(12), []byte{0xff}, uint32(1<<30))
	f.Add(uint8(1), uint32(176), []byte{1, 2, 3, 4, 5, 6, 7, 8}, uint32(1<<30))
	f.Add(uint8(2), uint32(300), []byte{4, 5}, uint32(500))
	f.Fuzz(func(_ *testing.T, which uint8, at uint32, with []byte, size uint32) {
		b := bytes.Clone(small[int(which)%len(small)])
		for i, c := range with { // far from each other
			b[(uint64(at)+uint64(i)*uint64(i/8)*977)%uint64(len(b))] = c
		}
		_, _, _ = readAll(b[:min(int(size), len(b))])
	})
}
