package chain

import (
	"context"
	"net"
	"sync"
)

// sockets are the open connections of an endpoint's WebSockets. The library that opens them looks at no context once it
// waits for the server's word: closing the connection is what ends that.
type sockets struct {
	mu     sync.Mutex
	open   map[*socket]bool
	closed bool
}

// socket is a connection that is forgotten when it is closed.
type socket struct {
	net.Conn
	of *sockets
}

// Close implements [net.Conn].
func (s *socket) Close() error {
	s.of.mu.Lock()
	delete(s.of.open, s)
	s.of.mu.Unlock()
	return s.Conn.Close()
}

// dialer opens connections with d.
func (s *sockets) dialer(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			conn.Close() // nothing was said on it
			return nil, errClosed
		}
		if s.open == nil {
			s.open = make(map[*socket]bool)
		}
		of := &socket{conn, s}
		s.open[of] = true
		return of, nil
	}
}

// closeAll closes every connection, and those that are opened later at once.
func (s *sockets) closeAll() {
	s.mu.Lock()
	open := s.open
	s.open, s.closed = nil, true
	s.mu.Unlock()
	for conn := range open {
		conn.Conn.Close() // it is not used any more
	}
}
