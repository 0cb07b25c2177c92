package cli

import (
	"context"
	"errors"
	"fmt"
	"net"

	"byway/node/path"
	"byway/tunnel/route"
	"byway/tunnel/wireguard"
)

// lookAtMachine says whether a session has left this machine shut.
func (p *patient) lookAtMachine(context.Context) []finding {
	shut, err := path.InspectMachine()
	switch {
	case err != nil:
		return []finding{{"machine", findingWarning, "whether it is shut can't be told: " + err.Error(), "look as root"}}
	case shut == nil:
		return []finding{{"machine", findingOK, "no session has left it shut", ""}}
	}
	f := finding{"machine", findingFault, shut.Error(), "byway unlock opens it, byway connect --tun goes on"}
	if shut.Trouble != "" {
		f.Says += "; " + shut.Trouble
	}
	if p.status != nil && p.status.Connection != nil { // it is about to go on
		f.State = findingWarning
	}
	return []finding{f}
}

// lookAtTUN looks whether this machine's traffic could go through a session.
func (p *patient) lookAtTUN(context.Context) []finding {
	held := p.status != nil && p.status.Connection != nil && p.status.Connection.Machine != ""
	if held {
		return []finding{{"tun", findingOK, "this machine goes through a session", ""}}
	}
	err := route.CheckTUN("bywaychk%d")
	if err == nil {
		return []finding{{"tun", findingOK, "a tunnel's interface can be made", ""}}
	}
	wanted := false
	if as, err := p.configured(p.c, "connect", nil); err == nil {
		wanted = as.Bool("tun")
	}
	if wanted && p.consumer {
		return []finding{failed("tun", err, "go without --tun: byway config unset consumer.tun")}
	}
	if errors.Is(err, route.ErrCapability) {
		return []finding{{"tun", findingOK, "sessions serve as a proxy; the whole machine would need root", ""}}
	}
	return []finding{{"tun", findingOK, "sessions serve as a proxy; not the whole machine: " + err.Error(), ""}}
}

// Addresses for documentation (RFC 5737, RFC 3849): the kernel is asked for its way there, and nothing is sent.
const somewhere4, somewhere6 = "192.0.2.1:9", "[2001:db8::1]:9"

// lookAtRoute looks at the default route and how large a datagram it takes.
func (p *patient) lookAtRoute(ctx context.Context) []finding {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", somewhere4)
	if err != nil { // the older family's error is told where neither has a way
		if six, err6 := (&net.Dialer{}).DialContext(ctx, "udp6", somewhere6); err6 == nil {
			conn, err = six, nil
		}
	}
	if err != nil {
		state, cure := findingFault, "connect this machine to a network"
		if p.network.Private {
			state, cure = findingWarning, cure+"; a market on this machine needs none"
		}
		return []finding{{"route", state, "there is no way to the internet: " + err.Error(), cure}}
	}
	defer conn.Close()
	own := conn.LocalAddr().(*net.UDPAddr).IP
	list, err := net.Interfaces()
	if err != nil {
		return []finding{failed("route", err, "see whether this user may list the network's interfaces")}
	}
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(own) {
				return []finding{mtuFinding(i.Name, i.MTU)}
			}
		}
	}
	return []finding{{"route", findingOK, "there is a way to the internet", ""}}
}

// overhead is what WireGuard adds to a packet over IPv4, in bytes: headers of IP, UDP and its own, and the tag.
const overhead = 20 + 8 + 16 + 16

func mtuFinding(name string, mtu int) finding {
	if need := wireguard.DefaultMTU + overhead; mtu < need {
		return finding{"route", findingWarning, fmt.Sprintf("the default route is %s, with an MTU of %d: sessions send up to %d", name, mtu, need),
			fmt.Sprintf("ip link set %s mtu 1500, if the line takes that; else a session's large packets are sent in fragments", name)}
	}
	return finding{"route", findingOK, fmt.Sprintf("the default route is %s, with an MTU of %d", name, mtu), ""}
}
