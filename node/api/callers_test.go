package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"byway/node/home"
)

// Every user of the machine reaches the port of the local API. Without the token nobody takes more than a few descriptors,
// and the owner is answered meanwhile.
func TestAdversaryStrangersTakeNoDescriptorsOfTheLocalAPI(t *testing.T) {
	t.Parallel()
	home, err := home.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := Listen(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	address := (*server.taken.Load()).Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		routes := map[string]http.HandlerFunc{"/v1/status": func(w http.ResponseWriter, _ *http.Request) { Answer(w, "fine", nil) }}
		if err := server.Serve(ctx, routes, func() { close(ready) }); err != nil {
			t.Error(err)
		}
	})
	<-ready
	most := 0
	for what, say := range map[string]string{
		"nothing": "", "half a line": "GET /v1", "half a header": "GET /v1/status HTTP/1.1\r\nHost: ",
		"a request without the token": fmt.Sprintf("GET /v1/status HTTP/1.1\r\nHost: %s\r\n\r\n", address),
		"a body that does not come":   fmt.Sprintf("POST /v1/status HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n", address),
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
		asking, stop := context.WithTimeout(t.Context(), time.Minute)
		api, err := Dial(home)
		var status string
		if err == nil {
			err = api.Get(asking, "/v1/status", &status)
		}
		stop()
		if err != nil || status != "fine" {
			t.Errorf("beside 300 connections that say %s: %q, %v", what, status, err)
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
	t.Logf("adversary: %s | bound: %s | seen: %d kept at most", "300 connections each of a user without the token that stop at five points",
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
