package ipfs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	blockstore "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/goleak"

	"byway/ipfs/store"
)

func sum(block []byte) cid.Cid { return store.CID(sha256.Sum256(block)) }

func newKey(t testing.TB) crypto.PrivKey {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// open starts a node of a private test network and closes it at the end of the test.
func open(t testing.TB, cfg Config, bootstrap ...*Node) *Node {
	t.Helper()
	if cfg.Key == nil {
		cfg.Key = newKey(t)
	}
	if !cfg.Network.Private {
		cfg.Network = Network{Name: "test", Private: true}
	}
	for _, b := range bootstrap {
		cfg.Network.Bootstrap = append(cfg.Network.Bootstrap, b.Addrs()...)
	}
	n, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func ready(t testing.TB, nodes ...*Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, n := range nodes {
		if err := n.WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// testBlock makes a small dag-cbor block: a byte string.
func testBlock(i int) []byte { return fmt.Appendf([]byte{0x58, 24}, "byway test block %07d", i) }

func put(t testing.TB, n *Node, block []byte) cid.Cid {
	t.Helper()
	c, err := n.Put(t.Context(), block)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get collects what Get yields: blocks by their CID and errors by the CID that they name.
func get(t testing.TB, n *Node, ctx context.Context, want []cid.Cid, admit func([]byte) error) (
	map[cid.Cid][]byte, map[cid.Cid]*NotFoundError,
) {
	t.Helper()
	found, missing := make(map[cid.Cid][]byte), make(map[cid.Cid]*NotFoundError)
	for block, err := range n.Get(ctx, want, admit) {
		var notFound *NotFoundError
		switch {
		case err == nil:
			c := sum(block)
			if found[c] != nil {
				t.Errorf("block %s came twice", c)
			}
			found[c] = block
		case errors.As(err, &notFound):
			if missing[notFound.Missing()] != nil {
				t.Errorf("%s was reported missing twice", notFound.CID)
			}
			missing[notFound.Missing()] = notFound
		default:
			t.Errorf("Get yielded %v, want a *NotFoundError", err)
		}
	}
	return found, missing
}

func getOne(t testing.TB, n *Node, c cid.Cid) []byte {
	t.Helper()
	found, missing := get(t, n, t.Context(), []cid.Cid{c}, nil)
	if found[c] == nil {
		t.Fatalf("block not found: %v", missing[c])
	}
	return found[c]
}

func connect(t testing.TB, from, to *Node) {
	t.Helper()
	if err := from.host.Connect(t.Context(), peer.AddrInfo{ID: to.host.ID(), Addrs: to.host.Addrs()}); err != nil {
		t.Fatal(err)
	}
}

func TestBlockIsFoundThroughTheDHTByANodeThatWasNeverToldWhereItIs(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	a, b := open(t, Config{}, c), open(t, Config{Client: true}, c)
	ready(t, a, b)
	block := testBlock(1)
	id := put(t, a, block)
	// Look-ups of the DHT itself may have brought the two together; what b learnt by that is taken from it again.
	if err := b.host.Network().ClosePeer(a.host.ID()); err != nil {
		t.Fatal(err)
	}
	b.host.Peerstore().ClearAddrs(a.host.ID())
	start := time.Now()
	if got := getOne(t, b, id); !bytes.Equal(got, block) {
		t.Fatalf("got %x, want %x", got, block)
	}
	t.Logf("found and fetched in %s", time.Since(start))
	if ok, err := b.store.Has(t.Context(), id); err != nil || !ok {
		t.Errorf("the fetched block is not stored: %v, %v", ok, err)
	}
}

func TestManyBlocksInOneGetComeExactlyOnceDespiteDuplicates(t *testing.T) {
	t.Parallel()
	a, b := open(t, Config{}), open(t, Config{Client: true})
	var want []cid.Cid
	for i := range 300 {
		c := put(t, a, testBlock(i))
		want = append(want, c, c)
	}
	connect(t, b, a)
	found, missing := get(t, b, t.Context(), want, nil)
	if len(found) != 300 || len(missing) != 0 {
		t.Fatalf("found %d blocks and missed %d, want 300 and none", len(found), len(missing))
	}
	again, _ := get(t, b, t.Context(), want, nil) // now from the store
	if len(again) != 300 {
		t.Fatalf("found %d blocks locally, want 300", len(again))
	}
}

func TestMissingBlockEndsByDeadlineAndIsNamed(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	n := open(t, Config{Timeout: time.Second}, c)
	ready(t, n)
	want := sum([]byte("nobody has this"))
	start := time.Now()
	_, missing := get(t, n, t.Context(), []cid.Cid{want}, nil)
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("gave up after %s, want about 1s", took)
	}
	err := missing[want]
	if err == nil {
		t.Fatal("the missing block was not reported")
	}
	if !errors.Is(err, ErrNotProvided) || !strings.Contains(err.Error(), want.String()) {
		t.Errorf("error %q does not say what is missing and why", err)
	}
}

func TestCancelledContextEndsGetAndNamesEveryCID(t *testing.T) {
	t.Parallel()
	n := open(t, Config{Timeout: time.Minute})
	want := []cid.Cid{sum([]byte("x")), sum([]byte("y"))}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	_, missing := get(t, n, ctx, want, nil)
	if len(missing) != 2 || time.Since(start) > 30*time.Second {
		t.Fatalf("%d CIDs named after %s, want 2 at once", len(missing), time.Since(start))
	}
	for _, err := range missing {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not say that the context was cancelled", err)
		}
	}
}

func TestCloseEndsARunningGet(t *testing.T) {
	t.Parallel()
	n := open(t, Config{Timeout: time.Minute})
	time.AfterFunc(100*time.Millisecond, func() { n.Close() })
	want := sum([]byte("x"))
	_, missing := get(t, n, t.Context(), []cid.Cid{want}, nil)
	if !errors.Is(missing[want], ErrClosed) {
		t.Errorf("got %v, want ErrClosed", missing[want])
	}
	if _, err := n.Put(t.Context(), testBlock(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("Put after Close gives %v, want ErrClosed", err)
	}
	_, missing = get(t, n, t.Context(), []cid.Cid{want}, nil)
	if !errors.Is(missing[want], ErrClosed) {
		t.Errorf("Get after Close gives %v, want ErrClosed", missing[want])
	}
}

func TestLeavingTheLoopEarlyEndsTheFetch(t *testing.T) {
	t.Parallel()
	a, b := open(t, Config{}), open(t, Config{Timeout: time.Minute})
	want := []cid.Cid{put(t, a, testBlock(1)), put(t, a, testBlock(2)), sum([]byte("nobody has this"))}
	connect(t, b, a)
	for _, err := range b.Get(t.Context(), want, nil) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	done := make(chan struct{})
	go func() { b.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Close waits for a fetch that nobody reads")
	}
}

// liar is a block store whose blocks are not what their CIDs say.
type liar struct {
	blockstore.Blockstore
	lie []byte
}

func (l liar) Has(context.Context, cid.Cid) (bool, error)    { return true, nil }
func (l liar) GetSize(context.Context, cid.Cid) (int, error) { return len(l.lie), nil }
func (l liar) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	return blocks.NewBlockWithCid(l.lie, c)
}

func TestCorruptedBlockFromALyingPeerIsNotStored(t *testing.T) {
	t.Parallel()
	host := open(t, Config{})
	evil := bitswap.New(t.Context(), bsnet.NewFromIpfsHost(host.host), nil,
		liar{blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore())), []byte("a lie")})
	defer evil.Close()
	honest, n := open(t, Config{}), open(t, Config{Timeout: 2 * time.Second})
	want, alone := sum(testBlock(1)), sum(testBlock(2))
	put(t, honest, testBlock(1))
	connect(t, n, host)
	_, missing := get(t, n, t.Context(), []cid.Cid{alone}, nil)
	if missing[alone] == nil {
		t.Fatal("a block came that only the liar has")
	}
	for _, c := range []cid.Cid{alone, sum([]byte("a lie"))} {
		if ok, err := n.store.Has(t.Context(), c); err != nil || ok {
			t.Errorf("%s is stored: %v, %v", c, ok, err)
		}
	}
	connect(t, n, honest)
	getOne(t, n, want)
}

func TestOversizedBlockIsRefusedBeforeItIsStored(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte{1}, store.MaxBlock+1)
	c := sum(big)
	a, b := open(t, Config{}), open(t, Config{})
	if _, err := a.Put(t.Context(), big); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Put gives %v, want ErrTooLarge", err)
	}
	if _, err := a.Put(t.Context(), nil); !errors.Is(err, store.ErrEmpty) {
		t.Errorf("Put of nothing gives %v, want ErrEmpty", err)
	}
	// A peer that is not bound by Put serves it all the same.
	host := open(t, Config{})
	data := blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore()))
	block, _ := blocks.NewBlockWithCid(big, c)
	if err := data.Put(t.Context(), block); err != nil {
		t.Fatal(err)
	}
	other := bitswap.New(t.Context(), bsnet.NewFromIpfsHost(host.host), nil, data)
	defer other.Close()
	connect(t, b, host)
	_, missing := get(t, b, t.Context(), []cid.Cid{c}, nil)
	if !errors.Is(missing[c], store.ErrTooLarge) {
		t.Errorf("Get gives %v, want ErrTooLarge", missing[c])
	}
	if ok, _ := b.store.Has(t.Context(), c); ok {
		t.Error("the oversized block is stored")
	}
}

func TestBlockThatIsNotAdmittedIsNotStored(t *testing.T) {
	t.Parallel()
	a, b := open(t, Config{}), open(t, Config{})
	c := put(t, a, testBlock(1))
	connect(t, b, a)
	reason := errors.New("not an offer")
	_, missing := get(t, b, t.Context(), []cid.Cid{c}, func([]byte) error { return reason })
	if !errors.Is(missing[c], reason) {
		t.Errorf("Get gives %v, want the reason of admit", missing[c])
	}
	if ok, _ := b.store.Has(t.Context(), c); ok {
		t.Error("the block is stored")
	}
}

func TestCIDOfAnotherFormIsRefusedWithoutAsking(t *testing.T) {
	t.Parallel()
	n := open(t, Config{Timeout: time.Minute})
	raw := cid.NewCidV1(cid.Raw, sum([]byte("x")).Hash())
	_, missing := get(t, n, t.Context(), []cid.Cid{raw, cid.Undef}, nil)
	if !errors.Is(missing[raw], store.ErrForm) || !errors.Is(missing[cid.Undef], store.ErrForm) {
		t.Errorf("got %v, want ErrForm twice", missing)
	}
}

func TestRestartKeepsBlocksAndAnnouncesThemAgain(t *testing.T) {
	t.Parallel()
	dir, key := filepath.Join(t.TempDir(), "blocks"), newKey(t)
	first := open(t, Config{Dir: dir, Key: key})
	kept, dropped := put(t, first, testBlock(1)), put(t, first, testBlock(2))
	if err := first.Drop(t.Context(), dropped); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	c := open(t, Config{})
	second := open(t, Config{Dir: dir, Key: key}, c)
	if !bytes.Equal(getOne(t, second, kept), testBlock(1)) {
		t.Error("the block is not what was put")
	}
	if ok, _ := second.store.Has(t.Context(), dropped); ok {
		t.Error("the dropped block is still there")
	}
	b := open(t, Config{Client: true}, c)
	ready(t, second, b)
	getOne(t, b, kept)
}

func TestPutIsServedToAPeerThatAlreadyWaits(t *testing.T) {
	t.Parallel()
	a, b := open(t, Config{}), open(t, Config{})
	connect(t, b, a)
	time.AfterFunc(300*time.Millisecond, func() { a.Put(context.Background(), testBlock(7)) })
	getOne(t, b, sum(testBlock(7)))
}

func TestRottenBlockOnDiskIsFetchedAgain(t *testing.T) {
	t.Parallel()
	a, b := open(t, Config{}), open(t, Config{})
	c := put(t, a, testBlock(1))
	if err := b.store.Write(t.Context(), c, []byte("rot")); err != nil {
		t.Fatal(err)
	}
	connect(t, b, a)
	getOne(t, b, c)
}

func TestDamagedFolderIsNamedWithTheNextStep(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "blocks")
	n := open(t, Config{Dir: dir})
	put(t, n, testBlock(1))
	cfg := Config{Dir: dir, Key: newKey(t), Network: Network{Name: "test", Private: true}}
	if _, err := Open(t.Context(), cfg); err == nil ||
		!strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another node") {
		t.Errorf("opening a folder in use gives %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no manifest to damage: %v", err)
	}
	for _, m := range manifests {
		if err := os.WriteFile(m, []byte("garbage garbage garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Open(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("opening a damaged folder gives %v", err)
	}
}

func TestConfigIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	private := Network{Name: "test", Private: true}
	through := func(bootstrap string) Config {
		return Config{Key: newKey(t), Network: Network{Name: "x", Private: true, Bootstrap: []string{bootstrap}}}
	}
	for name, tc := range map[string]struct {
		cfg  Config
		want string
	}{
		"no key":            {Config{Network: private}, "no host key"},
		"no name":           {Config{Key: newKey(t), Network: Network{Private: true}}, "network name"},
		"odd name":          {Config{Key: newKey(t), Network: Network{Private: true, Name: "a/b"}}, "network name"},
		"LAN in public":     {Config{Key: newKey(t), Network: Network{LAN: true}}, "LAN"},
		"listen garbage":    {Config{Key: newKey(t), Network: private, Listen: []string{"nowhere"}}, "nowhere"},
		"bootstrap garbage": {through("zzz"), "zzz"},
		"bootstrap unnamed": {through("/ip4/127.0.0.1/tcp/1"), "/p2p/"},
	} {
		if _, err := Open(t.Context(), tc.cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}

func TestUnreachableBootstrapLeavesTheNodeWorking(t *testing.T) {
	t.Parallel()
	gone := open(t, Config{})
	n := open(t, Config{}, gone)
	gone.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := n.WaitReady(ctx); err != nil && !strings.Contains(err.Error(), "bootstrap") {
		t.Errorf("WaitReady gives %v", err)
	}
	getOne(t, n, put(t, n, testBlock(1)))
}

func TestCloseLeavesNoGoroutines(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := open(t, Config{Dir: filepath.Join(t.TempDir(), "c")})
	a, b := open(t, Config{}, c), open(t, Config{Client: true}, c)
	ready(t, a, b)
	getOne(t, b, put(t, a, testBlock(1)))
	for _, n := range []*Node{a, b, c} {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	goleak.VerifyNone(t, before)
}
