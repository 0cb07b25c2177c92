package directory_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"
	mh "github.com/multiformats/go-multihash"

	"byway/contracts"
	"byway/contracts/bindings/devtoken"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/devchain"
	"byway/registry"
	"byway/registry/directory"
)

// unbondDelay is long enough to be seen and short enough to be jumped over.
const unbondDelay = time.Hour

// network is a chain with the real contracts, and whoever acts on it.
type network struct {
	chain      *devchain.Chain
	client     *chain.Client
	deployment contracts.Deployment
	senders    map[int]*chain.Sender
	journal    *chain.Journal
}

// startNetwork deploys with account 0; the other accounts are free.
func startNetwork(t testing.TB) *network {
	t.Helper()
	c, err := devchain.Start(devchain.Config{Accounts: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	client, err := chain.Dial(t.Context(), chain.Config{URLs: []string{c.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	journal, err := chain.OpenJournal(t.TempDir() + "/journal.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { journal.Close() })
	n := &network{chain: c, client: client, senders: map[int]*chain.Sender{}, journal: journal}
	n.deployment, err = deploy.Contracts(t.Context(), deploy.Config{
		Backend: client, Sender: n.sender(t, 0), ExitDelay: time.Hour, UnbondDelay: unbondDelay, DevToken: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *network) sender(t testing.TB, account int) *chain.Sender {
	t.Helper()
	if s := n.senders[account]; s != nil {
		return s
	}
	s, err := chain.NewSender(chain.SenderConfig{
		Client: n.client, Signer: devchain.Account(account), Journal: n.journal,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.senders[account] = s
	return s
}

// mint gives an account base units of the stake token.
func (n *network) mint(t testing.TB, account int, amount int64) {
	t.Helper()
	_, err := n.sender(t, 0).Send(t.Context(), chain.Intent{
		ID: fmt.Sprintf("mint/%d/%d", account, amount), To: &n.deployment.Token,
		Data: devtoken.NewDevToken().PackMint(devchain.Account(account).Address(), big.NewInt(amount)),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (n *network) market(t testing.TB, blobs directory.Blobs) *directory.Directory {
	t.Helper()
	r, err := directory.New(directory.Config{Backend: n.client, Deployment: n.deployment, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// offer is a plain valid offer of an account, begun a minute ago.
func (n *network) offer(t testing.TB, account int, sequence uint64, price uint64) registry.Offer {
	t.Helper()
	seed := sha256.Sum256(fmt.Appendf(nil, "host of account %d", account))
	key, _, err := p2pcrypto.GenerateEd25519Key(bytes.NewReader(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	provider, d := devchain.Account(account).Address(), n.deployment
	host, err := registry.BindHost(key, d.ChainID, d.Registry, provider, []string{"/ip4/127.0.0.1/tcp/4001"})
	if err != nil {
		t.Fatal(err)
	}
	return registry.Offer{
		ChainID: d.ChainID, Channels: d.Channels, Registry: d.Registry, Token: d.Token, Provider: provider,
		Payee: provider, Sequence: sequence, NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour),
		Host: host, Services: []string{registry.ServiceExit}, Transports: []string{registry.TransportWireGuard},
		PricePerGiB: contracts.NewAmount(price), Tick: 1 << 20, Window: 4 << 20, Exit: &registry.ExitPolicy{},
	}
}

func (n *network) signed(t testing.TB, account int, o registry.Offer) registry.SignedOffer {
	t.Helper()
	s, err := registry.Sign(o, devchain.Account(account))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// putRaw registers a digest without any of the checks that Publish makes.
func (n *network) putRaw(t testing.TB, account int, digest [32]byte) {
	t.Helper()
	n.call(t, account, fmt.Sprintf("raw/%d/%x", account, digest), registryABI.PackRegister(digest, new(big.Int)))
}

func (n *network) call(t testing.TB, account int, id string, data []byte) {
	t.Helper()
	_, err := n.sender(t, account).Send(t.Context(), chain.Intent{ID: id, To: &n.deployment.Registry, Data: data})
	if err != nil {
		t.Fatal(err)
	}
}

// shelf is a block store in memory that can be told to misbehave.
type shelf struct {
	mu     sync.Mutex
	blocks map[cid.Cid][]byte
	// swap answers a CID with other bytes, as a store with a broken disk would; broken fails every Get.
	swap   map[cid.Cid][]byte
	broken error
	// putErr fails every Put.
	putErr error
	// fetched counts the blocks asked for.
	fetched int
}

func newShelf() *shelf { return &shelf{blocks: map[cid.Cid][]byte{}, swap: map[cid.Cid][]byte{}} }

type missingError struct {
	c     cid.Cid
	cause error
}

func (e missingError) Error() string    { return fmt.Sprintf("block %s: %v", e.c, e.cause) }
func (e missingError) Unwrap() error    { return e.cause }
func (e missingError) Missing() cid.Cid { return e.c }

func (s *shelf) Put(_ context.Context, block []byte) (cid.Cid, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putErr != nil {
		return cid.Undef, s.putErr
	}
	c := blockCID(block)
	s.blocks[c] = bytes.Clone(block)
	return c, nil
}

func (s *shelf) Get(ctx context.Context, want []cid.Cid, admit func([]byte) error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, c := range want {
			s.mu.Lock()
			block, ok := s.blocks[c]
			swapped, wrong := s.swap[c]
			broken := s.broken
			s.fetched++
			s.mu.Unlock()
			err := ctx.Err()
			switch {
			case err != nil:
			case broken != nil:
				yield(nil, broken)
				return
			case wrong:
				block = swapped
			case !ok:
				err = missingError{c, fmt.Errorf("nobody has it")}
			default:
				if refused := admit(block); refused != nil {
					err = missingError{c, refused}
				}
			}
			if err != nil {
				block = nil
			}
			if !yield(block, err) {
				return
			}
		}
	}
}

func blockCID(block []byte) cid.Cid {
	h, err := mh.Sum(block, mh.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.DagCBOR, h)
}
