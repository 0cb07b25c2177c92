package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// straight carries a proxy's flows without a tunnel.
type straight struct{ net.Dialer }

func (straight) ListenUDP() (net.PacketConn, error) { return nil, net.ErrClosed }

func (straight) Resolve(context.Context, string) ([]netip.Addr, error) { return nil, net.ErrClosed }

func TestAdversaryTheProxyOfAHomeServesItsOwnerRootAndSudosUserAlone(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and curl")
	}
	var served atomic.Int64
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		io.WriteString(w, "page")
	}))
	defer page.Close()
	const owner, sudo, stranger = 1201, 1202, 1203
	home := t.TempDir()
	if err := os.Chown(home, owner, owner); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_UID", fmt.Sprint(sudo))
	l, err := listenProxy(home, "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.proxy(&straight{}, nil).Serve(ctx, l.Listener) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	refused := 0
	for _, c := range []struct {
		user uint32
		may  bool
	}{{owner, true}, {0, true}, {sudo, true}, {stranger, false}, {65534, false}} {
		for _, scheme := range []string{"socks5", "socks5h", "http", "socks4", "socks4a"} {
			before := served.Load()
			run, stop := context.WithTimeout(t.Context(), time.Minute)
			cmd := exec.CommandContext(run, curl, "-sS", "-q", "-x", scheme+"://"+l.Addr().String(), page.URL)
			cmd.Dir, cmd.Env = "/", []string{}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.user, Gid: c.user}}
			out, err := cmd.CombinedOutput()
			stop()
			may := c.may && !strings.HasPrefix(scheme, "socks4")
			got := served.Load() - before
			if may && (err != nil || string(out) != "page") || !may && got != 0 {
				t.Errorf("user %d by %s: %q, %v, %d requests served", c.user, scheme, out, err, got)
			}
			if !c.may && got == 0 && string(out) != "page" {
				refused++
			}
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %d of theirs refused", "two other users' curl, by five schemes, at the proxy of a home of user 1201, by sudo of user 1202",
		"owner, root and sudo's user served, nobody else", refused)
}
