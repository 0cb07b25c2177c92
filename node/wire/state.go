package wire

import (
	"fmt"

	"byway/contracts/text"
)

// State is where a session stands, on either side.
//
//	opening ──▶ open ◀──▶ held, resting
//	   │          │         │
//	   │          ▼         ▼
//	   │        closing ◀───┘
//	   ▼          │
//	closed ◀──────┘
//
// A session is held while the gate is shut for want of a promise: the peering stays and nothing is forwarded. It rests
// while others have the places that are sold, until it has something to send and a place is free or less used. While it
// is closing no traffic flows and only the last promise is still to come.
type State uint8

// The states of a session.
const (
	StateOpening State = iota
	StateOpen
	StateHeld
	StateResting
	StateClosing
	StateClosed
)

var stateNames = [...]string{"opening", "open", "held", "resting", "closing", "closed"}

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
	return fmt.Errorf("%q is no state of a session", text.Cut(string(name), MaxReason))
}

// Transition returns the next state where the diagram has an arrow, and an error where it has none.
func (s State) Transition(next State) (State, error) {
	ok := false
	switch s {
	case StateOpening:
		ok = next == StateOpen || next == StateClosed
	case StateOpen:
		ok = next == StateHeld || next == StateResting || next == StateClosing
	case StateHeld:
		ok = next == StateOpen || next == StateResting || next == StateClosing
	case StateResting:
		ok = next == StateOpen || next == StateClosing
	case StateClosing:
		ok = next == StateClosed
	}
	if !ok {
		return s, fmt.Errorf("session cannot go from %s to %s", s, next)
	}
	return next, nil
}
