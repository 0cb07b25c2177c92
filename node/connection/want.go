package connection

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/contracts/disk"
	"byway/node/home"
	"byway/registry/directory"
	"byway/tunnel/route"
	"byway/tunnel/wireguard"
)

// Want is what a user wants of a connection.
type Want struct {
	Criteria directory.Criteria // whom to choose; its time is not kept
	Budgets  Budgets
	// Rotate is after how long another exit is taken; zero: only when asked.
	Rotate    time.Duration
	OneWayUDP bool
	Engine    wireguard.Implementation
	// Proxy is the address that the proxy listens at, and ProxyAuth the file with its password. Who serves the proxy reads
	// them.
	Proxy, ProxyAuth string
	// Machine sends the whole machine through the connection; nil: single programs use the proxy.
	Machine *Machine
}

// Budgets bound what a connection promises, in base units; zero: no such bound. Days and months are those of UTC. One of
// them must be set.
type Budgets struct {
	Session contracts.Amount `json:"session,omitzero"` // from on to off, however many sessions that takes
	Day     contracts.Amount `json:"day,omitzero"`
	Month   contracts.Amount `json:"month,omitzero"`
}

// Machine is what a user may choose of [route.Config].
type Machine struct {
	LAN      bool           `json:"lan,omitempty"`
	Exclude  []netip.Prefix `json:"exclude,omitempty"`
	Include  []netip.Prefix `json:"include,omitempty"`
	Programs bool           `json:"programs,omitempty"`
	Lockdown bool           `json:"lockdown,omitempty"`
	// Interface is the tunnel's name; empty: [route.DefaultInterface].
	Interface string `json:"interface,omitempty"`
}

// Route is the machine as package route is told it.
func (m Machine) Route() route.Config {
	return route.Config{
		Interface: m.Interface, LAN: m.LAN, Exclude: m.Exclude, Include: m.Include, OnlyPrograms: m.Programs,
		Lockdown: m.Lockdown,
	}
}

const (
	wantFile   = "wanted.json"
	wantSchema = "byway.want/1"
	wantMost   = 64 << 10 // bytes of a file

	mostPrefixes, mostFeatures, mostText = 512, 64, 4096
	leastRotate, mostRotate              = time.Minute, 90 * 24 * time.Hour
)

// InvalidError says that a wish can't be one.
type InvalidError struct {
	Field, Reason string
}

// Error implements error.
func (e *InvalidError) Error() string { return fmt.Sprintf("%s %s", e.Field, e.Reason) }

// Check says what is wrong with a wish: an [*InvalidError].
func (w Want) Check() error {
	switch {
	case w.Budgets == (Budgets{}):
		return &InvalidError{"budget", "is not set: say what the connection may cost in all, a day or a month"}
	case w.Rotate != 0 && (w.Rotate < leastRotate || w.Rotate > mostRotate):
		return &InvalidError{"rotate", fmt.Sprintf("must be between %s and %s, it is %s", leastRotate, mostRotate, w.Rotate)}
	case len(w.Criteria.Features) > mostFeatures:
		return &InvalidError{"features", fmt.Sprintf("are %d, more than %d", len(w.Criteria.Features), mostFeatures)}
	case w.Criteria.MinAge < 0:
		return &InvalidError{"min_age", "is negative"}
	}
	texts := append([]string{
		w.Proxy, w.ProxyAuth, w.Criteria.Country, w.Criteria.Service, w.Criteria.Transport,
	}, w.Criteria.Features...)
	if w.Machine != nil {
		if n := len(w.Machine.Exclude) + len(w.Machine.Include); n > mostPrefixes {
			return &InvalidError{"prefixes", fmt.Sprintf("are %d, more than %d", n, mostPrefixes)}
		}
		for _, p := range append(append([]netip.Prefix{}, w.Machine.Exclude...), w.Machine.Include...) {
			if !p.IsValid() {
				return &InvalidError{"prefix", "is none"}
			}
		}
		texts = append(texts, w.Machine.Interface)
	}
	for _, s := range texts {
		if len(s) > mostText {
			return &InvalidError{"text", fmt.Sprintf("of %d bytes is longer than %d", len(s), mostText)}
		}
	}
	if _, err := wireguard.Parse(string(w.Engine)); err != nil {
		return &InvalidError{"engine", err.Error()}
	}
	return nil
}

// record is [wantFile]: the wish, and what has been done of it. On is the user's alone to change.
//
// Drawn and Deposited are written before they are made use of. After a crash some of what was drawn may not have been
// promised, and a deposit may not have been sent: then less is spent than was allowed, never more.
type record struct {
	Schema    string           `json:"schema"`
	On        bool             `json:"on"`
	Since     time.Time        `json:"since,omitzero"` // the user's wish
	Criteria  wantCriteria     `json:"criteria,omitzero"`
	Budgets   Budgets          `json:"budgets,omitzero"`
	Rotate    uint64           `json:"rotate_seconds,omitempty"`
	OneWayUDP bool             `json:"one_way_udp,omitempty"`
	Engine    string           `json:"engine,omitempty"`
	Proxy     string           `json:"proxy,omitempty"`
	ProxyAuth string           `json:"proxy_auth,omitempty"`
	Machine   *Machine         `json:"machine,omitempty"`
	Drawn     contracts.Amount `json:"drawn,omitzero"`     // of the session's budget
	Deposited contracts.Amount `json:"deposited,omitzero"` // since the wish
}

type wantCriteria struct {
	MaxPrice  contracts.Amount `json:"max_price_per_gib,omitzero"`
	Country   string           `json:"country,omitempty"`
	Provider  *common.Address  `json:"provider,omitempty"`
	MinStake  contracts.Amount `json:"min_stake,omitzero"`
	Service   string           `json:"service,omitempty"`
	Transport string           `json:"transport,omitempty"`
	Features  []string         `json:"features,omitempty"`
	P2P       bool             `json:"p2p,omitempty"`
	MinDown   uint64           `json:"min_down,omitempty"`
	MinAge    uint64           `json:"min_age_seconds,omitempty"`
}

func recordOf(w Want, since time.Time) record {
	c := w.Criteria
	return record{
		Schema: wantSchema, On: true, Since: since.UTC(), Budgets: w.Budgets, Rotate: uint64(w.Rotate / time.Second),
		OneWayUDP: w.OneWayUDP, Engine: string(w.Engine), Proxy: w.Proxy, ProxyAuth: w.ProxyAuth, Machine: w.Machine,
		Criteria: wantCriteria{
			MaxPrice: c.MaxPricePerGiB, Country: c.Country, Provider: c.Provider, MinStake: c.MinStake, Service: c.Service,
			Transport: c.Transport, Features: c.Features, P2P: c.P2P, MinDown: c.MinDown, MinAge: uint64(c.MinAge / time.Second),
		},
	}
}

// want is the wish of a record.
func (r record) want() Want {
	c := r.Criteria
	return Want{
		Budgets: r.Budgets, Rotate: seconds(r.Rotate), OneWayUDP: r.OneWayUDP, Engine: wireguard.Implementation(r.Engine),
		Proxy: r.Proxy, ProxyAuth: r.ProxyAuth, Machine: r.Machine,
		Criteria: directory.Criteria{
			MaxPricePerGiB: c.MaxPrice, Country: c.Country, Provider: c.Provider, MinStake: c.MinStake, Service: c.Service,
			Transport: c.Transport, Features: c.Features, P2P: c.P2P, MinDown: c.MinDown, MinAge: seconds(c.MinAge),
		},
	}
}

// seconds is that time, or as long as a time can be.
func seconds(n uint64) time.Duration {
	const most = uint64(1<<63-1) / uint64(time.Second)
	return time.Duration(min(n, most)) * time.Second
}

// decodeRecord reads a record strictly: what is not known in it is an error, since it may have been a bound.
func decodeRecord(content []byte) (record, error) {
	if len(content) > wantMost {
		return record{}, fmt.Errorf("%s is larger than %d bytes", wantFile, wantMost)
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	var r record
	if err := d.Decode(&r); err != nil {
		return record{}, fmt.Errorf("%s: %w", wantFile, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return record{}, fmt.Errorf("%s: something follows its end", wantFile)
	}
	if r.Schema != wantSchema {
		return record{}, fmt.Errorf("%s: its schema is not %s", wantFile, wantSchema)
	}
	if !r.On {
		return r, nil
	}
	if err := r.want().Check(); err != nil {
		return record{}, fmt.Errorf("%s: %w", wantFile, err)
	}
	return r, nil
}

// wish is the record of a home. Each change is on disk before it is known. Safe for concurrent use.
type wish struct {
	path string

	mu sync.Mutex
	record
}

// openWish reads the home's record. One that can't be read is an error: who wanted a connection must not find themselves
// without one, and its bounds, unasked.
func openWish(h home.Home) (*wish, error) {
	w := &wish{path: h.Path(wantFile)}
	info, err := os.Lstat(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what is wanted: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("what is wanted: %s is no file", w.path)
	}
	file, err := os.Open(w.path)
	if err != nil {
		return nil, fmt.Errorf("what is wanted: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, wantMost+1))
	if err != nil {
		return nil, fmt.Errorf("what is wanted: %w", err)
	}
	w.record, err = decodeRecord(content)
	return w, err
}

// now returns the record as it is.
func (w *wish) now() record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.record
}

// change writes a changed record and makes it the known one.
func (w *wish) change(f func(*record)) error {
	return w.try(func(r *record) error { f(r); return nil })
}

// try does so, or nothing where f fails.
func (w *wish) try(f func(*record) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := w.record
	if err := f(&changed); err != nil {
		return err
	}
	changed.Schema = wantSchema
	content, err := json.Marshal(changed)
	if err != nil {
		return fmt.Errorf("what is wanted: %w", err)
	}
	if err := disk.WriteFile(w.path, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("what is wanted: %w", err)
	}
	w.record = changed
	return nil
}
