//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"byway/tunnel/wireguard"
)

// path is a way from the consumer to the internet.
type path struct {
	name               string
	consumer, provider string // kinds; no provider: the provider's kernel routes
	base               string // the path that it is compared with
}

func paths() []path {
	return []path{
		{"veth", kindPlain, "", ""},
		{"upstream tun-tun", "tun/upstream", "tun/upstream", "veth"},
		{"tailscale tun-tun", "tun/tailscale", "tun/tailscale", "upstream tun-tun"},
		{"upstream netstack", kindNetstack, "tun/upstream", "upstream tun-tun"},
		{"plain forwarder", "tun/upstream", kindForwarder, "upstream tun-tun"},
		{"byway tun-tun", "whole/upstream", "kernel/upstream", "upstream tun-tun"},
		{"byway tun-tun tailscale", "whole/tailscale", "kernel/tailscale", "tailscale tun-tun"},
		{"byway userspace provider", "whole/upstream", "exit/upstream", "plain forwarder"},
		{"byway userspace provider tailscale", "whole/tailscale", "exit/tailscale", "plain forwarder"},
		{"byway userspace consumer", "client/upstream", "kernel/upstream", "byway tun-tun"},
		{"byway userspace consumer tailscale", "client/tailscale", "kernel/tailscale", "byway tun-tun tailscale"},
		{"byway userspace both tailscale", "client/tailscale", "exit/tailscale", "plain forwarder"},
	}
}

// measure takes one sample of each figure of a path.
func (b *bench) measure(n *netns, p path) (err error) {
	host, err := startPart(internetNS)
	if err != nil {
		return err
	}
	defer host.end()
	if _, err := host.do(ask{Op: "open", Kind: kindHost}); err != nil {
		return err
	}
	near, err := wireguard.GenerateKey()
	if err != nil {
		return err
	}
	far, err := wireguard.GenerateKey()
	if err != nil {
		return err
	}
	var provider *part
	know := answer{Addrs: []string{innerConsumer}}
	if p.provider != "" {
		if provider, err = startPart(providerNS); err != nil {
			return err
		}
		defer provider.end()
		// Bare engines need a key of their own; the product makes one, and is given the consumer's.
		want := ask{Op: "open", Kind: p.provider, Private: far, Peer: near.Public()}
		if isProduct(p.provider) {
			want.Private = near
		}
		want.Endpoint = fmt.Sprintf("%s:%d", consumerAddr, consumerPort)
		if know, err = provider.do(want); err != nil {
			return err
		}
		if know.Public.IsZero() {
			know.Public = far.Public()
		}
	} else if err := command("ip netns exec " + consumerNS + " ip route add " + internetNet + " via " + providerAddr); err != nil {
		return err
	} else {
		defer func() {
			err = errors.Join(err, command("ip netns exec "+consumerNS+" ip route del "+internetNet))
		}()
	}
	consumer, err := startPart(consumerNS)
	if err != nil {
		return err
	}
	defer consumer.end()
	if _, err := consumer.do(ask{
		Op: "open", Kind: p.consumer, Private: near, Peer: know.Public, Addrs: know.Addrs, DNS: know.DNS,
		Endpoint: fmt.Sprintf("%s:%d", providerAddr, providerPort),
	}); err != nil {
		return err
	}
	// Where the consumer's side is an interface, the load is a program beside it.
	loader, loads := consumer, (*part)(nil)
	if !hasLoad(p.consumer) {
		if loads, err = startPart(consumerNS); err != nil {
			return err
		}
		defer loads.end()
		if _, err := loads.do(ask{Op: "open", Kind: kindPlain}); err != nil {
			return err
		}
		loader = loads
	}
	r := runner{b: b, p: p, loader: loader, consumer: consumer, beside: loads, provider: provider}
	for _, flows := range []int{1, 4} {
		for _, way := range []string{"down", "up"} {
			if err := r.bulk(way, flows); err != nil {
				return err
			}
		}
	}
	if err := r.memory(); err != nil {
		return err
	}
	return r.small()
}

func isProduct(kind string) bool {
	k, _, _ := cutKind(kind)
	return k == kindExit || k == kindKernel
}

func hasLoad(kind string) bool {
	k, _, _ := cutKind(kind)
	return k == kindPlain || k == kindNetstack || k == kindClient
}

var kindPattern = regexp.MustCompile(`^([a-z]+)(?:/([a-z]+))?$`)

func cutKind(kind string) (name, engine string, ok bool) {
	m := kindPattern.FindStringSubmatch(kind)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// runner measures on the parts of one path.
type runner struct {
	b                *bench
	p                path
	loader, consumer *part
	beside, provider *part // may be nil
}

// sample is the load's count and what each side has used.
type sample struct {
	load               answer
	consumer, provider time.Duration
}

func (r *runner) sample() (sample, error) {
	load, err := r.loader.do(ask{Op: "count"})
	if err != nil {
		return sample{}, err
	}
	s := sample{load: load, consumer: load.CPU}
	if r.beside != nil {
		c, err := r.consumer.do(ask{Op: "usage"})
		if err != nil {
			return sample{}, err
		}
		s.consumer += c.CPU
	}
	p, err := r.provider.do(ask{Op: "usage"})
	s.provider = p.CPU
	return s, err
}

// run runs a load and returns what passed, in how long, and what it cost.
func (r *runner) run(load string, flows int) (count, took float64, from, to sample, err error) {
	if _, err = r.loader.do(ask{Op: "start", Load: load, Flows: flows}); err != nil {
		return
	}
	if from, err = r.sample(); err != nil {
		return
	}
	time.Sleep(r.b.each)
	if to, err = r.sample(); err != nil {
		return
	}
	if _, err = r.loader.do(ask{Op: "stop"}); err != nil {
		return
	}
	count, took = float64(to.load.Count-from.load.Count), to.load.At.Sub(from.load.At).Seconds()
	if count == 0 {
		err = fmt.Errorf("%s: nothing passed", load)
	}
	return
}

func (r *runner) add(metric, unit string, v float64) {
	base := ""
	if r.p.base != "" {
		base = r.p.base + ": " + metric
	}
	r.b.add(r.p.name+": "+metric, unit, base, v)
}

func (r *runner) bulk(way string, flows int) error {
	n, took, from, to, err := r.run(way, flows)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("tcp %d %s", flows, way)
	gb := n / 1e9
	r.add(what+" rate", "Gbit/s", gb*8/took)
	c, p := (to.consumer-from.consumer).Seconds()/gb, (to.provider-from.provider).Seconds()/gb
	r.add(what+" cpu consumer", "s/GB", c)
	if r.provider != nil {
		r.add(what+" cpu provider", "s/GB", p)
		r.add(what+" cpu both", "s/GB", c+p)
	}
	return nil
}

// memory asks each side for the most that it held under the load so far.
func (r *runner) memory() error {
	c, err := r.consumer.do(ask{Op: "usage"})
	if err != nil {
		return err
	}
	r.add("memory under load, consumer", "MB", float64(c.Peak)/1e6)
	if r.provider == nil {
		return nil
	}
	p, err := r.provider.do(ask{Op: "usage"})
	if err != nil {
		return err
	}
	r.add("memory under load, provider", "MB", float64(p.Peak)/1e6)
	return nil
}

// small measures what is not bulk.
func (r *runner) small() error {
	n, took, _, _, err := r.run("udp", 1)
	if err != nil {
		return err
	}
	r.add("udp echoes of 200 bytes", "1/s", n/took)
	_, _, _, to, err := r.run("rtt", 1)
	if err != nil {
		return err
	}
	r.add("tcp round trip", "us", float64(to.load.Took.Nanoseconds())/1e3)
	n, took, _, _, err = r.run("conns", 1)
	if err != nil {
		return err
	}
	r.add("new connections", "1/s", n/took)
	return nil
}

// idle measures the memory of a provider by its sessions.
func (b *bench) idle(n *netns) error {
	if len(b.sessions) == 0 {
		return nil
	}
	for _, kind := range []struct{ name, kind, base string }{
		{"upstream tun-tun", "tun/upstream", ""},
		{"byway userspace provider", "exit/upstream", "upstream tun-tun"},
		{"byway userspace provider tailscale", "exit/tailscale", "upstream tun-tun"},
		{"byway tun-tun", "kernel/upstream", "upstream tun-tun"},
		{"byway tun-tun tailscale", "kernel/tailscale", "upstream tun-tun"},
	} {
		p, err := startPart(providerNS)
		if err != nil {
			return err
		}
		a := ask{Op: "open", Kind: kind.kind}
		if !isProduct(kind.kind) {
			if a.Private, err = wireguard.GenerateKey(); err != nil {
				return err
			}
			other, err := wireguard.GenerateKey()
			if err != nil {
				return err
			}
			a.Peer, a.Endpoint = other.Public(), fmt.Sprintf("%s:%d", consumerAddr, consumerPort)
		}
		_, err = p.do(a)
		have := 0
		for _, want := range b.sessions {
			if err != nil {
				break
			}
			var got answer
			if got, err = p.do(ask{Op: "idle", N: want - have}); err == nil {
				have = want
				metric := fmt.Sprintf("memory of %5d idle sessions", want)
				base := ""
				if kind.base != "" {
					base = kind.base + ": " + metric
				}
				b.add(kind.name+": "+metric, "MB", base, float64(got.RSS)/1e6)
			}
		}
		p.end()
		if err != nil {
			return fmt.Errorf("idle sessions of %s: %w", kind.kind, err)
		}
	}
	return nil
}

// toggle measures the meter and gate: turned on and off every 250 ms under one running flow, within one process, which
// is the only quiet comparison. It is a benchmark of package tunnel, which alone can reach them.
func (b *bench) toggle() error {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return errors.New("meter toggle: no source to run")
	}
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkMeterToggle$", "-benchtime",
		strconv.Itoa(b.toggles)+"x", ".")
	cmd.Dir = filepath.Dir(filepath.Dir(file))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("meter toggle: %w: %s", err, out)
	}
	for _, f := range []struct{ unit, name string }{
		{"throughput-ratio", "throughput on by off"}, {"cpu-ratio", "cpu on by off"},
	} {
		m := regexp.MustCompile(`([0-9.]+) ` + f.unit).FindSubmatch(out)
		if m == nil {
			return fmt.Errorf("meter toggle: no %s in %q", f.unit, out)
		}
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return err
		}
		b.fixed = append(b.fixed, row{
			Name: "meter and gate: " + f.name, Value: v, Unit: "ratio", Baseline: 1, Ratio: v, Min: v, Max: v, Runs: b.toggles,
		})
	}
	return nil
}
