//go:build linux

package route_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"

	"byway/tunnel"
	"byway/tunnel/policy"
	"byway/tunnel/route"
	"byway/tunnel/wireguard"
)

// roleEnv makes this binary another program: one that runs within a namespace and does what it is told on its standard
// input.
const roleEnv = "BYWAY_ROUTE_ROLE"

type request struct {
	Op      string        `json:"op"`
	Config  *route.Config `json:"config,omitempty"`
	Key     []byte        `json:"key,omitempty"`
	Limit   uint64        `json:"limit,omitempty"`
	Welcome *answer       `json:"welcome,omitempty"`
	Text    string        `json:"text,omitempty"`
	Refuse  *refuse       `json:"refuse,omitempty"`
}

// refuse says which steps of what is asked the kernel is to refuse, and with what; zero: the interface goes instead.
type refuse struct {
	From, Times int
	With        syscall.Errno
}

type answer struct {
	Error    string         `json:"error,omitempty"`
	Key      []byte         `json:"key,omitempty"`
	Endpoint netip.AddrPort `json:"endpoint"`
	V4       netip.Addr     `json:"v4"`
	V6       netip.Addr     `json:"v6"`
	DNS      netip.Addr     `json:"dns"`
	Held     bool           `json:"held,omitempty"`
	Count    uint64         `json:"count,omitempty"`
	Text     string         `json:"text,omitempty"`
	Shut     *route.Shut    `json:"shut,omitempty"`
}

// undone stands behind an error of a role that is a [route.UndoneError].
const undone = " (undone)"

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	var handle func(request) (answer, error)
	switch role {
	case "consumer":
		handle = new(consumer).handle
	case "provider":
		handle = new(provider).handle
	case "internet":
		handle = serveInternet()
	case "programs":
		handle = programs()
	case "listener":
		handle = listen()
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		var r request
		a, err := answer{}, json.Unmarshal(in.Bytes(), &r)
		if err == nil {
			a, err = handle(r)
		}
		if err != nil {
			a.Error = err.Error()
			if errors.As(err, new(*route.UndoneError)) {
				a.Error += undone
			}
		}
		if out.Encode(a) != nil {
			return
		}
	}
}

// consumer is a daemon's whole-machine side.
type consumer struct {
	routes  *route.Routes
	private wireguard.PrivateKey
	tun     *tunnel.TUN
	client  *tunnel.TUNClient
	former  *tunnel.TUNClient // that was dialled before it

	refusals *refusals
	bare     *os.File // an interface that nobody reads, in place of a session's
}

// bareLink is that of a session whose interface is bare.
var bareLink = route.Link{
	Addrs: []netip.Addr{netip.MustParseAddr("10.213.0.2"), netip.MustParseAddr("fd62:7977:6179::2")},
	DNS:   netip.MustParseAddr("10.213.0.1"), MTU: 1420,
}

func (c *consumer) handle(r request) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if f := r.Refuse; f != nil {
		if c.refusals == nil {
			var err error
			if c.refusals, err = refuseCalls(); err != nil {
				return answer{}, err
			}
		}
		c.refusals.arm(f.From, f.Times, f.With, func() {
			if c.bare != nil {
				c.bare.Close()
			}
		})
		r.Refuse = nil
		_, err := c.handle(r)
		var a answer
		a.Count, a.Text = c.refusals.disarm()
		return a, err
	}
	switch r.Op {
	case "cgroup":
		// "ip netns exec" hides what is mounted below /sys.
		return answer{}, unix.Mount("none", r.Text, "cgroup2", 0, "")
	case "without":
		route.Without(r.Text)
		return answer{}, nil
	case "lock":
		var err error
		c.routes, err = route.Lock(ctx, *r.Config)
		return answer{}, err
	case "key":
		var err error
		c.private, err = wireguard.GenerateKey()
		key := c.private.Public()
		return answer{Key: key[:]}, err
	case "dial":
		var err error
		w := r.Welcome
		if c.tun == nil || c.tun.Gone() {
			if c.tun, err = tunnel.OpenTUN(route.DefaultInterface, 1420); err != nil {
				return answer{}, err
			}
		}
		c.former = c.client
		c.client, err = tunnel.DialTUN(tunnel.ClientConfig{
			Private: c.private, Peer: wireguard.Key(w.Key), Endpoint: w.Endpoint, Addrs: []netip.Addr{w.V4, w.V6}, DNS: w.DNS,
		}, tunnel.TUNConfig{TUN: c.tun, Mark: route.MarkUnderlay})
		if err != nil {
			return answer{}, err
		}
		return answer{}, c.client.Handshake(ctx)
	case "dial plainly": // a tunnel that checks nothing
		dev, err := tun.CreateTUN(route.DefaultInterface, 1420)
		if err != nil {
			return answer{}, err
		}
		return answer{}, plainTunnel(dev, c.private, fmt.Sprintf("fwmark=%d\n", route.MarkUnderlay), wireguard.Key(r.Welcome.Key),
			fmt.Sprintf("endpoint=%v\npersistent_keepalive_interval=1\n", r.Welcome.Endpoint))
	case "up":
		c.tun.Hold()
		link := route.Link{Addrs: c.client.Addrs(), DNS: c.client.DNS(), MTU: c.client.MTU()}
		return answer{}, c.routes.Swap(ctx, link, c.client.Attach)
	case "up badly": // the new session can't be given the interface
		c.tun.Hold()
		link := route.Link{Addrs: c.client.Addrs(), DNS: c.client.DNS(), MTU: c.client.MTU()}
		err := c.routes.Swap(ctx, link, func() error { return errNothingTried })
		back := c.former.Attach()
		c.client, c.former = c.former, c.client
		return answer{}, errors.Join(err, back)
	case "end former":
		return answer{}, c.former.Close()
	case "end session": // the interface stays
		return answer{}, c.client.Close()
	case "hangup": // what the end of the last session does
		return answer{}, errors.Join(c.client.Close(), c.tun.Close())
	case "bare":
		var err error
		c.bare, err = bareTUN(route.DefaultInterface)
		return answer{}, err
	case "bare up":
		if c.client != nil { // with addresses that the test chooses
			return answer{}, c.routes.Swap(ctx, bareLink, c.client.Attach)
		}
		return answer{}, c.routes.Up(ctx, bareLink)
	case "bare down":
		return answer{}, errors.Join(c.routes.Down(bareLink), c.bare.Close())
	case "unbare":
		if c.bare != nil {
			_ = c.bare.Close() // it may be closed already
			c.bare = nil
		}
		return answer{}, nil
	case "probe":
		probe()
		return answer{}, nil
	case "close":
		return answer{}, c.routes.Close()
	case "abandon":
		return answer{}, c.routes.Abandon(r.Text)
	case "trouble":
		return answer{Text: c.routes.Trouble()}, nil
	case "nobody": // for good
		return answer{}, syscall.Setresuid(65534, 65534, 65534)
	case "inspect":
		shut, err := route.Inspect(r.Text)
		return answer{Shut: shut}, err
	case "release":
		return answer{}, c.routes.Release()
	case "restore":
		_, err := route.Restore(r.Text)
		return answer{}, err
	case "recover":
		if _, err := route.Recover(r.Text); !errors.Is(err, route.ErrLockdown) {
			return answer{}, fmt.Errorf("recover under lockdown: %w", err)
		}
		return answer{}, nil
	case "open portal":
		hole, err := c.routes.OpenPortal(ctx, time.Duration(r.Limit)*time.Second)
		return answer{Text: fmt.Sprint(hole.Servers)}, err
	case "close portal":
		return answer{}, c.routes.ClosePortal()
	case "join":
		return answer{}, route.Join(route.Side(r.Limit), os.Getpid())
	case "resolve":
		list, err := c.routes.Resolver().LookupHost(ctx, r.Text)
		return answer{Text: fmt.Sprint(list)}, err
	case "underlay": // a connection of the daemon's own
		d := net.Dialer{Control: route.Control, Resolver: c.routes.Resolver()}
		conn, err := d.DialContext(ctx, "tcp", r.Text)
		if err != nil {
			return answer{}, err
		}
		return answer{Text: conn.LocalAddr().String()}, conn.Close()
	case "etc":
		return answer{}, mountEtc(r.Text)
	case "resolv.conf":
		target, _ := os.Readlink("/etc/resolv.conf")
		b, err := os.ReadFile("/etc/resolv.conf")
		info, _ := os.Lstat("/etc/resolv.conf")
		list, _ := os.ReadDir("/etc")
		text := fmt.Sprintf("link %q, %d files, %s (%v)", target, len(list), b, err)
		if info != nil {
			text = fmt.Sprint(info.Mode(), " ", text)
		}
		return answer{Text: text}, nil
	case "counters":
		return answer{Count: c.client.Counters().Total()}, nil
	}
	return answer{}, fmt.Errorf("unknown request %q", r.Op)
}

// mountEtc gives this process an /etc of its own, with a resolv.conf of some kind. "ip netns exec" has made a mount
// namespace for it.
func mountEtc(kind string) error {
	if err := unix.Mount("none", "/etc", "tmpfs", 0, ""); err != nil {
		return err
	}
	switch kind {
	case "file":
		return os.WriteFile("/etc/resolv.conf", []byte(formerResolv), 0o604)
	case "link":
		return errors.Join(os.Symlink("managed.conf", "/etc/resolv.conf"),
			os.WriteFile("/etc/managed.conf", []byte(formerResolv), 0o644))
	case "dangling":
		return os.Symlink("nowhere", "/etc/resolv.conf")
	}
	return nil
}

// provider is an exit in userspace, which needs nothing of its machine.
type provider struct {
	exit    *tunnel.Exit
	session *tunnel.Session
}

func (p *provider) handle(r request) (answer, error) {
	switch r.Op {
	case "start":
		policy, err := policy.New(policy.Config{Allow: []netip.Prefix{
			netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:2::/64"),
		}})
		if err != nil {
			return answer{}, err
		}
		p.exit, err = tunnel.NewExit(tunnel.ExitConfig{
			Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), port), Policy: policy,
			DNS: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(dns4), 53)},
			// The programs of these tests open more flows than the usual limits of a session allow.
			Limits: tunnel.Limits{Flows: 1 << 16, NewFlows: 1 << 16},
		})
		return answer{}, err
	case "add":
		var err error
		p.session, err = p.exit.Add(tunnel.Peer{PublicKey: wireguard.Key(r.Key), Limit: r.Limit})
		if err != nil {
			return answer{}, err
		}
		key := p.exit.PublicKey()
		a := answer{Key: key[:], DNS: p.exit.DNS()}
		a.V4, a.V6 = p.session.Addrs()
		return a, nil
	case "hostile":
		return openHostile(wireguard.Key(r.Key))
	case "assault":
		to, err := netip.ParseAddr(r.Text)
		if err != nil {
			return answer{}, err
		}
		return answer{Text: assault(to)}, nil
	case "spoof": // towards a machine of this link
		var dev, from, to, via string
		if _, err := fmt.Sscan(r.Text, &dev, &from, &to, &via); err != nil {
			return answer{}, err
		}
		return answer{}, spoof(dev, netip.MustParseAddr(from), netip.MustParseAddr(to), netip.MustParseAddr(via))
	case "allow":
		p.session.Allow(r.Limit)
		return answer{}, nil
	case "state":
		return answer{Held: p.session.Held(), Count: p.session.Counters().Total()}, nil
	}
	return answer{}, fmt.Errorf("unknown request %q", r.Op)
}

// serveInternet answers DNS and HTTP. Its web page is the address of who asks, or as many bytes as asked for.
func serveInternet() func(request) (answer, error) {
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		header := dns.RR_Header{Name: q.Question[0].Name, Class: dns.ClassINET, Ttl: 1}
		switch header.Rrtype = q.Question[0].Qtype; header.Rrtype {
		case dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.ParseIP(web4)})
		case dns.TypeAAAA:
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header, AAAA: net.ParseIP(web6)})
		}
		w.WriteMsg(m)
	})
	failed := make(chan error, 8)
	for _, network := range []string{"udp", "tcp"} {
		for _, addr := range []string{dns4, dns6} {
			s := &dns.Server{Addr: net.JoinHostPort(addr, "53"), Net: network, Handler: handler}
			go func() { failed <- s.ListenAndServe() }()
		}
	}
	for _, p := range []string{"80", "853"} {
		l, err := net.Listen("tcp", ":"+p)
		if err != nil {
			failed <- err
			continue
		}
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := strconv.Atoi(r.FormValue("bytes"))
			if err != nil {
				host, _, _ := net.SplitHostPort(r.RemoteAddr)
				fmt.Fprint(w, host)
				return
			}
			w.Write(make([]byte, n))
		}))
	}
	return func(request) (answer, error) {
		select {
		case err := <-failed:
			return answer{}, err
		case <-time.After(100 * time.Millisecond):
			return answer{}, nil
		}
	}
}

var errNothingTried = errors.New("nothing was tried")
