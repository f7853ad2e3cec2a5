package send

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// Requests that are taken at the same time leave no waiting time behind. The test uses health directly,
// because only then can both be taken before either has ended.
func TestTwoRequestsTakenAtOnceThenAQuietTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth(Options{Endpoint: "letters", Logger: slog.New(slog.DiscardHandler)})
		h.begin()
		h.begin()
		h.taken(1)
		h.taken(1)
		h.end()
		h.end()
		time.Sleep(time.Minute)
		h.begin()
		defer h.end()
		if err := h.err(time.Now()); err != nil || !h.status().Up {
			t.Errorf("as the next request begins a minute later: ready = %v, status = %+v", err, h.status())
		}
	})
}
