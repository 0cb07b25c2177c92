package node_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sys/unix"

	"byway/contracts"
	"byway/node"
	"byway/node/account"
	"byway/node/connection"
	"byway/node/devnet"
	"byway/node/home"
	"byway/node/path"
	"byway/node/provide"
	"byway/payments"
	"byway/payments/ledger"
	"byway/registry"
	"byway/tunnel/proxy"
	"byway/tunnel/route"
)

// A life is a connection that is led through whatever happens to its exits, its machine and its network:
//
//	consumer ── 198.51.100.0/24 (and 198.51.101.0/24) ── market, exits, a web page at 203.0.113.80
//
// Each side is a namespace, each exit, the market, the consumer and the programs that use it are processes: this binary in
// a role (TestNetLifeRole). What the consumer's machine sends to the web page by itself is counted where it arrives.
const (
	lifeEnv = "BYWAY_LIFE_ROLE"
	lifeWeb = "203.0.113.80"
	lifeNet = "198.51.100."
)

// lifeOrder is what a role is told, and lifeAnswer what it says.
type lifeOrder struct {
	Op      string           `json:"op"`
	Network string           `json:"network,omitempty"` // a file
	Dir     string           `json:"dir,omitempty"`
	Key     string           `json:"key,omitempty"`
	Session string           `json:"session,omitempty"`
	Number  int              `json:"number,omitempty"`
	Budget  string           `json:"budget,omitempty"`
	Machine bool             `json:"machine,omitempty"`
	Accept  []common.Address `json:"accept,omitempty"`
	Proxy   string           `json:"proxy,omitempty"`
}

type lifeAnswer struct {
	Error  string             `json:"error,omitempty"`
	Status *connection.Status `json:"status,omitempty"`
	Inode  uint64             `json:"inode,omitempty"`
	Proxy  string             `json:"proxy,omitempty"`
	Pause  time.Duration      `json:"pause,omitempty"`
	Flows  int                `json:"flows,omitempty"`
}

// lifeMark begins a role's answer, among what the testing package prints.
const lifeMark = "life: "

// TestNetLifeRole is no test: it is another process of one.
func TestNetLifeRole(t *testing.T) {
	role := os.Getenv(lifeEnv)
	if role == "" {
		t.Skip("a role of the tests of a connection's life")
	}
	roles := map[string]func(context.Context, lifeOrder) (lifeAnswer, error){
		"market": new(lifeMarket).handle, "exit": new(lifeExit).handle, "consumer": new(lifeConsumer).handle,
		"programs": new(lifePrograms).handle,
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var o lifeOrder
		var a lifeAnswer
		err := json.Unmarshal(in.Bytes(), &o)
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			a, err = roles[role](ctx, o)
			cancel()
		}
		if err != nil {
			a.Error = err.Error()
		}
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s%s\n", lifeMark, b)
	}
}

// lifeMarket is the devnet, with a web page.
type lifeMarket struct{ net *devnet.Devnet }

func (m *lifeMarket) handle(ctx context.Context, o lifeOrder) (lifeAnswer, error) {
	switch o.Op {
	case "start":
		l, err := net.Listen("tcp4", net.JoinHostPort(lifeWeb, "80"))
		if err != nil {
			return lifeAnswer{}, err
		}
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // until the process ends
			n, _ := strconv.Atoi(r.FormValue("bytes")) // none where none is asked for
			io.CopyN(w, zeros{}, int64(n))
			fmt.Fprint(w, "page")
		}))
		m.net, err = devnet.Start(context.WithoutCancel(ctx), devnet.Config{
			Dir: o.Dir, Listen: lifeNet + "1:0", HostListen: []string{"/ip4/" + lifeNet + "1/udp/0/quic-v1"},
		})
		if err != nil {
			return lifeAnswer{}, err
		}
		return lifeAnswer{}, m.net.Network.Write(o.Network)
	case "fund":
		for _, a := range o.Accept {
			if err := m.net.Fund(ctx, a, tokens("20")); err != nil {
				return lifeAnswer{}, err
			}
		}
		return lifeAnswer{}, nil
	}
	return lifeAnswer{}, fmt.Errorf("unknown order %q", o.Op)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func lifeKey(text string) (contracts.Key, error) {
	key, err := crypto.HexToECDSA(text)
	if err != nil {
		return contracts.Key{}, err
	}
	return contracts.NewKey(key), nil
}

// lifeExit is a provider.
type lifeExit struct {
	node  *node.Provider
	stop  context.CancelFunc
	ended chan error
}

func (e *lifeExit) handle(ctx context.Context, o lifeOrder) (lifeAnswer, error) {
	switch o.Op {
	case "start":
		network, err := home.LoadNetwork(o.Network)
		if err != nil {
			return lifeAnswer{}, err
		}
		key, err := lifeKey(o.Key)
		if err != nil {
			return lifeAnswer{}, err
		}
		folder, err := home.Open(o.Dir)
		if err != nil {
			return lifeAnswer{}, err
		}
		cfg := node.ProviderConfig{
			Home: folder, Network: network, Key: key,
			HostListen: []string{fmt.Sprintf("/ip4/%s1/udp/%d/quic-v1", lifeNet, 41000+o.Number)},
			Config: provide.Config{
				Terms: registry.DefaultDraft(), Listen: netip.AddrPortFrom(netip.MustParseAddr(lifeNet+"1"), uint16(51000+o.Number)),
				DNS: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(lifeWeb), 53)},
			},
		}
		cfg.Terms.Price, cfg.Terms.Exit.Allowed = tokens("0.1"), []netip.Prefix{netip.MustParsePrefix(lifeWeb + "/32")}
		if e.node, err = node.OpenProvider(ctx, cfg); err != nil {
			return lifeAnswer{}, err
		}
		if _, err := e.node.Publish(ctx); err != nil {
			return lifeAnswer{}, err
		}
		running, stop := context.WithCancel(context.Background())
		e.stop, e.ended = stop, make(chan error, 1)
		go func() { e.ended <- e.node.Run(running) }()
		select {
		case <-e.node.Ready():
			return lifeAnswer{}, nil
		case err := <-e.ended:
			return lifeAnswer{}, fmt.Errorf("the exit has ended: %w", err)
		case <-ctx.Done():
			return lifeAnswer{}, ctx.Err()
		}
	case "refuse":
		return lifeAnswer{}, e.node.Say(node.BrokenFrames()["a refusal"])
	case "drain":
		e.stop()
		return lifeAnswer{}, <-e.ended
	}
	return lifeAnswer{}, fmt.Errorf("unknown order %q", o.Op)
}

// lifeConsumer is a daemon whose connection is led.
type lifeConsumer struct {
	account    *account.Account
	consumer   *path.Consumer
	supervisor *connection.Supervisor
	listener   net.Listener
}

func (c *lifeConsumer) handle(ctx context.Context, o lifeOrder) (lifeAnswer, error) {
	status := func() *connection.Status { s := c.supervisor.Snapshot(); return &s }
	switch o.Op {
	case "start":
		return lifeAnswer{}, c.start(ctx, o)
	case "connect":
		w := connection.Want{Budgets: connection.Budgets{Session: tokens(o.Budget)}}
		a := lifeAnswer{}
		if o.Machine {
			w.Machine = &connection.Machine{}
		} else {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return lifeAnswer{}, err
			}
			c.listener, a.Proxy = l, l.Addr().String()
			p := proxy.New(proxy.Config{Dialer: c.supervisor.Dialer(), Users: []uint32{uint32(os.Getuid())}})
			go p.Serve(context.Background(), l) // until the process ends
		}
		err := c.supervisor.Connect(ctx, w)
		a.Status = status()
		return a, err
	case "status":
		a := lifeAnswer{Status: status()}
		if c.listener != nil {
			file, err := c.listener.(*net.TCPListener).File()
			if err != nil {
				return a, err
			}
			defer file.Close()
			var stat unix.Stat_t
			if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
				return a, err
			}
			a.Inode = stat.Ino
		}
		return a, nil
	case "rotate":
		return lifeAnswer{}, c.supervisor.Rotate(ctx)
	case "off":
		_, err := c.supervisor.Off(ctx)
		return lifeAnswer{Status: status()}, err
	case "close":
		return lifeAnswer{}, errors.Join(c.supervisor.Close(ctx), c.consumer.Close(), c.account.CloseAll())
	}
	return lifeAnswer{}, fmt.Errorf("unknown order %q", o.Op)
}

func (c *lifeConsumer) start(ctx context.Context, o lifeOrder) error {
	network, err := home.LoadNetwork(o.Network)
	if err != nil {
		return err
	}
	if o.Machine { // the daemon's own connections go past the machine's tunnel
		network.Dialer = &net.Dialer{Timeout: 15 * time.Second, Control: route.Control}
	}
	key, err := lifeKey(o.Key)
	if err != nil {
		return err
	}
	session, err := lifeKey(o.Session)
	if err != nil {
		return err
	}
	folder, err := home.Open(filepath.Join(o.Dir, "home"))
	if err != nil {
		return err
	}
	c.account, err = account.Open(ctx, account.Config{Home: folder, Network: network, Key: key, Client: true})
	if err != nil {
		return err
	}
	if c.consumer, err = path.Open(ctx, c.account, path.Config{Session: session}); err != nil {
		return err
	}
	c.supervisor, err = connection.Supervise(ctx, c.consumer, connection.Config{
		WarmMachine: true,
		Machine: func(ctx context.Context, m connection.Machine) (*path.Hold, error) {
			machine := m.Route()
			machine.StateDir = filepath.Join(o.Dir, "state")
			return path.LockMachine(ctx, &machine, c.account.Log)
		},
	})
	return err
}

// lifePrograms are the programs of the machine: they fetch the page by new flows all the time, and send what nobody asked
// for. They say how long no flow worked.
type lifePrograms struct {
	once sync.Once

	mu      sync.Mutex
	last    time.Time // a flow worked
	longest time.Duration
	flows   int
}

func (p *lifePrograms) handle(_ context.Context, o lifeOrder) (lifeAnswer, error) {
	p.once.Do(func() {
		transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}
		if o.Proxy != "" {
			transport.Proxy = http.ProxyURL(&url.URL{Scheme: "socks5", Host: o.Proxy}) // by HTTP it keeps connections
			transport.DialContext = nil
		}
		// Several at a time: one that waits for what is gone says nothing of those that begin now.
		client := &http.Client{Transport: transport, Timeout: 3 * time.Second}
		for range 8 {
			go p.fetch(client)
		}
		go spend(client)
		if o.Machine {
			go chatter()
		}
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	a := lifeAnswer{Pause: max(p.longest, time.Since(p.last)), Flows: p.flows}
	if o.Op == "begin" {
		p.last, p.longest, p.flows = time.Now(), 0, 0
	}
	return a, nil
}

func (p *lifePrograms) fetch(client *http.Client) {
	for ; ; time.Sleep(50 * time.Millisecond) {
		response, err := client.Get("http://" + lifeWeb + "/")
		if err != nil {
			continue
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(body) != "page" {
			continue
		}
		p.mu.Lock()
		p.longest = max(p.longest, time.Since(p.last))
		p.flows++
		p.last = time.Now()
		p.mu.Unlock()
	}
}

// spend has something to pay for.
func spend(client *http.Client) {
	for ; ; time.Sleep(200 * time.Millisecond) {
		if response, err := client.Get("http://" + lifeWeb + "/?bytes=700000"); err == nil {
			_, _ = io.Copy(io.Discard, response.Body) // whatever comes is counted
			response.Body.Close()
		}
	}
}

// chatter sends by every link.
func chatter() {
	for ; ; time.Sleep(20 * time.Millisecond) {
		for _, device := range []string{"", "eth0", "eth1"} {
			d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
				return c.Control(func(fd uintptr) {
					if device != "" {
						_ = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device) // eth1 comes later
					}
				})
			}}
			if conn, err := d.Dial("udp", lifeWeb+":9"); err == nil {
				_, _ = conn.Write([]byte("from a program that knows nothing of sessions")) // refused while the machine is shut
				conn.Close()
			}
		}
	}
}

// life is a connection under test.
type life struct {
	t                *testing.T
	dir, here, there string // namespaces: of the consumer's machine, and of all others
	network          string // file
	machine          bool
	market           *role
	exits            []*lifeSeller
	consumer         *role
	programs         *role
	session, payer   contracts.Key
	start            lifeOrder // of the consumer
	ifindex          string
	inode            uint64
	clear            int
}

// lifeSeller is an exit of a life, whose process may end and begin again.
type lifeSeller struct {
	*role
	order lifeOrder
	key   contracts.Key
	down  bool
}

// role is a process.
type role struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (l *life) role(ns, name string) *role {
	l.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0], "-test.run=^TestNetLifeRole$", "-test.timeout=20m")
	cmd.Env = append(os.Environ(), lifeEnv+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	r := &role{t: l.t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	r.out.Buffer(nil, 1<<20)
	l.t.Cleanup(r.kill)
	return r
}

func (r *role) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Error(err)
	}
}

func (r *role) kill() {
	_ = r.cmd.Process.Kill() // it may have ended
	_ = r.cmd.Wait()
}

func (r *role) try(o lifeOrder) (lifeAnswer, error) {
	if err := json.NewEncoder(r.in).Encode(o); err != nil {
		return lifeAnswer{}, err
	}
	for r.out.Scan() {
		text, is := strings.CutPrefix(r.out.Text(), lifeMark)
		if !is {
			continue
		}
		var a lifeAnswer
		err := json.Unmarshal([]byte(text), &a)
		if err == nil && a.Error != "" {
			err = fmt.Errorf("%s: %s", o.Op, a.Error)
		}
		return a, err
	}
	return lifeAnswer{}, fmt.Errorf("%s: %w", o.Op, cmp.Or(r.out.Err(), io.EOF))
}

func (r *role) do(o lifeOrder) lifeAnswer {
	r.t.Helper()
	a, err := r.try(o)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (l *life) sh(ns, script string) string {
	l.t.Helper()
	out, err := exec.Command("ip", "netns", "exec", ns, "sh", "-ec", script).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func hexOf(k contracts.Key) string { return hex.EncodeToString(crypto.FromECDSA(k.Private())) }

// newLife starts a market with some exits and connects.
func newLife(t *testing.T, machine bool, exits int) *life {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	if os.Getenv("BYWAY_NET_TEST") != "1" {
		t.Skip("one of the long tests in network namespaces: make test-life")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("needs /dev/net/tun")
	}
	id := fmt.Sprintf("bywaylife%d", os.Getpid())
	l := &life{t: t, dir: t.TempDir(), here: id + "m", there: id + "b", machine: machine}
	l.network = filepath.Join(l.dir, "network.toml")
	etc := filepath.Join("/etc/netns", l.here)
	t.Cleanup(func() {
		for _, ns := range []string{l.here, l.there} {
			_ = exec.Command("ip", "netns", "del", ns).Run() // it is there, unless the test failed early
		}
		os.RemoveAll(etc)
	})
	check(t, os.MkdirAll(etc, 0o755))
	check(t, os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte("nameserver "+lifeWeb+"\n"), 0o644))
	for _, ns := range []string{l.here, l.there} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("needs network namespaces: %s", out)
		}
	}
	l.sh(l.there, `
		ip link set lo up
		ip addr add `+lifeWeb+`/32 dev lo
		ip link add c0 type veth peer name eth0 netns `+l.here+`
		ip link add c1 type veth peer name eth1 netns `+l.here+`
		ip addr add `+lifeNet+`1/24 dev c0
		ip addr add 198.51.101.1/24 dev c1
		ip link set c0 up
		ip link set c1 up
		nft -f - <<-EOF
			table inet watch {
				counter clear {}
				chain pre {
					type filter hook prerouting priority -300;
					iifname { c0, c1 } ip daddr 203.0.113.0/24 counter name clear
				}
			}
		EOF`)
	l.sh(l.here, `
		ip link set lo up
		ip addr add `+lifeNet+`2/24 dev eth0
		ip link set eth0 up
		ip route add default via `+lifeNet+`1`)
	l.market = l.role(l.there, "market")
	l.market.do(lifeOrder{Op: "start", Dir: filepath.Join(l.dir, "market"), Network: l.network})
	newKey := func() contracts.Key {
		key, err := contracts.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	l.session, l.payer = newKey(), newKey()
	accounts := []common.Address{l.payer.Address()}
	for i := range exits {
		e := &lifeSeller{key: newKey()}
		e.order = lifeOrder{
			Op: "start", Network: l.network, Dir: filepath.Join(l.dir, fmt.Sprint("exit", i)), Key: hexOf(e.key), Number: i,
		}
		l.exits = append(l.exits, e)
		accounts = append(accounts, e.key.Address())
	}
	l.market.do(lifeOrder{Op: "fund", Accept: accounts})
	for _, e := range l.exits {
		l.open(e)
	}
	l.start = lifeOrder{
		Op: "start", Network: l.network, Dir: filepath.Join(l.dir, "consumer"), Key: hexOf(l.payer), Session: hexOf(l.session), Machine: machine,
	}
	l.consumer = l.role(l.here, "consumer")
	l.consumer.do(l.start)
	if machine { // the control: what is sent in the clear is counted
		before := l.cleared()
		eventually(t, time.Minute, "an open machine is seen to send", func() bool {
			l.sh(l.here, "ping -c1 -W1 "+lifeWeb+" >/dev/null || :")
			return l.cleared() > before
		})
	}
	a := l.consumer.do(lifeOrder{Op: "connect", Budget: "1", Machine: machine})
	l.clear = l.cleared()
	l.programs = l.role(l.here, "programs")
	l.programs.do(lifeOrder{Op: "begin", Proxy: a.Proxy, Machine: machine})
	l.flowing()
	l.inode, l.ifindex = l.consumer.do(lifeOrder{Op: "status"}).Inode, l.index()
	return l
}

func (l *life) open(e *lifeSeller) {
	l.t.Helper()
	e.role, e.down = l.role(l.there, "exit"), false
	e.do(e.order)
}

var lifeCounter = regexp.MustCompile(`packets (\d+)`)

// cleared is how many packets have arrived in the clear.
func (l *life) cleared() int {
	l.t.Helper()
	m := lifeCounter.FindStringSubmatch(l.sh(l.there, "nft list counter inet watch clear"))
	if m == nil {
		l.t.Fatal("there is no counter")
	}
	n, err := strconv.Atoi(m[1])
	check(l.t, err)
	return n
}

// index is the number of the tunnel's interface; empty without one.
func (l *life) index() string {
	l.t.Helper()
	if !l.machine {
		return ""
	}
	number, _, _ := strings.Cut(l.sh(l.here, "ip -o link show dev "+route.DefaultInterface), ":")
	return number
}

// flowing waits until new flows work.
func (l *life) flowing() {
	l.t.Helper()
	was := l.programs.do(lifeOrder{Op: "look"}).Flows
	defer func() {
		if l.t.Failed() || l.programs.do(lifeOrder{Op: "look"}).Flows < was+8 {
			status, _ := json.Marshal(l.consumer.do(lifeOrder{Op: "status"}).Status)
			l.t.Logf("the connection: %s", status)
		}
	}()
	eventually(l.t, time.Minute, "new flows work", func() bool {
		return l.programs.do(lifeOrder{Op: "look"}).Flows >= was+8
	})
}

// at is the exit that new flows go to.
func (l *life) at() *lifeSeller {
	l.t.Helper()
	var at *lifeSeller
	eventually(l.t, 2*time.Minute, "there is a session", func() bool {
		s := l.consumer.do(lifeOrder{Op: "status"}).Status
		if s.Exit == nil || s.State != connection.Connected {
			return false
		}
		for _, e := range l.exits {
			if e.key.Address() == s.Exit.Provider {
				at = e
			}
		}
		return at != nil
	})
	return at
}

// survive lets something happen and says what came of it: the pause of new flows is at most so long, nothing has left in
// the clear, and listener and interface are the same.
func (l *life) survive(what string, most time.Duration, happens func()) {
	l.t.Helper()
	before := l.at()
	l.programs.do(lifeOrder{Op: "begin"})
	happens()
	l.flowing()
	after := l.at()
	a := l.programs.do(lifeOrder{Op: "look"})
	inode, ifindex, clear := l.consumer.do(lifeOrder{Op: "status"}).Inode, l.index(), l.cleared()-l.clear
	exit := "another exit"
	if after == before {
		exit = "the same exit"
	}
	l.t.Logf("life: %-42s pause %6.2f s of %v | %s | listener %d→%d, interface %s→%s | in the clear %d", what, a.Pause.Seconds(), most-lifeSlack, exit,
		l.inode, inode, l.ifindex, ifindex, clear)
	if a.Pause > most {
		l.t.Errorf("%s: new flows paused for %v, more than %v", what, a.Pause, most)
	}
	if inode != l.inode || ifindex != l.ifindex {
		l.t.Errorf("%s: the listener was %d and is %d, the interface was %s and is %s", what, l.inode, inode, l.ifindex, ifindex)
	}
	if l.machine && clear != 0 {
		l.t.Errorf("%s: %d packets left in the clear", what, clear)
	}
}

// settle ends the connection and compares both sides' books, to the unit. What a killed exit never heard of it can't hold.
func (l *life) settle(killed map[*lifeSeller]bool) {
	l.t.Helper()
	l.consumer.do(lifeOrder{Op: "off"})
	l.consumer.do(lifeOrder{Op: "close"})
	for _, e := range l.exits {
		if !e.down {
			if _, err := e.try(lifeOrder{Op: "drain"}); err != nil {
				l.t.Errorf("an exit's end: %v", err)
			}
		}
		e.kill()
	}
	l.consumer.kill()
	network, err := home.LoadNetwork(l.network)
	if err != nil {
		l.t.Fatal(err)
	}
	domain := payments.Domain{ChainID: network.ChainID, Contract: network.Channels}
	books := func(dir string) *ledger.Ledger {
		b, err := ledger.Open(filepath.Join(dir, "ledger.db"), "")
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { check(l.t, b.Close()) })
		return b
	}
	own := books(filepath.Join(l.start.Dir, "home"))
	for i, e := range l.exits {
		channel := contracts.Channel{
			Vault: contracts.Vault{Token: network.Token, Payer: l.payer.Address(), Signer: l.session.Address()}, Payee: e.key.Address(),
		}
		promised, err := own.Promised(l.t.Context(), domain, channel)
		check(l.t, err)
		held, _, err := books(e.order.Dir).Account(l.t.Context(), ledger.Payee, domain, channel)
		check(l.t, err)
		l.t.Logf("life: exit %d: promised %s, held %s", i, promised, held.Total)
		if promised != held.Total && (!killed[e] || promised.Less(held.Total)) {
			l.t.Errorf("exit %d holds promises for %s, the consumer has promised %s", i, held.Total, promised)
		}
	}
}

// What a pause is to be on a machine that has nothing else to do, and how much longer it may be on one that has.
const (
	lifeSoon   = 6 * time.Second
	lifeAtOnce = 3 * time.Second
	lifeSlack  = 20 * time.Second
)

// TestNetLifeOfAConnection leads connections of a machine and of a proxy through all that may happen to them.
func TestNetLifeOfAConnection(t *testing.T) {
	for _, machine := range []bool{true, false} {
		t.Run(map[bool]string{true: "machine", false: "proxy"}[machine], func(t *testing.T) { liveThrough(t, machine) })
	}
}

func liveThrough(t *testing.T, machine bool) {
	asleep, silent, cut := 8*time.Second, 12*time.Second, 5*time.Second
	if os.Getenv("BYWAY_LIFE_LONG") == "1" {
		asleep, silent, cut = 3*time.Minute, 3*time.Minute, 15*time.Second
	}
	l := newLife(t, machine, 4)
	killed := make(map[*lifeSeller]bool)
	l.survive("another exit is asked for", time.Second+lifeSlack, func() { l.consumer.do(lifeOrder{Op: "rotate"}) })
	l.survive("the exit is killed", lifeSoon+lifeSlack, func() {
		e := l.at()
		killed[e] = true
		e.kill()
		e.down = true
	})
	for _, e := range l.exits {
		if e.down {
			l.open(e)
		}
	}
	l.survive("the exit is killed and begins again", lifeSoon+lifeSlack, func() {
		e := l.at()
		killed[e] = true
		e.kill()
		l.open(e)
	})
	l.survive("the exit is stopped for "+silent.String(), lifeSoon+lifeSlack, func() {
		e := l.at()
		e.signal(syscall.SIGSTOP)
		time.Sleep(silent) // what is tested is that time itself
		e.signal(syscall.SIGCONT)
	})
	l.survive("the exit refuses", lifeAtOnce+lifeSlack, func() { l.at().do(lifeOrder{Op: "refuse"}) })
	l.survive("the exit drains", lifeAtOnce+lifeSlack, func() {
		e := l.at()
		e.do(lifeOrder{Op: "drain"})
		e.kill()
		e.down = true
	})
	for _, e := range l.exits {
		if e.down {
			l.open(e)
		}
	}
	l.survive("no network for "+cut.String(), cut+lifeSoon+lifeSlack, func() {
		l.sh(l.there, "ip link set c0 down")
		time.Sleep(cut)
		l.sh(l.there, "ip link set c0 up")
	})
	l.survive("the machine sleeps for "+asleep.String(), asleep+lifeSoon+lifeSlack, func() {
		l.consumer.signal(syscall.SIGSTOP)
		time.Sleep(asleep)
		l.consumer.signal(syscall.SIGCONT)
	})
	l.survive("a new uplink", lifeSoon+lifeSlack, func() {
		l.sh(l.here, `
			ip addr add 198.51.101.2/24 dev eth1
			ip link set eth1 up
			ip link set eth0 down
			ip addr flush dev eth0
			ip route replace default via 198.51.101.1`)
	})
	if machine {
		l.killDaemon()
	}
	l.settle(killed)
}

// killDaemon kills the daemon: the machine is shut, and the daemon that begins again connects unasked.
func (l *life) killDaemon() {
	l.t.Helper()
	l.programs.do(lifeOrder{Op: "begin"})
	l.consumer.kill()
	shut, err := route.Inspect(filepath.Join(l.start.Dir, "state"))
	if err != nil || shut == nil || shut.Held {
		l.t.Errorf("after kill -9 of the daemon the machine is not shut: %+v, %v", shut, err)
	}
	l.consumer = l.role(l.here, "consumer")
	l.consumer.do(l.start)
	l.flowing()
	a, clear := l.programs.do(lifeOrder{Op: "look"}), l.cleared()-l.clear
	l.t.Logf("life: %-42s pause %6.2f s | interface %s→%s | in the clear %d", "the daemon is killed and begins again", a.Pause.Seconds(),
		l.ifindex, l.index(), clear)
	if clear != 0 {
		l.t.Errorf("the daemon is killed: %d packets left in the clear", clear)
	}
}
