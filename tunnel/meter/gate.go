package meter

import "sync"

// Gate is an allowance that any number of an exit's sessions use up together: what one of them passes, no other can.
// A payer whose one vault pays for several sessions has one gate, so that parallel sessions can't each pass the
// credit that was given once. Sessions come and go; what they passed stays in the sum. It is safe for concurrent use.
type Gate struct {
	mu      sync.Mutex // guards the accounts of all its sessions as well
	limit   uint64     // passed never exceeds it
	passed  uint64     // Rx+Tx of all sessions that there ever were
	turn    uint64     // begins at 1 and counts the rises of limit
	refused uint64     // the turn at which a packet of any session last was
}

// NewGate makes a gate for so many bytes, both ways and all sessions together, before the first Allow.
func NewGate(limit uint64) *Gate { return &Gate{limit: limit, turn: 1} }

// Allow lets what all sessions pass together reach total bytes, counted from the gate's making. It takes effect with
// the next packet of each. Lower values than before are ignored.
func (g *Gate) Allow(total uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if total > g.limit {
		g.limit = total
		g.turn++
	}
}

// Allowed is the highest value given to Allow, or the limit that the gate began with, in bytes.
func (g *Gate) Allowed() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limit
}

// Passed are the bytes that passed, both ways and all sessions together, ended ones included.
func (g *Gate) Passed() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

// Left are the bytes that may still pass.
func (g *Gate) Left() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leftLocked()
}

// Held reports whether a packet of any session was refused since Allow last opened the gate.
func (g *Gate) Held() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused == g.turn
}

func (g *Gate) leftLocked() uint64 { return g.limit - g.passed }

// refuseLocked notes that a packet of a session was refused. It reports whether that is the session's first in this
// turn.
func (g *Gate) refuseLocked(session *uint64) bool {
	first := *session != g.turn
	*session, g.refused = g.turn, g.turn
	return first
}
