// Command bench measures the userspace path of package tunnel against a plain one: upstream's own tun/netstack for the
// consumer and a forwarder on a one-packet adapter for the provider, on the same WireGuard engine. Rounds alternate,
// and each figure is a median. Everything runs in one process over loopback, so processor time is that of both sides,
// the host and the program together.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"byway/tunnel"
)

// path is a way for one TCP flow through a tunnel.
type path struct {
	name  string
	dial  func(ctx context.Context, address string) (net.Conn, error)
	close func()
}

// row is one figure of the report, schema byway.bench/1.
type row struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline"`
	Ratio    float64 `json:"ratio"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	Runs     int     `json:"runs"`
}

func main() {
	rounds := flag.Int("rounds", 5, "how many times each path is measured")
	each := flag.Duration("time", 2*time.Second, "how long each measurement lasts")
	out := flag.String("json", "", "file to write the report to")
	flag.Parse()
	if err := run(context.Background(), *rounds, *each, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, each time.Duration, out string) error {
	host, err := serve()
	if err != nil {
		return err
	}
	defer host.Close()
	makers := []func() (path, error){ours, upstream}
	samples := make(map[string][]float64)
	for round := range rounds {
		order := slices.Clone(makers)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, open := range order {
			p, err := open()
			if err != nil {
				return err
			}
			for _, way := range []string{"down", "up"} {
				rate, cpu, err := flow(ctx, p, host.Addr().String(), way, each)
				if err != nil {
					p.close()
					return fmt.Errorf("%s %s: %w", p.name, way, err)
				}
				samples[p.name+" "+way+" rate"] = append(samples[p.name+" "+way+" rate"], rate)
				samples[p.name+" "+way+" cpu"] = append(samples[p.name+" "+way+" cpu"], cpu)
			}
			p.close()
		}
	}
	var rows []row
	for _, way := range []string{"down", "up"} {
		for what, unit := range map[string]string{"rate": "Gbit/s", "cpu": "s/GB"} {
			own, base := samples["byway "+way+" "+what], samples["upstream "+way+" "+what]
			v, b := median(own), median(base)
			rows = append(rows, row{
				Name: "userspace tcp " + way + " " + what, Value: v, Unit: unit, Baseline: b, Ratio: v / b,
				Min: slices.Min(own), Max: slices.Max(own), Runs: rounds,
			})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	for _, r := range rows {
		fmt.Printf("%-28s %7.2f %-7s upstream %6.2f  ratio %.2f  (%.2f to %.2f, %d runs)\n",
			r.Name, r.Value, r.Unit, r.Baseline, r.Ratio, r.Min, r.Max, r.Runs)
	}
	if out == "" {
		return nil
	}
	report, err := json.MarshalIndent(map[string]any{"schema": "byway.bench/1", "rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, append(report, '\n'), 0o644)
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// hostAddr is an address of this machine that is not loopback: upstream's stack drops packets from there.
func hostAddr() (netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, errors.New("this machine has no IPv4 address besides loopback; give it one, such as " +
		"with: ip addr add 10.99.0.1/32 dev lo")
}

// serve is a host that sends after a first byte of 'd', and swallows after any other.
func serve() (net.Listener, error) {
	addr, err := hostAddr()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 256<<10)
				if _, err := io.ReadFull(c, buf[:1]); err != nil {
					return
				}
				for err == nil {
					if buf[0] == 'd' {
						_, err = c.Write(buf)
					} else {
						_, err = c.Read(buf[1:])
					}
				}
			}()
		}
	}()
	return l, nil
}

// flow measures one TCP flow: Gbit/s, and processor seconds for each GB.
func flow(ctx context.Context, p path, address, way string, each time.Duration) (rate, cpu float64, err error) {
	dialCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := p.dial(dialCtx, address)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(way[:1])); err != nil {
		return 0, 0, err
	}
	buf := make([]byte, 64<<10)
	move := func(d time.Duration) (total int, err error) {
		for end := time.Now().Add(d); time.Now().Before(end); {
			var n int
			if way == "down" {
				n, err = conn.Read(buf)
			} else {
				n, err = conn.Write(buf)
			}
			if err != nil {
				return total, err
			}
			total += n
		}
		return total, nil
	}
	if _, err := move(each / 4); err != nil {
		return 0, 0, err
	}
	start, before := time.Now(), used()
	n, err := move(each)
	if err != nil {
		return 0, 0, err
	}
	took, cost := time.Since(start).Seconds(), (used() - before).Seconds()
	return float64(n) * 8 / took / 1e9, cost / (float64(n) / 1e9), nil
}

// used is the processor time of the process so far.
func used() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// ours is the product: an exit and a client.
func ours() (path, error) {
	addr, err := hostAddr()
	if err != nil {
		return path{}, err
	}
	policy, err := tunnel.NewPolicy(tunnel.PolicyConfig{Allow: []netip.Prefix{netip.PrefixFrom(addr, 32)}})
	if err != nil {
		return path{}, err
	}
	exit, err := tunnel.NewExit(tunnel.ExitConfig{Policy: policy})
	if err != nil {
		return path{}, err
	}
	key, err := tunnel.GenerateKey()
	if err != nil {
		return path{}, err
	}
	session, err := exit.Add(tunnel.Peer{PublicKey: key.Public(), Limit: 1 << 62})
	if err != nil {
		return path{}, err
	}
	v4, v6 := session.Addrs()
	client, err := tunnel.Dial(tunnel.ClientConfig{
		Private: key, Peer: exit.PublicKey(), Addrs: []netip.Addr{v4, v6}, DNS: exit.DNS(),
		Endpoint: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), exit.Port()),
	})
	if err != nil {
		return path{}, err
	}
	return path{
		name:  "byway",
		dial:  func(ctx context.Context, a string) (net.Conn, error) { return client.DialContext(ctx, "tcp", a) },
		close: func() { client.Close(); exit.Close() },
	}, nil
}
