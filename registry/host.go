package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// hostDomain separates a host binding from everything else that a libp2p key signs. What is signed is
//
//	hostDomain || chain id (8 bytes, big-endian) || registry (20) || provider (20) || peer id (the rest)
//
// so a binding is worth nothing on another chain, for another market or for another provider.
const hostDomain = "byway host binding/1\n"

// Host is the node that serves an offer: a libp2p key of its own, so that the provider's key can stay cold, and where
// it listens. The provider's signature covers the host; Sig is the host key's consent to serve the provider.
type Host struct {
	Peer peer.ID `json:"peer"`
	Sig  []byte  `json:"sig"`
	// Addrs are multiaddrs, best first, with or without the host's own /p2p/ at the end; stored without.
	Addrs []string `json:"addrs"`
}

// BindHost returns the host of an Ed25519 key that agrees to serve a provider in one market.
func BindHost(key crypto.PrivKey, chainID uint64, registry, provider common.Address, addrs []string) (Host, error) {
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return Host{}, fmt.Errorf("host key: %w", err)
	}
	if key.Type() != crypto.Ed25519 {
		return Host{}, errors.New("host key is not an Ed25519 key")
	}
	sig, err := key.Sign(hostMessage(chainID, registry, provider, id))
	if err != nil {
		return Host{}, fmt.Errorf("sign host binding: %w", err)
	}
	return Host{Peer: id, Sig: sig, Addrs: addrs}.normal(), nil
}

// AddrInfo returns what libp2p needs to dial the host.
func (h Host) AddrInfo() (peer.AddrInfo, error) {
	info := peer.AddrInfo{ID: h.Peer}
	for _, s := range h.Addrs {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return peer.AddrInfo{}, fmt.Errorf("host address %q: %w", s, err)
		}
		info.Addrs = append(info.Addrs, a)
	}
	return info, nil
}

// verify checks the host key's consent.
func (h Host) verify(chainID uint64, registry, provider common.Address) error {
	key, err := h.Peer.ExtractPublicKey()
	if err != nil {
		return fmt.Errorf("%w: peer id %s carries no key", errHost, h.Peer)
	}
	ok, err := key.Verify(hostMessage(chainID, registry, provider, h.Peer), h.Sig)
	if err != nil || !ok {
		return fmt.Errorf("%w: host %s did not sign for provider %s", errHost, h.Peer, provider)
	}
	return nil
}

// normal returns the host with the form of addresses that is stored.
func (h Host) normal() Host {
	own := "/p2p/" + h.Peer.String()
	h.Sig = slices.Clone(h.Sig)
	h.Addrs = slices.Clone(h.Addrs)
	for i, a := range h.Addrs {
		h.Addrs[i] = strings.TrimSuffix(a, own)
	}
	if len(h.Addrs) == 0 {
		h.Addrs = nil
	}
	return h
}

// problem says which field of the host may not stand in an offer and why, or returns "".
func (h Host) problem() (field, problem string) {
	if err := h.Peer.Validate(); err != nil {
		return "host.peer", "is missing"
	}
	key, err := h.Peer.ExtractPublicKey()
	if err != nil || key.Type() != crypto.Ed25519 {
		return "host.peer", "is not the id of an Ed25519 key"
	}
	if len(h.Sig) != 64 {
		return "host.sig", fmt.Sprintf("has %d bytes, an Ed25519 signature has 64", len(h.Sig))
	}
	if len(h.Addrs) == 0 {
		return "host.addrs", "is empty: nobody could dial the provider"
	}
	if len(h.Addrs) > maxAddrs {
		return "host.addrs", fmt.Sprintf("has %d addresses, at most %d are allowed", len(h.Addrs), maxAddrs)
	}
	for i, s := range h.Addrs {
		if len(s) > maxAddr {
			return "host.addrs", fmt.Sprintf("has an address of %d bytes, at most %d are allowed", len(s), maxAddr)
		}
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return "host.addrs", fmt.Sprintf("has %q, which is not a multiaddr", s)
		}
		if a.String() != s {
			return "host.addrs", fmt.Sprintf("has %q, which is spelled %q", s, a.String())
		}
		if last, id := ma.SplitLast(a); id != nil && id.Protocol().Code == ma.P_P2P && last != nil {
			return "host.addrs", fmt.Sprintf("has %q, which ends at another host", s)
		}
		if slices.Contains(h.Addrs[:i], s) {
			return "host.addrs", fmt.Sprintf("has %q twice", s)
		}
	}
	return "", ""
}

func hostMessage(chainID uint64, registry, provider common.Address, id peer.ID) []byte {
	m := append(make([]byte, 0, 128), hostDomain...)
	m = binary.BigEndian.AppendUint64(m, chainID)
	m = append(m, registry[:]...)
	m = append(m, provider[:]...)
	return append(m, id...)
}
