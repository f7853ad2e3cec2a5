package logmetrics_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A state continues for unchanged declarations; changed declarations start from zero.
func TestRestore(t *testing.T) {
	l := newLog(t, newSet(500), "1", "m{a} = count(a)\nn = count()\nh = histogram(a)\ns = sum(a)\ng = gauge(a)", nil)
	l.read("a=.25", "a=2", "a=.25")
	l.acknowledge()

	set := newSet(500)
	same := newLog(t, set, "1", "g = gauge(a)\ns = sum(a)\nm{a=a} = count(a, b)\nn = gauge(a)\nh = histogram(a, buckets=[1])\nother = count()", l.acked)
	want(t, set, map[string]float64{`n{container="web",service="api"}`: none}) // the page shows the same before the first batch
	want(t, set, map[string]float64{
		`m{a=".25",container="web",service="api"}`: 2, `s{container="web",service="api"}`: 2.5, `g{container="web",service="api"}`: .25,
	})
	same.read("a=.25 b=1", "a=2")
	same.acknowledge()
	want(t, set, map[string]float64{
		`m{a=".25",container="web",service="api"}`:                         3, // conditions may change
		`m{a="2",container="web",service="api"}`:                           1,
		`s{container="web",service="api"}`:                                 4.75,
		`g{container="web",service="api"}`:                                 2,
		`n{container="web",service="api"}`:                                 2,
		`h_count{container="web",service="api"}`:                           2,
		`other{container="web",service="api"}`:                             2,
		`lighter_container_log_bytes_total{container="web",service="api"}`: 13 + 12,
	})
}

// A state that is damaged or of another version counts as none.
func TestDamagedState(t *testing.T) {
	l := newLog(t, newSet(500), "1", declared, nil)
	l.read(`{"msg":"http_request","path":"/a","status":200,"latencyMs":12,"bytes":100}`)
	state := l.own()
	for i := range state {
		damaged := append([]byte(nil), state...)
		damaged[i] ^= 0x40
		for _, s := range [][]byte{damaged, state[:i]} {
			set := newSet(500)
			newLog(t, set, "1", declared, s)
			want(t, set, map[string]float64{`http_requests_total{container="web",path="/a",service="api",status="200"}`: none})
		}
	}
	set := newSet(500)
	newLog(t, set, "1", declared, state)
	want(t, set, map[string]float64{`http_requests_total{container="web",path="/a",service="api",status="200"}`: 1})
}

// A recreated container continues the counts of its predecessor, even after a kill.
func TestRecreated(t *testing.T) {
	const decl = "m{a} = count(a)\ng = gauge(a)"
	set := newSet(500)
	old := newLog(t, set, "1", decl, nil)
	old.read("a=1", "a=1", "a=2")
	old.acknowledge()
	set.Forget("1")
	want(t, set, map[string]float64{`m{a="1",container="web",service="api"}`: none, `lighter_container_log_bytes_total{container="web",service="api"}`: none})

	newer := newLog(t, set, "2", decl, nil)
	before := map[string]float64{`m{a="1",container="web",service="api"}`: 2, `m{a="2",container="web",service="api"}`: 1, `g{container="web",service="api"}`: none}
	want(t, set, before)
	newer.read("a=1")
	want(t, set, before) // not acknowledged yet
	newer.acknowledge()
	after := map[string]float64{`m{a="1",container="web",service="api"}`: 3, `m{a="2",container="web",service="api"}`: 1, `g{container="web",service="api"}`: 1}
	want(t, set, after)

	killed := newSet(500)
	again := newLog(t, killed, "2", decl, newer.acked)
	want(t, killed, after)
	killed.Forget("2")
	third := newLog(t, killed, "3", decl, nil)
	third.read("a=2")
	third.acknowledge()
	want(t, killed, map[string]float64{`m{a="1",container="web",service="api"}`: 3, `m{a="2",container="web",service="api"}`: 2})
	_ = again
}

// While both the old and the new container of a name exist, their counts are summed. The sum remains when
// the old container goes, whatever is acknowledged, read again or killed.
func TestReplacedWhileRunning(t *testing.T) {
	const decl, m = "m = count()", `m{container="web",service="api"}`
	set := newSet(500)
	old, newer := newLog(t, set, "1", decl, nil), newLog(t, set, "2", decl, nil)
	old.read("1", "2", "3")
	newer.read("4", "5")
	old.acknowledge()
	newer.acknowledge()
	want(t, set, map[string]float64{m: 5})
	newer.read("6")
	set.Forget("1")
	old.acked = nil
	want(t, set, map[string]float64{m: 5})
	newer.acknowledge() // excludes what it has taken over
	want(t, set, map[string]float64{m: 6})
	newer.read("7") // includes it
	want(t, set, map[string]float64{m: 6})
	newer = newLog(t, set, "2", decl, newer.acked) // that batch was not acknowledged
	want(t, set, map[string]float64{m: 6})
	newer.read("7")
	newer.acknowledge()
	want(t, set, map[string]float64{m: 7})
	newer.read("8")
	newer.acknowledge()
	want(t, set, map[string]float64{m: 8})

	killed := newSet(500)
	newest := newLog(t, killed, "2", decl, newer.acked)
	another := newLog(t, killed, "3", decl, nil)
	another.read("9", "10")
	another.acknowledge()
	want(t, killed, map[string]float64{m: 10})
	killed.Forget("3")
	want(t, killed, map[string]float64{m: 10})
	newest.read("11")
	newest.acknowledge()
	want(t, killed, map[string]float64{m: 11})
}

// A log that returns after Forget does not count twice.
func TestForgottenTooEarly(t *testing.T) {
	const decl, m = "m = count()", `m{container="web",service="api"}`
	set := newSet(500)
	l := newLog(t, set, "1", decl, nil)
	l.read("1", "2")
	l.acknowledge()
	set.Forget("1")
	set.Forget("1")
	set.Forget("2")
	l = newLog(t, set, "1", decl, l.acked)
	l.read("3")
	l.acknowledge()
	want(t, set, map[string]float64{m: 3})
}

// The counts of a batch that was not handed on are discarded.
func TestFailedBatch(t *testing.T) {
	const decl, m = "m = count()", `m{container="web",service="api"}`
	set := newSet(500)
	end := &failing{}
	l := newLogOf(t, set, "1", decl, nil, end)
	l.read("1", "2")
	l.acknowledge()
	end.err = errors.New("no room")
	b := batchOf("3")
	b.Begin(nil)
	if err := l.chain.Append(t.Context(), b); err != end.err {
		t.Fatal(err)
	}
	b.Done()
	set.Forget("1")
	newLog(t, set, "2", decl, nil)
	want(t, set, map[string]float64{m: 2})
}

type failing struct{ nowhere }

// FuzzState reads states with a valid checksum and otherwise arbitrary content.
func FuzzState(f *testing.F) {
	l := newLog(f, newSet(500), "1", declared, nil)
	f.Add([]byte{1})
	f.Add(l.own()[:len(l.own())-4])
	l.read(`{"msg":"http_request","path":"/a","status":200,"latencyMs":12,"bytes":100}`, `msg=queue depth=3`, `RESEND_API_KEY not set`)
	f.Add(l.own()[:len(l.own())-4])
	table := crc32.MakeTable(crc32.Castagnoli)
	f.Fuzz(func(t *testing.T, state []byte) {
		state = binary.LittleEndian.AppendUint32(state, crc32.Checksum(state, table))
		set := newSet(500)
		l := newLog(t, set, "1", declared, state)
		before := page(t, set.Gatherer())
		kept := l.own()
		again := newSet(500)
		if diff := cmp.Diff(before, page(t, newLog(t, again, "1", declared, kept).set.Gatherer()), equalNaN); diff != "" {
			t.Errorf("kept and read again (-want +got):\n%s", diff)
		}
		l.read(`{"msg":"http_request","path":"/a","status":200,"latencyMs":12,"bytes":100}`)
		l.acknowledge()
		page(t, set.Gatherer())
	})
}

// Counts that are taken over count once, even if nobody has read the page in between.
func TestManyReplaced(t *testing.T) {
	const decl, m = "m = count()", `m{container="web",service="api"}`
	set := newSet(500)
	newLog(t, set, "1", decl, nil).read("1")
	stays := newLog(t, set, "2", decl, nil)
	set.Forget("1")
	stays.read("2")
	newLog(t, set, "3", decl, nil).read("3")
	set.Forget("3")
	stays.read("4")
	stays.acknowledge()
	set.Forget("2")
	last := newLog(t, set, "4", decl, nil)
	want(t, set, map[string]float64{m: 4})
	last.read("5")
	last.acknowledge()
	want(t, set, map[string]float64{m: 5})
}
