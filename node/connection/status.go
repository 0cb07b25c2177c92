package connection

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts"
	"byway/node/path"
	"byway/registry"
)

// Status is how a connection stands.
type Status struct {
	Wanted bool      `json:"wanted"`
	State  State     `json:"state"`
	Reason Reason    `json:"reason,omitempty"` // why it holds or is blocked
	Text   string    `json:"text,omitempty"`   // the same for people
	Since  time.Time `json:"since,omitzero"`   // when the state began
	Wish   time.Time `json:"wanted_since,omitzero"`

	Exit    *Exit        `json:"exit,omitempty"` // of the session that new flows go to
	Session path.Receipt `json:"session,omitzero"`
	Machine string       `json:"machine,omitempty"` // [path.Session.Machine]
	Trouble string       `json:"trouble,omitempty"` // [path.Session.Blocked]
	Doubted bool         `json:"doubted,omitempty"` // its provider may be gone

	Searching bool      `json:"searching,omitempty"`     // for the next exit
	Retry     time.Time `json:"retry,omitzero"`          // of the search that is waited for
	Rotates   time.Time `json:"rotates,omitzero"`        // when another exit is due
	Draining  int       `json:"draining"`                // sessions that end once their flows have
	Sessions  int       `json:"sessions"`                // since the wish, or since the daemon began
	Total     Receipt   `json:"total"`                   // of all of them
	Budget    *Budget   `json:"session_budget,omitzero"` // nil: none
	Day       *Budget   `json:"day_budget,omitzero"`
	Month     *Budget   `json:"month_budget,omitzero"`

	// Left is what the budgets still allow. Deposited is what was sent to the vault since the wish.
	Left      contracts.Amount `json:"left"`
	Deposited contracts.Amount `json:"deposited"`

	Want Want `json:"-"`
}

// Exit is what an offer says of where flows go.
type Exit struct {
	Provider common.Address   `json:"provider"`
	Country  string           `json:"country,omitempty"`
	Price    contracts.Amount `json:"price_per_gib"`
}

func exitOf(o registry.Offer) *Exit { return &Exit{o.Provider, o.Country, o.PricePerGiB} }

// Receipt adds up the sessions of a connection, as [path.Receipt] describes one.
type Receipt struct {
	Sessions int              `json:"sessions"`
	Rx       uint64           `json:"rx_bytes"`
	Tx       uint64           `json:"tx_bytes"`
	Paid     contracts.Amount `json:"paid"`
	Promises int              `json:"promises"`
	Duration time.Duration    `json:"duration_ns"` // of the connection
	// Last is the session that ended last.
	Last path.Receipt `json:"last,omitzero"`
}

func (r *Receipt) add(one path.Receipt) {
	r.Sessions++
	r.Rx += one.Rx
	r.Tx += one.Tx
	r.Paid = r.Paid.AddCap(one.Paid)
	r.Promises += one.Promises
	r.Last = one
}
