package loki

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// asking has somebody ask for room, and returns whether they have it once nothing moves any more.
func asking(t *testing.T, r *room, bytes int64) (has func() bool) {
	got := false
	go func() { got = r.acquire(t.Context(), bytes) == nil }()
	synctest.Wait()
	return func() bool {
		synctest.Wait()
		return got
	}
}

func TestRoom(t *testing.T) {
	for name, tc := range map[string]struct {
		size   int64
		before []int64 // bytes that are taken at once
		ask    []int64
		then   func(*room)
		want   []bool // whether who asked has got room after that
	}{
		"there is room":                         {10, []int64{4}, []int64{6}, func(*room) {}, []bool{true}},
		"there is none":                         {10, []int64{4}, []int64{7}, func(*room) {}, []bool{false}},
		"it is given back":                      {10, []int64{4}, []int64{7}, func(r *room) { r.release(4) }, []bool{true}},
		"who asks first gets it first":          {10, []int64{9}, []int64{5, 1}, func(*room) {}, []bool{false, false}},
		"it is given back for two":              {10, []int64{9}, []int64{5, 1, 5}, func(r *room) { r.release(9) }, []bool{true, true, false}},
		"more than all of it waits":             {10, []int64{1}, []int64{11}, func(*room) {}, []bool{false}},
		"more than all of it goes alone":        {10, []int64{1}, []int64{11, 1}, func(r *room) { r.release(1) }, []bool{true, false}},
		"and what comes then waits for its end": {10, []int64{11}, []int64{1}, func(r *room) { r.release(11) }, []bool{true}},
		"it grows":                              {10, []int64{10}, []int64{5, 6}, func(r *room) { r.resize(20) }, []bool{true, false}},
		"it shrinks":                            {10, []int64{4, 4}, []int64{4}, func(r *room) { r.resize(6); r.release(4) }, []bool{false}},
		"it shrinks, and what was in it leaves": {10, []int64{4, 4}, []int64{2}, func(r *room) { r.resize(6); r.release(4) }, []bool{true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(tc.size)
				for _, bytes := range tc.before {
					if err := r.acquire(t.Context(), bytes); err != nil {
						t.Fatal(err)
					}
				}
				var all []func() bool
				for _, bytes := range tc.ask {
					all = append(all, asking(t, r, bytes))
				}
				tc.then(r)
				got := []bool{}
				for _, has := range all {
					got = append(got, has())
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("who has got room (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Who gives up lets those behind have what there is room for.
func TestRoomOfOneWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(10)
		if err := r.acquire(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() { gaveUp <- r.acquire(ctx, 6) }()
		synctest.Wait()
		behind := asking(t, r, 5)
		if behind() {
			t.Error("who came later got room first")
		}
		giveUp()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("acquire = %v after its context has ended", err)
		}
		if !behind() {
			t.Error("who comes next got no room")
		}
	})
}
