package gas

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts"
)

// Payment by lot, as a prototype: what it costs and what it risks, against claims. See the README. Nothing of it is part of
// the product, and it is measured only when asked for.
var withTickets = flag.Bool("tickets", false, "measure the prototype of payment by lot")

// The figures are of tickets that are worth a megabyte each on average, and win once in a hundred times where nothing else
// is said. Amounts are in units of [unit].
const (
	oneIn     = 100
	perPayee  = 100        // tickets that a payee holds and has not shown
	forever   = 1<<39 - 1  // validUntil
	faceUnits = 1          // what a winner is paid
	rounds    = 200_000    // of a simulation of an escrow
	lives     = 20_000     // of a simulation of a payee
	seed      = 0x7469636b // of both
)

func onlyWhenAskedFor(t *testing.T) {
	t.Helper()
	if !*withTickets {
		t.Skip("a prototype, for figures alone: make -C contracts tickets")
	}
}

// lottery is a market with the prototype on it.
type lottery struct {
	*market
	at      common.Address
	abi     abi.ABI
	odds    uint64
	domain  []byte
	nonces  map[int]uint64 // the last one of each payer
	secrets uint64
}

func newLottery(t *testing.T) *lottery {
	t.Helper()
	l := &lottery{market: newMarket(t, startAnvil(t)), odds: math.MaxUint64 / oneIn, nonces: map[int]uint64{}}
	var artifact struct {
		ABI      json.RawMessage
		Bytecode hexutil.Bytes
	}
	b, err := os.ReadFile("testdata/Tickets.json")
	if err == nil {
		err = json.Unmarshal(b, &artifact)
	}
	if err == nil {
		err = json.Unmarshal(artifact.ABI, &l.abi)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.at = l.create(artifact.Bytecode)
	l.domain = separator("Byway Tickets", l.at)
	l.send(operator, l.token, l.erc20.PackApprove(l.at, new(big.Int).Lsh(big.NewInt(1), 255)))
	return l
}

func (l *lottery) pack(method string, args ...any) []byte {
	l.t.Helper()
	data, err := l.abi.Pack(method, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return data
}

// fund gives the escrows of payers from one number to another so many units each.
func (l *lottery) fund(from, to int, balance, penalty int64) {
	l.t.Helper()
	for n := from; n <= to; n++ {
		l.pending = append(l.pending, l.broadcast(operator, &l.at, l.pack("deposit", l.token, derived("payer", n).Address(),
			sessionKey(n).Address(), amount(balance), amount(penalty))))
		if n%50 == 0 || n == to {
			l.settle()
		}
	}
}

// ticket is a row of the nth payer's next ticket, a winning one or a losing one.
func (l *lottery) ticket(n int, signer contracts.Key, units int64, until uint64, wins bool) []byte {
	return l.ticketTo(payee.Address(), n, signer, units, until, wins)
}

func (l *lottery) ticketTo(to common.Address, n int, signer contracts.Key, units int64, until uint64, wins bool) []byte {
	l.nonces[n]++
	from := derived("payer", n).Address()
	typehash := crypto.Keccak256([]byte("Ticket(address payer,address payee,address token,uint96 face,uint64 odds,uint64 nonce," +
		"bytes32 commit,uint40 validUntil)"))
	number := func(v uint64) []byte { return num(new(big.Int).SetUint64(v)) }
	for {
		l.secrets++
		secret := crypto.Keccak256(number(l.secrets))
		digest := crypto.Keccak256([]byte{0x19, 1}, l.domain, crypto.Keccak256(typehash, word(from[:]), word(to[:]),
			word(l.token[:]), num(amount(units)), number(l.odds), number(l.nonces[n]), crypto.Keccak256(secret), number(until)))
		lot := binary.BigEndian.Uint64(crypto.Keccak256(secret, digest)[24:])
		if lot < l.odds != wins {
			continue
		}
		row := append(from.Bytes(), num(amount(units))[20:]...)
		row = append(row, secret...)
		row = binary.BigEndian.AppendUint64(row, l.nonces[n])
		row = binary.BigEndian.AppendUint64(row, l.odds)
		row = append(row, number(until)[27:]...)
		return append(row, compact(signer, common.Hash(digest))...)
	}
}

// winners are rows of one winning ticket each of payers from one number on.
func (l *lottery) winners(from, count int) (rows []byte) {
	for n := from; n < from+count; n++ {
		rows = append(rows, l.ticket(n, sessionKey(n), faceUnits, forever, true)...)
	}
	return rows
}

// redeem redeems rows, makes sure that they pay so many units, and returns the receipt's gas.
func (l *lottery) redeem(method string, rows []byte, units int64) uint64 {
	l.t.Helper()
	before := l.holds(payee.Address())
	gas := l.send(operator, l.at, l.pack(method, l.token, payee.Address(), rows))
	if got := new(big.Int).Sub(l.holds(payee.Address()), before); got.Cmp(amount(units)) != 0 {
		l.t.Fatalf("%s pays %s, want %s", method, got, amount(units))
	}
	return gas
}

func (l *lottery) holds(account common.Address) *big.Int {
	l.t.Helper()
	out, err := l.call(l.token, l.erc20.PackBalanceOf(account))
	if err != nil {
		l.t.Fatal(err)
	}
	return new(big.Int).SetBytes(out)
}

func (l *lottery) call(to common.Address, data []byte) (out hexutil.Bytes, err error) {
	err = l.rpc.CallContext(l.t.Context(), &out, "eth_call", map[string]any{"to": to, "data": hexutil.Bytes(data)}, "latest")
	return out, err
}

func (l *lottery) escrow(n int) (balance, penalty *big.Int) {
	l.t.Helper()
	out, err := l.call(l.at, l.pack("escrowOf", l.token, derived("payer", n).Address(), sessionKey(n).Address()))
	if err != nil {
		l.t.Fatal(err)
	}
	return new(big.Int).SetBytes(out[:32]), new(big.Int).SetBytes(out[32:64])
}

func TestTicketsAreMeasured(t *testing.T) {
	onlyWhenAskedFor(t)
	l := newLottery(t)
	const (
		redeem, inOrder = "redeem", "redeemInOrder"
		most            = 500
	)
	l.fund(1, most, 1_000, 10)

	// Rows that are worth nothing are skipped.
	good := l.winners(1, 1)
	rows := append([]byte{}, good...)
	rows = append(rows, good...)                                                       // the same again
	rows = append(rows, l.ticket(2, sessionKey(2), faceUnits, forever, false)...)      // loses
	rows = append(rows, l.ticket(2, sessionKey(3), faceUnits, forever, true)...)       // another signer: an empty escrow
	rows = append(rows, l.ticket(2, sessionKey(2), faceUnits, 1_700_000_000, true)...) // too late
	for _, method := range []string{redeem, inOrder} {
		l.redeem(method, rows, faceUnits)
		l.redeem(method, rows, 0)
	}
	// A payer that promises more than it has: what is there is paid, and the penalty is burnt.
	cheat := func(n int, balance, penalty int64) {
		t.Helper()
		if b, p := l.escrow(n); b.Cmp(amount(balance)) != 0 || p.Cmp(amount(penalty)) != 0 {
			t.Errorf("payer %d has %s and a penalty of %s, want %d and %d units", n, b, p, balance, penalty)
		}
	}
	l.fund(most+1, most+2, 3, 10)
	l.redeem(redeem, l.ticket(most+1, sessionKey(most+1), 5, forever, true), 3)
	cheat(most+1, 0, 0)
	// One that wins a ticket of its own needs no exit to take its balance back: only the penalty is left for others.
	won := l.ticket(most+2, sessionKey(most+2), 5, forever, true)
	self := derived("payer", most+2).Address()
	l.send(operator, l.at, l.pack(redeem, l.token, self, l.ticketTo(self, most+2, sessionKey(most+2), 3, forever, true)))
	cheat(most+2, 0, 10)
	l.redeem(redeem, won, 0)
	cheat(most+2, 0, 0)

	type line struct {
		name string
		gas  map[int]uint64
	}
	var lines []line
	counts := []int{1, 10, 100, 500}
	measured := func(name, method string, counts []int, first func(count int) int) map[int]uint64 {
		gas := map[int]uint64{}
		for _, count := range counts {
			gas[count] = l.redeem(method, l.winners(first(count), count), int64(count*faceUnits)) / uint64(count)
		}
		lines = append(lines, line{name, gas})
		return gas
	}
	again := func(int) int { return 1 }
	// Payers 1 to 500 in order: no number comes twice before all of them have a mark.
	next := 1
	fresh := func(count int) int { next += count; return next - count }
	nextWord := func(to int) { // of marks: nonces of the next 256
		for n := 1; n <= to; n++ {
			l.nonces[n] = (l.nonces[n]>>8 + 1) << 8
		}
		next = 1
	}
	nextWord(most)
	bitFirst := measured("a bit each, the first of 256 nonces", redeem, []int{1, 10, 100}, fresh)
	l.redeem(redeem, l.winners(next, most-next+1), int64(most-next+1))
	bitAgain := measured("a bit each, another of these", redeem, counts, again)
	next = 2 // 1 has a mark from above
	orderFirst := measured("in order, the first of a pair", inOrder, []int{1, 10, 100}, fresh)
	l.redeem(inOrder, l.winners(next, most-next+1), int64(most-next+1))
	order := measured("in order", inOrder, counts, again)
	var ofOne []byte
	for range 100 {
		ofOne = append(ofOne, l.winners(1, 1)...)
	}
	lines = append(lines, line{"in order, all of one payer", map[int]uint64{100: l.redeem(inOrder, ofOne, 100) / 100}})
	nextWord(most)
	limit := uint64(1) << 24
	if est := bitFirst[100] * 500; est > limit {
		t.Logf("500 first bits would take about %s gas, more than a transaction may (%s)", thousands(est), thousands(limit))
	} else {
		lines[0].gas[500] = l.redeem(redeem, l.winners(1, 500), 500) / 500
	}

	// Claims of the same payers out of their free balance; with a reserve a row is 10,874.
	for n := 1; n <= 100; n++ {
		l.pending = append(l.pending, l.broadcast(operator, &l.d.Channels,
			l.c.PackDeposit(l.token, derived("payer", n).Address(), sessionKey(n).Address(), amount(100))))
	}
	l.settle()
	claim := func(total int64) uint64 {
		var rows []byte
		for n := 1; n <= 100; n++ {
			rows = append(rows, l.promise(l.token, derived("payer", n).Address(), sessionKey(n), amount(total))...)
		}
		return l.send(operator, l.d.Channels, l.c.PackClaim(l.token, payee.Address(), rows)) / 100
	}
	freeFirst, free := claim(10), claim(20)
	lines = append(lines, line{"claim without a reserve, the first of a pair", map[int]uint64{100: freeFirst}},
		line{"claim without a reserve", map[int]uint64{100: free}})
	l.send(operator, l.d.Channels, l.c.PackReserveSigned(l.token, payee.Address(), func() (rows []byte) {
		for n := 1; n <= 100; n++ {
			rows = append(rows, l.reserve(l.token, derived("payer", n).Address(), sessionKey(n), amount(90))...)
		}
		return rows
	}()))
	claimed := claim(30)
	lines = append(lines, line{"claim out of a reserve", map[int]uint64{100: claimed}})

	fmt.Println("| Gas a row | 1 | 10 | 100 | 500 |\n|---|--:|--:|--:|--:|")
	for _, line := range lines {
		fmt.Printf("| %s |", line.name)
		for _, count := range counts {
			if gas := line.gas[count]; gas != 0 {
				fmt.Printf(" %s", thousands(gas))
			}
			fmt.Print(" |")
		}
		fmt.Println()
	}

	fmt.Println("\n| Wins once in | Gas a MB, in order | … a bit each | A claim costs no more if made each | Spread over 1,000 MB | " +
		"… 10,000 MB | Chance of nothing for 1,000 MB |\n|--:|--:|--:|--:|--:|--:|--:|")
	for _, n := range []float64{1, 10, 100, 1_000, 10_000} {
		p := 1 / n
		// Of 256 nonces that follow one another the first winner has to pay for the word.
		share := (1 - math.Pow(1-p, 256)) / (256 * p)
		bits := p * (share*float64(bitFirst[100]) + (1-share)*float64(bitAgain[100]))
		fmt.Printf("| %.0f | %.1f | %.1f | %.1f MB | %.1f %% | %.1f %% | %.1f %% |\n", n, p*float64(order[100]), bits,
			float64(claimed)/(p*float64(order[100])), 100*spread(p, 1_000), 100*spread(p, 10_000), 100*math.Pow(1-p, 1_000))
	}
	// The first winner of a pair pays for its mark, the first claim for the channel's word, and a reserve is signed before.
	cost := func(w float64) float64 {
		return w*float64(order[100]) + (1-math.Exp(-w))*float64(orderFirst[100]-order[100])
	}
	fmt.Println("\n| Winners in a channel's life | Spread | Gas of tickets | As much as claims without a reserve | … with one |\n" +
		"|--:|--:|--:|--:|--:|")
	for _, w := range []float64{0.1, 1, 10, 100, 1_000} {
		without := (cost(w) - float64(freeFirst-free)) / float64(free)
		with := (cost(w) - reserved) / float64(claimed)
		fmt.Printf("| %g | %.0f %% | %s | %.1f | %.1f |\n", w, 100*spread(1./oneIn, w*oneIn), thousands(uint64(cost(w))),
			max(without, 0), max(with, 0))
	}
	below := func(gas uint64) float64 {
		return float64(least(func(k int) bool { return cost(float64(k)/100) > float64(gas) })) / 100
	}
	fmt.Printf("\nA channel that is claimed once costs more than tickets where its life has fewer winners than %.2f, with a "+
		"reserve %.2f.\n", below(freeFirst), below(reserved+claimed))
}

// reserved is the gas of a pair's first signed reserve in a batch of ten: see the snapshot.
const reserved = 38_899

// spread is the relative standard deviation of what n tickets pay that win with probability p.
func spread(p, n float64) float64 { return math.Sqrt((1 - p) / (p * n)) }

// binomial draws how many of n tickets win.
func binomial(r *rand.Rand, n int, p float64) (wins int) {
	// From one winner to the next it is a geometric number of tickets.
	for at := 0; ; wins++ {
		at += 1 + int(math.Log(1-r.Float64())/math.Log1p(-p))
		if at > n {
			return wins
		}
	}
}

func TestTicketsSpreadAsTheFormulaSays(t *testing.T) {
	onlyWhenAskedFor(t)
	r := rand.New(rand.NewPCG(seed, 1))
	fmt.Println("| Wins once in | Tickets | Spread by formula | Simulated | Nothing at all by formula | Simulated | Below half |")
	fmt.Println("|--:|--:|--:|--:|--:|--:|--:|")
	for _, c := range []struct {
		n     int
		oneIn float64
	}{{100, 100}, {1_000, 100}, {10_000, 100}, {100_000, 100}, {10_000, 1_000}, {10_000, 10}} {
		p := 1 / c.oneIn
		var sum, squares float64
		var none, half int
		for range lives {
			x := float64(binomial(r, c.n, p)) / (p * float64(c.n))
			sum, squares = sum+x, squares+x*x
			if x == 0 {
				none++
			}
			if x < 0.5 {
				half++
			}
		}
		mean := sum / lives
		got, want := math.Sqrt(squares/lives-mean*mean), spread(p, float64(c.n))
		if math.Abs(got/want-1) > 0.03 || math.Abs(mean-1) > 4*want/math.Sqrt(lives) {
			t.Errorf("%d tickets that win once in %g: mean %g, spread %g; want 1 and %g", c.n, c.oneIn, mean, got, want)
		}
		fmt.Printf("| %g | %d | %.2f %% | %.2f %% | %.3f %% | %.3f %% | %.2f %% |\n", c.oneIn, c.n, 100*want, 100*got,
			100*math.Pow(1-p, float64(c.n)), 100*float64(none)/lives, 100*float64(half)/lives)
	}
}

// tail is the probability that more than k of n tickets win, exactly.
func tail(n, k int, p float64) (sum float64) {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	for w := k + 1; w <= n; w++ {
		term := math.Exp(lg(n) - lg(w) - lg(n-w) + float64(w)*math.Log(p) + float64(n-w)*math.Log1p(-p))
		sum += term
		if term < 1e-18 && float64(w) > p*float64(n) {
			break
		}
	}
	return sum
}

// chernoff bounds the tail where winners are lambda on average: no more than k of them.
func chernoff(lambda float64, k int) float64 {
	x := float64(k + 1)
	if x <= lambda {
		return 1
	}
	return math.Exp(x - lambda - x*math.Log(x/lambda))
}

func least(ok func(k int) bool) (k int) {
	for !ok(k) {
		k++
	}
	return k
}

func TestTicketsEscrowThatSuffices(t *testing.T) {
	onlyWhenAskedFor(t)
	r := rand.New(rand.NewPCG(seed, 2))
	const p = 1. / oneIn
	fmt.Println("| Payees | Winners expected | Faces for 1 in 1,000 | Exact | Simulated | Faces for 1 in 1,000,000 | … by the bound | " +
		"Escrow for each unit owed | To be sure |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, payees := range []int{1, 3, 10, 30, 100, 1_000} {
		n := payees * perPayee
		lambda := p * float64(n)
		k3 := least(func(k int) bool { return tail(n, k, p) <= 1e-3 })
		k6 := least(func(k int) bool { return tail(n, k, p) <= 1e-6 })
		bound := least(func(k int) bool { return chernoff(lambda, k) <= 1e-6 })
		if bound < k6 {
			t.Errorf("%d payees: the bound says %d faces, and %d are needed", payees, bound, k6)
		}
		over := 0
		times := rounds
		if payees > 100 {
			times = rounds / 10
		}
		for range times {
			winners := 0
			for range payees {
				winners += binomial(r, perPayee, p)
			}
			if winners > k3 {
				over++
			}
		}
		exact, simulated := tail(n, k3, p), float64(over)/float64(times)
		if sd := math.Sqrt(exact / float64(times)); math.Abs(simulated-exact) > 4*sd {
			t.Errorf("%d payees: more than %d winners come with probability %g, simulated %g", payees, k3, exact, simulated)
		}
		fmt.Printf("| %d | %g | %d | %.5f | %.5f | %d | %d | %.1f | %d |\n", payees, lambda, k3, exact, simulated, k6, bound,
			float64(k6)/lambda, n)
	}
	// The same escrow, promised to more payees than it was made for: nobody of them can see it.
	k := least(func(k int) bool { return tail(10*perPayee, k, p) <= 1e-6 })
	fmt.Printf("\n| Payees of an escrow of %d faces, made for 10 | Not enough, exact | Simulated | Unpaid of what was won |\n|--:|--:|--:|--:|\n", k)
	for _, payees := range []int{10, 20, 30, 50, 100} {
		over, won, unpaid := 0, 0, 0
		for range rounds / 10 {
			winners := binomial(r, payees*perPayee, p)
			won += winners
			if winners > k {
				over++
				unpaid += winners - k
			}
		}
		fmt.Printf("| %d | %.6f | %.6f | %.1f %% |\n", payees, tail(payees*perPayee, k, p), float64(over)/(rounds/10),
			100*float64(unpaid)/float64(won))
	}
}
