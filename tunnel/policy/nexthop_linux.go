package policy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Routes can name their hops by number (ip-nexthop(8)), as routing daemons do, and tell nothing else of them where the
// host has net.ipv4.nexthop_compat_mode off, which is what large routers are advised to. The library knows no such hops,
// and takes these routes for ones that lead nowhere.

const (
	rtaNexthop = 30 // RTA_NH_ID
	nhHeader   = 8  // struct nhmsg
	nhMember   = 8  // struct nexthop_grp, which the number comes first in
)

// nexthop is a hop, or a group of others.
type nexthop struct {
	link    int
	gateway netip.Addr
	group   []uint32
}

// nhRequest asks for all hops.
type nhRequest struct{}

func (nhRequest) Len() int          { return nhHeader }
func (nhRequest) Serialize() []byte { return make([]byte, nhHeader) }

// nexthops lists the hops that have numbers; none where the kernel knows no such thing.
func nexthops() (map[uint32]nexthop, error) {
	list := make(map[uint32]nexthop)
	var bad error
	req := nl.NewNetlinkRequest(unix.RTM_GETNEXTHOP, unix.NLM_F_DUMP)
	req.AddData(nhRequest{})
	err := req.ExecuteIter(unix.NETLINK_ROUTE, unix.RTM_NEWNEXTHOP, func(m []byte) bool {
		if len(m) < nhHeader {
			return true
		}
		attrs, err := nl.ParseRouteAttr(m[nhHeader:])
		if err != nil {
			bad = err
			return false
		}
		var id uint32
		var hop nexthop
		for _, a := range attrs {
			switch v := a.Value; a.Attr.Type & nl.NLA_TYPE_MASK {
			case unix.NHA_ID:
				id = number(v)
			case unix.NHA_OIF:
				hop.link = int(number(v))
			case unix.NHA_GATEWAY:
				hop.gateway, _ = netip.AddrFromSlice(v)
			case unix.NHA_GROUP:
				for ; len(v) >= nhMember; v = v[nhMember:] {
					hop.group = append(hop.group, number(v))
				}
			}
		}
		list[id] = hop
		return true
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) { // before Linux 5.3
		return nil, nil
	}
	if err = errors.Join(err, bad); err != nil {
		return nil, fmt.Errorf("list nexthops: %w", err)
	}
	return list, nil
}

func number(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

// numberedRoutes calls see for every route whose hops have numbers and nothing else, with the hops that they stand for.
func numberedRoutes(see func(netlink.Route)) error {
	hops, err := nexthops()
	if err != nil || len(hops) == 0 {
		return err
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		var bad error
		req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
		req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family)}})
		err := req.ExecuteIter(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE, func(m []byte) bool {
			if len(m) < unix.SizeofRtMsg {
				return true
			}
			msg := nl.DeserializeRtMsg(m)
			if int(msg.Family) != family || msg.Flags&unix.RTM_F_CLONED != 0 || msg.Type != unix.RTN_UNICAST {
				return true
			}
			attrs, err := nl.ParseRouteAttr(m[unix.SizeofRtMsg:])
			if err != nil {
				bad = err
				return false
			}
			r := netlink.Route{Family: family, Type: int(msg.Type)}
			var id uint32
			told := false
			for _, a := range attrs {
				switch a.Attr.Type & nl.NLA_TYPE_MASK {
				case rtaNexthop:
					id = number(a.Value)
				case unix.RTA_OIF, unix.RTA_MULTIPATH:
					told = true
				case unix.RTA_DST:
					r.Dst = &net.IPNet{IP: a.Value, Mask: net.CIDRMask(int(msg.Dst_len), 8*len(a.Value))}
				}
			}
			if id == 0 || told {
				return true
			}
			members := hops[id].group
			if len(members) == 0 {
				members = []uint32{id}
			}
			for _, id := range members {
				hop := &netlink.NexthopInfo{LinkIndex: hops[id].link}
				if hops[id].gateway.IsValid() {
					hop.Gw = hops[id].gateway.AsSlice()
				}
				r.MultiPath = append(r.MultiPath, hop)
			}
			see(r)
			return true
		})
		if err = errors.Join(err, bad); err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
	}
	return nil
}
