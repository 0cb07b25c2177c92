package registry

import "sync/atomic"

// Stats counts what listings came to since the registry was opened. Memory does not grow with what is refused.
type Stats struct {
	// Listed counts the offers that passed every check, Skipped those that did not, by [Skipped.Kind]. An offer counts
	// once for each time that it was checked.
	Listed  uint64            `json:"listed"`
	Skipped map[string]uint64 `json:"skipped"`
}

// counters has one counter for each kind of refusal, in the order of kinds, and a last one for the others.
type counters struct {
	listed  atomic.Uint64
	skipped [len(kinds) + 1]atomic.Uint64
}

func (c *counters) skip(kind string) {
	for i, k := range kinds {
		if k.word == kind {
			c.skipped[i].Add(1)
			return
		}
	}
	c.skipped[len(kinds)].Add(1)
}

// Stats returns the counts so far.
func (r *Registry) Stats() Stats {
	s := Stats{Listed: r.stats.listed.Load(), Skipped: map[string]uint64{}}
	for i := range r.stats.skipped {
		n := r.stats.skipped[i].Load()
		switch {
		case n == 0:
		case i < len(kinds):
			s.Skipped[kinds[i].word] = n
		default:
			s.Skipped["other"] = n
		}
	}
	return s
}
