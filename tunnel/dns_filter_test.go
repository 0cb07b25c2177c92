package tunnel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"byway/tunnel/nameserver"
	"byway/tunnel/policy"
	"byway/tunnel/tunneltest"
)

// houseResolver is the resolver of a home or a company: it does and tells whatever it is asked, over UDP and TCP.
type houseResolver struct {
	addr   netip.AddrPort
	mu     sync.Mutex
	asked  []*dns.Msg
	silent atomic.Bool // about all names but fast.example.
	reply  func(q *dns.Msg) []dns.RR
	lose   atomic.Int32 // so many questions about lost.example. get no answer
}

func newHouseResolver(t testing.TB, reply func(q *dns.Msg) []dns.RR) *houseResolver {
	t.Helper()
	r := &houseResolver{reply: reply}
	var pc net.PacketConn
	var l net.Listener
	for range 20 { // until a port is free for both
		var err error
		if pc, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		r.addr = pc.LocalAddr().(*net.UDPAddr).AddrPort()
		if l, err = net.Listen("tcp", r.addr.String()); err == nil {
			break
		}
		pc.Close()
	}
	if l == nil {
		t.Fatal("no port is free for both UDP and TCP")
	}
	accept := func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
	for _, s := range []*dns.Server{{PacketConn: pc}, {Listener: l}} {
		s.Handler, s.MsgAcceptFunc = dns.HandlerFunc(r.serve), accept
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
	return r
}

func (r *houseResolver) serve(w dns.ResponseWriter, q *dns.Msg) {
	// The exit itself asks for the prefix of its network (RFC 7050), without EDNS.
	if len(q.Question) != 1 || q.Question[0].Name != policy.TranslatedName || q.IsEdns0() != nil {
		r.mu.Lock()
		r.asked = append(r.asked, q.Copy())
		r.mu.Unlock()
	}
	if r.silent.Load() && (len(q.Question) != 1 || q.Question[0].Name != "fast.example.") {
		return
	}
	if len(q.Question) == 1 && q.Question[0].Name == "lost.example." && r.lose.Add(-1) >= 0 {
		return
	}
	m := new(dns.Msg).SetReply(q)
	m.Answer = r.reply(q)
	if q.IsEdns0() != nil {
		m.SetEdns0(4096, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: "726f75746572"}}
	}
	w.WriteMsg(m)
}

func (r *houseResolver) questions() []*dns.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func rrs(t testing.TB, texts ...string) []dns.RR {
	t.Helper()
	var list []dns.RR
	for _, text := range texts {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, rr)
	}
	return list
}

// askRelay sends a message to the relay as a consumer does, over UDP and TCP, and returns both answers.
func askRelay(t testing.TB, p pair, m *dns.Msg) []*dns.Msg {
	t.Helper()
	var got []*dns.Msg
	server := netip.AddrPortFrom(p.client.dns, nameserver.Port)
	for _, network := range []string{"udp", "tcp"} {
		var conn net.Conn
		var err error
		if network == "udp" {
			conn, err = p.client.net.DialUDP(server)
		} else {
			conn, err = p.client.net.DialTCP(t.Context(), server)
		}
		if err != nil {
			t.Fatal(err)
		}
		dc := &dns.Conn{Conn: conn, UDPSize: 4096}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if err := dc.WriteMsg(m); err != nil {
			t.Fatal(err)
		}
		reply, err := dc.ReadMsg()
		conn.Close()
		if err != nil {
			t.Fatalf("%s: no answer to %v: %v", network, m.Question, err)
		}
		if !reply.Response || reply.Id != m.Id || reply.Opcode != m.Opcode {
			t.Errorf("%s: not an answer: %+v", network, reply.MsgHdr)
		}
		got = append(got, reply)
	}
	return got
}

func plainQuery(name string, qtype uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, qtype) }

// What strangers may not ask is answered at once by the exit, and never reaches the provider's resolver.
func TestAdversaryNothingButQuestionsAboutTheInternetReachTheProvidersResolver(t *testing.T) {
	r := newHouseResolver(t, func(q *dns.Msg) []dns.RR { return rrs(t, q.Question[0].Name+" 5 IN A 10.1.2.3") })
	e := newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}})
	p := join(t, e, math.MaxUint64)
	e.dns.host = func() ([]netip.AddrPort, []string, error) {
		return []netip.AddrPort{r.addr}, []string{"office.example.com."}, nil
	}

	update := new(dns.Msg).SetUpdate("corp.example.")
	update.Insert(rrs(t, "wpad.corp.example. 300 IN A 6.6.6.6"))
	notify := new(dns.Msg).SetNotify("corp.example.")
	stateful := plainQuery("example.com.", dns.TypeSOA)
	stateful.Opcode = dns.OpcodeStateful
	status := plainQuery("example.com.", dns.TypeSOA)
	status.Opcode = dns.OpcodeStatus
	two := plainQuery("example.com.", dns.TypeA)
	two.Question = append(two.Question, dns.Question{Name: "example.org.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
	carries := plainQuery("example.com.", dns.TypeA)
	carries.Answer = rrs(t, "example.com. 5 IN A 8.8.8.8")
	none := new(dns.Msg)
	none.Id = 7
	chaos := plainQuery("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	anyClass := plainQuery("example.com.", dns.TypeA)
	anyClass.Question[0].Qclass = dns.ClassANY
	version := plainQuery("example.com.", dns.TypeA).SetEdns0(1232, false)
	version.IsEdns0().SetVersion(1)

	type test struct {
		what string
		msg  *dns.Msg
		want int
	}
	tests := []test{
		{"update", update, dns.RcodeNotImplemented}, {"notify", notify, dns.RcodeNotImplemented},
		{"status", status, dns.RcodeNotImplemented}, {"stateful", stateful, dns.RcodeNotImplemented},
		{"two questions", two, dns.RcodeFormatError}, {"no question", none, dns.RcodeFormatError},
		{"a query with an answer", carries, dns.RcodeFormatError}, {"class CHAOS", chaos, dns.RcodeRefused},
		{"class ANY", anyClass, dns.RcodeRefused}, {"EDNS version 1", version, dns.RcodeBadVers},
	}
	for _, qtype := range []uint16{dns.TypeAXFR, dns.TypeIXFR, dns.TypeMAILA, dns.TypeMAILB, dns.TypeTKEY, dns.TypeTSIG} {
		m := plainQuery("example.com.", qtype)
		if qtype == dns.TypeIXFR {
			m.SetIxfr("example.com.", 1, "a.", "b.")
			m.Ns = nil
		}
		tests = append(tests, test{dns.TypeToString[qtype], m, dns.RcodeRefused})
	}
	for _, name := range []string{
		"printer.local.", "nas.LAN.", "lan.", "router.home.arpa.", "db.internal.", "localhost.", "x.localhost.", "wpad.", "router.",
		"files.office.example.com.", "office.EXAMPLE.com.", "ns.corp.", "hidden.onion.", "ipv4only.arpa.",
		"1.1.168.192.in-addr.arpa.", "10.in-addr.arpa.", "b._dns-sd._udp.0.1.168.192.in-addr.arpa.", "16.172.in-addr.arpa.",
		"31.172.in-addr.arpa.", "64.100.in-addr.arpa.", "254.169.in-addr.arpa.", "0/25.2.0.192.in-addr.arpa.", "1.0.0.127.in-addr.arpa.",
		"d.f.ip6.arpa.", "8.e.f.ip6.arpa.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
		"9.7.1.6.7.7.9.7.2.6.d.f.ip6.arpa.",
	} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypePTR, dns.TypeANY, dns.TypeSOA, dns.TypeTXT} {
			tests = append(tests, test{name + " " + dns.TypeToString[qtype], plainQuery(name, qtype), dns.RcodeNameError})
		}
	}
	for _, c := range tests {
		for _, reply := range askRelay(t, p, c.msg) {
			if reply.Rcode != c.want || len(reply.Answer) > 0 {
				t.Errorf("%s: answered %s with %v, want %s", c.what, dns.RcodeToString[reply.Rcode], reply.Answer, dns.RcodeToString[c.want])
			}
		}
	}
	for _, reply := range askRelay(t, p, plainQuery("example.com.", dns.TypeANY)) {
		if h, ok := reply.Answer[0].(*dns.HINFO); !ok || h.Cpu != "RFC8482" || len(reply.Answer) != 1 {
			t.Errorf("ANY: %v, want the HINFO of RFC 8482", reply.Answer)
		}
	}
	// What cannot be read is answered as such, and answers are not answered.
	server := netip.AddrPortFrom(p.client.dns, nameserver.Port)
	conn, err := p.client.net.DialUDP(server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 512)
	conn.Write([]byte{9, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63})
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := conn.Read(buf); err != nil || n < 12 || buf[0] != 9 || buf[3]&15 != dns.RcodeFormatError {
		t.Errorf("a broken query: % x, %v", buf[:max(n, 0)], err)
	}
	if asked := r.questions(); len(asked) > 0 {
		t.Errorf("the provider's resolver was asked %v", asked)
	}
	// Positive control: what the internet knows is asked, and answered.
	for _, name := range []string{"example.com.", "1.1.1.1.in-addr.arpa.", "8.8.8.8.in-addr.arpa.", "1.0.0.2.ip6.arpa.", "notlan.", "."} {
		qtype := dns.TypeTXT
		if name == "notlan." {
			qtype = dns.TypeDS
		}
		before := len(r.questions())
		askRelay(t, p, plainQuery(name, qtype))
		if n := len(r.questions()) - before; n != 2 {
			t.Errorf("%s was asked %d times, want 2", name, n)
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", "updates, transfers, other classes, local and private names to the provider's resolver",
		"0 of them reach it, each is answered", fmt.Sprintf("%d questions over UDP and TCP, 0 passed on", len(tests)+2))
}

// The resolver gets the question alone, and the consumer gets no address that the exit would not forward to.
func TestAdversaryAnswersFromInsideAndOptionsOfOthersAreDropped(t *testing.T) {
	answers := map[string][]dns.RR{
		"a.example.":     rrs(t, "a.example. 5 IN A 192.168.1.50", "a.example. 5 IN A 9.9.9.9", "a.example. 5 IN A 169.254.169.254"),
		"all.example.":   rrs(t, "all.example. 5 IN A 10.0.0.1", "all.example. 5 IN A 100.64.0.1", "all.example. 5 IN A 10.213.0.1"),
		"aaaa.example.":  rrs(t, "aaaa.example. 5 IN AAAA fd00::1", "aaaa.example. 5 IN AAAA ::ffff:10.0.0.1", "aaaa.example. 5 IN AAAA 64:ff9b::a00:1", "aaaa.example. 5 IN AAAA 2620:fe::fe"),
		"https.example.": rrs(t, `https.example. 5 IN HTTPS 1 . alpn="h2" ipv4hint="10.0.0.1,9.9.9.9" ipv6hint="fe80::1"`, `https.example. 5 IN HTTPS 2 . mandatory="ipv4hint" ipv4hint="10.0.0.1"`),
		"svcb.example.":  rrs(t, `svcb.example. 5 IN SVCB 1 x.example. ipv4hint="127.0.0.53"`),
		"chain.example.": rrs(t, "chain.example. 5 IN CNAME nas.lan.", "nas.lan. 5 IN A 9.9.9.9"),
		"apl.example.":   rrs(t, "apl.example. 5 IN APL 1:192.168.32.0/21"),
		"l32.example.":   rrs(t, "l32.example. 5 IN L32 10 10.1.2.0"),
		"class.example.": rrs(t, "class.example. 5 CH A 9.9.9.9"),
	}
	want := map[string]string{
		"a.example.": "9.9.9.9", "all.example.": "", "aaaa.example.": "2620:fe::fe", "https.example.": `1 . alpn="h2" ipv4hint="9.9.9.9"`,
		"svcb.example.": "1 x.example.", "chain.example.": "nas.lan.", "apl.example.": "", "l32.example.": "", "class.example.": "",
	}
	r := newHouseResolver(t, func(q *dns.Msg) []dns.RR { return answers[q.Question[0].Name] })
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
	for name, list := range answers {
		qtype := list[0].Header().Rrtype
		if qtype == dns.TypeCNAME {
			qtype = dns.TypeA
		}
		m := plainQuery(name, qtype).SetEdns0(4096, true)
		m.RecursionDesired = false
		m.IsEdns0().Option = []dns.EDNS0{
			&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IP{192, 0, 2, 0}},
			&dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"},
			&dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")},
		}
		for _, reply := range askRelay(t, p, m) {
			var got []string
			for _, rr := range reply.Answer {
				got = append(got, strings.TrimPrefix(rr.String(), rr.Header().String()))
			}
			if strings.Join(got, " | ") != want[name] || reply.Rcode != dns.RcodeSuccess {
				t.Errorf("%s: %s %q, want %q", name, dns.RcodeToString[reply.Rcode], got, want[name])
			}
			for _, o := range reply.IsEdns0().Option {
				if o.Option() != dns.EDNS0EDE {
					t.Errorf("%s: option %v of the resolver came through", name, o)
				}
			}
		}
	}
	for _, q := range r.questions() {
		if o := q.IsEdns0(); o == nil || len(o.Option) > 0 || !o.Do() || o.UDPSize() != 1232 || !q.RecursionDesired || len(q.Extra) != 1 {
			t.Errorf("the resolver was asked %v", q)
		}
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", "answers with private, own, mapped and NAT64 addresses in A, AAAA, HTTPS, SVCB, APL, L32; ECS, NSID, cookies",
		"0 closed addresses and 0 options pass", fmt.Sprintf("%d names, only 9.9.9.9 and 2620:fe::fe came through", len(answers)))
}

// One session's questions that nobody answers leave the others theirs.
func TestAdversaryUnansweredQuestionsHoldNobodyElsesSlots(t *testing.T) {
	const attackers = 4
	r := newHouseResolver(t, func(q *dns.Msg) []dns.RR { return rrs(t, q.Question[0].Name+" 5 IN A 9.9.9.9") })
	r.silent.Store(true)
	e := newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}, process: files(1500)})
	victim := join(t, e, math.MaxUint64)
	stop, end := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end()
	for range attackers {
		p := join(t, e, math.MaxUint64)
		wg.Go(func() {
			conn, err := p.client.net.DialUDP(netip.AddrPortFrom(p.client.dns, nameserver.Port))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for stop.Err() == nil {
				m, _ := plainQuery("x.tarpit.example.", dns.TypeA).Pack()
				conn.Write(m)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	total := 0
	tunneltest.Eventually(t, "every slot is taken", func() bool {
		var used int
		used, total = e.process.Queries.Use()
		return used == total
	})
	var worst time.Duration
	for range 20 {
		began := time.Now()
		replies := askRelay(t, victim, plainQuery("fast.example.", dns.TypeA))
		worst = max(worst, time.Since(began))
		for _, reply := range replies {
			if reply.Rcode != dns.RcodeSuccess || len(reply.Answer) != 1 {
				t.Errorf("the victim's question was answered %s %v", dns.RcodeToString[reply.Rcode], reply.Answer)
			}
		}
	}
	if used, _ := e.process.Queries.Use(); used > total {
		t.Errorf("%d of %d slots are taken", used, total)
	}
	t.Logf("adversary: %s | bound: %s | seen: %s", fmt.Sprintf("%d sessions fill all %d slots with questions that nobody answers", attackers, total),
		"another session's questions are answered", fmt.Sprintf("20 × UDP and TCP answered, the slowest pair in %v", worst.Round(time.Millisecond)))
}

// A question or an answer that is lost on the way is asked again before the consumer's program gives up.
func TestRelayAsksAgainWhereDatagramsAreLost(t *testing.T) {
	r := newHouseResolver(t, func(q *dns.Msg) []dns.RR { return rrs(t, q.Question[0].Name+" 5 IN A 9.9.9.9") })
	r.lose.Store(1)
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
	for _, reply := range askRelay(t, p, plainQuery("lost.example.", dns.TypeA)) {
		if reply.Rcode != dns.RcodeSuccess || len(reply.Answer) != 1 {
			t.Errorf("answered %s %v", dns.RcodeToString[reply.Rcode], reply.Answer)
		}
	}
	asked := r.questions()
	if len(asked) != 3 || asked[0].Id != asked[1].Id { // one was lost; the second question went through at once
		t.Errorf("the resolver was asked %d times: %v", len(asked), asked)
	}
}

// A dead resolver is remembered, and an answer that comes late is still taken.
func TestRelayPassesDeadResolversAndTakesLateAnswers(t *testing.T) {
	good := newHouseResolver(t, func(q *dns.Msg) []dns.RR { return rrs(t, q.Question[0].Name+" 5 IN A 9.9.9.9") })
	dead := sinkUDP(t)
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{dead, good.addr}}), math.MaxUint64)
	ask := func(name string) time.Duration {
		began := time.Now()
		conn, err := p.client.net.DialUDP(netip.AddrPortFrom(p.client.dns, nameserver.Port))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		dc := &dns.Conn{Conn: conn}
		if err := dc.WriteMsg(plainQuery(name, dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(began.Add(30 * time.Second))
		if reply, err := dc.ReadMsg(); err != nil || len(reply.Answer) != 1 {
			t.Fatalf("%s: %v, %v", name, reply, err)
		}
		return time.Since(began)
	}
	for i := range 3 {
		ask(fmt.Sprintf("n%d.example.", i))
	}
	tunneltest.Eventually(t, "the dead resolver is passed over", func() bool { return p.exit.dns.ask.Order([]netip.AddrPort{dead, good.addr})[0] == good.addr })
	if took := ask("next.example."); took > time.Second {
		t.Errorf("the dead resolver was waited for: %v", took)
	}

	late := newHouseResolver(t, func(q *dns.Msg) []dns.RR {
		time.Sleep(1500 * time.Millisecond)
		return rrs(t, q.Question[0].Name+" 5 IN A 8.8.8.8")
	})
	q := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{late.addr, sinkUDP(t)}}), math.MaxUint64)
	for _, reply := range askRelay(t, q, plainQuery("late.example.", dns.TypeA)) {
		if len(reply.Answer) != 1 {
			t.Errorf("a late answer was not taken: %v", reply)
		}
	}
}

// One connection's questions are answered as their answers come (RFC 7766), however many it sends at once, and an end
// of asking is no end of answering.
func TestRelayAnswersPipelinedQuestionsOutOfOrder(t *testing.T) {
	r := newHouseResolver(t, func(q *dns.Msg) []dns.RR {
		if q.Question[0].Name == "slow.example." {
			time.Sleep(time.Second)
		}
		return rrs(t, q.Question[0].Name+" 5 IN A 9.9.9.9")
	})
	p := join(t, newExit(t, ExitConfig{DNS: []netip.AddrPort{r.addr}}), math.MaxUint64)
	conn, err := p.client.net.DialTCP(t.Context(), netip.AddrPortFrom(p.client.dns, nameserver.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	const questions = 200
	var stream []byte
	for i := range questions {
		name := fmt.Sprintf("n%d.example.", i)
		if i == 0 {
			name = "slow.example."
		}
		m := plainQuery(name, dns.TypeA)
		m.Id = uint16(i)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(b))), b...)
	}
	if _, err := conn.Write(stream); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[uint16]int)
	for i := range questions {
		b, err := nameserver.ReadFrame(conn)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		var m dns.Msg
		if err := m.Unpack(b); err != nil || len(m.Answer) != 1 {
			t.Fatalf("answer %d: %v, %v", i, m, err)
		}
		seen[m.Id] = i
	}
	if len(seen) != questions || seen[0] == 0 {
		t.Errorf("%d questions answered, the slow one as number %d", len(seen), seen[0])
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the last answer: %v", err)
	}
}
