package forward

// Use is how full the kernel's table of connections is.
type Use struct {
	Tracked, TrackedMax int            // of the host, all programs together
	Ours, OursMax       int            // of this exit's sessions, and what they get at most
	Sessions            map[uint16]int // by index; counted every few seconds, and when the table fills up
}
