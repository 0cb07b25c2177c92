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

// remembered is how long limits of a session are remembered after its last new connection.
const remembered = time.Minute

func newTable(name string, nets Nets, cfg Config) (*table, error) {
	t := &table{
		t:    &nftables.Table{Name: tablePrefix + name, Family: nftables.TableFamilyINet},
		name: name, nets: nets, cfg: cfg, classes: make(map[uint16]uint32),
	}
	// A table of that name may be that of an exit which is closing: it has given up the interface, and gives up the table next.
	for end := time.Now().Add(lockTime); ; time.Sleep(10 * time.Millisecond) {
		err := t.loadLocked() // nobody else has it yet
		if !errors.Is(err, unix.EPERM) || time.Now().After(end) {
			return t, err
		}
	}
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
