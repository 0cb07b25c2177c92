package ipfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	ethcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"byway/contracts"
	registryabi "byway/contracts/bindings/registry"
	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/devchain"
	"byway/registry"
	"byway/registry/directory"
)

// BenchmarkDiscovery measures what a person waits for: the list of a market whose offers are really registered, on the
// embedded chain, and really held by ten IPFS nodes on loopback, each offer by three of them. The chain is near; the
// round trip of 80 ms is between the IPFS nodes, by a relay that delays datagrams. With BYWAY_BENCH_JSON it writes its
// rows (byway.bench/1) to that file.
func BenchmarkDiscovery(b *testing.B) {
	const runs = 3
	m := newBenchMarket(b)
	rows := &benchRows{}
	for _, size := range []int{100, 1_000, 10_000} {
		start := time.Now()
		m.grow(b, size)
		b.Logf("%d registrations after %s", size, time.Since(start))
		repeat := 1
		if size == 10_000 {
			repeat = runs
		}
		for _, c := range []struct {
			way       string
			roundTrip time.Duration
			target    float64 // seconds, for the whole list of 10,000
		}{
			{"seeds", 0, 2}, {"bitswap", 0, 2}, {"seeds-one-dead", 0, 2},
			{"seeds", 80 * time.Millisecond, 4}, {"bitswap", 80 * time.Millisecond, 4},
		} {
			var whole, first, memory, rate, cpu []float64
			for i := range repeat {
				list := m.cold(b, c.way, c.roundTrip, fmt.Sprintf("%s-%s-%d-%d", c.way, c.roundTrip, size, i))
				whole, first = append(whole, list.whole.Seconds()), append(first, list.page.Seconds())
				memory = append(memory, float64(list.grown)/(1<<20))
				rate = append(rate, float64(size)/list.whole.Seconds())
				cpu = append(cpu, list.cpu.Seconds())
			}
			name := fmt.Sprintf("discovery/%s/rtt=%dms/%d", c.way, c.roundTrip.Milliseconds(), size)
			if size < 10_000 {
				c.target = 0
			}
			rows.add(name+"/list", "s", c.target, whole)
			b.Logf("%s: %.2f s, first page %.3f s, heap +%.0f MiB, CPU %.2f s", name, whole, first, memory, cpu)
			rows.add(name+"/first-page", "s", 0.5, first)
			rows.add(name+"/heap", "MiB", 0, memory)
			rows.add(name+"/rate", "offers/s", 0, rate)
			rows.add(name+"/cpu-of-all-nodes", "s", 0, cpu)
			b.ReportMetric(slices.Min(whole)*1000, fmt.Sprintf("%s-%s-%d-ms", c.way, c.roundTrip, size))
		}
		var known, again []float64
		for range max(repeat, 1) {
			k, r := m.warm(b, fmt.Sprintf("seeds-0s-%d-0", size))
			known, again = append(known, k.Seconds()), append(again, r.Seconds())
		}
		rows.add(fmt.Sprintf("discovery/warm-index/%d/list", size), "s", 0.3, known)
		rows.add(fmt.Sprintf("discovery/warm-refresh/%d/list", size), "s", 0, again)
		b.ReportMetric(slices.Min(known)*1000, fmt.Sprintf("warm-%d-ms", size))
	}
	fetched := m.change(b, 25, "seeds-0s-10000-0")
	rows.add("discovery/restart/changed-25/fetched", "blocks", 25, []float64{float64(fetched)})
	b.ReportMetric(0, "ns/op")
	if path := os.Getenv("BYWAY_BENCH_JSON"); path != "" {
		if err := rows.write(path); err != nil {
			b.Fatal(err)
		}
	}
}

type benchRow struct {
	Name     string   `json:"name"`
	Value    float64  `json:"value"` // the median
	Unit     string   `json:"unit"`
	Baseline *float64 `json:"baseline"` // what was promised
	Ratio    *float64 `json:"ratio"`
	Min      float64  `json:"min"`
	Max      float64  `json:"max"`
	Runs     int      `json:"runs"`
}

type benchRows struct{ rows []benchRow }

func (r *benchRows) add(name, unit string, target float64, values []float64) {
	slices.Sort(values)
	row := benchRow{
		Name: name, Value: values[len(values)/2], Unit: unit, Min: values[0], Max: values[len(values)-1], Runs: len(values),
	}
	if target > 0 {
		ratio := row.Value / target
		row.Baseline, row.Ratio = &target, &ratio
	}
	r.rows = append(r.rows, row)
}

// write puts the rows into a file in the form byway.bench/1, in the place of earlier ones of discovery and beside those of
// other benchmarks.
func (r *benchRows) write(path string) error {
	doc := struct {
		Schema string     `json:"schema"`
		Rows   []benchRow `json:"rows"`
	}{Schema: "byway.bench/1"}
	if old, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(old, &doc); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	doc.Rows = slices.DeleteFunc(doc.Rows, func(row benchRow) bool { return strings.HasPrefix(row.Name, "discovery/") })
	doc.Rows = append(doc.Rows, r.rows...)
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// benchMarket is a chain with many providers and the nodes that hold their offers.
type benchMarket struct {
	client     *chain.Client
	rpc        *rpc.Client
	deployment contracts.Deployment
	holders    []*Node
	relays     map[time.Duration][]peer.AddrInfo
	dir        string
	size       int
}

func newBenchMarket(b *testing.B) *benchMarket {
	b.Helper()
	c, err := devchain.Start(devchain.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	m := &benchMarket{dir: b.TempDir(), relays: map[time.Duration][]peer.AddrInfo{}}
	if m.client, err = chain.Dial(b.Context(), chain.Config{URLs: []string{c.URL()}}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.client.Close)
	if m.rpc, err = rpc.DialContext(b.Context(), c.URL()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.rpc.Close)
	journal, err := chain.OpenJournal(filepath.Join(m.dir, "journal.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { journal.Close() })
	sender, err := chain.NewSender(chain.SenderConfig{Client: m.client, Signer: devchain.Account(9), Journal: journal})
	if err != nil {
		b.Fatal(err)
	}
	m.deployment, err = deploy.Contracts(b.Context(), deploy.Config{
		Backend: m.client, Sender: sender, ExitDelay: time.Hour, UnbondDelay: time.Hour, DevToken: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	for range 10 {
		m.holders = append(m.holders, open(b, Config{}))
	}
	for _, roundTrip := range []time.Duration{0, 80 * time.Millisecond} {
		for _, n := range m.holders {
			m.relays[roundTrip] = append(m.relays[roundTrip], delayed(b, n, roundTrip))
		}
	}
	return m
}

func benchKey(i int) contracts.Key {
	seed := sha256.Sum256(fmt.Appendf(nil, "bench provider %d", i))
	key, err := ethcrypto.ToECDSA(seed[:])
	if err != nil {
		panic(err)
	}
	return contracts.NewKey(key)
}

// grow funds and registers providers until there are size of them, in batches, and hands their blocks to the holders.
func (m *benchMarket) grow(b *testing.B, size int) {
	b.Helper()
	const payers = 9
	var nonces [payers]uint64
	var gifts, registrations []*types.Transaction
	gift := new(big.Int).Div(big.NewInt(1e18), big.NewInt(2))
	for p := range payers {
		var err error
		if nonces[p], err = m.client.PendingNonceAt(b.Context(), devchain.Account(p).Address()); err != nil {
			b.Fatal(err)
		}
	}
	for i := m.size; i < size; i++ {
		key := benchKey(i)
		to := key.Address()
		gifts = append(gifts, m.sign(b, devchain.Account(i%payers), nonces[i%payers], 21_000, to, gift, nil))
		nonces[i%payers]++
		digest := m.publish(b, i, 1)
		registrations = append(registrations, m.sign(b, key, 0, 200_000, m.deployment.Registry, nil,
			registryabi.NewRegistry().PackRegister(digest, new(big.Int))))
	}
	m.send(b, gifts)
	m.send(b, registrations)
	m.size = size
}

// publish signs provider i's offer of that sequence and gives it to three holders.
func (m *benchMarket) publish(b *testing.B, i int, sequence uint64) common.Hash {
	b.Helper()
	key, d := benchKey(i), m.deployment
	seed := sha256.Sum256(fmt.Appendf(nil, "bench host %d", i))
	host, _, err := crypto.GenerateEd25519Key(bytes.NewReader(seed[:]))
	if err != nil {
		b.Fatal(err)
	}
	bound, err := registry.BindHost(host, d.ChainID, d.Registry, key.Address(), []string{
		"/ip4/203.0.113.7/udp/4001/quic-v1", "/ip4/203.0.113.7/tcp/4001",
	})
	if err != nil {
		b.Fatal(err)
	}
	s, err := registry.Sign(registry.Offer{
		ChainID: d.ChainID, Channels: d.Channels, Registry: d.Registry, Token: d.Token, Provider: key.Address(),
		Payee: key.Address(), Sequence: sequence, NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour),
		Host: bound, Services: []string{registry.ServiceExit}, Transports: []string{registry.TransportWireGuard},
		Features: []string{registry.FeatureIPv6, registry.FeaturePostQuantum}, Country: "NL", Network: "fibre at home",
		PricePerGiB: contracts.NewAmount(uint64(1e15 + i)), Tick: 1 << 20, Window: 4 << 20, Exit: &registry.ExitPolicy{},
	}, key)
	if err != nil {
		b.Fatal(err)
	}
	for k := range 3 {
		if err := m.holders[(i+k)%len(m.holders)].store.Write(b.Context(), s.CID, s.Block); err != nil {
			b.Fatal(err)
		}
	}
	return s.Digest()
}

func (m *benchMarket) sign(b *testing.B, key contracts.Key, nonce, gas uint64, to common.Address, value *big.Int,
	data []byte,
) *types.Transaction {
	b.Helper()
	tx, err := types.SignNewTx(key.Private(), types.LatestSignerForChainID(big.NewInt(devchain.ChainID)),
		&types.DynamicFeeTx{
			ChainID: big.NewInt(devchain.ChainID), Nonce: nonce, Gas: gas, To: &to, Value: value, Data: data,
			GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2e12),
		})
	if err != nil {
		b.Fatal(err)
	}
	return tx
}

// send puts transactions into blocks, many at a time, and waits until all of them are there.
func (m *benchMarket) send(b *testing.B, txs []*types.Transaction) {
	b.Helper()
	for batch := range slices.Chunk(txs, 100) {
		calls := make([]rpc.BatchElem, len(batch))
		for i, tx := range batch {
			raw, err := tx.MarshalBinary()
			if err != nil {
				b.Fatal(err)
			}
			calls[i] = rpc.BatchElem{
				Method: "eth_sendRawTransaction", Args: []any{hexutil.Encode(raw)}, Result: new(common.Hash),
			}
		}
		if err := m.rpc.BatchCallContext(b.Context(), calls); err != nil {
			b.Fatal(err)
		}
		for _, call := range calls {
			if call.Error != nil {
				b.Fatal(call.Error)
			}
		}
		// Each sender's last transaction is among these, or the listing will miss the registration.
		for _, tx := range batch[max(0, len(batch)-9):] {
			m.mined(b, tx.Hash())
		}
	}
}

func (m *benchMarket) mined(b *testing.B, hash common.Hash) {
	b.Helper()
	kicked := time.Now()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var receipt *types.Receipt
		err := m.rpc.CallContext(b.Context(), &receipt, "eth_getTransactionReceipt", hash)
		switch {
		case err == nil && receipt != nil && receipt.Status != types.ReceiptStatusSuccessful:
			b.Fatalf("transaction %s reverted", hash)
		case err == nil && receipt != nil:
			return
		case time.Now().After(deadline):
			b.Fatalf("transaction %s is not mined: %v", hash, err)
		case time.Since(kicked) > 300*time.Millisecond:
			// What a block had no time for waits for the next reason to make one.
			if err := m.rpc.CallContext(b.Context(), nil, "evm_mine"); err != nil {
				b.Logf("kick the chain: %v", err)
			}
			kicked = time.Now()
		}
	}
}

func (m *benchMarket) registry(b *testing.B, n *Node, index string) *directory.Directory {
	b.Helper()
	x, err := directory.OpenIndex(filepath.Join(m.dir, index+".db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.Close() })
	r, err := directory.New(directory.Config{
		Backend: m.client, Deployment: m.deployment, Blobs: n, Index: x,
		Patience: time.Minute, // a busy machine is no dead provider
	})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// coldList is what one listing into an empty index took; page is when the first twenty offers were there, cpu what the
// chain and all nodes, holders included, used of the processors, grown how much larger the heap of all together became.
type coldList struct {
	whole, page, cpu time.Duration
	grown            uint64
}

func (m *benchMarket) cold(b *testing.B, way string, roundTrip time.Duration, index string) (list coldList) {
	b.Helper()
	n, err := Open(b.Context(), Config{Key: newKey(b), Client: true, Network: Network{Name: "test", Private: true}})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	for _, info := range m.relays[roundTrip] {
		if err := n.host.Connect(b.Context(), info); err != nil {
			b.Fatal(err)
		}
	}
	switch way {
	case "bitswap":
		for _, h := range m.holders {
			n.seeds.pause(h.host.ID()).ban()
		}
	case "seeds-one-dead":
		defer silence(m.holders[0])()
	}
	r := m.registry(b, n, index)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(b.Context())
	peak := make(chan uint64)
	go func() { peak <- watchHeap(ctx) }()
	start, used, got := time.Now(), processorTime(b), 0
	for l, err := range r.Refresh(b.Context()) {
		if err != nil {
			b.Fatalf("%s: %v", l.Registration.Provider, err)
		}
		if got++; got == 20 {
			list.page = time.Since(start)
		}
	}
	list.whole, list.cpu = time.Since(start), processorTime(b)-used
	cancel()
	list.grown = max(<-peak, before.HeapAlloc) - before.HeapAlloc
	if got != m.size {
		b.Fatalf("listed %d of %d", got, m.size)
	}
	return list
}

// warm lists from the index alone, and brings it up to date where nothing has changed.
func (m *benchMarket) warm(b *testing.B, index string) (known, refresh time.Duration) {
	b.Helper()
	n := open(b, Config{Client: true})
	r := m.registry(b, n, index)
	start, got := time.Now(), 0
	for _, err := range r.Known(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		got++
	}
	known = time.Since(start)
	if got != m.size {
		b.Fatalf("the index knows %d of %d", got, m.size)
	}
	start = time.Now()
	for l, err := range r.Refresh(b.Context()) {
		b.Fatalf("changed: %s, %v", l.Registration.Provider, err)
	}
	return known, time.Since(start)
}

// change lets some providers publish anew and gives how many blocks the next start fetches.
func (m *benchMarket) change(b *testing.B, count int, index string) uint64 {
	b.Helper()
	var updates []*types.Transaction
	for i := range count {
		digest := m.publish(b, i*7, 2)
		updates = append(updates, m.sign(b, benchKey(i*7), 1, 200_000, m.deployment.Registry, nil,
			registryabi.NewRegistry().PackUpdate(digest)))
	}
	m.send(b, updates)
	n := open(b, Config{Client: true})
	for _, h := range m.holders {
		connect(b, n, h)
	}
	changed := 0
	for _, err := range m.registry(b, n, index).Refresh(b.Context()) {
		var skip *directory.Omission
		if err != nil && !errors.As(err, &skip) {
			b.Fatal(err)
		}
		changed++
	}
	if changed != count {
		b.Fatalf("%d offers changed, want %d", changed, count)
	}
	return n.Stats().Fetched
}
