package api

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Every user of the machine reaches the browser door. Without a bearer nobody takes more than a few descriptors, and who has
// one is answered meanwhile, there and at the socket.
func TestAdversaryStrangersTakeNoDescriptorsOfTheLocalAPI(t *testing.T) {
	t.Parallel()
	d := serve(t)
	v, code, _ := d.opened(t)
	_, page := v.enter(code)
	v.bearer = doorBearer.FindStringSubmatch(page)[1]
	address := v.host
	most := 0
	for what, say := range map[string]string{
		"nothing": "", "half a line": "GET /v2", "half a header": "GET /v2/status HTTP/1.1\r\nHost: ",
		"a request without the token": fmt.Sprintf("GET /v2/status HTTP/1.1\r\nHost: %s\r\n\r\n", address),
		"a body that does not come":   fmt.Sprintf("POST /v2/status HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n", address),
	} {
		var conns []net.Conn
		for range 300 {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			io.WriteString(c, say)
		}
		if response, got := v.ask(http.MethodGet, "/v2/status", "", nil); response.StatusCode != http.StatusOK {
			t.Errorf("beside 300 connections that say %s: %d %s", what, response.StatusCode, got)
		}
		if _, err := d.client.GetStatusWithResponse(t.Context()); err != nil {
			t.Errorf("at the socket, beside 300 connections that say %s: %v", what, err)
		}
		// Some wait in the kernel's queue at first.
		open := 0
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if open = stillOpen(conns); open <= callersMost {
				break
			}
		}
		for _, c := range conns {
			c.Close()
		}
		if most = max(most, open); open > callersMost {
			t.Errorf("%d of 300 connections that say %s are kept", open, what)
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %d kept at most", "300 connections each of a user without a bearer that stop at five points",
		"64 are kept, and the owner is answered", most)
}

// stillOpen counts the connections that the other side has not closed.
func stillOpen(conns []net.Conn) (open int) {
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		var b [512]byte
		var err error
		for err == nil {
			_, err = c.Read(b[:])
		}
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			open++
		}
	}
	return open
}
