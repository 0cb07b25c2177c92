package forward

import "time"

// Use is how full the kernel's table of connections is.
type Use struct {
	Tracked, TrackedMax int            // of the host, all programs together
	Ours, OursMax       int            // of this exit's sessions, and what they get at most
	Sessions            map[uint16]int // by index; counted every few seconds, and when the table fills up
	Pause               time.Duration  // the longest between two looks at the table, of which there should be ten a second
}
