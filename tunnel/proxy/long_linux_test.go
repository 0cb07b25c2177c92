package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"byway/tunnel/tunneltest"
)

// slowDirect dials like direct, and takes its time to fail on what ends in port 9.
type slowDirect struct {
	direct
	wait time.Duration
}

func (d *slowDirect) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasSuffix(address, ":9") {
		time.Sleep(d.wait)
		return nil, syscall.EHOSTUNREACH
	}
	return d.direct.DialContext(ctx, network, address)
}

// The time for a greeting is over long before many answers are: it must end no connection that has asked for something.
func TestAdversaryAnswersMayLastLongerThanAGreeting(t *testing.T) {
	t.Parallel()
	const longer = proxyGreetTimeout + time.Second
	const size = 4 << 20
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Content-Length", fmt.Sprint(size))
		switch req.URL.Path {
		case "/late":
			time.Sleep(longer)
		case "/slow":
			for range 4 {
				rw.Write(make([]byte, size/8))
				rw.(http.Flusher).Flush()
				time.Sleep(longer / 4)
			}
			rw.Write(make([]byte, size/2))
			return
		}
		rw.Write(make([]byte, size))
	}))
	t.Cleanup(srv.Close)
	target := srv.Listener.Addr().String()
	_, proxy := proxyWith(t, "127.0.0.1:0", Config{Dialer: &slowDirect{wait: longer}, Users: me})
	get := func(path string) string {
		return fmt.Sprintf("GET http://%s%s HTTP/1.1\r\nHost: x\r\n\r\n", target, path)
	}
	whole := func(r *bufio.Reader) error {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size || resp.StatusCode != 200 {
			return fmt.Errorf("%s, %d of %d bytes: %w", resp.Status, n, size, err)
		}
		return nil
	}
	cases := map[string]func(c net.Conn, r *bufio.Reader) error{
		"an answer that comes late": func(c net.Conn, r *bufio.Reader) error {
			io.WriteString(c, get("/late"))
			return whole(r)
		},
		"an answer that takes long": func(c net.Conn, r *bufio.Reader) error {
			io.WriteString(c, get("/slow"))
			return whole(r)
		},
		"a second request, later": func(c net.Conn, r *bufio.Reader) error {
			io.WriteString(c, get("/"))
			if err := whole(r); err != nil {
				return err
			}
			time.Sleep(longer)
			io.WriteString(c, get("/"))
			return whole(r)
		},
		"a program that reads late": func(c net.Conn, r *bufio.Reader) error {
			io.WriteString(c, get("/"))
			time.Sleep(longer)
			return whole(r)
		},
		"CONNECT to what fails late": func(c net.Conn, r *bufio.Reader) error {
			io.WriteString(c, "CONNECT 192.0.2.1:9 HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
			if err == nil && resp.StatusCode != http.StatusBadGateway {
				err = fmt.Errorf("answer %s", resp.Status)
			}
			return err
		},
		"GET from what fails late": func(c net.Conn, r *bufio.Reader) error {
			io.WriteString(c, "GET http://192.0.2.1:9/ HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(r, nil)
			if err == nil && resp.StatusCode != http.StatusBadGateway {
				err = fmt.Errorf("answer %s", resp.Status)
			}
			return err
		},
	}
	var wg sync.WaitGroup
	for what, does := range cases {
		c := tunneltest.DialProxy(t, proxy)
		c.SetReadBuffer(64 << 10)
		wg.Go(func() {
			if err := does(c, bufio.NewReader(c)); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	wg.Wait()
	if !t.Failed() {
		t.Logf("adversary: %s | bound: %s | seen: %d of %[3]d", "plain HTTP and CONNECT whose answers, failures and next requests come a second after the greeting's time",
			"each is whole, or says why not", len(cases))
	}
}
