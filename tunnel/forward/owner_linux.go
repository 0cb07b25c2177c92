package forward

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Other programs may change what nftables holds: restarting a firewall empties it. A kernel that knows owners of tables
// (5.12) lets nobody but our socket touch the table, and one that knows persistence (6.9) keeps it when the socket goes
// before the interface does. On others, and where somebody finds a way all the same, the table is compared with what was
// loaded whenever something has changed, and loaded again.
const (
	flagDormant = 1 << 0
	flagOwner   = 1 << 1
	flagPersist = 1 << 2
)

// nfMessage is a message about an object of the table's family.
func nfMessage(kind uint16, flags netlink.HeaderFlags, family byte, resource uint16, attrs ...netlink.Attribute) (netlink.Message, error) {
	data, err := netlink.MarshalAttributes(attrs)
	if err != nil {
		return netlink.Message{}, fmt.Errorf("write nftables message: %w", err)
	}
	head := binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, resource)
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags},
		Data:   append(head, data...),
	}, nil
}

const nfTables = unix.NFNL_SUBSYS_NFTABLES << 8

func nameAttr(kind uint16, name string) netlink.Attribute {
	return netlink.Attribute{Type: kind, Data: append([]byte(name), 0)}
}

// createOwned makes an empty table with flags, which the library can't give it.
func createOwned(conn *netlink.Conn, name string, flags uint32) error {
	begin, err := nfMessage(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, unix.NFNL_SUBSYS_NFTABLES)
	if err != nil {
		return err
	}
	create, err := nfMessage(nfTables|unix.NFT_MSG_NEWTABLE, netlink.Acknowledge|netlink.Create|netlink.Excl,
		unix.NFPROTO_INET, 0, nameAttr(unix.NFTA_TABLE_NAME, name),
		netlink.Attribute{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, flags)})
	if err != nil {
		return err
	}
	end, err := nfMessage(unix.NFNL_MSG_BATCH_END, 0, 0, unix.NFNL_SUBSYS_NFTABLES)
	if err != nil {
		return err
	}
	if _, err := conn.SendMessages([]netlink.Message{begin, create, end}); err != nil {
		return fmt.Errorf("create nftables table: %w", err)
	}
	if _, err := conn.Receive(); err != nil {
		return fmt.Errorf("create nftables table: %w", err)
	}
	return nil
}

// errGone says that the table is not there.
var errGone = errors.New("the table is not there")

// print is a digest of the table as the kernel holds it: its chains, its rules, and the sets that only we fill.
func (t *table) print() ([sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return sum, fmt.Errorf("open nftables: %w", err)
	}
	defer c.CloseLasting() //nolint:errcheck // it was only read from
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return sum, fmt.Errorf("find nftables table: %w", err)
	}
	at := slices.IndexFunc(tables, func(x *nftables.Table) bool { return x.Name == t.t.Name })
	if at < 0 {
		return sum, errGone
	}
	h := sha256.New()
	fmt.Fprintln(h, tables[at].Flags&flagDormant)
	raw, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return sum, fmt.Errorf("open nftables: %w", err)
	}
	defer raw.Close()
	ask, err := nfMessage(nfTables|unix.NFT_MSG_GETRULE, netlink.Dump, unix.NFPROTO_INET, 0,
		nameAttr(unix.NFTA_RULE_TABLE, t.t.Name))
	if err != nil {
		return sum, err
	}
	rules, err := raw.Execute(ask)
	if err != nil {
		return sum, fmt.Errorf("list rules of nftables: %w", err)
	}
	for _, m := range rules {
		if len(m.Data) > 4 { // what comes before is the same for all: family, version, generation
			h.Write(m.Data[4:])
		}
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return sum, fmt.Errorf("list chains of nftables: %w", err)
	}
	for _, x := range chains {
		if x.Table.Name != t.t.Name {
			continue
		}
		fmt.Fprintln(h, x.Name, x.Type)
		if x.Hooknum != nil && x.Priority != nil {
			fmt.Fprintln(h, *x.Hooknum, *x.Priority)
		}
		if x.Policy != nil {
			fmt.Fprintln(h, *x.Policy)
		}
	}
	names := make([]string, 0, len(t.sets))
	for name, s := range t.sets {
		if !s.Dynamic && !s.IsMap {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		elems, err := c.GetSetElements(t.sets[name])
		if err != nil {
			return sum, fmt.Errorf("list nftables set %s: %w", name, err)
		}
		slices.SortFunc(elems, func(a, b nftables.SetElement) int {
			return cmp.Or(slices.Compare(a.Key, b.Key), cmp.Compare(flag(a), flag(b)))
		})
		fmt.Fprintln(h, name)
		for _, e := range elems {
			fmt.Fprintln(h, e.Key, e.IntervalEnd)
		}
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func flag(e nftables.SetElement) int {
	if e.IntervalEnd {
		return 1
	}
	return 0
}

// intact reports whether the kernel holds what was loaded. Lists that are read while others change something may be torn:
// it looks again before it says no.
func (t *table) intact() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil {
		return false
	}
	for range 3 {
		now, err := t.print()
		if errors.Is(err, errGone) {
			return false
		}
		if err == nil && now == t.loaded {
			return true
		}
	}
	return false
}
