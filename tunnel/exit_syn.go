package tunnel

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// syns keeps the sequence numbers of the connection requests that are under way, which the forwarder does not tell: without
// the right one the consumer's kernel takes no message about a connection (RFC 5927, section 4). Requests that are under way
// are bounded elsewhere.
type syns struct {
	mu   sync.Mutex
	list map[stack.TransportEndpointID]uint32
}

// note is called before a request is handed on; a SYN that comes again has the same number.
func (s *syns) note(id stack.TransportEndpointID, seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = make(map[stack.TransportEndpointID]uint32)
	}
	s.list[id] = seq
}

func (s *syns) of(id stack.TransportEndpointID) (seq uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, ok = s.list[id]
	return seq, ok
}

// forget is called once a request is complete, or was not taken.
func (s *syns) forget(id stack.TransportEndpointID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.list, id)
}
