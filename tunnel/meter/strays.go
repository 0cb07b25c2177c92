package meter

import (
	"fmt"
	"time"
)

// Strays are packets that a consumer got and did not pay for, and some that it did, since its session began. All are
// bytes of inner IP packets, save Packets.
type Strays struct {
	// Packets and Bytes were asked for by nobody: neither delivered nor billed, and an offence where they are many.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// Forgiven was neither delivered nor billed, but an honest exit may send it too: what was on its way when this side
	// reset a connection, and what may belong to flows that were too many to remember.
	Forgiven uint64 `json:"forgiven"`
	// Surplus was delivered and not billed: repeats and headers beyond what a connection needs, and datagrams beyond
	// 256 KiB since the program behind last sent one.
	Surplus uint64 `json:"surplus"`
	// Unjudged was delivered and billed without a look at how much of it there is: more than 65,536 flows were open.
	Unjudged uint64 `json:"unjudged"`
}

// What an exit may send that nobody asked for: so many bytes a minute, or one part in strayPart of what it delivers.
// Packets that were long on their way, and a host's own mistakes, stay far below.
const (
	StrayBytes = 1 << 20
	strayPart  = 33
)

// recent is the last minute, in parts.
type recent [6]struct {
	epoch          moment
	bad, delivered uint64
}

const recentPart = moment(10 * time.Second / tick)

// add counts what a batch brought. It returns what the exit is accused of, if that is too much.
func (r *recent) add(bad, delivered uint64, now moment) error {
	epoch := now / recentPart
	part := &r[epoch%moment(len(r))]
	if part.epoch != epoch {
		part.epoch, part.bad, part.delivered = epoch, 0, 0
	}
	part.bad += bad
	part.delivered += delivered
	if bad == 0 {
		return nil
	}
	bad, delivered = 0, 0
	for i := range r {
		if r[i].epoch+moment(len(r)) > epoch {
			bad += r[i].bad
			delivered += r[i].delivered
		}
	}
	if bad <= max(StrayBytes, delivered/strayPart) {
		return nil
	}
	return fmt.Errorf("the exit sent %d bytes within a minute that nobody asked for, and %d that were", bad, delivered)
}

// Strays counts what came since the session began and was not paid for.
func (d *Porter) Strays() Strays {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.strays
}

func (d *Porter) Offence() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.offence
}
