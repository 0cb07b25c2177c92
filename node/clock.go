package node

import (
	"context"
	"fmt"
	"time"
)

// The clock of this machine decides which offers are good, and when those that it signs are: by one that is hours off none
// is, and nothing says why. The chain's time is what everybody else goes by.
const (
	// clockTolerance is how far a chain's last block may be from this machine's clock on a public network. Its blocks follow
	// each other in seconds.
	clockTolerance = 10 * time.Minute
	clockPatience  = 5 * time.Second
)

// ClockTrouble says how far this machine's clock is from the chain's time; empty where they agree, and where the chain can't
// be asked. On a private network, whose blocks may be far between, only a clock that is behind can be told.
func (p *parts) ClockTrouble(ctx context.Context) string {
	if p.chain.Down() != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, clockPatience)
	defer cancel()
	head, err := p.chain.Head(ctx)
	if err != nil {
		p.log.Debug("the clock is not compared with the chain's", "error", err)
		return ""
	}
	return clockTrouble(time.Now(), head.Time, p.network.Private)
}

func clockTrouble(now, chain time.Time, private bool) string {
	off := chain.Sub(now).Round(time.Second)
	switch {
	case off > clockTolerance:
		return fmt.Sprintf("this machine's clock is %s behind the chain's: offers look as if they were not valid yet, set it right", off)
	case !private && off < -clockTolerance:
		return fmt.Sprintf("the chain's last block is %s old by this machine's clock: either the clock is ahead, and offers look "+
			"as if they had ended, or the chain has stopped", -off)
	}
	return ""
}
