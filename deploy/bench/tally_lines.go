package main

import (
	"strings"
	"sync"
	"time"

	"lighter/exporters/receiver"
)

// lineReport is what arrived of the containers' logs.
type lineReport struct {
	count
	Streams int
	First   int64 // time of arrival of the first line in Unix nanoseconds; 0 if there is none
	Last    int64 // time of arrival of the last line
}

// lineTally follows the streams of the bench's containers and ignores all others.
type lineTally struct {
	mu      sync.Mutex
	streams map[string]*sequence // by their labels as sent
	sum     lineReport
	errs    []string
	want    []byte // buffer for a line as it was written
}

func newLineTally() *lineTally { return &lineTally{streams: map[string]*sequence{}} }

// take reads a push request that arrived at a time.
func (t *lineTally) take(body []byte, at time.Time) error {
	req, err := receiver.DecodePush(body)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.errs = append(t.errs, err.Error())
		return err
	}
	for _, in := range req.Streams {
		s := t.streams[in.Labels]
		if s == nil {
			if !strings.Contains(in.Labels, `container="`+containerPrefix) {
				continue
			}
			s = &sequence{}
			t.streams[in.Labels] = s
		}
		if t.sum.First == 0 {
			t.sum.First = at.UnixNano()
		}
		t.sum.Last = at.UnixNano()
		for i := range in.Entries {
			t.see(s, in.Entries[i].Line)
		}
	}
	return nil
}

func (t *lineTally) see(s *sequence, line string) {
	n := seqOf(line)
	t.want = appendLine(t.want[:0], n)
	if n == 0 || string(t.want) != line {
		t.sum.Wrong++
		return
	}
	s.see(uint32(n), &t.sum.count)
}

func (t *lineTally) report() lineReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.sum
	r.Streams = len(t.streams)
	return r
}

func (t *lineTally) refused() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.errs...)
}
