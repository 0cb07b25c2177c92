package route

import "time"

// Shut says that a machine's network is shut, as [Inspect] found it.
type Shut struct {
	// Since is when the machine was shut, or, where nobody holds it any more, when the session ended that had shut it.
	Since time.Time
	// Reason is why it stays shut, in words; empty while a daemon holds it.
	Reason string
	// Held: a running daemon holds it, and its session may well work.
	Held bool
	// PID is that daemon's process; 0 where it is not known.
	PID int
	// Lockdown: it was to stay shut after the session too (Config.Lockdown).
	Lockdown bool
	// Trouble is what is wrong with what keeps it shut; empty when all of it stands.
	Trouble string
}
