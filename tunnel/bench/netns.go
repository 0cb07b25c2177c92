//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// The three namespaces, and how they are joined. The internet's addresses are of a documentation range (RFC 5737).
const (
	consumerNS = "byway-bench-c"
	providerNS = "byway-bench-p"
	internetNS = "byway-bench-i"

	consumerAddr = "10.77.1.2"
	providerAddr = "10.77.1.1"
	uplinkAddr   = "203.0.113.1"
	hostAddr     = "203.0.113.2"
	internetNet  = "203.0.113.0/24"
)

// netns is the network of a run.
type netns struct{}

// newNet builds the namespaces, after removing what a run that was killed may have left.
func newNet() (*netns, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("namespaces need root: run as root, such as with sudo make bench-tunnel")
	}
	n := new(netns)
	n.close()
	in := func(ns, cmd string) string { return "ip netns exec " + ns + " " + cmd }
	for _, cmd := range []string{
		"ip netns add " + consumerNS, "ip netns add " + providerNS, "ip netns add " + internetNS,
		"ip link add bwc netns " + consumerNS + " type veth peer name bwp netns " + providerNS,
		"ip link add bwu netns " + providerNS + " type veth peer name bwi netns " + internetNS,
		in(consumerNS, "ip addr add "+consumerAddr+"/24 dev bwc"),
		in(providerNS, "ip addr add "+providerAddr+"/24 dev bwp"),
		in(providerNS, "ip addr add "+uplinkAddr+"/24 dev bwu"),
		in(internetNS, "ip addr add "+hostAddr+"/24 dev bwi"),
		in(consumerNS, "ip link set lo up"), in(consumerNS, "ip link set bwc up"),
		in(providerNS, "ip link set lo up"), in(providerNS, "ip link set bwp up"), in(providerNS, "ip link set bwu up"),
		in(internetNS, "ip link set lo up"), in(internetNS, "ip link set bwi up"),
		in(providerNS, "sysctl -qw net.ipv4.ip_forward=1"),
		in(providerNS, "nft add table ip bench"),
		in(providerNS, "nft add chain ip bench post { type nat hook postrouting priority 100 ; }"),
		in(providerNS, "nft add rule ip bench post oifname bwu masquerade"),
	} {
		if err := command(cmd); err != nil {
			n.close()
			return nil, err
		}
	}
	for _, ns := range []string{consumerNS, providerNS, internetNS} {
		// BBR, where it is the default, does not reach the rate of a veth; Reno is what every host lets a namespace use.
		if err := command(in(ns, "sysctl -qw net.ipv4.tcp_congestion_control=reno")); err != nil {
			n.close()
			return nil, err
		}
	}
	return n, nil
}

func command(line string) error {
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// close removes the namespaces and what is in them.
func (n *netns) close() {
	for _, ns := range []string{consumerNS, providerNS, internetNS} {
		// It is not there the first time.
		_ = exec.Command("ip", "netns", "del", ns).Run()
	}
}
