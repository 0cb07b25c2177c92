package choose

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/registry"
	"byway/registry/directory"
)

var start = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func openTestBook(t testing.TB, path string) *Book {
	t.Helper()
	b, err := OpenBook(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func address(i int) (a common.Address) {
	binary.BigEndian.PutUint64(a[12:], uint64(i+1))
	return a
}

func listing(i int, price uint64, down uint64) directory.Listing {
	return directory.Listing{SignedOffer: registry.SignedOffer{Offer: registry.Offer{
		Provider: address(i), PricePerGiB: contracts.NewAmount(price), Capacity: registry.Capacity{Down: down},
		Services: []string{registry.ServiceExit}, Transports: []string{registry.TransportWireGuard},
	}}}
}

// world is a market with a hidden truth: 200 providers whose quality drifts, a third of them liars.
type world struct {
	rng   *rand.Rand
	rate  []float64 // bit/s that a session really gets
	rtt   []float64 // seconds
	fails []float64 // probability that a session fails
	price []float64 // per GiB, the scale is 2,000,000
	ls    []directory.Listing
}

const providers, sessions, priceScale = 200, 1000, 2_000_000

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7))}
	for i := range providers {
		liar := w.rng.Float64() < 0.33
		rate := math.Exp(w.rng.NormFloat64()*1.1) * 40e6
		rtt, fails := 0.02+w.rng.ExpFloat64()*0.08, w.rng.Float64()*0.15
		// The better lines cost more, loosely.
		price := priceScale * min(max(0.25+0.25*rate/(rate+50e6)+0.15*w.rng.NormFloat64(), 0.05), 1)
		down := rate * (0.8 + 0.4*w.rng.Float64())
		if liar { // sells little for cheap, and claims the world
			rate, fails = rate*0.1, 0.1+0.5*w.rng.Float64()
			down, price = 1e9*w.rng.Float64(), price*0.6
		}
		w.rate, w.rtt = append(w.rate, rate), append(w.rtt, rtt)
		w.fails, w.price = append(w.fails, fails), append(w.price, price)
		w.ls = append(w.ls, listing(i, uint64(price), uint64(down)))
	}
	return w
}

// drift moves every line's rate a little, in its logarithm.
func (w *world) drift() {
	for i := range w.rate {
		w.rate[i] *= math.Exp(0.03 * w.rng.NormFloat64())
	}
}

// worth is the expected value of a session, price included: what an oracle knows.
func (w *world) worth(i int) float64 {
	o := Observation{Rate: w.rate[i], RTT: time.Duration(w.rtt[i] * 1e9), SetUp: time.Duration(w.rtt[i] * 4e9), Length: time.Minute}
	return (1-w.fails[i])*o.Reward() - priceWeight*w.price[i]/priceScale
}

func (w *world) session(i int, at time.Time, noise *rand.Rand) Observation {
	shake := func() float64 { return math.Exp(0.25 * noise.NormFloat64()) }
	return Observation{
		Provider: address(i), At: at, Failed: noise.Float64() < w.fails[i], Rate: w.rate[i] * shake(),
		RTT: time.Duration(w.rtt[i] * shake() * 1e9), SetUp: time.Duration(w.rtt[i] * 4 * shake() * 1e9), Length: time.Minute,
	}
}

// simulate returns the mean regret of each policy against the oracle. All face the same truth, step by step.
func simulate(t testing.TB, seed uint64) map[string]float64 {
	t.Helper()
	w := newWorld(seed)
	dice, noise := rand.New(rand.NewPCG(seed, 11)), rand.New(rand.NewPCG(seed, 13)) // neither is the world's
	book, err := LoadBook("")                                                       // the disk would only slow it down
	if err != nil {
		t.Fatal(err)
	}
	now := start
	cheapest, advertised := 0, 0
	for i := range providers {
		if w.price[i] < w.price[cheapest] {
			cheapest = i
		}
		if w.ls[i].Offer.Capacity.Down > w.ls[advertised].Offer.Capacity.Down {
			advertised = i
		}
	}
	regret := map[string]float64{}
	for range sessions {
		best := math.Inf(-1)
		for i := range providers {
			best = max(best, w.worth(i))
		}
		r, err := book.Choose(w.ls, Config{
			PriceScale: contracts.NewAmount(priceScale), Rand: dice, Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		own := int(binary.BigEndian.Uint64(r.Offer.Provider[12:])) - 1
		if err := book.Observe(t.Context(), w.session(own, now, noise)); err != nil {
			t.Fatal(err)
		}
		for policy, pick := range map[string]int{
			"byway": own, "cheapest": cheapest, "random": dice.IntN(providers), "advertised": advertised,
		} {
			regret[policy] += (best - w.worth(pick)) / sessions
		}
		w.drift()
		now = now.Add(20 * time.Minute)
	}
	return regret
}

func TestChoiceRegretsFarLessThanTheOtherPolicies(t *testing.T) {
	t.Parallel()
	// In a single world a policy that never looks may be lucky with its one pick: the promise is about the mean.
	const worlds = 6
	mean := map[string]float64{}
	for seed := range worlds {
		got := simulate(t, uint64(seed))
		for policy, r := range got {
			mean[policy] += r / worlds
		}
		t.Logf("world %d: %v", seed, got)
	}
	for policy, r := range mean {
		if policy != "byway" && mean["byway"] > r/2 {
			t.Errorf("mean regret %.3f, %s has %.3f", mean["byway"], policy, r)
		}
	}
	t.Logf("mean regret of %d sessions among %d providers: %.3f; cheapest first %.3f, random %.3f, best advertised %.3f",
		sessions, providers, mean["byway"], mean["cheapest"], mean["random"], mean["advertised"])
}

// BenchmarkRegret publishes the mean regret of this policy and of three others against an oracle, over several worlds.
// With BYWAY_BENCH_JSON it adds its rows (byway.bench/1) to that file.
func BenchmarkRegret(b *testing.B) {
	const worlds = 6
	regret := map[string][]float64{}
	for b.Loop() {
		clear(regret)
		for seed := range worlds {
			for policy, r := range simulate(b, uint64(seed)) {
				regret[policy] = append(regret[policy], r)
			}
		}
	}
	mean := map[string]float64{}
	for policy, rs := range regret {
		for _, r := range rs {
			mean[policy] += r / worlds
		}
		b.ReportMetric(mean[policy], "regret-"+policy)
	}
	path := os.Getenv("BYWAY_BENCH_JSON")
	if path == "" {
		return
	}
	type row struct {
		Name     string   `json:"name"`
		Value    float64  `json:"value"`
		Unit     string   `json:"unit"`
		Baseline *float64 `json:"baseline"` // the best of the other policies
		Ratio    *float64 `json:"ratio"`
		Min      float64  `json:"min"`
		Max      float64  `json:"max"`
		Runs     int      `json:"runs"`
	}
	doc := struct {
		Schema string `json:"schema"`
		Rows   []row  `json:"rows"`
	}{Schema: "byway.bench/1"}
	if old, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(old, &doc); err != nil {
			b.Fatalf("%s: %v", path, err)
		}
	}
	doc.Rows = slices.DeleteFunc(doc.Rows, func(r row) bool { return strings.HasPrefix(r.Name, "choice/") })
	rival := min(mean["cheapest"], mean["random"], mean["advertised"])
	for _, policy := range []string{"byway", "cheapest", "random", "advertised"} {
		ratio := mean[policy] / rival
		doc.Rows = append(doc.Rows, row{
			"choice/regret/" + policy, mean[policy], "reward", &rival, &ratio,
			slices.Min(regret[policy]), slices.Max(regret[policy]), worlds,
		})
	}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		b.Fatal(err)
	}
}

func TestLiarIsNotChosenAgainEvenAfterARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "book.db")
	b, err := OpenBook(path)
	if err != nil {
		t.Fatal(err)
	}
	ls := []directory.Listing{listing(0, 1, 0), listing(1, 1_000_000, 0)}
	if err := b.Observe(t.Context(), Observation{Provider: address(0), At: start, Lied: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	read, err := LoadBook(path)
	if err != nil {
		t.Fatal(err)
	}
	if o := read.Opinion(address(0)); !o.Liar || !o.Last.Equal(start) {
		t.Errorf("a reader of the book sees %+v", o)
	}
	b = openTestBook(t, path)
	for range 50 {
		r, err := b.Choose(ls, Config{})
		if err != nil || r.Offer.Provider != address(1) {
			t.Fatalf("chose %s, %v", r.Offer.Provider, err)
		}
	}
	var liars *LiarError
	if _, err := b.Choose(ls[:1], Config{}); !errors.As(err, &liars) || liars.Liars != 1 {
		t.Errorf("only a liar left: %v", err)
	}
	if err := b.Forget(t.Context(), address(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Choose(ls[:1], Config{}); err != nil {
		t.Errorf("after forgetting: %v", err)
	}
	var none *directory.NoOfferError
	if _, err := b.Choose(ls, Config{Criteria: directory.Criteria{Country: "NL"}}); !errors.As(err, &none) {
		t.Errorf("nothing fits: %v", err)
	}
}

func TestScoreIsTheSumOfItsTerms(t *testing.T) {
	t.Parallel()
	b := openTestBook(t, filepath.Join(t.TempDir(), "book.db"))
	good := Observation{Provider: address(0), At: start, Rate: 100e6, RTT: 30 * time.Millisecond, SetUp: 100 * time.Millisecond, Length: time.Minute}
	for range 20 {
		if err := b.Observe(t.Context(), good); err != nil {
			t.Fatal(err)
		}
	}
	ls := []directory.Listing{listing(0, 100, 0), listing(1, 100, 0), listing(2, 100, 0)}
	settled := map[common.Address]contracts.Amount{address(1): contracts.MaxAmount()}
	now := func() time.Time { return start }
	ranked, err := b.Rank(ls, Config{Settled: settled, EvidenceScale: contracts.NewAmount(1000), Now: now})
	if err != nil || len(ranked) != 3 {
		t.Fatal(ranked, err)
	}
	for _, r := range ranked {
		if math.Abs(r.Score-(r.Draw+r.Evidence-r.Price)) > 1e-12 {
			t.Errorf("score %f of %+v", r.Score, r)
		}
		if r.Evidence > evidenceWeight {
			t.Errorf("settlements count for %f", r.Evidence)
		}
		if !strings.Contains(r.Explain(), fmt.Sprintf("score %+.3f", r.Score)) {
			t.Errorf("explains %q", r.Explain())
		}
		if r.Offer.Provider == address(0) {
			if r.Sessions < 10 || math.Abs(r.Mean-good.Reward()) > 0.02 || r.Deviation > 0.05 {
				t.Errorf("after twenty equal sessions: %+v, reward %f", r, good.Reward())
			}
		}
	}
}

func TestKnowledgeFades(t *testing.T) {
	t.Parallel()
	var b belief
	for range 10 {
		b = b.learn(Observation{At: start, Rate: 1e9, Length: time.Minute})
	}
	_, fresh := b.normal(0.4)
	mean, old := b.at(start.Add(365 * 24 * time.Hour)).normal(0.4)
	if old <= fresh*3 || math.Abs(mean-0.4) > 0.05 {
		t.Errorf("after a year: %f ± %f, at first ± %f", mean, old, fresh)
	}
}

func FuzzReward(f *testing.F) {
	f.Add(1e6, int64(1), int64(1), int64(1), 3)
	f.Fuzz(func(t *testing.T, rate float64, rtt, setUp, length int64, stalls int) {
		o := Observation{Rate: rate, RTT: time.Duration(rtt), SetUp: time.Duration(setUp), Length: time.Duration(length), Stalls: stalls}
		if r := o.Reward(); !(r >= 0 && r <= 1) {
			t.Fatalf("%+v is worth %f", o, r)
		}
	})
}
