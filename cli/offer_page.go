package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/text"
	"byway/node/token"
	"byway/registry/directory"
)

const (
	pageRows  = 15                     // offers of the page that is drawn while a listing comes in
	pageEvery = 150 * time.Millisecond // between two drawings of it
)

// page shows the first offers of a listing on a terminal while it comes in: a person sees something at once, and the
// final list takes its place. Elsewhere it shows nothing.
type page struct {
	env
	token  token.Token
	want   directory.Criteria
	order  offerOrder
	top    []directory.Listing
	seen   map[common.Address]struct{}
	drawn  int // lines that stand on the terminal
	redraw time.Time
}

func (e env) newPage(token token.Token, want directory.Criteria, order offerOrder) *page {
	return &page{env: e, token: token, want: want, order: order, seen: map[common.Address]struct{}{}}
}

func (p *page) add(l directory.Listing, err error) {
	if !p.Terminal || err != nil || p.want.Check(l) != "" {
		return
	}
	p.seen[l.Offer.Provider] = struct{}{}
	p.top = slices.DeleteFunc(p.top, func(x directory.Listing) bool { return x.Offer.Provider == l.Offer.Provider })
	at, _ := slices.BinarySearchFunc(p.top, l, func(a, b directory.Listing) int { return p.order(&lines{}, a, b) })
	if at < pageRows {
		p.top = slices.Insert(p.top, at, l)
		p.top = p.top[:min(len(p.top), pageRows)]
	}
	if now := time.Now(); now.After(p.redraw) {
		p.redraw = now.Add(pageEvery)
		p.draw()
	}
}

func (p *page) draw() {
	text, err := offersTable(p.token, p.top, p.want.Now, nil)
	if err != nil {
		return // the final list says it
	}
	p.end()
	text += fmt.Sprintf("\n  %s so far …\n", plural(len(p.seen), "offer"))
	fmt.Fprint(p.Err, text)
	p.drawn = strings.Count(text, "\n")
}

// end takes the page off the terminal.
func (p *page) end() {
	if p.drawn > 0 {
		fmt.Fprintf(text.Behind(p.Err), "\x1b[%dA\x1b[J", p.drawn)
		p.drawn = 0
	}
}
