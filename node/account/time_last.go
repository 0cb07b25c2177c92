package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/disk"
	"byway/node/home"
)

// A home remembers what the chain's clock showed last, and this machine's then: where this one's is days off, a start
// without the chain would have its Hellos refused and see no offer that is valid. Where the chain is heard it alone
// counts, so what is remembered can't outlive its use. No money hangs on it: what may be promised is bounded by what was
// deposited, set aside and promised before, which no clock changes.

const (
	lastTimeFile  = "chain_time.json"
	lastTimeLook  = time.Minute      // between two looks whether there is something to write down
	lastTimeFresh = 10 * time.Minute // what is so fresh, and says the same, is not written again
)

// LastTime pairs the last time of the chain's clock with this machine's at that moment. The zero value knows none.
type LastTime struct {
	Chain time.Time `json:"chain"`
	Clock time.Time `json:"clock"`
}

// lastTimeJSON is chain_time.json.
type lastTimeJSON struct {
	ChainID  uint64         `json:"chain_id"`
	Contract common.Address `json:"channels"`
	LastTime
}

// offset is how far the chain's clock was ahead of this machine's.
func (l LastTime) offset() time.Duration { return l.Chain.Sub(l.Clock) }

// now is the chain's time where only the clock can be asked: the clock's, set right by what it was off then, and never
// before what the chain has shown. A clock that was put back since is not the one that was off. On a private network a
// chain that seems to be behind tells nothing: its blocks are made of transactions.
func (l LastTime) now(clock time.Time, private bool) time.Time {
	if l == (LastTime{}) {
		return clock
	}
	off := l.offset()
	same := !clock.Before(l.Clock.Add(-clockSlack))
	if same && (off > clockSlack || off < -clockSlack && !private) {
		clock = clock.Add(off)
	}
	if clock.Before(l.Chain) {
		return l.Chain
	}
	return clock
}

// RecallTime reads what the home remembers of the network's chain. It helps and is not needed, so what can't be read is
// left out: it is written anew when the chain is heard.
func RecallTime(folder home.Home, n home.Network, log *slog.Logger) LastTime {
	path := folder.Path(lastTimeFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return LastTime{}
	}
	var f lastTimeJSON
	if err == nil {
		err = home.DecodeJSON(text, &f)
	}
	if err == nil && (f.Chain.IsZero() || f.Clock.IsZero()) {
		err = errors.New("it names no time")
	}
	if err != nil {
		log.Warn("what the chain's clock showed last is not known: going by this machine's until the chain is heard",
			"error", fmt.Errorf("read %s: %w", path, err))
		return LastTime{}
	}
	if f.ChainID != n.ChainID || f.Contract != n.Channels {
		return LastTime{}
	}
	return f.LastTime
}

// warnTime says that without the chain this machine's clock is not believed.
func (p *Account) warnTime() {
	clock := time.Now().Round(0)
	if apart := p.Last.now(clock, p.Network.Private).Sub(clock); apart != 0 {
		p.Log.Warn("this machine's clock and the chain's were far apart when that was heard last: going by what the chain's says "+
			"by now; if this machine's was set right since, delete "+p.Home.Path(lastTimeFile), "apart", apart.Round(time.Second))
	}
}

// timekeeper writes chain_time.json.
type timekeeper struct {
	*Account
	kept  LastTime
	heard bool
	first uint64 // the newest block that was heard of when this one first looked
}

// keepTime remembers the chain's time from now on, and at the end once more, until the account is closed.
func (p *Account) keepTime() {
	k := &timekeeper{Account: p, kept: p.Last}
	running, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	p.closers = append(p.closers, closerFunc(func() error {
		cancel()
		done.Wait()
		k.look(true)
		return nil
	}))
	done.Go(func() {
		for running.Err() == nil {
			k.look(false)
			Pause(running, lastTimeLook)
		}
	})
}

// look writes down what the chain's clock shows, where that says something new.
func (k *timekeeper) look(end bool) {
	block, at, ok := k.Chain.Newest()
	if !ok {
		return
	}
	if !k.heard {
		k.heard, k.first = true, block.Number
	}
	next := LastTime{block.Time.UTC(), at.Round(0).UTC()}
	if !k.tells(next, block.Number > k.first, end) {
		return
	}
	text, err := json.Marshal(lastTimeJSON{k.Network.ChainID, k.Network.Channels, next})
	if err == nil {
		err = disk.WriteFile(k.Home.Path(lastTimeFile), text, 0o600)
	}
	if err != nil {
		k.Log.Debug("the chain's time is not remembered", "error", err)
		return
	}
	k.kept = next
}

// tells reports whether what the chain's clock showed is worth writing down. A public chain that is behind this machine's
// clock may have stopped, or its endpoint: that the clock is ahead is believed once the chain was seen to go on.
func (k *timekeeper) tells(next LastTime, goesOn, end bool) bool {
	switch gone := next.Chain.Sub(k.kept.Chain); {
	case gone == 0: // another look at the same block
		return false
	case next.offset() < -clockSlack && !k.Network.Private && !goesOn:
		return false
	default:
		same := (next.offset()-k.kept.offset()).Abs() < time.Minute && gone > 0 && gone < lastTimeFresh
		return end || !same
	}
}
