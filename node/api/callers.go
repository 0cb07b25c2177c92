package api

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"
)

// How many connections of a way in may have no request, and for how long each may in any case. Every user of this
// machine can connect to the door, without a bearer, and each connection is one of the descriptors that ledger, chain and peers need.
const (
	callersMost     = 64
	callersPatience = 50 * time.Millisecond
)

// callers is a listener that takes no more connections than that. Where there are as many it closes the one that has said
// nothing for longest; whoever has just come has a moment to speak, and the next waits in the kernel's queue meanwhile.
type callers struct {
	net.Listener

	mu      sync.Mutex
	order   list.List // of *caller, the oldest first
	waiting map[net.Conn]*list.Element
}

type caller struct {
	conn  net.Conn
	since time.Time
}

func newCallers(l net.Listener) *callers {
	return &callers{Listener: l, waiting: make(map[net.Conn]*list.Element)}
}

// Accept implements [net.Listener]. One goroutine calls it.
func (c *callers) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for wait := c.room(); wait > 0; wait = c.room() {
		time.Sleep(wait)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waitLocked(conn)
	return conn, nil
}

// room makes room for one more, or tells how long to wait for it.
func (c *callers) room() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) < callersMost {
		return 0
	}
	oldest := c.order.Front().Value.(*caller)
	if wait := callersPatience - time.Since(oldest.since); wait > 0 {
		return wait
	}
	c.leaveLocked(oldest.conn)
	oldest.conn.Close()
	return 0
}

func (c *callers) waitLocked(conn net.Conn) {
	c.waiting[conn] = c.order.PushBack(&caller{conn, time.Now()})
}

func (c *callers) leaveLocked(conn net.Conn) {
	if at := c.waiting[conn]; at != nil {
		c.order.Remove(at)
		delete(c.waiting, conn)
	}
}

// note is the server's ConnState: a connection waits until a request is there, and again between requests.
func (c *callers) note(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return // it waits since it was accepted
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaveLocked(conn)
	if state == http.StateIdle {
		c.waitLocked(conn)
	}
}
