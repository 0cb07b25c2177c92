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

// digest tells whether the kernel still holds what was loaded; zero stands for nothing.
type digest [sha256.Size]byte

// print is the digest of the exit's table, with the sets that only we fill.
func (t *table) print() (digest, error) {
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return digest{}, fmt.Errorf("open nftables: %w", err)
	}
	defer c.CloseLasting() //nolint:errcheck // it was only read from
	var sets []*nftables.Set
	for _, s := range t.sets {
		if !s.Dynamic && !s.IsMap {
			sets = append(sets, s)
		}
	}
	return printTable(c, t.t.Name, sets...)
}

// printTable is a digest of a table as the kernel holds it: its chains, its rules and some of its sets. The kernel numbers
// what a table holds from one on: two tables of one name that were made in the same way have the same digest.
func printTable(c *nftables.Conn, name string, sets ...*nftables.Set) (digest, error) {
	flags, err := tableFlags(name)
	if err != nil {
		return digest{}, err
	}
	h := sha256.New()
	fmt.Fprintln(h, flags&flagDormant)
	rules, err := ask(unix.NFT_MSG_GETRULE, netlink.Dump, nameAttr(unix.NFTA_RULE_TABLE, name))
	if err != nil {
		return digest{}, fmt.Errorf("list rules of nftables: %w", err)
	}
	for _, m := range rules {
		if len(m.Data) > 4 { // what comes before is the same for all: family, version, generation
			h.Write(m.Data[4:])
		}
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return digest{}, fmt.Errorf("list chains of nftables: %w", err)
	}
	for _, x := range chains {
		if x.Table.Name != name {
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
	slices.SortFunc(sets, func(a, b *nftables.Set) int { return cmp.Compare(a.Name, b.Name) })
	for _, s := range sets {
		elems, err := c.GetSetElements(s)
		if err != nil {
			return digest{}, fmt.Errorf("list nftables set %s: %w", s.Name, err)
		}
		slices.SortFunc(elems, func(a, b nftables.SetElement) int {
			return cmp.Or(slices.Compare(a.Key, b.Key), cmp.Compare(flag(a), flag(b)))
		})
		fmt.Fprintln(h, s.Name)
		for _, e := range elems {
			fmt.Fprintln(h, e.Key, e.IntervalEnd)
		}
	}
	return digest(h.Sum(nil)), nil
}

// ask sends the kernel a question about tables of our family.
func ask(kind uint16, flags netlink.HeaderFlags, attrs ...netlink.Attribute) ([]netlink.Message, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	defer c.Close()
	m, err := nfMessage(nfTables|kind, flags, unix.NFPROTO_INET, 0, attrs...)
	if err != nil {
		return nil, err
	}
	answers, err := c.Execute(m)
	if err != nil {
		return nil, fmt.Errorf("ask nftables: %w", err)
	}
	return answers, nil
}

// number finds an attribute of an answer.
func number(answers []netlink.Message, kind uint16) (uint32, error) {
	for _, m := range answers {
		if len(m.Data) < 4 {
			continue
		}
		attrs, err := netlink.UnmarshalAttributes(m.Data[4:])
		if err != nil {
			return 0, fmt.Errorf("read nftables message: %w", err)
		}
		for _, a := range attrs {
			if a.Type == kind && len(a.Data) == 4 {
				return binary.BigEndian.Uint32(a.Data), nil
			}
		}
	}
	return 0, errors.New("the kernel's answer about nftables lacks a number")
}

// generation counts the transactions of all programs.
func generation() (uint32, error) {
	answers, err := ask(unix.NFT_MSG_GETGEN, 0)
	if err != nil {
		return 0, err
	}
	return number(answers, unix.NFTA_GEN_ID)
}

// tableFlags are those of a table, which the library reads in the wrong order of bytes.
func tableFlags(name string) (uint32, error) {
	answers, err := ask(unix.NFT_MSG_GETTABLE, 0, nameAttr(unix.NFTA_TABLE_NAME, name))
	if errors.Is(err, unix.ENOENT) {
		return 0, errGone
	}
	if err != nil {
		return 0, err
	}
	return number(answers, unix.NFTA_TABLE_FLAGS)
}

// tableExists reports whether there is a table of that name.
func tableExists(name string) (bool, error) {
	_, err := tableFlags(name)
	if errors.Is(err, errGone) {
		return false, nil
	}
	return err == nil, err
}

// aloneTries is how often a change of a table that anybody may change is tried again because somebody did.
const aloneTries = 20

// alone makes a change in one transaction and returns the digest of what the kernel holds then. Where another program
// changed something in between, what it made of the table would pass for what we loaded: the change is made again.
func alone(change func() error, print func() (digest, error)) (digest, error) {
	for range aloneTries {
		before, err := generation()
		if err != nil {
			return digest{}, err
		}
		expect := before + 1
		changeErr := change()
		if changeErr != nil {
			if !errors.Is(changeErr, unix.ENOENT) && !errors.Is(changeErr, errOthers) {
				return digest{}, changeErr
			}
			expect = before
		}
		sum, printErr := print()
		after, err := generation()
		if err != nil {
			return digest{}, err
		}
		if after != expect {
			continue
		}
		if err := cmp.Or(changeErr, printErr); err != nil {
			return digest{}, err
		}
		return sum, nil
	}
	return digest{}, fmt.Errorf("other programs changed nftables %d times in a row meanwhile", aloneTries)
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
