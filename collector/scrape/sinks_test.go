package scrape_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

func TestSinksAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		picky := &recorder{drop: func(l labels.Labels) bool { return l.Get("__name__") == "a" }}
		closed := &recorder{fail: errors.New("closed")}
		all := &recorder{}
		l := mustNew(t, target(), testConfig(), pages(text, "a 1\nb 2\n"), picky, closed, all)
		stop := l.run(t)
		time.Sleep(40 * time.Second)
		stop(nil)
		a := sample{Series: `{__name__="a", instance="api:3000", job="api"}`, Value: "1"}
		b := sample{Series: `{__name__="b", instance="api:3000", job="api"}`, Value: "2"}
		if diff := cmp.Diff([]sample{b, b}, strip(picky.take(), false), anyTime); diff != "" {
			t.Errorf("the sink that drops a (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]sample{a, a, b, b}, strip(all.take(), false), anyTime, unordered); diff != "" {
			t.Errorf("the sink that takes all (-want +got):\n%s", diff)
		}
		if n := strings.Count(l.log.String(), "samples were not taken"); n != 1 {
			t.Errorf("the closed sink is logged %d times, want once:\n%s", n, l.log)
		}
	})
}

func TestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustNew(t, target(), testConfig(), pages(text,
			"# HELP a what \\\\ it is\n# TYPE a counter\na 1\n# TYPE b gauge\nb 2\n",
			"# HELP a what \\\\ it is\n# TYPE a counter\na 1\n# TYPE b gauge\nb 2\n",
			"# HELP a else\n# TYPE a counter\na 1\nb{",
			"# HELP a else\n# TYPE a counter\na 1\n",
			"# HELP a else\n# TYPE a counter\na 1\n# TYPE b gauge\nb 2\n"))
		stop := l.run(t)
		time.Sleep(3 * time.Minute)
		stop(nil)
		want := []lighter.Metadata{
			{Family: "a", Type: "counter", Help: `what \ it is`},
			{Family: "b", Type: "gauge"},
			{Family: "a", Type: "counter", Help: "else"},
			{Family: "b", Type: "gauge"},
		}
		got := l.sink.metadata
		if len(got) > 1 && got[0].Family > got[1].Family { // the families of one scrape come in any order
			got[0], got[1] = got[1], got[0]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
	})
}

// TestMetadataOfAFamilyThatReturns: its metadata is sent again, even if only its metadata lines came and
// went.
func TestMetadataOfAFamilyThatReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const a, b = "# TYPE a counter\na 1\n", "# TYPE b gauge\nb 2\n"
		l := mustNew(t, target(), testConfig(), pages(text, a+b, a, a, a+b))
		stop := l.run(t)
		time.Sleep(3 * time.Minute)
		stop(nil)
		told := map[string]int{}
		for _, m := range l.sink.metadata {
			told[m.Family]++
		}
		if diff := cmp.Diff(map[string]int{"a": 1, "b": 2}, told); diff != "" {
			t.Errorf("how often families were told (-want +got):\n%s", diff)
		}
	})
}

func TestBlocksAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var page strings.Builder
		for i := range 4500 {
			fmt.Fprintf(&page, "a{x=\"%d\"} 1\n", i)
		}
		l := mustNew(t, target(), testConfig(), pages(text, page.String()))
		l.once(t, true)
		var sizes []int
		for _, b := range l.sink.blocks {
			sizes = append(sizes, b.Samples)
		}
		if diff := cmp.Diff([]int{2000, 2000, 505}, sizes); diff != "" {
			t.Errorf("samples of the blocks (-want +got):\n%s", diff)
		}
	})
}

// packing is a sink that keeps blocks in a form of its own.
type packing struct {
	*recorder
	packed []lighter.Block // without bodies
}

func (p *packing) AppendPacked(dst []byte, b lighter.Block) []byte {
	p.packed = append(p.packed, lighter.Block{Samples: b.Samples, StartTimes: b.StartTimes})
	dst = slices.Grow(append(dst, "packed"...), 2*len(b.Body)) // more than it fills
	return append(dst, b.Body...)
}

func (p *packing) Append(ctx context.Context, shard uint64, blocks []lighter.Block) error {
	for i, b := range blocks {
		body, ok := bytes.CutPrefix(b.Body, []byte("packed"))
		if !ok {
			return errors.New("a block is not packed")
		}
		blocks[i].Body = body
	}
	return p.recorder.Append(ctx, shard, blocks)
}

// TestPacker: a sink that packs gets its blocks in its own form, each packed once; another sink gets them
// as they were encoded, scrape after scrape.
func TestPacker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		for i := range 4500 {
			fmt.Fprintf(&b, "a{i=\"%d\"} %d\n", i, i)
		}
		plain, packs := &recorder{}, &packing{recorder: &recorder{}}
		l := mustNew(t, target(), testConfig(), pages(text, b.String(), "b 1\n", b.String()), plain, packs)
		stop := l.run(t)
		time.Sleep(80 * time.Second)
		stop(nil)
		if log := l.log.String(); log != "" {
			t.Error(log)
		}
		want := plain.take()
		if diff := cmp.Diff(want, packs.take()); diff != "" || len(want) < 3*4500 {
			t.Errorf("%d samples of the sink that packs (-want +got):\n%.2000s", len(want), diff)
		}
		blocks := slices.Clone(packs.blocks)
		for i := range blocks {
			blocks[i].Body, blocks[i].Time = nil, 0
		}
		if diff := cmp.Diff(blocks, packs.packed); diff != "" {
			t.Errorf("blocks that were packed (-appended +packed):\n%s", diff)
		}
	})
}
