package meter

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"byway/tunnel/forward"
	"byway/tunnel/packet"
	"byway/tunnel/tunneltest"
)

// billed returns the bytes that came in and are paid for.
func (d *Porter) billed() uint64 { return d.acct.Counters().Rx }

// takes has a packet come from the exit, and reports whether it is delivered and how much of it is billed.
func (d *Porter) takes(pkt []byte) (delivered bool, billed uint64) {
	before := d.billed()
	return d.gets(pkt), d.billed() - before
}

// datagram makes a packet longer.
func datagram(pkt []byte, size int) []byte {
	return append(slices.Clone(pkt), make([]byte, size-len(pkt))...)
}

func TestAdversaryFloodOfMessagesIsNotBilled(t *testing.T) {
	d, _, own4, own6 := doorway()
	const each = 4000
	for _, far := range []netip.Addr{far4, far6} {
		for i := range each {
			echo := tunneltest.Probe(packet.ICMP, own4, own6, far, 0)
			body := len(echo) - 24
			binary.BigEndian.PutUint16(echo[body+4:], uint16(i))
			if delivered, _ := d.takes(answerTo(echo)); delivered {
				t.Fatalf("an echo of no request came in")
			}
			kind := byte(unreachable4)
			if far.Is6() {
				kind = 1
			}
			d.takes(errorAbout(tunneltest.Probe(packet.TCP, own4, own6, far, uint16(i)), other4, kind))
		}
	}
	if got := d.billed(); got != 0 {
		t.Errorf("%d bytes billed", got)
	}
	// The answers to one that was asked for, and errors about it, as many as come.
	echo := tunneltest.Probe(packet.ICMP, own4, own6, far4, 0)
	d.sends(echo)
	for range each {
		d.takes(datagram(answerTo(echo), 1400))
		d.takes(errorAbout(datagram(echo, 500), other4, exceeded4))
	}
	if got := d.billed(); got > unvouched || got < unvouched-1400 {
		t.Errorf("%d bytes billed for one request", got)
	}
	t.Logf("adversary: echoes and errors by the thousand | bound: 0 of what was not asked for, %d bytes for a request | seen: %d", unvouched, d.billed())
}

func TestAdversaryDatagramsOfAnOpenFlowAreBilledUpToABound(t *testing.T) {
	d, _, own4, own6 := doorway()
	question := tunneltest.Probe(packet.UDP, own4, own6, far4, 443)
	d.sends(question)
	reply := datagram(answerTo(question), 1228)
	lost := 0
	for range 4096 {
		if !d.gets(reply) {
			lost++
		}
	}
	// A program may not have been scheduled yet: what comes now is delivered, and not paid.
	if got := d.billed(); got > unvouched || lost != 0 || d.Offence() != nil {
		t.Errorf("%d bytes billed, %d lost, accused: %v", got, lost, d.Offence())
	}
	d.passes(time.Duration(lag) * tick)
	for range 4096 {
		if delivered, billed := d.takes(reply); delivered || billed != 0 {
			t.Fatal("what nobody listens to any more came in")
		}
	}
	if d.Offence() == nil {
		t.Errorf("nobody is accused: %+v", d.Strays())
	}
	seen := d.billed()
	d.sends(question)
	if delivered, billed := d.takes(reply); !delivered || billed == 0 {
		t.Error("a flow that goes on is not answered")
	}
	t.Logf("adversary: 10 MB for one question | bound: %d bytes billed, and accused | seen: %d, %v", unvouched, seen, d.Offence())
}

func TestOneWayDatagramsComeForEverWhereTheyAreWanted(t *testing.T) {
	d, _, own4, own6 := doorway()
	d.oneWay = true
	question := tunneltest.Probe(packet.UDP, own4, own6, far4, 5004)
	d.sends(question)
	reply, bytes := datagram(answerTo(question), 1228), uint64(0)
	for range 60 {
		d.passes(time.Minute)
		for range 400 {
			d.gets(reply)
			bytes += uint64(len(reply))
		}
	}
	if d.billed() != bytes || d.Strays() != (Strays{}) {
		t.Errorf("%d of %d bytes billed, %+v", d.billed(), bytes, d.Strays())
	}
	reply[20+1]++
	if delivered, billed := d.takes(reply); delivered || billed != 0 {
		t.Error("another's datagram came in")
	}
	d.passes(6 * time.Minute)
	reply[20+1]--
	if d.gets(reply) {
		t.Error("a stream that ended began again")
	}
}

func TestAdversarySequenceNumbersMakeNoBytes(t *testing.T) {
	for _, isn := range []uint32{0, 1<<31 - 5000, math.MaxUint32 - 5000} {
		attack := func(do func(c *connection)) (d *Porter, billed uint64) {
			d, _, own4, own6 := doorway()
			c := connect(d, own4, own6, far4, 443, isn)
			before := d.billed()
			do(c)
			return d, d.billed() - before
		}
		const payload = 1368
		window := uint64(4 << 20)
		for _, a := range []struct {
			name  string
			bound uint64
			do    func(c *connection)
		}{
			{"data far beyond the window, from everywhere", 4*unvouched + window, func(c *connection) {
				for range 1 << 16 {
					c.d.gets(c.segment(rand.Uint32(), tcpACK, payload))
				}
			}},
			{"the last byte of the window, then what is before it over and over", window*108/100 + unvouched, func(c *connection) {
				c.d.gets(c.segment(c.next+c.room-1, tcpACK, 1))
				for range 1 << 15 {
					c.d.gets(c.segment(c.next, tcpACK, payload))
					c.d.leaves(c.ack(), c.d.now()) // it is answered
				}
			}},
			{"acknowledgements of nothing", headerSlack + headerAcked, func(c *connection) {
				for range 1 << 15 {
					c.d.gets(c.segment(c.next, tcpACK, 0))
				}
			}},
			{"is anybody there, and each is answered", headerSlack + headerAcked, func(c *connection) {
				for range 1 << 15 {
					c.d.gets(c.segment(c.next-1, tcpACK, 0))
					c.d.leaves(c.ack(), c.d.now())
				}
			}},
			{"resets that this side's TCP believes not", headerSlack + headerAcked, func(c *connection) {
				for range 1 << 15 {
					c.d.gets(c.segment(c.next+5, tcpRST, 0))
					c.d.leaves(c.ack(), c.d.now())
				}
			}},
			{"1 MiB in segments of 10 bytes, one in twenty acknowledged", 1<<20*125/100 + 1<<20/200*headerAcked + headerSlack + repeatSlack, func(c *connection) {
				for i := range 1 << 20 / 10 {
					c.d.gets(c.data(10))
					if i%20 == 0 {
						c.d.leaves(c.ack(), c.d.now())
					}
				}
			}},
		} {
			if _, seen := attack(a.do); seen > a.bound {
				t.Errorf("isn %d: %s: %d bytes billed, more than %d", isn, a.name, seen, a.bound)
			} else if isn == 0 {
				t.Logf("adversary: %s | bound: %d bytes billed | seen: %d", a.name, a.bound, seen)
			}
		}
	}
}

// A browser's tab is closed while megabytes are on their way: 100 Mbit/s over 200 ms, ten times. The exit has carried
// them and counts them: were they not paid, it would soon hold the session.
func TestClosedConnectionsAccuseNobodyAndPayWhatWasOnItsWay(t *testing.T) {
	const payload, inFlight = 1368, 2500 << 10
	d, _, own4, own6 := doorway()
	for i := range 10 {
		c := connect(d, own4, own6, far4, uint16(443+i), uint32(i)<<29-5000)
		for range inFlight / payload {
			d.gets(c.data(payload))
			d.leaves(c.ack(), d.now())
		}
		before, came := d.billed(), uint64(0)
		d.leaves(c.acks(c.next, tcpRST|tcpACK), d.now())
		for range inFlight / payload {
			pkt := c.data(payload)
			came += uint64(len(pkt))
			if d.gets(pkt) {
				d.leaves(c.acks(c.next, tcpRST), d.now()) // nobody is there
			}
		}
		if billed := d.billed() - before; billed < came*98/100 || billed > came {
			t.Errorf("%d bytes billed of %d that were on their way", billed, came)
		}
		// The reset was lost, and the sender asks again.
		if !d.gets(c.segment(c.next-payload, tcpACK, payload)) {
			t.Error("a sender that did not hear of the reset is not told again")
		}
		d.passes(3 * time.Second)
	}
	if s := d.Strays(); s.Bytes != 0 || d.Offence() != nil {
		t.Errorf("%+v, %v", s, d.Offence())
	}
	// QUIC's end can't be seen.
	for i := range 10 {
		last := tunneltest.Probe(packet.UDP, own4, own6, far4, uint16(443+i))
		d.sends(last)
		for range inFlight / payload {
			d.gets(datagram(answerTo(last), payload))
		}
		d.passes(3 * time.Second)
	}
	if s := d.Strays(); s.Bytes != 0 || d.Offence() != nil {
		t.Errorf("%+v, %v", s, d.Offence())
	}
}

func TestAdversaryExitSendsOnAfterAReset(t *testing.T) {
	const payload = 1368
	for _, repeat := range []bool{false, true} {
		d, _, own4, own6 := doorway()
		c := connect(d, own4, own6, far4, 443, 77)
		for range 100 {
			d.gets(c.data(payload))
			d.leaves(c.ack(), d.now())
		}
		before := d.billed()
		d.leaves(c.acks(c.next, tcpRST|tcpACK), d.now())
		for range 100 << 20 / payload {
			pkt := c.data(payload)
			if repeat {
				c.next -= payload
			}
			if d.gets(pkt) {
				d.leaves(c.acks(c.next, tcpRST), d.now())
			}
		}
		const bound = 100*payload + firstWindow
		billed := d.billed() - before
		if billed > bound || d.Offence() == nil {
			t.Errorf("%d bytes billed after a reset, accused: %v", billed, d.Offence())
		}
		t.Logf("adversary: 100 MiB after a reset, each answered by another (the same again: %v) | bound: %d billed, and accused | seen: %d, %v", repeat, bound, billed, d.Offence())
	}
}

func TestAdversaryErrorsAboutWhatIsOpenAreBilledUpToABound(t *testing.T) {
	flood := func(about func(d *Porter, own4, own6 netip.Addr) []byte) uint64 {
		d, _, own4, own6 := doorway()
		d.oneWay = true // it is for datagrams
		quoted := about(d, own4, own6)
		before := d.billed()
		for range 10_000 {
			d.gets(errorAbout(datagram(quoted, 500), other4, exceeded4))
		}
		return d.billed() - before
	}
	open := func(d *Porter, own4, own6 netip.Addr) []byte { return connect(d, own4, own6, far4, 443, 1).ack() }
	for _, c := range []struct {
		name  string
		bound uint64
		about func(d *Porter, own4, own6 netip.Addr) []byte
	}{
		{"a connection", headerSlack + headerAcked, open},
		{"one that was reset", 0, func(d *Porter, own4, own6 netip.Addr) []byte {
			c := connect(d, own4, own6, far4, 443, 1)
			d.leaves(c.acks(c.next, tcpRST|tcpACK), d.now())
			return c.ack()
		}},
		{"one that was refused before it began", 0, func(d *Porter, own4, own6 netip.Addr) []byte {
			pkt := tunneltest.Probe(packet.TCP, own4, own6, far4, 443)
			pkt[20+tcpFlags] = tcpRST
			d.sends(pkt)
			return pkt
		}},
		{"a datagram", unvouched, func(d *Porter, own4, own6 netip.Addr) []byte {
			pkt := tunneltest.Probe(packet.UDP, own4, own6, far4, 443)
			d.sends(pkt)
			return pkt
		}},
	} {
		seen := flood(c.about)
		if seen > c.bound || c.bound > 0 && seen < c.bound-1000 {
			t.Errorf("%s: %d bytes of errors billed", c.name, seen)
		}
		t.Logf("adversary: 5 MB of errors about %s | bound: %d billed | seen: %d", c.name, c.bound, seen)
	}
}

func TestAdversarySpoofedFragmentsAreNotBilled(t *testing.T) {
	d, _, own4, own6 := doorway()
	question := tunneltest.Probe(packet.UDP, own4, own6, far4, 53)
	d.sends(question)
	first := datagram(answerTo(question), 1400)
	binary.BigEndian.PutUint16(first[6:], 0x2000)
	rest := slices.Clone(first)
	binary.BigEndian.PutUint16(rest[6:], 0x2000|172)
	for range 1000 {
		if delivered, billed := d.takes(rest); delivered || billed != 0 {
			t.Fatal("the rest of nothing came in")
		}
	}
	before := d.billed()
	if delivered, billed := d.takes(first); !delivered || billed != 1400 {
		t.Fatal("a first fragment does not come in")
	}
	for what, change := range map[string]func(p []byte){
		"another host's":  func(p []byte) { p[packet.Src4]++ },
		"another one's":   func(p []byte) { p[packet.Dst4]++ },
		"of another kind": func(p []byte) { p[9] = byte(packet.ICMP) },
		"over TCP's head": func(p []byte) { p[9] = byte(packet.TCP); binary.BigEndian.PutUint16(p[6:], 1) },
	} {
		pkt := slices.Clone(rest)
		change(pkt)
		if delivered, billed := d.takes(pkt); delivered || billed != 0 {
			t.Errorf("%s rest came in", what)
		}
	}
	for range 1000 {
		d.takes(rest)
	}
	seen := d.billed() - before
	if seen > unvouched || seen < unvouched-2*1400 {
		t.Errorf("%d bytes of fragments billed", seen)
	}
	d.passes(2 * time.Minute)
	d.sends(question)
	if delivered, _ := d.takes(rest); delivered {
		t.Error("the rest of what came two minutes ago comes in")
	}
	// The same over IPv6, whose fragments have a header of their own.
	q6 := tunneltest.Probe(packet.UDP, own4, own6, far6, 53)
	d.sends(q6)
	fragment := func(offset uint16) []byte {
		a := answerTo(q6)
		p := append(slices.Clone(a[:40]), byte(packet.UDP), 0, 0, 0, 0, 0, 0, 9)
		p[6] = packet.Fragment6
		binary.BigEndian.PutUint16(p[42:], offset<<3|1)
		return append(p, a[40:]...)
	}
	if d.gets(fragment(100)) || !d.gets(fragment(0)) || !d.gets(fragment(100)) {
		t.Error("fragments of IPv6 are not matched")
	}
	t.Logf("adversary: fragments without a first one, and more than fit a datagram | bound: %d billed | seen: %d", unvouched, seen)
}

func TestAdversaryMoreFlowsThanThereIsRoomFor(t *testing.T) {
	d, _, own4, own6 := doorway()
	const flows = 100_000
	flow := func(i int) []byte {
		return tunneltest.Probe(packet.UDP, own4, own6, netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 443)
	}
	for i := range flows {
		d.sends(flow(i))
	}
	var asked uint64
	for i := range flows {
		pkt := answerTo(flow(i))
		asked += uint64(len(pkt))
		if !d.gets(pkt) {
			t.Fatalf("flow %d is not answered", i)
		}
	}
	s := d.Strays()
	if d.billed() != asked || s.Unjudged == 0 || s.Unjudged > asked/2 || s.Bytes != 0 {
		t.Errorf("%d of %d bytes billed, %+v", d.billed(), asked, s)
	}
	// What was never asked for is still told from it.
	reached := 0
	for i := range flows {
		if pkt := answerTo(flow(flows + i)); d.gets(pkt) {
			reached++
		}
	}
	if reached != 0 {
		t.Errorf("%d packets that nobody asked for came in", reached)
	}
	t.Logf("adversary: %d flows at once | bound: each is answered, billed and, beyond 65,536, counted; 0 others come in | seen: %d bytes unjudged of %d, %d others", flows, s.Unjudged, asked, reached)
	// And so many that some have no place at all: nobody is accused of what may be theirs, as long as they would live.
	for i := range 3 * flows {
		d.sends(flow(2*flows + i))
	}
	before := d.Strays()
	for i := range 3 * flows {
		d.gets(answerTo(flow(2*flows + i)))
	}
	if got := d.Strays(); got.Packets != before.Packets || got.Forgiven == 0 {
		t.Errorf("%+v", got)
	}
	d.passes(6 * time.Minute)
	if d.gets(answerTo(flow(0))) || d.Strays().Packets != before.Packets+1 {
		t.Error("forgiven for ever")
	}
}

func TestFlowThatMadeRoomIsJudgedAgainOnceItSpeaks(t *testing.T) {
	d, _, own4, own6 := doorway()
	c := connect(d, own4, own6, far4, 443, 1)
	mark := d.memory.mark(&packet.Heading{Proto: byte(packet.TCP)}, [2]uint64{0, 8<<24 | 8<<16 | 8<<8 | 8}, 40443, 443)
	s, i := d.memory.at(mark)
	if i < 0 {
		t.Fatal("the flow is not where it should be")
	}
	d.memory.makeRoom(mark, s.flows[i].until, d.now())
	s.marks[i]++ // and another has its place
	if !d.gets(c.data(1000)) || d.Strays().Unjudged != 1052 {
		t.Errorf("%+v", d.Strays())
	}
	if d.gets(c.segment(0, tcpSYN, 0)) {
		t.Error("a connection comes in")
	}
	d.leaves(c.ack(), d.now())
	before := d.billed()
	for range 1000 {
		d.gets(c.segment(1, tcpACK, 1000)) // what it had
	}
	if billed := d.billed() - before; d.Strays().Unjudged != 1052 || billed > repeatSlack+1000 {
		t.Errorf("%d bytes of repeats billed, %+v", billed, d.Strays())
	}
	d.leaves(c.acks(c.next, tcpRST|tcpACK), d.now())
	d.passes(time.Minute)
	if d.gets(c.data(1000)) {
		t.Error("the name outlives the flow")
	}
}

func TestFlowsAreRememberedLongerThanByAnyNAT(t *testing.T) {
	type life struct {
		name     string
		begin    func(c *connection)
		remember time.Duration
	}
	out := func(c *connection, flags byte) { c.d.leaves(c.acks(c.next, flags), c.d.now()) }
	in := func(c *connection, flags byte) { c.d.gets(c.segment(c.next, flags, 0)) }
	for _, l := range []life{
		{"open", func(*connection) {}, 2*time.Hour + 4*time.Minute},
		{"half closed by this side", func(c *connection) { out(c, tcpFIN|tcpACK) }, 4 * time.Minute},
		{"half closed by the other", func(c *connection) { in(c, tcpFIN|tcpACK) }, 4 * time.Minute},
		{"closed", func(c *connection) { in(c, tcpFIN|tcpACK); out(c, tcpFIN|tcpACK) }, time.Minute},
		{"reset by this side", func(c *connection) { out(c, tcpRST|tcpACK) }, time.Minute},
		{"reset by the other", func(c *connection) { in(c, tcpRST|tcpACK) }, time.Minute},
		{"reset, but not", func(c *connection) { in(c, tcpRST|tcpACK); out(c, tcpACK) }, 2*time.Hour + 4*time.Minute},
		{"reset, and again", func(c *connection) {
			out(c, tcpRST|tcpACK)
			c.d.passes(50 * time.Second)
			out(c, tcpRST)
		}, 10 * time.Second},
		{"of the same name", func(c *connection) {
			out(c, tcpRST|tcpACK)
			again := connect(c.d, netip.AddrFrom4([4]byte(c.out[12:16])), netip.Addr{}, far4, 443, 5)
			c.next = again.next
		}, 2*time.Hour + 4*time.Minute},
	} {
		for _, late := range []bool{false, true} {
			d, _, own4, own6 := doorway()
			c := connect(d, own4, own6, far4, 443, 1000)
			l.begin(c)
			if d.passes(l.remember - tick); late {
				d.passes(tick)
			}
			if delivered := d.gets(c.segment(c.next, tcpACK, 0)); delivered == late {
				t.Errorf("%s: after %v, late: %v, delivered: %v", l.name, l.remember, late, delivered)
			}
		}
	}
	d, _, own4, own6 := doorway()
	refusal := tunneltest.Probe(packet.TCP, own4, own6, far4, 80)
	refusal[20+tcpFlags] = tcpRST
	if d.sends(refusal); d.gets(answerTo(refusal)) {
		t.Error("what refuses a connection begins one")
	}
	for _, proto := range []packet.Proto{packet.UDP, packet.ICMP, packet.TCP} {
		pkt := tunneltest.Probe(proto, own4, own6, far4, 443)
		d.sends(pkt)
		remember := 5 * time.Minute
		if proto == packet.TCP {
			remember = 4 * time.Minute // nobody has answered yet
		}
		d.passes(remember - tick)
		if !d.gets(answerTo(pkt)) {
			t.Errorf("%v: forgotten too soon", proto)
		}
		d.sends(pkt)
		d.passes(remember)
		if d.gets(answerTo(pkt)) {
			t.Errorf("%v: remembered too long", proto)
		}
	}
}

// Whatever a network does to a connection of honest hosts, it gets all of its data, and the exit is paid for what
// arrived, but for what came twice.
func TestHonestConnectionsAreDeliveredAndBilled(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 5))
		loss, dup, mix := random.Float64()*0.2, random.Float64()*0.004, random.IntN(40)
		payload := []int{1368, 1368, 536, 100}[random.IntN(4)]
		far := []netip.Addr{far4, far6}[seed%2]
		d, _, own4, own6 := doorway()
		c := connect(d, own4, own6, far, 443, math.MaxUint32-uint32(random.IntN(1<<20)))
		before := d.billed()
		start := c.next
		const total = 2 << 20
		have := make(map[uint32]bool) // by segment
		segments := uint32(total / payload)
		got, arrived, repeated := uint32(0), uint64(0), uint64(0)
		var wire []uint32
		next, edge := uint32(0), uint32(4<<20/payload)-1
		for rounds := 0; got < segments; rounds++ {
			if rounds > 1<<20 {
				t.Fatalf("seed %d: the connection stands still at %d of %d", seed, got, segments)
			}
			for len(wire) < 64 && next < min(segments, got+edge) {
				wire = append(wire, next)
				next++
			}
			if len(wire) == 0 { // what was lost comes again
				for i := got; i < next; i++ {
					if !have[i] {
						wire = append(wire, i)
					}
				}
			}
			at := min(random.IntN(mix+1), len(wire)-1)
			i := wire[at]
			if random.Float64() >= dup {
				wire = slices.Delete(wire, at, at+1)
			}
			if random.Float64() < loss {
				continue
			}
			pkt := c.segment(start+i*uint32(payload), tcpACK, payload)
			arrived += uint64(len(pkt))
			if have[i] {
				repeated += uint64(len(pkt))
			}
			if !d.gets(pkt) {
				t.Fatalf("seed %d: a segment was not delivered: %+v", seed, d.Strays())
			}
			for have[i] = true; have[got]; got++ {
			}
			if random.IntN(2) == 0 {
				d.leaves(c.acks(start+got*uint32(payload), tcpACK), d.now())
			}
		}
		billed, whole := d.billed()-before, arrived
		if payload < 300 { // who cuts that small is not paid for all of the headers
			arrived = arrived * 7 / 10
		}
		if billed > whole || billed+repeated < arrived || d.Strays().Bytes != 0 {
			t.Errorf("seed %d (loss %.2f, twice %.3f, mixed %d, %d bytes): %d arrived, %d of them again, %d billed, %+v",
				seed, loss, dup, mix, payload, arrived, repeated, billed, d.Strays())
		}
	}
}

// What has little payload, or none, is paid as long as this side's packets show that it was needed.
func TestSmallSegmentsOfConversationsAreBilled(t *testing.T) {
	for name, step := range map[string]func(c *connection) []byte{
		"a terminal": func(c *connection) []byte {
			c.d.leaves(append(slices.Clone(c.ack()), make([]byte, 36)...), c.d.now())
			return c.data(36)
		},
		"an upload": func(c *connection) []byte {
			c.d.leaves(append(slices.Clone(c.ack()), make([]byte, 1368)...), c.d.now())
			return c.data(0)
		},
		"a stream of events": func(c *connection) []byte {
			c.d.leaves(c.ack(), c.d.now())
			return c.data(20)
		},
	} {
		d, _, own4, own6 := doorway()
		c := connect(d, own4, own6, far6, 443, 9)
		before, came := d.billed(), uint64(0)
		for range 10_000 {
			pkt := step(c)
			came += uint64(len(pkt))
			d.gets(pkt)
		}
		if billed := d.billed() - before; billed < came*95/100 {
			t.Errorf("%s: %d of %d bytes billed", name, billed, came)
		}
	}
}

func TestExitIsAccusedOfTooMuchAMinuteAndNotBefore(t *testing.T) {
	for _, c := range []struct {
		name           string
		bad, delivered uint64 // in a part of the minute
		parts          int
		accused        bool
	}{
		{"a mebibyte", StrayBytes, 0, 1, false},
		{"more", StrayBytes + 1, 0, 1, true},
		{"more, over a minute", StrayBytes/6 + 1, 0, 6, true},
		{"a little all the time", StrayBytes / 6, 0, 600, false},
		{"a part of much", 3 << 20, 100 << 20, 60, false},
		{"too large a part", 4 << 20, 100 << 20, 1, true},
	} {
		var r recent
		var err error
		for i := range c.parts {
			now := moment(i)*recentPart + 1
			r.add(0, c.delivered, now)
			if e := r.add(c.bad, 0, now); e != nil {
				err = e
			}
		}
		if (err != nil) != c.accused {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzPorter has an exit send anything to a machine that has asked for something. What comes in is for the machine
// itself, of a flow that it began, and paid by no more than its size.
func FuzzPorter(f *testing.F) {
	own4, own6 := forward.InnerNets.Addrs(7)
	for _, far := range []netip.Addr{far4, far6} {
		for _, proto := range []packet.Proto{packet.TCP, packet.UDP, packet.ICMP} {
			out := tunneltest.Probe(proto, own4, own6, far, 443)
			f.Add(out, answerTo(out))
			kind := byte(3)
			if far.Is6() {
				kind = 1
			}
			f.Add(out, errorAbout(out, other4, kind))
		}
	}
	syn := tunneltest.Probe(packet.TCP, own4, own6, far4, 443)
	syn[20+tcpLen] = 7 << 4
	f.Add(append(syn, 2, 4, 5, 0x50, 1, 3, 3, 7), []byte{0x45})
	d, _, _, _ := doorway()
	unasked, _, _, _ := doorway()
	f.Fuzz(func(t *testing.T, out, in []byte) {
		if d.now() > 1<<30 {
			d, _, _, _ = doorway()
		}
		d.passes(3 * time.Hour) // whatever was known is forgotten
		d.sends(out)
		d.sends(out)
		if delivered, billed := d.takes(in); billed > uint64(len(in)) || !delivered && billed > 0 {
			t.Fatalf("billed %d of %d bytes, delivered: %v", billed, len(in), delivered)
		} else if delivered {
			var to netip.Addr
			if in[0]>>4 == 4 {
				to = netip.AddrFrom4([4]byte(in[packet.Dst4:packet.Min4]))
			} else {
				to = netip.AddrFrom16([16]byte(in[packet.Dst6:packet.Min6]))
			}
			if to != own4 && to != own6 || len(out) < packet.Min4 {
				t.Fatalf("%x came in", in)
			}
		}
		if unasked.gets(in) {
			t.Fatalf("%x came in unasked", in)
		}
	})
}
