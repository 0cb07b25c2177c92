package devchain

import (
	"time"

	"github.com/ethereum/go-ethereum/core"
)

// produce makes blocks until the chain stops, on demand or by period.
func (c *Chain) produce(txs <-chan core.NewTxsEvent) {
	if c.period > 0 {
		c.producePeriodically(txs)
		return
	}
	for {
		var again <-chan time.Time
		if pause, more := c.produceNow(); more {
			again = time.After(max(pause, time.Millisecond))
		}
		select {
		case <-c.stop:
			return
		case <-txs:
			// Where the head is well ahead of the clock the wait comes before the block; what arrives meanwhile joins it.
			if !c.sleep(c.pause(), txs) {
				return
			}
		case <-c.kick:
		case <-again:
		}
	}
}

// produceNow makes a block if transactions are pending. It asks to be called again, after a pause, while there may be
// more of them than fitted.
func (c *Chain) produceNow() (pause time.Duration, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.manual || c.closed || c.producer.pending() == 0 {
		return 0, false
	}
	at := c.clock.next(c.producer.head().Time)
	made, err := c.producer.mine(order{time: at}, true)
	if err != nil {
		c.log.Error("development chain made no block", "error", err)
		return time.Second, true
	}
	if made {
		c.clock.made(at)
	}
	// What stays behind after a block was made waits for room; what stays behind without one waits for lower fees.
	return c.clock.pause(c.producer.head().Time), made && c.producer.pending() > 0
}

func (c *Chain) pause() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock.pause(c.producer.head().Time)
}

// sleep waits, draining txs so that the pool's feed is never held up. It reports false when the chain stops.
func (c *Chain) sleep(d time.Duration, txs <-chan core.NewTxsEvent) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-c.stop:
			return false
		case <-txs:
		case <-timer.C:
			return true
		}
	}
}

func (c *Chain) producePeriodically(txs <-chan core.NewTxsEvent) {
	ticker := time.NewTicker(c.period)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-txs:
		case <-c.kick:
		case <-ticker.C:
			c.produceOnTick()
			if !c.sleep(max(0, c.pause()-c.period), txs) {
				return
			}
		}
	}
}

func (c *Chain) produceOnTick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.manual || c.closed {
		return
	}
	// With a period below a second an empty block would only drive the head away from the clock.
	parent := c.producer.head().Time
	ahead := uint64(c.clock.now().Unix()) <= parent
	at := c.clock.next(parent)
	made, err := c.producer.mine(order{time: at}, ahead)
	if err != nil {
		c.log.Error("development chain made no block", "error", err)
	}
	if made {
		c.clock.made(at)
	}
}
