package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What goes to a session is held back to its rate by a class of its own: the root of the interface's queue is a
// hierarchical token bucket (HTB), whose classes have the numbers of sessions; packets find theirs by the priority that
// the table's maps give them. An interface on which no session has a rate keeps the queue that it had.
const (
	htbRoot = 1 << 16 // its handle; classes are numbered within it

	// What waits in a class: queueTime at its rate, two joined packets at least.
	queueTime  = 100 // milliseconds
	leastQueue = 128 << 10
)

// Names of the maps from addresses to classes.
const class4, class6 = "class4", "class6"

// classes has packets to sessions find the classes of theirs.
func (b *builder) classes(chain *nftables.Chain) {
	for _, f := range families {
		name, key := class4, nftables.TypeIPAddr
		if f.proto == unix.NFPROTO_IPV6 {
			name, key = class6, nftables.TypeIP6Addr
		}
		m := b.set(nftables.Set{Name: name, IsMap: true, KeyType: key, DataType: nftables.TypeClassID}, nil)
		b.rule(chain, nfproto(f.proto), []expr.Any{
			f.dst(), &expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: m.Name, SetID: m.ID},
			&expr.Meta{Key: expr.MetaKeyPRIORITY, SourceRegister: true, Register: 1},
		})
	}
}

// classify gives the packets to a session's addresses a class, or takes it from them.
func (t *table) classify(index uint16, class uint32, on bool) error {
	t.mu.Lock()
	if on {
		t.classes[index] = class
	} else {
		delete(t.classes, index)
	}
	t.mu.Unlock()
	err := t.change(false, func(c *nftables.Conn) error {
		if on {
			return t.addClass(c, index, class)
		}
		return t.eachClass(index, class, c.SetDeleteElements)
	})
	if err != nil {
		return fmt.Errorf("class of session %d: %w", index, err)
	}
	return nil
}

func (t *table) addClass(c *nftables.Conn, index uint16, class uint32) error {
	return t.eachClass(index, class, c.SetAddElements)
}

// eachClass changes the elements of both families.
func (t *table) eachClass(index uint16, class uint32, change func(*nftables.Set, []nftables.SetElement) error) error {
	v4, v6 := t.nets.Addrs(index)
	for name, addr := range map[string]netip.Addr{class4: v4, class6: v6} {
		elem := nftables.SetElement{Key: addr.AsSlice(), Val: binaryutil.NativeEndian.PutUint32(class)}
		if err := change(t.sets[name], []nftables.SetElement{elem}); err != nil {
			return fmt.Errorf("class of %v: %w", addr, err)
		}
	}
	return nil
}

// Shape holds what goes to the session of that index back to so many bytes a second; zero ends that. What is too much
// waits a while, so that a sender slows down, and is dropped in the end.
func (r *Router) Shape(index uint16, bytesPerSecond uint64) error {
	r.shapeMu.Lock()
	defer r.shapeMu.Unlock()
	select {
	case <-r.done:
		return nil // the interface is gone, with all that was on it
	default:
	}
	if bytesPerSecond == 0 && !r.shaped[index] {
		return nil
	}
	class := htbRoot | uint32(index)
	attrs := netlink.ClassAttrs{LinkIndex: r.link, Parent: htbRoot, Handle: class}
	if bytesPerSecond == 0 {
		delete(r.shaped, index)
		err := r.table.classify(index, class, false)
		return errors.Join(err, netlink.ClassDel(netlink.NewHtbClass(attrs, netlink.HtbClassAttrs{})))
	}
	if !r.htb {
		root := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: r.link, Handle: htbRoot, Parent: netlink.HANDLE_ROOT})
		if err := netlink.QdiscReplace(root); err != nil {
			return fmt.Errorf("queue of %s (htb): %w", r.name, err)
		}
		r.htb = true
	}
	quantum := uint32(min(max(bytesPerSecond/10, 1500), 200_000))
	if err := netlink.ClassReplace(netlink.NewHtbClass(attrs, netlink.HtbClassAttrs{
		Rate: 8 * bytesPerSecond, Quantum: quantum,
	})); err != nil {
		return fmt.Errorf("rate of a session: %w", err)
	}
	if err := setQueue(r.link, class, uint32(min(max(bytesPerSecond*queueTime/1000, leastQueue), 1<<30))); err != nil {
		return err
	}
	if r.shaped[index] {
		return nil
	}
	r.shaped[index] = true
	return r.table.classify(index, class, true)
}

// setQueue bounds what waits in a class, in bytes. The library knows every kind of queue but this plainest one.
func setQueue(link int, class, limit uint32) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(link), Parent: class})
	req.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("bfifo")))
	req.AddData(nl.NewRtAttr(nl.TCA_OPTIONS, binary.NativeEndian.AppendUint32(nil, limit)))
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("queue of a session (bfifo): %w", err)
	}
	return nil
}
