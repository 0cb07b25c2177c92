package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/deploy"
	"byway/contracts/disk"
	"byway/node/home"
)

// exitDelayFile remembers how long the contract's exits run, for starts while the chain is down. The delay is a constant
// in the contract's code.
const exitDelayFile = "exit_delay.json"

// exitDelayJSON is exit_delay.json.
type exitDelayJSON struct {
	ChainID  uint64         `json:"chain_id"`
	Contract common.Address `json:"channels"`
	Seconds  uint64         `json:"exit_delay_seconds"`
}

// ExitDelay reads how long an exit runs from the contract's code, which is checked with it, and while the chain is down
// from the home. Zero: neither knows.
func (p *Account) ExitDelay(ctx context.Context) (time.Duration, error) {
	path := p.Home.Path(exitDelayFile)
	known := exitDelayJSON{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = home.DecodeJSON(text, &known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read %s: %w; delete it, the chain tells it again", path, err)
	}
	here := known.ChainID == p.Network.ChainID && known.Contract == p.Network.Channels
	if here && p.Chain.Down() != nil {
		return time.Duration(known.Seconds) * time.Second, nil
	}
	read, err := deploy.Inspect(ctx, p.Chain, p.Network.Deployment)
	if mismatch := (*deploy.MismatchError)(nil); errors.As(err, &mismatch) || (err != nil && ctx.Err() != nil) {
		return 0, err
	}
	if err != nil {
		if !here {
			p.Log.Warn("the contract's exit delay is not known: without the chain sessions are served for a minute", "error", err)
			return 0, nil
		}
		return time.Duration(known.Seconds) * time.Second, nil
	}
	next := exitDelayJSON{p.Network.ChainID, p.Network.Channels, uint64(read.ExitDelay / time.Second)}
	if next == known {
		return read.ExitDelay, nil
	}
	if text, err = json.Marshal(next); err != nil {
		return 0, err
	}
	return read.ExitDelay, disk.WriteFile(path, text, 0o600)
}
