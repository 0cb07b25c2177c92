package node_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/big"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/sync/errgroup"

	"byway/contracts"
	"byway/contracts/bindings/channels"
	"byway/contracts/bindings/erc20"
	"byway/contracts/devchain"
	"byway/ipfs/crowd"
	"byway/node"
	"byway/node/serve"
	"byway/node/wire"
	"byway/payments"
)

// hostOf gives the host of the provider's offer.
func (m *world) hostOf() peer.AddrInfo {
	m.t.Helper()
	info, err := m.offer().Offer.Host.AddrInfo()
	if err != nil {
		m.t.Fatal(err)
	}
	return info
}

// someone makes a lean peer, which lives as long as the test.
func someone(t testing.TB) *crowd.Peer {
	t.Helper()
	p, err := crowd.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// crowdOf connects many lean peers to a node, a few at a time.
func crowdOf(t testing.TB, to peer.AddrInfo, n int) []*crowd.Peer {
	t.Helper()
	peers := make([]*crowd.Peer, n)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range peers {
		peers[i] = someone(t)
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return peers[i].Connect(ctx, to)
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("an attacker was refused, so that another newcomer may be too: %v", err)
	}
	return peers
}

// newcomer connects as a peer of its own and says Hello for a channel that has money; it returns how long that took.
func (m *world) newcomer(payer contracts.Signer) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(m.ctx, 30*time.Second)
	defer cancel()
	began := time.Now()
	p := someone(m.t)
	if err := p.Connect(ctx, m.hostOf()); err != nil {
		return 0, err
	}
	host := m.hostOf().ID
	_, err := node.GreetOver(func() (network.Stream, error) {
		return p.Open(ctx, host, wire.SessionProtocol)
	}, payments.DomainOf(m.Network.Deployment), m.offer(), payer)
	return time.Since(began), err
}

// vaults deposits for many payers at once, who are their own signers. The money is that of one of the development chain's
// accounts.
func (m *world) vaults(n int) (payers []contracts.Key) {
	m.t.Helper()
	rich := devchain.Account(6)
	each := tokens("0.01")
	all, err := each.MulDiv(uint64(n), 1)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.Fund(m.ctx, rich.Address(), all); err != nil {
		m.t.Fatal(err)
	}
	client, net := m.Client, m.Network
	nonce, err := client.PendingNonceAt(m.ctx, rich.Address())
	if err != nil {
		m.t.Fatal(err)
	}
	head, err := client.HeaderByNumber(m.ctx, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	var last common.Hash
	send := func(to common.Address, data []byte, gas uint64) {
		m.t.Helper()
		tx := types.NewTx(&types.DynamicFeeTx{
			ChainID: new(big.Int).SetUint64(net.ChainID), Nonce: nonce, To: &to, Data: data, Gas: gas,
			GasTipCap: big.NewInt(1e9), GasFeeCap: new(big.Int).Add(new(big.Int).Mul(head.BaseFee, big.NewInt(4)), big.NewInt(2e9)),
		})
		signing := types.LatestSignerForChainID(tx.ChainId())
		sig, err := rich.SignDigest(signing.Hash(tx))
		if err != nil {
			m.t.Fatal(err)
		}
		if tx, err = tx.WithSignature(signing, sig); err != nil {
			m.t.Fatal(err)
		}
		if err := client.SendTransaction(m.ctx, tx); err != nil {
			m.t.Fatal(err)
		}
		nonce++
		last = tx.Hash()
	}
	mined := func() {
		m.t.Helper()
		eventually(m.t, time.Minute, "the deposits are mined", func() bool {
			r, err := client.TransactionReceipt(m.ctx, last)
			return err == nil && r.Status == types.ReceiptStatusSuccessful
		})
	}
	approve, err := erc20.NewERC20().TryPackApprove(net.Channels, all.Big())
	if err != nil {
		m.t.Fatal(err)
	}
	send(net.Token, approve, 100_000)
	mined()
	for i := range n {
		key, err := contracts.GenerateKey()
		if err != nil {
			m.t.Fatal(err)
		}
		payers = append(payers, key)
		deposit, err := channels.NewChannels().TryPackDeposit(net.Token, key.Address(), key.Address(), each.Big())
		if err != nil {
			m.t.Fatal(err)
		}
		send(net.Channels, deposit, 200_000)
		if i%100 == 99 {
			mined()
		}
	}
	mined()
	return payers
}

// held asserts that a newcomer gets in, and prints what the attack came to.
func (m *world) held(attack, bound, seen string) {
	m.t.Helper()
	m.t.Logf("adversary: %s | bound: %s | seen: %s", attack, bound, seen)
}

func TestAdversaryIdleConnectionsDoNotKeepANewcomerOut(t *testing.T) {
	m := startMarket(t, marketConfig{deposit: "0"})
	payers := m.vaults(1)
	most := m.provider.PeersUse().StrangersMost
	idle := crowdOf(t, m.hostOf(), most+most/4)
	eventually(t, time.Minute, "no more strangers than there is room for", func() bool {
		return m.provider.PeersUse().Strangers <= most && len(m.provider.Host().Network().Conns()) <= most+8
	})
	took, err := m.newcomer(payers[0])
	if err != nil {
		t.Fatalf("a newcomer was kept out: %v", err)
	}
	// And the session outlives a second wave, which displaces the first.
	crowdOf(t, m.hostOf(), most)
	use := m.provider.PeersUse()
	if len(m.provider.Sessions()) != 1 || use.Kept < 1 || use.Strangers > most {
		t.Errorf("%d sessions, %+v", len(m.provider.Sessions()), use)
	}
	m.held(strconv.Itoa(len(idle)+most)+" idle identities", strconv.Itoa(most)+" connections of strangers, the session stays",
		strconv.Itoa(use.Strangers)+" held, newcomer served after "+took.Round(time.Millisecond).String())
}

func TestAdversaryHalfOpenStreamsDoNotShutTheProtocol(t *testing.T) {
	m := startMarket(t, marketConfig{deposit: "0"})
	payers := m.vaults(1)
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	host := m.hostOf()
	peers := crowdOf(t, host, 300)
	var opened, most atomic.Int64
	var wave sync.WaitGroup
	for _, p := range peers[:8] { // a few flood as fast as they can
		wave.Go(func() {
			for ctx.Err() == nil {
				if s, err := p.Silent(ctx, host.ID); err == nil {
					s.Write([]byte("/multistream/1.0.0\n\x12" + wire.SessionProtocol + "\n\x00\x00"))
					opened.Add(1)
				} else {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	var group errgroup.Group
	group.SetLimit(16)
	for _, p := range peers[8:] { // and many hold as many as they get
		for range 2 * serve.HellosPerPeer {
			group.Go(func() error {
				dial, stop := context.WithTimeout(ctx, 30*time.Second)
				defer stop()
				if s, err := p.Open(dial, host.ID, wire.SessionProtocol); err == nil {
					s.Write([]byte{0, 0})
					opened.Add(1)
				}
				use := m.provider.PeersUse().Hellos
				most.Store(max(most.Load(), int64(use.Open)))
				return nil
			})
		}
	}
	took, err := m.newcomer(payers[0])
	group.Wait()
	cancel()
	wave.Wait()
	if err != nil {
		t.Fatalf("a newcomer was kept out: %v", err)
	}
	if most.Load() > serve.HelloStreams {
		t.Errorf("%d streams without a Hello, %d are the bound", most.Load(), serve.HelloStreams)
	}
	m.held("300 peers open session streams and say half a frame", "4 streams of a peer, 1024 in all, 2 s",
		strconv.FormatInt(opened.Load(), 10)+" opened, at most "+strconv.FormatInt(most.Load(), 10)+" held, newcomer served after "+
			took.Round(time.Millisecond).String())
}

func TestAdversarySilentStreamsDoNotShutTheHost(t *testing.T) {
	m := startMarket(t, marketConfig{deposit: "0"})
	payers := m.vaults(1)
	host := m.hostOf()
	bound := m.provider.PeersUse().WaitingMost
	peers := crowdOf(t, host, bound/16+60)
	opened := 0
	for _, p := range peers {
		for range 16 {
			if _, err := p.Silent(m.ctx, host.ID); err != nil {
				break
			}
			opened++
		}
	}
	took, err := m.newcomer(payers[0])
	if err != nil {
		t.Fatalf("a newcomer was kept out: %v", err)
	}
	use := m.provider.PeersUse()
	// Those that are being closed still count for a moment.
	if use.Waiting > bound+bound/4 {
		t.Errorf("%d streams wait, %d are the bound", use.Waiting, bound)
	}
	m.held(strconv.Itoa(len(peers))+" peers open streams that name no protocol",
		"16 of a peer, "+strconv.Itoa(bound)+" in all, who holds most goes",
		strconv.Itoa(opened)+" opened, "+strconv.Itoa(use.Waiting)+" held, newcomer served after "+took.Round(time.Millisecond).String())
}

func TestAdversarySlowHelloIsCutOff(t *testing.T) {
	m := startMarket(t, marketConfig{deposit: "0"})
	p := someone(t)
	ctx, cancel := context.WithTimeout(m.ctx, time.Minute)
	defer cancel()
	if err := p.Connect(ctx, m.hostOf()); err != nil {
		t.Fatal(err)
	}
	s, err := p.Open(ctx, m.hostOf().ID, wire.SessionProtocol)
	if err != nil {
		t.Fatal(err)
	}
	began, sent := time.Now(), 0
	head := binary.BigEndian.AppendUint32(nil, 1600)
	// A byte every 100 ms would take until the next day's news.
	for ; err == nil && ctx.Err() == nil; sent++ {
		b := byte(1)
		if sent < len(head) {
			b = head[sent]
		}
		_, err = s.Write([]byte{b})
		time.Sleep(100 * time.Millisecond)
	}
	took := time.Since(began)
	if err == nil || sent > 300 {
		t.Fatalf("after %s and %d bytes of a Hello the stream is still open", took, sent)
	}
	m.held("a Hello byte by byte", "2 s for the whole frame", "cut off after "+took.Round(100*time.Millisecond).String())
}

func TestAdversaryHalfOpenConnectionsDoNotKeepANewcomerOut(t *testing.T) {
	m := startMarket(t, marketConfig{deposit: "0"})
	payers := m.vaults(1)
	bound := m.provider.PeersUse().HandshakesMost
	var raw []net.Conn
	defer func() {
		for _, c := range raw {
			c.Close()
		}
	}()
	address := m.tcpAddress()
	for range bound + bound/2 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, c)
	}
	took, err := m.newcomer(payers[0])
	if err != nil {
		t.Fatalf("a newcomer was kept out: %v", err)
	}
	use := m.provider.PeersUse()
	if use.Handshakes > bound {
		t.Errorf("%d handshakes are open, %d are the bound", use.Handshakes, bound)
	}
	m.held(strconv.Itoa(len(raw))+" TCP connections that say nothing", strconv.Itoa(bound/2)+" handshakes over TCP, the oldest goes",
		strconv.Itoa(use.Handshakes)+" held, newcomer served after "+took.Round(time.Millisecond).String())
}

// tcpAddress is the provider's libp2p address for TCP.
func (m *world) tcpAddress() string {
	m.t.Helper()
	for _, a := range m.hostOf().Addrs {
		if _, err := a.ValueForProtocol(ma.P_TCP); err == nil {
			addr, err := manet.ToNetAddr(a)
			if err != nil {
				m.t.Fatal(err)
			}
			return addr.String()
		}
	}
	m.t.Fatal("the provider does not listen on TCP")
	return ""
}

func TestAdversaryHellosWithoutMoneyAreLookedAtAFewAtATime(t *testing.T) {
	m := startMarket(t, marketConfig{deposit: "0"})
	payers := m.vaults(1)
	host := m.hostOf()
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	var said atomic.Int64
	var wave sync.WaitGroup
	for _, p := range crowdOf(t, host, 48) {
		wave.Go(func() {
			for ctx.Err() == nil { // each time another signer, whose promise is valid and worth nothing
				key, err := contracts.GenerateKey()
				if err != nil {
					return
				}
				dial, stop := context.WithTimeout(ctx, 30*time.Second)
				var s network.Stream
				_, err = node.GreetOver(func() (_ network.Stream, err error) {
					s, err = p.Open(dial, host.ID, wire.SessionProtocol)
					return s, err
				}, payments.DomainOf(m.Network.Deployment), m.offer(), key)
				if refused := (*wire.RefusalError)(nil); errors.As(err, &refused) {
					said.Add(1)
				}
				if s != nil {
					s.Reset()
				}
				stop()
			}
		})
	}
	eventually(t, time.Minute, "the flood runs", func() bool { return said.Load() > 100 })
	took, err := m.newcomer(payers[0])
	cancel()
	wave.Wait()
	if err != nil {
		t.Fatalf("a newcomer was kept out: %v", err)
	}
	m.held("48 peers say Hello for accounts without money", strconv.Itoa(serve.HelloLooks)+" looked at at a time",
		strconv.FormatInt(said.Load(), 10)+" refused, newcomer served after "+took.Round(time.Millisecond).String())
}

func TestAdversaryCrowdAtAConsumersHost(t *testing.T) {
	m := startMarket(t, marketConfig{})
	s := m.connect()
	host := peer.AddrInfo{ID: m.consumer.Host().ID(), Addrs: m.consumer.Host().Addrs()}
	most := m.consumer.ConsumerPeers().StrangersMost
	peers := crowdOf(t, host, most+most/2)
	for _, p := range peers {
		for range 16 {
			if _, err := p.Silent(m.ctx, host.ID); err != nil {
				break
			}
		}
	}
	if err := m.download(s.Tunnel(), 4<<20); err != nil {
		t.Errorf("the consumer's session broke: %v", err)
	}
	var use = m.consumer.ConsumerPeers()
	eventually(t, time.Minute, "no more strangers than there is room for", func() bool {
		use = m.consumer.ConsumerPeers()
		return use.Strangers <= most && use.Kept >= 1
	})
	m.settled(s)
	m.held(strconv.Itoa(len(peers))+" peers at a consumer's host", strconv.Itoa(most)+" connections, the session's own is kept",
		strconv.Itoa(use.Strangers)+" held, 4 MiB downloaded and settled")
}

// TestAdversaryPaidSessionsFromAsManyPeers opens paid sessions, each from a peer and a vault of its own, while connections
// and streams attack, and holds that every one stays. BYWAY_LOAD_TEST says how many: 5000 is what a provider promises.
func TestAdversaryPaidSessionsFromAsManyPeers(t *testing.T) {
	n := 120
	if text := os.Getenv("BYWAY_LOAD_TEST"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			t.Fatalf("BYWAY_LOAD_TEST=%q: want a number of sessions", text)
		}
	}
	m := startMarketFor(t, marketConfig{deposit: "0"}, 2*time.Minute+time.Duration(n)*time.Second/2)
	began := time.Now()
	payers := m.vaults(n)
	deposited := time.Since(began)
	host, domain, offer := m.hostOf(), payments.DomainOf(m.Network.Deployment), m.offer()
	runtime.GC()
	before, goroutines := rss(t), runtime.NumGoroutine()

	attack, stop := context.WithCancel(m.ctx)
	var attackers sync.WaitGroup
	var conns, streams, raw atomic.Int64
	attackers.Go(func() { // identities that connect and do nothing
		var idle []*crowd.Peer
		for attack.Err() == nil {
			p, err := crowd.New(nil)
			if err != nil {
				break
			}
			if p.Connect(attack, host) == nil {
				conns.Add(1)
			}
			if idle = append(idle, p); len(idle) > 900 {
				idle[0].Close()
				idle = idle[1:]
			}
			time.Sleep(5 * time.Millisecond) // so that the two cores have something left for the sessions
		}
		for _, p := range idle {
			p.Close()
		}
	})
	attackers.Go(func() { // peers that begin sessions and say nothing
		var p *crowd.Peer
		for k := 0; attack.Err() == nil; k++ {
			if k%40 == 0 {
				if p != nil {
					p.Close()
				}
				var err error
				if p, err = crowd.New(nil); err != nil {
					break
				}
				if p.Connect(attack, host) != nil {
					continue
				}
			}
			dial, done := context.WithTimeout(attack, 5*time.Second)
			if s, err := p.Open(dial, host.ID, wire.SessionProtocol); err == nil {
				s.Write([]byte{0, 0})
				streams.Add(1)
			}
			if _, err := p.Silent(dial, host.ID); err == nil {
				streams.Add(1)
			}
			done()
			time.Sleep(5 * time.Millisecond)
		}
		if p != nil {
			p.Close()
		}
	})
	attackers.Go(func() { // TCP connections without a handshake
		var open []net.Conn
		for attack.Err() == nil {
			if c, err := net.Dial("tcp", m.tcpAddress()); err == nil {
				open = append(open, c)
				raw.Add(1)
			}
			if len(open) > 600 {
				open[0].Close()
				open = open[1:]
			}
			time.Sleep(10 * time.Millisecond)
		}
		for _, c := range open {
			c.Close()
		}
	})
	stopAttack := sync.OnceFunc(func() { stop(); attackers.Wait() })
	defer stopAttack()

	began = time.Now()
	peers := make([]*crowd.Peer, n)
	var broken atomic.Int64
	var readers sync.WaitGroup
	var group errgroup.Group
	group.SetLimit(32)
	open := func(i int) (network.Stream, error) {
		ctx, cancel := context.WithTimeout(m.ctx, time.Minute)
		defer cancel()
		if err := peers[i].Connect(ctx, host); err != nil {
			return nil, err
		}
		return node.GreetOver(func() (network.Stream, error) {
			return peers[i].Open(ctx, host.ID, wire.SessionProtocol)
		}, domain, offer, payers[i])
	}
	for i := range n {
		group.Go(func() error {
			var err error
			if peers[i], err = crowd.New(nil); err != nil {
				return err
			}
			s, err := open(i)
			if err != nil {
				return err
			}
			readers.Go(func() {
				for node.NextFrame(s) == nil { //nolint:revive // until the session ends
				}
				broken.Add(1)
			})
			return nil
		})
	}
	err := group.Wait()
	took := time.Since(began)
	defer func() {
		for _, p := range peers {
			if p != nil {
				p.Close()
			}
		}
		readers.Wait()
	}()
	if err != nil {
		t.Fatalf("%d sessions after %s, then: %v; %+v", len(m.provider.Sessions()), took, err, m.provider.PeersUse())
	}
	// They stay while the attack goes on: for as long as a session waits for a broken stream and more.
	hold := time.Now()
	for time.Since(hold) < min(35*time.Second, time.Duration(n)*50*time.Millisecond) && broken.Load() == 0 {
		time.Sleep(100 * time.Millisecond)
	}
	use := m.provider.PeersUse()
	runtime.GC()
	after := rss(t)
	if use.Sessions != n || broken.Load() != 0 {
		t.Errorf("%d of %d sessions are left, %d streams broke: %+v", use.Sessions, n, broken.Load(), use)
	}
	if use.Strangers > use.StrangersMost || use.Hellos.Open > use.Hellos.Most {
		t.Errorf("beyond the bounds: %+v", use)
	}
	late, err := m.newcomerWhileFull()
	if err != nil {
		t.Errorf("a newcomer was kept out: %v", err)
	}
	stopAttack()
	t.Logf("%d deposits in %s; %d sessions in %s; RSS %d MB before, %d MB after, %.0f KB a session for both sides; "+
		"goroutines %d before, %d after; %+v", n, deposited.Round(time.Millisecond), n, took.Round(time.Millisecond),
		before>>20, after>>20, float64(after-before)/1024/float64(n), goroutines, runtime.NumGoroutine(), use)
	m.held("idle connections, half-open streams and handshakes beside "+strconv.Itoa(n)+" paid sessions",
		"every session opens and stays", strconv.Itoa(use.Sessions)+" open after "+took.Round(time.Millisecond).String()+" against "+
			strconv.FormatInt(conns.Load(), 10)+" connections, "+strconv.FormatInt(streams.Load(), 10)+" streams, "+
			strconv.FormatInt(raw.Load(), 10)+" handshakes; the next one told after "+late.Round(time.Millisecond).String())
}

// newcomerWhileFull says Hello once more, without money: the answer shows that the provider still listens.
func (m *world) newcomerWhileFull() (time.Duration, error) {
	key, err := contracts.GenerateKey()
	if err != nil {
		return 0, err
	}
	took, err := m.newcomer(key)
	if refused := (*wire.RefusalError)(nil); errors.As(err, &refused) {
		return took, nil
	}
	return took, err
}

// rss returns the process's resident memory, in bytes.
func rss(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("no figures of memory here: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
