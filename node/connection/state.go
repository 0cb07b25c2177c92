// Package connection owns a connection: the wish for one, which is on disk and outlives the daemon, and the sessions that
// it is led through, one after the other, within the user's budgets. What a session is, package path says.
package connection

import "fmt"

// State is where a connection stands.
//
//	            user: on, or found on disk
//	   ┌───────────────────────────────────────┐
//	   │                                       ▼            session up
//	┌──┴──┐                              ┌────────────┐──────────────────▶┌───────────┐
//	│ off │◀── user: off, from anywhere  │ connecting │                   │ connected │──┐ rotate: the next
//	└─────┘                              └────────────┘◀──────────────────└───────────┘◀─┘ session is opened first
//	                                       │    ▲   ▲    doubted, lost       │      ▲
//	              nobody could be reached, │    │   └───────────────┐        │      │ paid again
//	              nothing fits, no chain   │    │ session up goes   │        │ cap  │
//	                                       ▼    │ to connected      │ spend, ▼      │
//	                              retries ┌─────────┐               │ no    ┌─────────┐
//	                              for ever│ blocked │               └───────│ holding │
//	                                      └─────────┘          session left └─────────┘
//
// A connection that holds has nothing to pay with: its session stays as long as the provider lets it. One that is blocked
// has no session. A machine that goes through the connection is shut in every state but off.
type State uint8

// The states of a connection.
const (
	Off State = iota
	Connecting
	Connected
	Holding
	Blocked
)

var stateNames = [...]string{"off", "connecting", "connected", "holding", "blocked"}

// String returns the state's name, the one in the diagram.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what [State.MarshalText] writes.
func (s *State) UnmarshalText(name []byte) error {
	for state, known := range stateNames {
		if known == string(name) {
			*s = State(state)
			return nil
		}
	}
	return fmt.Errorf("%q is no state of a connection", name)
}

// Reason is why a connection holds or is blocked, in one word for programs.
type Reason string

// The reasons.
const (
	NoReason Reason = ""

	SessionBudget Reason = "budget"       // holding: the connection has cost what it may
	DayBudget     Reason = "budget_day"   // holding
	MonthBudget   Reason = "budget_month" // holding
	Locked        Reason = "locked"       // holding: a deposit waits for the account's key
	Funds         Reason = "funds"        // holding: what may be deposited is used up, or the account has nothing
	Storage       Reason = "storage"      // holding: the budget's use can't be written down

	Restarted   Reason = "restarted"   // blocked: the daemon has just begun
	NoOffer     Reason = "no_offer"    // blocked: nothing on sale fits
	Unreachable Reason = "unreachable" // blocked: nobody answers
	NoChain     Reason = "chain"       // blocked: nothing is known of the funds, and no endpoint says
	NoMachine   Reason = "machine"     // blocked: the machine can't be sent through a session
	Failed      Reason = "failed"      // blocked: each of those that were tried failed
)

// holds reports whether it is for want of money.
func (r Reason) holds() bool {
	switch r {
	case SessionBudget, DayBudget, MonthBudget, Locked, Funds, Storage:
		return true
	}
	return false
}

// condition is all that decides what comes next.
type condition struct {
	state     State
	reason    Reason
	live      bool // there is a session
	doubted   bool // and its provider may be gone
	searching bool // another one is being opened
}

type eventKind uint8

const (
	userOn eventKind = iota
	userOff
	userRotate
	restored  // the wish was found on disk
	moreMoney // a budget was raised or began anew, a key was unlocked, a deposit made
	sessionUp
	sessionDoubted
	sessionWell
	sessionCapped // reason says by what
	sessionPaid
	sessionLost
	searchFailed // reason says why
	retryDue
	woken // the machine has slept, or its network is another one
	eventKinds
)

type event struct {
	kind   eventKind
	reason Reason
}

// action is what follows from an event; several are carried out in their order.
type action uint8

const (
	doSearch action = iota
	stopSearch
	doRetry     // later, and later each time
	payAgain    // the session that is there
	doubt       // it
	settleAll   // every session, to the unit
	giveMachine // open it: the user's own end
)

// next is the one transition. It has no effects: what it says to do is done after it. An event that means nothing in a state
// changes nothing.
func next(c condition, e event) (condition, []action) {
	if c.state == Off {
		switch e.kind {
		case userOn:
			return condition{state: Connecting, searching: true}, []action{doSearch}
		case restored:
			return condition{state: Blocked, reason: Restarted, searching: true}, []action{doSearch}
		}
		return c, nil
	}
	switch e.kind {
	case userOff:
		return condition{}, []action{stopSearch, settleAll, giveMachine}
	case sessionUp:
		return condition{state: Connected, live: true}, nil
	case sessionDoubted:
		if !c.live {
			break
		}
		c.doubted = true
		if c.state == Connected {
			c.state = Connecting
			return search(c)
		}
	case sessionWell:
		if !c.live || !c.doubted {
			break
		}
		c.doubted = false
		if c.state == Connecting {
			c.state, c.searching = Connected, false
			return c, []action{stopSearch}
		}
	case sessionCapped:
		if !c.live {
			break
		}
		c.state, c.reason, c.searching = Holding, e.reason, false
		return c, []action{stopSearch}
	case sessionPaid:
		if c.live && c.state == Holding {
			c.state, c.reason = Connected, NoReason
			if c.doubted {
				c.state = Connecting
				return search(c)
			}
		}
	case sessionLost:
		if !c.live {
			break
		}
		c.live, c.doubted = false, false
		if c.state == Holding {
			return c, []action{doRetry} // with what would the next one be paid now?
		}
		c.state = Connecting
		return search(c)
	case searchFailed:
		return c.failed(e.reason)
	case moreMoney:
		switch {
		case c.state == Holding && c.live:
			return c, []action{payAgain}
		case c.state == Holding:
			c.state, c.reason = Connecting, NoReason
			return search(c)
		case c.state == Blocked:
			return search(c)
		}
	case retryDue:
		if !c.live || c.doubted {
			return search(c)
		}
	case woken:
		if c.live {
			return c, []action{doubt}
		}
		if c.state != Holding {
			return search(c)
		}
	case userRotate:
		if c.state == Connected {
			return search(c)
		}
	}
	return c, nil
}

func search(c condition) (condition, []action) {
	if c.searching {
		return c, nil
	}
	c.searching = true
	return c, []action{doSearch}
}

// failed is what follows a search that found nobody.
func (c condition) failed(why Reason) (condition, []action) {
	if !c.searching {
		return c, nil
	}
	c.searching = false
	switch {
	case c.state == Connected: // another exit was asked for, and this one stays
		return c, nil
	case c.state == Holding && c.live:
		return c, nil
	case c.live: // its provider may come back
		return c, []action{doRetry}
	}
	c.state, c.reason = Blocked, why
	if why.holds() {
		c.state = Holding
	}
	return c, []action{doRetry}
}
