package connection

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// around is what the transition acts upon, as far as it matters: searches and sessions that there are.
type around struct {
	searching, retrying bool
}

func TestAdversaryOnlyTheUserEndsAConnection(t *testing.T) {
	reasons := []Reason{SessionBudget, DayBudget, MonthBudget, Locked, Funds, Storage, NoOffer, Unreachable, NoChain, NoMachine, Failed}
	rapid.Check(t, func(t *rapid.T) {
		var c condition
		var w around
		for range rapid.IntRange(1, 200).Draw(t, "length") {
			e := event{
				kind:   eventKind(rapid.IntRange(0, int(eventKinds)-1).Draw(t, "event")),
				reason: rapid.SampledFrom(reasons).Draw(t, "reason"),
			}
			switch e.kind { // what comes of a search or a session needs one
			case sessionUp, searchFailed:
				if !w.searching {
					continue
				}
			case sessionDoubted, sessionWell, sessionCapped, sessionPaid, sessionLost:
				if !c.live {
					continue
				}
			case retryDue:
				if !w.retrying {
					continue
				}
				w.retrying = false
			}
			was := c
			next, actions := next(c, e)
			c = next
			if e.kind == sessionUp || e.kind == searchFailed {
				w.searching = false
			}
			for _, a := range actions {
				switch a {
				case doSearch:
					if w.searching {
						t.Fatalf("%+v on %+v: a second search", was, e)
					}
					w.searching, w.retrying = true, false
				case stopSearch:
					w.searching = false
				case doRetry:
					w.retrying = true
				case payAgain, doubt:
					if !was.live {
						t.Fatalf("%+v on %+v: there is no session", was, e)
					}
				}
			}
			if c.state == Off && was.state != Off && e.kind != userOff {
				t.Fatalf("%+v on %+v is off", was, e)
			}
			gives := slices.Contains(actions, giveMachine) || slices.Contains(actions, settleAll)
			if gives != (e.kind == userOff && was.state != Off) {
				t.Fatalf("%+v on %+v: gives the machine: %v", was, e, gives)
			}
			if c.state == Connected && (!c.live || c.doubted) {
				t.Fatalf("%+v on %+v is %+v", was, e, c)
			}
			if c.state == Blocked && c.live {
				t.Fatalf("%+v on %+v is blocked with a session", was, e)
			}
			if c.searching != w.searching {
				t.Fatalf("%+v on %+v: believes that it searches: %v", was, e, c.searching)
			}
			if (c.state == Holding || c.state == Blocked) != (c.reason != NoReason) {
				t.Fatalf("%+v on %+v: %+v", was, e, c)
			}
			// Nothing is waited for that nobody brings.
			if lost := c.state != Off && c.state != Holding && (!c.live || c.doubted); lost && !w.searching && !w.retrying {
				t.Fatalf("%+v on %+v: %+v, and nobody looks for a session", was, e, c)
			}
		}
	})
}
