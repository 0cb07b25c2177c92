package path

import (
	"context"
	"fmt"
	"time"

	"byway/node/wire"
)

// A provider whose places are all taken has sessions rest that use theirs little. The tunnel stands meanwhile and passes
// nothing; with the next packet that goes into it the session asks for a place.

const (
	// placePatience is how long a new session waits for its first place.
	placePatience = 30 * time.Second
	// wakeLook is how often a session that rests looks for packets of its own, wakeEvery how often it asks at most.
	wakeLook  = 50 * time.Millisecond
	wakeEvery = 2 * time.Second
)

// rest is a session's while it has no place.
type rest struct {
	ticker *time.Ticker
	beat   <-chan time.Time // nil while it has one
	sent   uint64           // bytes that had gone into the tunnel when it began, or last asked for a place
	asked  time.Time
}

// follow begins the rest, or ends it.
func (r *rest) follow(resting bool, sent uint64) {
	switch {
	case resting && r.ticker == nil:
		r.ticker = time.NewTicker(wakeLook)
		r.beat, r.sent = r.ticker.C, sent
	case !resting && r.ticker != nil:
		r.ticker.Stop()
		*r = rest{}
	}
}

// wants reports whether to ask for a place now.
func (r *rest) wants(sent uint64) bool {
	if sent == r.sent || time.Since(r.asked) < wakeEvery {
		return false
	}
	r.sent, r.asked = sent, time.Now()
	return true
}

func (s *Session) resting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == wire.StateResting
}

// awaitPlace returns when a session that was welcomed to rest is served, or will not be.
func (s *Session) awaitPlace(ctx context.Context) error {
	patience, look := time.NewTimer(placePatience), time.NewTicker(wakeLook)
	defer patience.Stop()
	defer look.Stop()
	for s.resting() {
		select {
		case <-look.C:
		case <-s.done:
			return s.Err()
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return &wire.RefusalError{Code: wire.RefusedBusy, Reason: fmt.Sprintf("no place became free within %s", placePatience)}
		}
	}
	return nil
}
