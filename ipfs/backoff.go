package ipfs

import (
	"sync"
	"time"
)

// backoff says when something that failed may be tried again. The pause doubles with every failure in a row.
type backoff struct {
	first, most time.Duration

	mu       sync.Mutex // guards what follows
	failures int
	until    time.Time
}

func (b *backoff) ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !time.Now().Before(b.until)
}

func (b *backoff) succeed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.until = 0, time.Time{}
}

func (b *backoff) fail() {
	b.mu.Lock()
	defer b.mu.Unlock()
	pause := b.most
	if b.failures < 20 {
		pause = min(b.first<<b.failures, b.most)
	}
	b.failures++
	b.until = time.Now().Add(pause)
}

// ban sets the longest pause at once.
func (b *backoff) ban() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = 20
	b.until = time.Now().Add(b.most)
}
