package home

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"byway/contracts"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/disk"
	"byway/ipfs"
)

// Network tells a node how to take part in one market: which chain, which contracts and where the others of
// its IPFS network are met. None of it is a server of ours.
type Network struct {
	Name string   `toml:"name"`
	RPC  []string `toml:"rpc"` // JSON-RPC endpoints of the chain, best first
	contracts.Deployment
	// Private networks keep to themselves: their own DHT, and addresses that the public network would refuse.
	Private   bool     `toml:"private"`
	Bootstrap []string `toml:"bootstrap"` // libp2p multiaddrs, each with /p2p/
	// Probe says what exits are tried against; empty: they are not.
	Probe ProbeTargets `toml:"probe,omitempty"`
	// Dialer opens this process's own connections to it, where they must go past a tunnel; nil for a plain one.
	Dialer *net.Dialer `toml:"-"`
}

// The devnet's fixed places: any process on the machine can find it without being told.
const (
	DevnetName     = "devnet"
	DevnetRPC      = "127.0.0.1:8545"
	DevnetIPFSPort = 4545
	devnetChainID  = 31337 // anvil's
)

// The delays of a devnet's contracts: seconds, where a real network has hours.
const (
	DevnetExitDelay   = 20 * time.Second
	DevnetUnbondDelay = 20 * time.Second
)

// DevnetHostKey is the identity of the devnet's meeting point. It is made from a published seed, so that nodes know whom
// they will meet there; it protects nothing.
func DevnetHostKey() (crypto.PrivKey, error) {
	seed := sha256.Sum256([]byte("byway devnet meeting point"))
	key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(seed[:]))
	if err != nil {
		return nil, fmt.Errorf("devnet host key: %w", err)
	}
	return key, nil
}

// devnetListen is where the meeting point listens, as libp2p multiaddrs.
func devnetListen() []string {
	return []string{
		fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", DevnetIPFSPort),
		fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", DevnetIPFSPort),
	}
}

// Devnet returns the network that `byway devnet up` starts with no flags.
func Devnet() (Network, error) {
	d := deploy.Addresses(devnetChainID, DevnetExitDelay, DevnetUnbondDelay, contracts.Amount{})
	key, err := DevnetHostKey()
	if err != nil {
		return Network{}, err
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return Network{}, fmt.Errorf("devnet host key: %w", err)
	}
	var boot []string
	for _, listen := range devnetListen() {
		boot = append(boot, listen+"/p2p/"+id.String())
	}
	return Network{
		Name:       DevnetName,
		RPC:        []string{"http://" + DevnetRPC},
		Deployment: d,
		Private:    true,
		Bootstrap:  boot,
	}, nil
}

// ErrNoNetwork says that a network is neither the devnet nor described by a file.
var ErrNoNetwork = fmt.Errorf("is neither %q nor a file", DevnetName)

// maxNetworkFile bounds a network file in bytes.
const maxNetworkFile = 64 << 10

// LoadNetwork returns the network of that name, or the one that a TOML file of that path describes:
// [ErrNoNetwork] where there is neither.
func LoadNetwork(nameOrPath string) (Network, error) {
	if nameOrPath == DevnetName {
		return Devnet()
	}
	f, err := os.Open(nameOrPath)
	if errors.Is(err, fs.ErrNotExist) {
		return Network{}, fmt.Errorf("network %q %w", nameOrPath, ErrNoNetwork)
	}
	if err != nil {
		return Network{}, fmt.Errorf("network: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNetworkFile+1))
	if err != nil {
		return Network{}, fmt.Errorf("network: %w", err)
	}
	n, err := parseNetwork(text)
	if err != nil {
		return Network{}, fmt.Errorf("network file %s: %w", nameOrPath, err)
	}
	return n, nil
}

// parseNetwork reads a network file; every key is known and every needed one is there.
func parseNetwork(text []byte) (Network, error) {
	if len(text) > maxNetworkFile {
		return Network{}, fmt.Errorf("longer than %d bytes", maxNetworkFile)
	}
	var n Network
	meta, err := toml.Decode(string(text), &n)
	if err != nil {
		return Network{}, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return Network{}, fmt.Errorf("unknown key %q", unknown[0].String())
	}
	switch {
	case n.Name == "":
		return Network{}, errors.New("name is missing")
	case len(n.RPC) == 0:
		return Network{}, errors.New("rpc is missing: give at least one endpoint")
	case n.ChainID == 0:
		return Network{}, errors.New("chain_id is missing")
	}
	for name, a := range map[string]common.Address{"channels": n.Channels, "registry": n.Registry, "token": n.Token} {
		if a == (common.Address{}) {
			return Network{}, fmt.Errorf("%s is missing: give the contract's address", name)
		}
	}
	return n, nil
}

// Write writes the network as the file that [LoadNetwork] reads.
func (n Network) Write(path string) error {
	text, err := toml.Marshal(n)
	if err != nil {
		return fmt.Errorf("network file: %w", err)
	}
	return disk.WriteFile(path, text, 0o600)
}

// Dial connects to a network's chain and makes sure that the contracts there are the ones this binary knows.
func (n Network) Dial(ctx context.Context, log *slog.Logger) (*chain.Client, error) {
	return chain.Dial(ctx, n.chainConfig(log))
}

// DialLazy connects to a network's chain, or will once an endpoint answers.
func (n Network) DialLazy(ctx context.Context, log *slog.Logger) (*chain.Client, error) {
	cfg := n.chainConfig(log)
	cfg.Lazy = n.ChainID != 0
	return chain.Dial(ctx, cfg)
}

// chainConfig is how the network's chain is reached. No endpoint is believed whose contracts are not the ones this binary
// knows.
func (n Network) chainConfig(log *slog.Logger) chain.Config {
	return chain.Config{
		URLs: n.RPC, ChainID: n.ChainID, Dialer: n.Dialer, Log: log,
		Check: func(ctx context.Context, on chain.CodeReader) error {
			err := deploy.Check(ctx, on, n.Deployment)
			if errors.As(err, new(*deploy.MismatchError)) {
				return &chain.WrongError{Err: err}
			}
			return err
		},
	}
}

// FetchTimeout is how long a listing waits for the next block: on one machine, what is there comes at once.
func (n Network) FetchTimeout() time.Duration {
	if n.Private {
		return 2 * time.Second
	}
	return 0 // ipfs's own
}

func (n Network) IPFS() ipfs.Network {
	return ipfs.Network{Name: n.Name, Private: n.Private, Bootstrap: n.Bootstrap}
}

// ProbeTargets says what an exit is tried against before it is trusted with more than a tick. They are the user's or
// the network's choice, in the network file: anybody's servers, and none of ours. What is empty is not checked.
type ProbeTargets struct {
	// Echo lists http or https URLs that answer with the caller's address as text.
	Echo []string `toml:"echo,omitempty"`
	// Names are resolved through the exit; it may give none but the addresses listed for each. What a name without a list
	// gives is learned, and exits are held against each other: take names that are answered alike everywhere.
	Names map[string][]netip.Addr `toml:"names,omitempty"`
	// TLS maps "host:port" to the SHA-256 of the server's public key (SubjectPublicKeyInfo, base64, as in RFC 7469).
	// An empty pin is learned: then exits are held against each other, see [byway/node/probe.Findings.Against].
	TLS map[string]string `toml:"tls,omitempty"`
}

// Empty reports whether there is nothing to probe.
func (t ProbeTargets) Empty() bool { return len(t.Echo)+len(t.Names)+len(t.TLS) == 0 }

// Learns reports whether there are targets whose right answer only other exits can tell.
func (t ProbeTargets) Learns() bool {
	for _, pin := range t.TLS {
		if pin == "" {
			return true
		}
	}
	for _, addrs := range t.Names {
		if len(addrs) == 0 {
			return true
		}
	}
	return false
}
