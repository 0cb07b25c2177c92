package ipfs

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"

	"byway/ipfs/store"
)

func testCIDs(from, to int) []cid.Cid {
	var out []cid.Cid
	for i := from; i <= to; i++ {
		out = append(out, sum(testBlock(i)))
	}
	return out
}

// fill stores test blocks without announcing them.
func fill(t testing.TB, n *Node, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := n.store.Write(t.Context(), sum(testBlock(i)), testBlock(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// noBitswap makes a node deaf to bitswap, so that what comes from it came as from a seed.
func noBitswap(n *Node) { n.exchange.Close() }

func getAll(t testing.TB, n *Node, want []cid.Cid) {
	t.Helper()
	found, missing := get(t, n, t.Context(), want, nil)
	if len(found) != len(want) || len(missing) != 0 {
		t.Fatalf("found %d blocks and missed %d, want %d", len(found), len(missing), len(want))
	}
}

func TestConfiguredSeedGivesALongListInAFewRoundTrips(t *testing.T) {
	t.Parallel()
	seed := open(t, Config{})
	fill(t, seed, 1, 2000)
	noBitswap(seed)
	n := open(t, Config{Seeds: seed.Addrs()})
	start := time.Now()
	getAll(t, n, testCIDs(1, 2000))
	t.Logf("2,000 blocks in %s", time.Since(start))
}

func TestSeedsShareAListThatNoneHoldsWhole(t *testing.T) {
	t.Parallel()
	n := open(t, Config{})
	for i := range 4 {
		seed := open(t, Config{})
		fill(t, seed, i*500+1, i*500+700)
		noBitswap(seed)
		connect(t, n, seed)
	}
	getAll(t, n, testCIDs(1, 2200))
}

// mute answers seed requests in its own way instead of the node's.
func mute(t testing.TB, n *Node, handle func(network.Stream)) {
	t.Helper()
	n.host.SetStreamHandler(SeedProtocol, handle)
}

// holdsAll reads requests for ever and says to have everything, but never gives a block.
func holdsAll(s network.Stream, give func(digest [32]byte) error) {
	defer s.Reset()
	digests := new([maxAsk][32]byte)
	for {
		kind, want, err := readRequest(s, digests)
		if err != nil {
			return
		}
		if kind == askHave {
			has := make([]bool, len(want))
			for i := range has {
				has[i] = true
			}
			s.Write(appendBitmap(nil, has))
			continue
		}
		for _, digest := range want {
			if give(digest) != nil {
				return
			}
		}
	}
}

func TestDeadOrSlowHolderDelaysNobody(t *testing.T) {
	const size = 600
	// What the same list takes without the hostile node, on this machine now. To wait for it would cost seedStall more.
	alone, fresh := open(t, Config{}), open(t, Config{})
	fill(t, alone, 1, size)
	connect(t, fresh, alone)
	start := time.Now()
	getAll(t, fresh, testCIDs(1, size))
	limit := seedStall*3/4 + 4*time.Since(start)
	for name, hostile := range map[string]func(s network.Stream){
		"silent from the start": func(s network.Stream) { io.Copy(io.Discard, s) },
		"silent after promising": func(s network.Stream) {
			holdsAll(s, func([32]byte) error { _, err := io.Copy(io.Discard, s); return errors.Join(err, io.EOF) })
		},
		"one byte at a time": func(s network.Stream) {
			holdsAll(s, func([32]byte) error {
				for range 100 {
					if _, err := s.Write([]byte{0}); err != nil {
						return err
					}
					time.Sleep(300 * time.Millisecond)
				}
				return nil
			})
		},
		"resets": func(s network.Stream) { s.Reset() },
		"promises and denies": func(s network.Stream) {
			holdsAll(s, func([32]byte) error { _, err := s.Write([]byte{0, 0}); return err })
		},
	} {
		t.Run(name, func(t *testing.T) {
			good, bad, n := open(t, Config{}), open(t, Config{}), open(t, Config{})
			fill(t, good, 1, size)
			noBitswap(good)
			noBitswap(bad)
			mute(t, bad, hostile)
			connect(t, n, bad)
			connect(t, n, good)
			start := time.Now()
			getAll(t, n, testCIDs(1, size))
			if took := time.Since(start); took > limit {
				t.Errorf("the list took %s, want %s at most", took, limit)
			}
		})
	}
}

func TestLyingSeedIsBannedAndNothingOfItStored(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string][]byte{
		"wrong bytes": appendBlock(nil, []byte("a lie")),
		"oversized":   {0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, n := open(t, Config{}), open(t, Config{Timeout: time.Second})
			noBitswap(bad)
			mute(t, bad, func(s network.Stream) {
				holdsAll(s, func([32]byte) error { _, err := s.Write(answer); return err })
			})
			connect(t, n, bad)
			want := testCIDs(1, 300)
			found, missing := get(t, n, t.Context(), want, nil)
			if len(found) != 0 || len(missing) != 300 {
				t.Errorf("found %d and missed %d", len(found), len(missing))
			}
			if n.seeds.ready(bad.host.ID()) {
				t.Error("the liar would be asked again")
			}
			if stats := n.Stats(); stats.SeedsGivenUp["lied"] == 0 {
				t.Errorf("the lie is not counted: %+v", stats)
			}
			if ok, _ := n.store.Has(t.Context(), sum([]byte("a lie"))); ok {
				t.Error("the lie is stored")
			}
		})
	}
}

func TestEndlessSeedCostsBoundedMemory(t *testing.T) {
	bad, n := open(t, Config{}), open(t, Config{Timeout: time.Second})
	noBitswap(bad)
	mute(t, bad, func(s network.Stream) { // answers with zeros for ever: no blocks, then blocks nobody asked for
		defer s.Reset()
		go io.Copy(io.Discard, s)
		for zeros := make([]byte, 1<<16); ; {
			if _, err := s.Write(zeros); err != nil {
				return
			}
		}
	})
	connect(t, n, bad)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, missing := get(t, n, t.Context(), testCIDs(1, 1000), nil)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(missing) != 1000 {
		t.Errorf("missed %d of 1,000", len(missing))
	}
	t.Logf("1,000 blocks asked of an endless stream: %d missing, %+v, heap +%d KiB", len(missing), n.Stats(),
		(max(after.HeapAlloc, before.HeapAlloc)-before.HeapAlloc)>>10)
	if after.HeapAlloc > before.HeapAlloc+32<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before.HeapAlloc, after.HeapAlloc)
	}
}

func TestSeedServesWhatItHasAndResetsWhoBreaksALimit(t *testing.T) {
	t.Parallel()
	seed, n := open(t, Config{}), open(t, Config{})
	fill(t, seed, 1, 2)
	connect(t, n, seed)
	stream := func() network.Stream {
		s, err := n.host.NewStream(t.Context(), seed.host.ID(), SeedProtocol)
		if err != nil {
			t.Fatal(err)
		}
		s.SetDeadline(time.Now().Add(30 * time.Second))
		return s
	}
	s := stream()
	request, err := appendRequest(nil, askGet, append(testCIDs(1, 2), sum([]byte("nobody has this"))))
	if err != nil {
		t.Fatal(err)
	}
	s.Write(request)
	s.CloseWrite()
	got, err := io.ReadAll(s)
	want := appendBlock(appendBlock(appendBlock(nil, testBlock(1)), testBlock(2)), nil)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
	for name, bad := range map[string][]byte{
		"unknown kind": {9, 0, 1}, "no digests": {askGet, 0, 0}, "too many digests": {askHave, 0xff, 0xff},
		"cut off": {askGet, 0, 1, 7},
	} {
		s := stream()
		s.Write(bad)
		s.CloseWrite()
		if _, err := io.ReadAll(s); !errors.Is(err, network.ErrReset) {
			t.Errorf("%s: got %v, want a reset", name, err)
		}
	}
	var open []network.Stream
	for range servePeerStreams {
		s := stream()
		s.Write(request)
		io.ReadFull(s, make([]byte, 1))
		open = append(open, s)
	}
	s = stream()
	s.Write(request)
	if _, err := io.ReadAll(s); !errors.Is(err, network.ErrReset) {
		t.Errorf("stream %d of one peer gives %v, want a reset", servePeerStreams+1, err)
	}
	for _, s := range open {
		s.Reset()
	}
}

func FuzzReadRequest(f *testing.F) {
	request, err := appendRequest(nil, askHave, testCIDs(1, 3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bytes.NewReader(raw)
		kind, digests, err := readRequest(r, new([maxAsk][32]byte))
		if err != nil {
			return
		}
		var want []cid.Cid
		for _, digest := range digests {
			want = append(want, store.CID(digest))
		}
		again, err := appendRequest(nil, kind, want)
		if err != nil || !bytes.Equal(again, raw[:len(raw)-r.Len()]) {
			t.Fatalf("%x reads as %x, %v", raw, again, err)
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte{0x80, 0, 1, 7}, uint16(3))
	f.Fuzz(func(t *testing.T, raw []byte, count uint16) {
		n := 1 + int(count)%maxAsk
		r := bytes.NewReader(raw)
		if has, err := readBitmap(r, n); err == nil {
			if again := appendBitmap(nil, has); !bytes.Equal(again, raw[:len(raw)-r.Len()]) {
				t.Fatalf("bitmap %x reads as %x", raw, again)
			}
		}
		rest := raw[len(raw)-r.Len():]
		block, err := readBlock(r, new([store.MaxBlock]byte))
		if err != nil {
			return
		}
		if again := appendBlock(nil, block); !bytes.Equal(again, rest[:len(rest)-r.Len()]) {
			t.Fatalf("block %x reads as %x", rest, again)
		}
	})
}
