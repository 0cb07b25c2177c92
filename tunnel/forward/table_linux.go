package forward

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// table is an exit's nftables table.
//
//	forward   from the exit's interface → sessions; to it → answers
//	sessions  other sessions and invalid packets dropped; known connections accepted; then, for the first packet of a
//	          connection: policy, limits of its session, accept
//	answers   what belongs to a connection of a session, and nothing else
//	input     from the exit's interface to the host: DNS and echo requests of the exit's inner address
//	refuse    tells the consumer that the policy closes the destination
//	srcnat    masquerades sessions, both families
//	raw       drops floods of handshakes by their source, before they cost more than a look
type table struct {
	t    *nftables.Table
	sets map[string]*nftables.Set
	name string // of the interface
	nets Nets

	mu      sync.Mutex
	cfg     Config // with what is near now
	port    uint16 // of the engine; 0 before it is known
	classes map[uint16]uint32
	conn    *nftables.Conn // nil where nothing is loaded
	owned   bool           // by conn, where the kernel knows owners
	loaded  digest
}

// Names of sets that change.
const (
	own4, own6       = "own4", "own6"
	carried4         = "carried4"
	served4, served6 = "served4", "served6"
	portsSet         = "engine"
)

// translated is the chain about NAT64.
const translated = "translated"

// How many handshake initiations one IPv4 address, or one IPv6 network of 64 bits, may send a second. A carrier's NAT
// may stand for thousands of consumers, each of which makes one in two minutes.
const (
	knocks      = 200
	knocksBurst = 400
)

// Timeouts of connections, in seconds (RFC 5382 asks for two hours and four minutes), where the kernel keeps them for
// five days.
const establishedTimeout = 2*60*60 + 4*60

// What a consumer hears of denied connections: the reason at first, and resets when there are many, for the kernel
// limits its messages to one a second to each destination, and no answer would let the consumer's program hang.
const (
	reasons      = 1
	reasonsBurst = 5
)

// seconds is how long limits of a session are remembered after its last new connection.
const remembered = time.Minute

func newTable(name string, nets Nets, cfg Config) (*table, error) {
	t := &table{
		t:    &nftables.Table{Name: tablePrefix + name, Family: nftables.TableFamilyINet},
		name: name, nets: nets, cfg: cfg, classes: make(map[uint16]uint32),
	}
	return t, t.loadLocked() // nobody else has it yet
}

// reload makes the table again, and forgets connections that the kernel began to track without it: they are not
// translated, and would not be later.
func (t *table) reload() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reloadLocked()
}

func (t *table) reloadLocked() error {
	if err := t.loadLocked(); err != nil {
		return err
	}
	if err := dropUntranslated(t.nets); err != nil {
		t.closeLocked() // so that whoever looks next does it again
		return err
	}
	return nil
}

// loadLocked makes the table anew, with all that it held.
func (t *table) loadLocked() error {
	kinds := []uint32{flagOwner | flagPersist, flagOwner, 0}
	if t.cfg.Unowned {
		kinds = kinds[2:]
	}
	var err error
	for _, flags := range kinds {
		for range aloneTries {
			// Another program may remove a table that was there when we looked.
			if err = t.loadAs(flags); !errors.Is(err, unix.ENOENT) {
				break
			}
		}
		// What a kernel does not know it refuses so; nothing else makes a table that others may change do.
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return err
}

// numbering guards the counter by which the nftables library numbers new sets. It is the whole process's, and two
// transactions that are put together at once could give one number twice.
var numbering sync.Mutex

func (t *table) loadAs(flags uint32) (err error) {
	t.closeLocked()
	var raw *netlink.Conn
	c, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(conn *netlink.Conn) error {
		raw = conn
		return nil
	}))
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.CloseLasting())
		}
	}()
	t.owned = flags != 0
	if err := t.record(func() error { return t.make(c, raw, flags) }); err != nil {
		return err
	}
	t.conn = c
	return nil
}

// record makes a change and remembers what the table holds then. What has an owner nobody else has changed meanwhile.
func (t *table) record(change func() error) (err error) {
	if !t.owned {
		t.loaded, err = alone(change, t.print)
		return err
	}
	if err := change(); err != nil {
		return err
	}
	t.loaded, err = t.print()
	return err
}

// make makes the table in place of what has its name: in one transaction, where it gets no owner.
func (t *table) make(c *nftables.Conn, raw *netlink.Conn, flags uint32) error {
	there, err := tableExists(t.t.Name)
	if err != nil {
		return err
	}
	if there {
		c.DelTable(t.t)
		if flags != 0 {
			if err := c.Flush(); err != nil {
				return fmt.Errorf("replace nftables table: %w", err)
			}
		}
	}
	if flags == 0 {
		c.AddTable(t.t)
	} else if err := createOwned(raw, t.t.Name, flags); err != nil {
		return err
	}
	t.sets = make(map[string]*nftables.Set)
	b := &builder{table: t, c: c, ports: t.cfg.Rules.Ports}
	numbering.Lock()
	err = b.build(t.cfg)
	numbering.Unlock()
	if err != nil {
		return fmt.Errorf("build nftables table: %w", err)
	}
	if err := t.refill(c); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("load nftables table: %w", err)
	}
	return nil
}

// refill puts in what was added to the table since it was first loaded.
func (t *table) refill(c *nftables.Conn) error {
	if t.port != 0 {
		if err := t.addPort(c); err != nil {
			return err
		}
	}
	for index, class := range t.classes {
		if err := t.addClass(c, index, class); err != nil {
			return err
		}
	}
	return nil
}

// change applies a change in one transaction, by the socket that owns the table. Where sets are changed that only we
// fill, marked says so. After a failure nobody knows what the table holds: it is loaded again by whoever looks next.
func (t *table) change(marked bool, change func(c *nftables.Conn) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil {
		return errors.New("the table is not loaded")
	}
	apply := func() error {
		if marked && !t.owned {
			if now, err := t.print(); err != nil || now != t.loaded {
				return errOthers
			}
		}
		if err := change(t.conn); err != nil {
			return err
		}
		return t.conn.Flush()
	}
	record := apply
	if marked {
		record = func() error { return t.record(apply) }
	}
	err := record()
	if errors.Is(err, errOthers) {
		return t.reloadLocked() // with the change
	}
	if err != nil {
		t.closeLocked()
	}
	return err
}

// errOthers says that another program has changed the table.
var errOthers = errors.New("another program changed the table")

// close lets go of the table, which stays where the kernel keeps it.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked()
}

func (t *table) closeLocked() {
	if t.conn != nil {
		_ = t.conn.CloseLasting() // a socket of our own, on which nothing is left to be read
		t.conn = nil
	}
}

// builder makes a table in one transaction.
type builder struct {
	*table
	c     *nftables.Conn
	ports []uint16
	err   error
}

func (b *builder) set(s nftables.Set, elems []nftables.SetElement) *nftables.Set {
	s.Table = b.t
	if err := b.c.AddSet(&s, elems); err != nil && b.err == nil {
		b.err = fmt.Errorf("set %s: %w", s.Name, err)
	}
	b.sets[s.Name] = &s
	return &s
}

func (b *builder) addrs(name string, v6 bool, ranges []Range) *nftables.Set {
	key := nftables.TypeIPAddr
	if v6 {
		key = nftables.TypeIP6Addr
	}
	return b.set(nftables.Set{Name: name, KeyType: key, Interval: true}, intervals(ranges, v6))
}

// intervals are the elements of a set of ranges: where each begins, and the first address behind it.
func intervals(ranges []Range, v6 bool) []nftables.SetElement {
	var list []nftables.SetElement
	for _, r := range ranges {
		if r.First.Is6() != v6 {
			continue
		}
		list = append(list, nftables.SetElement{Key: r.First.AsSlice()})
		if end := r.Last.Next(); end.IsValid() {
			list = append(list, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	return list
}

func single(addrs []netip.Addr) []Range {
	var list []Range
	for _, a := range addrs {
		list = append(list, Range{a, a})
	}
	return list
}

// session limits are kept by index, so that both families of a session share them.
func (b *builder) perSession(name string, size uint32, timeout time.Duration) *nftables.Set {
	return b.set(nftables.Set{
		Name: name, KeyType: nftables.TypeInetService, Dynamic: true, Size: size,
		HasTimeout: timeout > 0, Timeout: timeout,
	}, nil)
}

func (b *builder) chain(name string) *nftables.Chain {
	return b.c.AddChain(&nftables.Chain{Name: name, Table: b.t})
}

func (b *builder) base(name string, kind nftables.ChainType, hook *nftables.ChainHook, p *nftables.ChainPriority) *nftables.Chain {
	return b.c.AddChain(&nftables.Chain{Name: name, Table: b.t, Type: kind, Hooknum: hook, Priority: p})
}

func (b *builder) rule(chain *nftables.Chain, parts ...[]expr.Any) {
	b.c.AddRule(&nftables.Rule{Table: b.t, Chain: chain, Exprs: join(parts...)})
}

// families are the two sides of every rule about addresses.
var families = []struct {
	proto    byte
	src, dst func() expr.Any
	index    uint32 // where a source address ends with the index of its session
}{
	{unix.NFPROTO_IPV4, src4, dst4, 14},
	{unix.NFPROTO_IPV6, src6, dst6, 22},
}

func (b *builder) build(cfg Config) error {
	b.refuse()
	b.sessions(cfg)
	b.answers()
	b.input(cfg)
	forward := b.base("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	b.rule(forward, iifIs(b.name), jump("sessions"))
	b.rule(forward, oifIs(b.name), jump("answers"))
	b.srcnat()
	b.raw()
	return b.err
}

// refuse ends a packet whose destination is closed.
func (b *builder) refuse() {
	told := b.perSession("told", 1<<16-1, remembered)
	chain := b.chain("refuse")
	for _, f := range families {
		b.rule(chain, nfproto(f.proto), l4proto(unix.IPPROTO_TCP), each(network(f.index, 2), told, unix.NFT_DYNSET_OP_UPDATE,
			&expr.Limit{Type: expr.LimitTypePkts, Rate: reasons, Unit: expr.LimitTimeSecond, Burst: reasonsBurst}), prohibited())
	}
	b.rule(chain, l4proto(unix.IPPROTO_TCP), reset())
	b.rule(chain, prohibited())
}

// closedPorts sends closed ports, and the port that is none, to refuse.
func (b *builder) closedPorts(chain *nftables.Chain) {
	for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		for _, port := range append([]uint16{0}, b.ports...) {
			b.rule(chain, l4proto(proto), load(transport(2, 2), is(expr.CmpOpEq, byte(port>>8), byte(port))), goTo("refuse"))
		}
	}
}

// begins drops what cannot be the first packet of a connection that an exit forwards: TCP other than a SYN, ICMP other
// than an echo request, and other protocols.
func (b *builder) begins(chain *nftables.Chain) {
	const flags, syn = 0x17, 0x02 // FIN, SYN, RST, ACK
	b.rule(chain, l4proto(unix.IPPROTO_TCP), []expr.Any{transport(13, 1), mask(flags)}, is(expr.CmpOpNeq, syn), drop())
	b.rule(chain, nfproto(unix.NFPROTO_IPV4), l4proto(unix.IPPROTO_ICMP), load(transport(0, 1), is(expr.CmpOpNeq, 8)), drop())
	b.rule(chain, nfproto(unix.NFPROTO_IPV6), l4proto(unix.IPPROTO_ICMPV6), load(transport(0, 1), is(expr.CmpOpNeq, 128)), drop())
	kinds := b.set(nftables.Set{Name: "protocols", KeyType: nftables.TypeInetProto}, []nftables.SetElement{
		{Key: []byte{unix.IPPROTO_TCP}}, {Key: []byte{unix.IPPROTO_UDP}}, {Key: []byte{unix.IPPROTO_ICMP}},
		{Key: []byte{unix.IPPROTO_ICMPV6}},
	})
	b.rule(chain, load(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, notIn(kinds)), drop())
}

// sessions decides about packets that come from sessions.
func (b *builder) sessions(cfg Config) {
	chain := b.chain("sessions")
	b.rule(chain, oifPrefix(expr.CmpOpEq, ifPrefix), drop())
	b.rule(chain, passed(), accept())
	b.rule(chain, ctState(expr.CtStateBitINVALID|expr.CtStateBitUNTRACKED), drop())
	b.rule(chain, nfproto(unix.NFPROTO_IPV4), addrIn(src4(), expr.CmpOpNeq, b.nets.V4), drop())
	b.rule(chain, nfproto(unix.NFPROTO_IPV6), addrIn(src6(), expr.CmpOpNeq, b.nets.V6), drop())
	b.begins(chain)

	// The policy.
	r := cfg.Rules
	for _, f := range families {
		six := f.proto == unix.NFPROTO_IPV6
		suffix, ownSet := "4", own4
		if six {
			suffix, ownSet = "6", own6
		}
		b.rule(chain, nfproto(f.proto), load(f.dst(), in(b.addrs("closed"+suffix, six, r.Closed))), goTo("refuse"))
		b.rule(chain, nfproto(f.proto), load(f.dst(), in(b.addrs(ownSet, six, r.Own))), goTo("refuse"))
	}
	b.isatap(chain, r)
	b.chain(translated)
	b.rule(chain, nfproto(unix.NFPROTO_IPV6), jump(translated))
	b.translated(b.c, r.Translated)
	b.closedPorts(chain)

	// The limits of the session. Only the first packet of a connection comes this far.
	b.limits(chain, cfg)
}

// isatap closes addresses that end with 0000:5efe or 0200:5efe and a closed IPv4 address, under any prefix.
func (b *builder) isatap(chain *nftables.Chain, r Rules) {
	const marker, carried = 24 + 8, 24 + 12
	open := b.addrs("open6", true, r.Open)
	closed := b.addrs("embedded4", false, r.Embedded)
	carriedBy := b.addrs(carried4, false, r.Carried)
	for _, set := range []*nftables.Set{closed, carriedBy} {
		b.rule(chain, nfproto(unix.NFPROTO_IPV6), load(dst6(), notIn(open)),
			[]expr.Any{network(marker, 4), mask(0xfd, 0xff, 0xff, 0xff)}, is(expr.CmpOpEq, 0x00, 0x00, 0x5e, 0xfe),
			load(network(carried, 4), in(set)), goTo("refuse"))
	}
}

// shape prepares a connection that is let through: TCP learns the size of segments that fit all the way, and how long
// it may rest.
func (b *builder) shape(chain *nftables.Chain) {
	const maxSegment = 2
	b.rule(chain, l4proto(unix.IPPROTO_TCP), []expr.Any{
		&expr.Rt{Register: 1, Key: expr.RtTCPMSS},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 2, Size: 2},
		&expr.Exthdr{SourceRegister: 1, Type: maxSegment, Offset: 2, Len: 2, Op: expr.ExthdrOpTcpopt},
	})
	for _, f := range []struct {
		proto byte
		l3    uint16
		name  string
	}{{unix.NFPROTO_IPV4, unix.NFPROTO_IPV4, "tcp4"}, {unix.NFPROTO_IPV6, unix.NFPROTO_IPV6, "tcp6"}} {
		b.c.AddObj(&nftables.NamedObj{
			Table: b.t, Name: f.name, Type: nftables.ObjTypeCtTimeout,
			Obj: &expr.CtTimeout{L3Proto: f.l3, L4Proto: unix.IPPROTO_TCP, Policy: expr.CtStatePolicyTimeout{
				expr.CtStateTCPESTABLISHED: establishedTimeout,
			}},
		})
		b.rule(chain, nfproto(f.proto), l4proto(unix.IPPROTO_TCP),
			[]expr.Any{&expr.Objref{Type: int(nftables.ObjTypeCtTimeout), Name: f.name}})
	}
}

// answers decides about packets that go to sessions.
func (b *builder) answers() {
	chain := b.chain("answers")
	b.classes(chain)
	b.rule(chain, ctState(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept())
	b.rule(chain, drop())
}

// input decides about packets of sessions that are for the host itself.
func (b *builder) input(cfg Config) {
	// Addresses of the host that the policy opens by name: its closed ports stay closed there.
	serve := b.chain("serve")
	b.closedPorts(serve)
	b.rule(serve, accept())

	host := b.chain("host")
	b.rule(host, ctState(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept())
	b.rule(host, ctState(expr.CtStateBitINVALID|expr.CtStateBitUNTRACKED), drop())
	b.begins(host)
	v4, v6 := b.nets.Addrs(1)
	for _, f := range families {
		dst, echo, icmp := addrIs(f.dst(), v4), byte(8), byte(unix.IPPROTO_ICMP)
		served := b.addrs(served4, false, single(cfg.Rules.Served))
		if f.proto == unix.NFPROTO_IPV6 {
			dst, echo, icmp = addrIs(f.dst(), v6), 128, unix.IPPROTO_ICMPV6
			served = b.addrs(served6, true, single(cfg.Rules.Served))
		}
		for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			b.rule(host, nfproto(f.proto), dst, l4proto(proto), load(transport(2, 2), is(expr.CmpOpEq, 0, dnsPort)), accept())
		}
		b.rule(host, nfproto(f.proto), dst, l4proto(icmp), load(transport(0, 1), is(expr.CmpOpEq, echo)), accept())
		b.rule(host, nfproto(f.proto), load(f.dst(), in(served)), jump("serve"))
	}
	b.rule(host, goTo("refuse"))
	input := b.base("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	b.rule(input, iifIs(b.name), jump("host"))
}

// srcnat gives packets of sessions the host's address.
func (b *builder) srcnat() {
	chain := b.base("srcnat", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	b.rule(chain, oifPrefix(expr.CmpOpNeq, ifPrefix), nfproto(unix.NFPROTO_IPV4),
		addrIn(src4(), expr.CmpOpEq, b.nets.V4), []expr.Any{&expr.Masq{}})
	b.rule(chain, oifPrefix(expr.CmpOpNeq, ifPrefix), nfproto(unix.NFPROTO_IPV6),
		addrIn(src6(), expr.CmpOpEq, b.nets.V6), []expr.Any{&expr.Masq{}})
}

// raw drops initiations of a source that sends too many.
func (b *builder) raw() {
	engine := b.set(nftables.Set{Name: portsSet, KeyType: nftables.TypeInetService}, nil)
	chain := b.base("raw", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	limit := &expr.Limit{Type: expr.LimitTypePkts, Rate: knocks, Unit: expr.LimitTimeSecond, Over: true, Burst: knocksBurst}
	initiation := join(l4proto(unix.IPPROTO_UDP), load(transport(2, 2), in(engine)),
		load(transport(8, 4), is(expr.CmpOpEq, 1, 0, 0, 0)))
	knock := func(name string, key nftables.SetDatatype) *nftables.Set {
		return b.set(nftables.Set{
			Name: name, KeyType: key, Dynamic: true, Size: 1<<16 - 1, HasTimeout: true, Timeout: 10 * time.Second,
		}, nil)
	}
	b.rule(chain, nfproto(unix.NFPROTO_IPV4), initiation,
		each(src4(), knock("knocks4", nftables.TypeIPAddr), unix.NFT_DYNSET_OP_UPDATE, limit), drop())
	half := append(make([]byte, 0, 16), 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0)
	b.rule(chain, nfproto(unix.NFPROTO_IPV6), initiation, []expr.Any{src6()},
		each(mask(half...), knock("knocks6", nftables.TypeIP6Addr), unix.NFT_DYNSET_OP_UPDATE, limit), drop())
}

// translated fills the chain that closes malformed addresses under the prefixes of NAT64.
func (t *table) translated(c *nftables.Conn, prefixes []netip.Prefix) {
	chain := &nftables.Chain{Name: translated, Table: t.t}
	for _, p := range prefixes {
		c.AddRule(&nftables.Rule{Table: t.t, Chain: chain, Exprs: join(
			nfproto(unix.NFPROTO_IPV6), addrIn(dst6(), expr.CmpOpEq, p),
			load(network(24+8, 1), is(expr.CmpOpNeq, 0)), goTo("refuse"),
		)})
	}
}

// listen names the engine's port.
func (t *table) listen(port uint16) error {
	t.mu.Lock()
	t.port = port
	t.mu.Unlock()
	if err := t.change(true, t.addPort); err != nil {
		return fmt.Errorf("name the engine's port: %w", err)
	}
	return nil
}

func (t *table) addPort(c *nftables.Conn) error {
	key := binaryutil.BigEndian.PutUint16(t.port)
	return c.SetAddElements(t.sets[portsSet], []nftables.SetElement{{Key: key}})
}

// setNear replaces what is near in one transaction.
func (t *table) setNear(near Near) error {
	t.mu.Lock()
	t.cfg.Rules.Near = near // also where it fails now: the table that is loaded next has it
	t.mu.Unlock()
	err := t.change(true, func(c *nftables.Conn) error {
		for name, ranges := range map[string][]Range{
			own4: near.Own, own6: near.Own, carried4: near.Carried, served4: single(near.Served), served6: single(near.Served),
		} {
			set := t.sets[name]
			c.FlushSet(set)
			elems := intervals(ranges, set.KeyType == nftables.TypeIP6Addr)
			if len(elems) == 0 {
				continue
			}
			if err := c.SetAddElements(set, elems); err != nil {
				return err
			}
		}
		c.FlushChain(&nftables.Chain{Name: translated, Table: t.t})
		t.translated(c, near.Translated)
		return nil
	})
	if err != nil {
		return fmt.Errorf("replace what is near: %w", err)
	}
	return nil
}
