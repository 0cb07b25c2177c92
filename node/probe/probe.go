// Package probe owns the look through an exit: what the network's targets answer there, held against the known answers,
// against this machine's own addresses and against other exits. It opens no session and drops no provider: package path
// does both.
package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"byway/contracts/text"
	"byway/node/home"
)

const (
	probeTimeout = 20 * time.Second // for all of a probe
	probeStep    = 5 * time.Second  // for one of its steps
	maxEcho      = 128              // bytes of an answer that are read: an address has 45
)

// Exit lets a probe look through a session; *tunnel.Client is one.
type Exit interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Resolve(ctx context.Context, host string) ([]netip.Addr, error)
}

// Lies that a probe can find.
const (
	LieForward = "does not forward"
	LieAddress = "shows an address that is not its own"
	LieNames   = "rewrites names"
	LieTLS     = "intercepts TLS"
)

// LieError says what an exit was caught at.
type LieError struct {
	Lie    string // one of the lies above
	Detail string
}

// Error implements error.
func (e *LieError) Error() string { return fmt.Sprintf("the exit %s: %s", e.Lie, text.Line(e.Detail)) }

// Findings record what a probe saw through an exit.
type Findings struct {
	Outside []netip.Addr      // its addresses as others see them
	Pins    map[string]string // of the servers in ProbeTargets.TLS
	// Names has the answers for those of ProbeTargets.Names that have no known one.
	Names map[string][]netip.Addr
	// RTT is the time to open a TCP connection through the exit, the least that was seen; zero: none was opened.
	RTT time.Duration
}

// Probe looks through an exit and holds what it sees against the targets. Own are addresses that the exit must not
// show: ours and those of other hops. A lie is a [*LieError]; another error means that nothing could be found out, for
// instance because every target is down, and is no verdict.
func Probe(ctx context.Context, exit Exit, t home.ProbeTargets, own []netip.Addr) (Findings, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	p := prober{exit: exit, found: Findings{Pins: map[string]string{}, Names: map[string][]netip.Addr{}}}
	var failures []error
	for _, step := range []func() error{
		func() error { return p.names(ctx, t) },
		func() error { return p.echo(ctx, t, own) },
		func() error { return p.tls(ctx, t) },
	} {
		err := step()
		if lie := (*LieError)(nil); errors.As(err, &lie) {
			return p.found, err
		}
		if err != nil {
			failures = append(failures, err)
		}
	}
	if p.answers == 0 && !t.Empty() {
		if p.asked >= 2 && ctx.Err() == nil {
			// One target may be down; that all of them are, of different kinds, is the exit.
			return p.found, &LieError{LieForward, fmt.Sprintf("none of %d targets answers through it", p.asked)}
		}
		return p.found, fmt.Errorf("probe of the exit: %w", errors.Join(failures...))
	}
	return p.found, nil
}

type prober struct {
	exit    Exit
	found   Findings
	asked   int
	answers int
}

// dial opens a connection through the exit and keeps the shortest time that it took.
func (p *prober) dial(ctx context.Context, network, address string) (net.Conn, error) {
	began := time.Now()
	conn, err := p.exit.DialContext(ctx, network, address)
	if took := time.Since(began); err == nil && (p.found.RTT == 0 || took < p.found.RTT) {
		p.found.RTT = took
	}
	return conn, err
}

// names resolves what has a known answer, and a name that cannot exist (RFC 6761): an exit that answers that one answers
// anything.
func (p *prober) names(ctx context.Context, t home.ProbeTargets) error {
	if t.Empty() {
		return nil
	}
	resolve := func(name string) ([]netip.Addr, error) {
		ctx, cancel := context.WithTimeout(ctx, probeStep)
		defer cancel()
		return p.exit.Resolve(ctx, name)
	}
	nowhere := strings.ToLower(rand.Text()) + ".invalid"
	if got, err := resolve(nowhere); err == nil && len(got) > 0 {
		return &LieError{LieNames, fmt.Sprintf("%s does not exist, and it answers %s", nowhere, got[0])}
	}
	var failures []error
	for name, want := range t.Names {
		p.asked++
		got, err := resolve(name)
		if err != nil || len(got) == 0 {
			failures = append(failures, fmt.Errorf("resolve %s: %w", name, errors.Join(err, errors.New("no answer"))))
			continue
		}
		p.answers++
		if len(want) == 0 {
			p.found.Names[name] = got
			continue
		}
		for _, a := range got {
			if !slices.Contains(want, a.Unmap()) {
				return &LieError{LieNames, fmt.Sprintf("%s is answered with %s", name, a)}
			}
		}
	}
	return errors.Join(failures...)
}

// echo asks others which address the exit's traffic comes from.
func (p *prober) echo(ctx context.Context, t home.ProbeTargets, own []netip.Addr) error {
	transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: probeStep}
	var failures []error
	for _, url := range t.Echo {
		p.asked++
		seen, err := askEcho(ctx, client, url)
		if err != nil {
			failures = append(failures, fmt.Errorf("ask %s: %w", url, err))
			continue
		}
		p.answers++
		if slices.Contains(own, seen) {
			return &LieError{LieAddress, fmt.Sprintf("traffic through it comes from %s, which is ours or another hop's", seen)}
		}
		if !slices.Contains(p.found.Outside, seen) {
			p.found.Outside = append(p.found.Outside, seen)
		}
	}
	return errors.Join(failures...)
}

func askEcho(ctx context.Context, client *http.Client, url string) (netip.Addr, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return netip.Addr{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return netip.Addr{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxEcho))
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := netip.ParseAddr(string(bytes.TrimSpace(body)))
	return a.Unmap(), err
}

// tls looks at the key that each server shows through the exit. The pin stands for trust, so that a wrong clock or an
// odd authority does not make a liar of an honest exit.
func (p *prober) tls(ctx context.Context, t home.ProbeTargets) error {
	var failures []error
	for address, want := range t.TLS {
		p.asked++
		pin, err := p.pin(ctx, address)
		if err != nil {
			failures = append(failures, fmt.Errorf("TLS to %s: %w", address, err))
			continue
		}
		p.answers++
		if want != "" && pin != want {
			return &LieError{LieTLS, fmt.Sprintf("%s shows the key %s, not %s", address, pin, want)}
		}
		p.found.Pins[address] = pin
	}
	return errors.Join(failures...)
}

func (p *prober) pin(ctx context.Context, address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, probeStep)
	defer cancel()
	raw, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{
		ServerName: host, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // nothing is said over it: its key is compared with a pin
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", err
	}
	sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// Against holds two exits' findings against each other: where the right answer is not known, one of two that see different
// keys at the same server, or no common address for the same name, lies, and it takes a third to tell which. It returns
// the servers and names that they see differently.
func (f Findings) Against(other Findings) []string {
	var differ []string
	for address, pin := range f.Pins {
		if theirs, ok := other.Pins[address]; ok && theirs != pin {
			differ = append(differ, address)
		}
	}
	for name, addrs := range f.Names {
		theirs := other.Names[name]
		common := func(a netip.Addr) bool { return slices.Contains(theirs, a) }
		if len(theirs) > 0 && len(addrs) > 0 && !slices.ContainsFunc(addrs, common) {
			differ = append(differ, name)
		}
	}
	slices.Sort(differ)
	return differ
}
