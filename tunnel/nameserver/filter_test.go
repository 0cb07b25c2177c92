package nameserver

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"byway/tunnel/forward"
	"byway/tunnel/policy"
)

// Whatever a stranger or a resolver sends: what is asked is one plain question about the internet, and no closed address
// passes.
func FuzzDNSFilter(f *testing.F) {
	plain := func(name string, qtype uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, qtype) }
	for _, m := range []*dns.Msg{
		plain("example.com.", dns.TypeA).SetEdns0(1232, true), new(dns.Msg).SetUpdate("corp.lan."), plain("x.lan.", dns.TypeANY),
		plain("1.168.192.in-addr.arpa.", dns.TypePTR), new(dns.Msg).SetAxfr("example.com."),
	} {
		b, _ := m.Pack()
		f.Add(b)
	}
	reply := new(dns.Msg).SetReply(plain("a.example.", dns.TypeHTTPS))
	for _, text := range []string{
		`a.example. 5 IN HTTPS 1 . ipv4hint="10.0.0.1,9.9.9.9"`, "a.example. 5 IN A 10.0.0.1", "a.example. 5 IN AAAA ::ffff:10.0.0.1",
	} {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		reply.Answer = append(reply.Answer, rr)
	}
	b, _ := reply.Pack()
	f.Add(b)
	policy, err := policy.New(policy.Config{Own: []netip.Addr{}})
	if err != nil {
		f.Fatal(err)
	}
	filter := &Filter{Policy: policy, Nets: forward.InnerNets, Local: []string{"office.example.com."}}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, refusal := filter.Admit(b)
		if q != nil && refusal != nil {
			t.Fatal("both asked and refused")
		}
		if refusal != nil {
			if _, err := refusal.Pack(); err != nil && len(refusal.Question) == 0 {
				t.Errorf("a refusal that cannot be sent: %v", err)
			}
		}
		if q != nil {
			out := filter.Outgoing(q)
			name := dns.CanonicalName(out.Question[0].Name)
			if len(out.Question) != 1 || out.Opcode != dns.OpcodeQuery || out.Question[0].Qclass != dns.ClassINET ||
				out.Question[0].Qtype == dns.TypeAXFR || out.Question[0].Qtype == dns.TypeIXFR || out.Question[0].Qtype == dns.TypeANY ||
				len(out.Answer)+len(out.Ns) > 0 || len(out.Extra) != 1 || len(out.IsEdns0().Option) > 0 || filter.isLocal(name) {
				t.Errorf("asked %v", out)
			}
		}
		var got dns.Msg
		if got.Unpack(b) != nil {
			return
		}
		clean := filter.Clean(&Query{question: dns.Question{Name: "a.example.", Qtype: dns.TypeA, Qclass: dns.ClassINET}, size: 1232}, &got)
		for _, rr := range slices.Concat(clean.Answer, clean.Ns, clean.Extra) {
			var ips []net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ips = []net.IP{rr.A}
			case *dns.AAAA:
				ips = []net.IP{rr.AAAA}
			case *dns.HTTPS:
				ips = hintsOf(rr.Value)
			case *dns.SVCB:
				ips = hintsOf(rr.Value)
			}
			for _, ip := range ips {
				if !filter.open(ip) {
					t.Errorf("%v passed", rr)
				}
			}
		}
	})
}

func hintsOf(values []dns.SVCBKeyValue) (ips []net.IP) {
	for _, v := range values {
		switch v := v.(type) {
		case *dns.SVCBIPv4Hint:
			ips = append(ips, v.Hint...)
		case *dns.SVCBIPv6Hint:
			ips = append(ips, v.Hint...)
		}
	}
	return ips
}
