package route

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	netfilter "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Flags of a table (linux/netfilter/nf_tables.h), which x/sys does not have.
const (
	tableOwned    = 0x2 // nobody but the socket that made it changes or removes it; since Linux 5.12
	tablePersists = 0x4 // it stays, for everybody again, when its owner's socket closes; since Linux 6.9
)

// kernelTable is our table in the kernel. Where the kernel can, it belongs to this process: `nft flush ruleset`, which
// reloading a system's firewall is, passes it by. Without the second flag the first would open the machine with the
// death of the daemon, so that it is both or none.
type kernelTable struct {
	conn  *nftables.Conn  // lasting: owning is by socket
	raw   *netfilter.Conn // the same socket, for what the library can't say
	owned bool

	chains, rules int // of the latest load
}

// canOwn is false in tests of what kernels before 6.9 do.
var canOwn = true

// openTable finds out whether the kernel lets a table be owned.
func openTable() (*kernelTable, error) {
	t := new(kernelTable)
	var err error
	t.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netfilter.Conn) error {
		t.raw = c
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	if !canOwn {
		return t, nil
	}
	err = t.batch(newTable(probeName, tableOwned|tablePersists), dropTable(probeName))
	switch {
	case err == nil:
		t.owned = true
	case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL):
	default:
		return nil, errors.Join(fmt.Errorf("open nftables: %w", err), t.conn.CloseLasting())
	}
	return t, nil
}

// probeName is that of a table which is there for the length of a question.
const probeName = tableName + "-probe"

func (t *kernelTable) close() error {
	if err := t.conn.CloseLasting(); err != nil {
		return fmt.Errorf("close nftables: %w", err)
	}
	return nil
}

// flags of the table that is there; -1 where there is none.
func (t *kernelTable) flags() (int, error) {
	list, err := t.conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return 0, fmt.Errorf("list nftables: %w", err)
	}
	return flagsOf(list), nil
}

func flagsOf(list []*nftables.Table) int {
	for _, table := range list {
		if table.Name == tableName {
			return int(binary.BigEndian.Uint32(native(table.Flags)))
		}
	}
	return -1
}

// take makes the table ours: a new one, one that a killed daemon has left, or one of an older release, which knew
// nothing of owning; that one is empty for the moment until it is loaded.
func (t *kernelTable) take() error {
	if !t.owned {
		return nil
	}
	const ours = tableOwned | tablePersists
	now, err := t.flags()
	if err != nil {
		return err
	}
	switch {
	case now < 0:
		err = t.batch(newTable(tableName, ours))
	case now&ours == ours:
		return nil // of this socket: the lock of the state folder lets in one daemon
	case now&tablePersists != 0:
		err = t.batch(newTable(tableName, ours))
	default:
		err = t.batch(dropTable(tableName), newTable(tableName, ours))
	}
	if err != nil {
		return fmt.Errorf("take the kill switch's table: %w", err)
	}
	return nil
}

// stands reports whether the table is as it was loaded.
func (t *kernelTable) stands() (bool, error) {
	now, err := t.flags()
	if err != nil || now < 0 {
		return false, err
	}
	if t.owned {
		return now&tableOwned != 0, nil
	}
	chains, rules, err := t.count()
	return chains == t.chains && rules == t.rules, err
}

// count counts what is in the table.
func (t *kernelTable) count() (chains, rules int, err error) {
	list, err := t.chainList()
	if err != nil {
		return 0, 0, err
	}
	for _, c := range list {
		in, err := t.conn.GetRules(c.Table, c)
		if err != nil {
			return 0, 0, fmt.Errorf("list the kill switch: %w", err)
		}
		rules += len(in)
	}
	return len(list), rules, nil
}

func (t *kernelTable) chainList() ([]*nftables.Chain, error) {
	all, err := t.conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list the kill switch: %w", err)
	}
	var list []*nftables.Chain
	for _, c := range all {
		if c.Table.Name == tableName {
			list = append(list, c)
		}
	}
	return list, nil
}

// newTable and dropTable are messages of nftables' protocol; the library drops a table's flags.
func newTable(name string, flags uint32) netfilter.Message {
	return tableMessage(unix.NFT_MSG_NEWTABLE, netfilter.Create, []netfilter.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(name + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, flags)},
	})
}

func dropTable(name string) netfilter.Message {
	return tableMessage(unix.NFT_MSG_DELTABLE, 0, []netfilter.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(name + "\x00")},
	})
}

func tableMessage(kind int, flags netfilter.HeaderFlags, attrs []netfilter.Attribute) netfilter.Message {
	b, err := netfilter.MarshalAttributes(attrs)
	if err != nil { // an attribute of more than 64 KiB
		panic(err)
	}
	return netfilter.Message{
		Header: netfilter.Header{
			Type:  netfilter.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netfilter.Request | netfilter.Acknowledge | flags,
		},
		Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, b...),
	}
}

// batch does all of some messages, or none.
func (t *kernelTable) batch(messages ...netfilter.Message) error {
	edge := func(kind netfilter.HeaderType) netfilter.Message {
		return netfilter.Message{
			Header: netfilter.Header{Type: kind, Flags: netfilter.Request},
			Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES},
		}
	}
	all := append([]netfilter.Message{edge(unix.NFNL_MSG_BATCH_BEGIN)}, messages...)
	if _, err := t.raw.SendMessages(append(all, edge(unix.NFNL_MSG_BATCH_END))); err != nil {
		return err
	}
	var errs error
	for range messages {
		_, err := t.raw.Receive()
		errs = errors.Join(errs, err)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOBUFS) { // the kernel's only answer
			break
		}
	}
	return errs
}
