package chain

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"byway/contracts/text"
)

// DisagreementError says that no two endpoints gave the same answer where money depends on it: one of them lies, is
// stuck or follows another fork.
type DisagreementError struct {
	What    string
	Answers map[string]string // where the answers differ, by endpoint
}

// Error implements error.
func (e *DisagreementError) Error() string {
	var b strings.Builder
	for _, url := range slices.Sorted(maps.Keys(e.Answers)) {
		fmt.Fprintf(&b, "; %s says %s", url, e.Answers[url])
	}
	return fmt.Sprintf("no two endpoints agree on %s%s. Take the one that is wrong out of the network's rpc list, or give a third",
		e.What, b.String())
}

// field is a part of an answer, by which answers are told apart.
type field struct{ name, value string }

const (
	// maxFields is how many differing fields of an answer are shown, and maxValue how many bytes of each.
	maxFields, maxValue = 3, 80
)

// disagreement shows where answers differ. Each has the same fields, or fewer where it ends.
func disagreement[T any](what string, all []answer[T], fields func(T) []field) error {
	e := &DisagreementError{what, make(map[string]string)}
	parts := make([][]field, len(all))
	most := 0
	for i, a := range all {
		parts[i] = fields(a.v)
		most = max(most, len(parts[i]))
	}
	part := func(i, at int) field {
		if at < len(parts[i]) {
			return parts[i][at]
		}
		return field{value: "nothing more"}
	}
	shown := make([][]string, len(all))
	for at, n := 0, 0; at < most && n < maxFields; at++ {
		differ := false
		for i := range all {
			differ = differ || part(i, at) != part(0, at)
		}
		if !differ {
			continue
		}
		n++
		for i := range all {
			f := part(i, at)
			shown[i] = append(shown[i], strings.TrimSpace(f.name+" "+text.Cut(f.value, maxValue)))
		}
	}
	for i, a := range all {
		name := a.on.name
		if _, twice := e.Answers[name]; twice {
			name = fmt.Sprintf("%s (%d)", name, i+1)
		}
		e.Answers[name] = strings.Join(shown[i], ", ")
	}
	return e
}

func headerFields(h header) []field {
	return []field{
		{"hash", h.block.Hash.Hex()}, {"time", h.block.Time.UTC().Format(time.RFC3339)}, {"parent", h.ParentHash.Hex()},
	}
}

// resultFields are the 32-byte words of a call's result, or why it reverts.
func resultFields(data []byte, reverts *RevertError) []field {
	if reverts != nil {
		return []field{{"that it reverts:", reverts.Error()}}
	}
	all := []field{}
	i := 0
	for word := range slices.Chunk(data, 32) {
		i++
		if len(data) <= 32 {
			all = append(all, field{"", new(big.Int).SetBytes(word).String()})
			break
		}
		all = append(all, field{fmt.Sprintf("word %d:", i), new(big.Int).SetBytes(word).String()})
	}
	return all
}

func receiptFields(r *types.Receipt) []field {
	all := []field{
		{"status", fmt.Sprint(r.Status)}, {"block", fmt.Sprint(r.BlockNumber)}, {"block hash", r.BlockHash.Hex()},
		{"gas", fmt.Sprint(r.GasUsed)}, {"logs:", fmt.Sprint(len(r.Logs))},
	}
	for i, l := range r.Logs {
		of := crypto.Keccak256Hash(l.Data)
		for _, t := range l.Topics {
			of = crypto.Keccak256Hash(of[:], t[:])
		}
		all = append(all, field{fmt.Sprintf("log %d:", i+1), fmt.Sprintf("%s of %s", of, l.Address)})
	}
	return all
}

// errAlone says that an answer needs two endpoints and only one can be relied on.
var errAlone = errors.New("two endpoints must agree and fewer than two can be relied on")

// aloneError is [errAlone], with what is wrong with the others.
type aloneError struct {
	URL    string  // the one that can be relied on
	Others []error // each names its endpoint
}

// Error implements error.
func (e *aloneError) Error() string {
	return fmt.Sprintf("%v, %s: %s. Mend that endpoint, give another instead, or take it out of the network's rpc list",
		errAlone, e.URL, e.others())
}

func (e *aloneError) others() string {
	if len(e.Others) == 0 {
		return "the others were not asked"
	}
	var b strings.Builder
	for i, err := range e.Others {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// Is makes every aloneError an [errAlone].
func (e *aloneError) Is(target error) bool { return target == errAlone }

var errLagging = errors.New("it is behind the others")

// laggingError says that an endpoint is behind.
type laggingError struct {
	url    string
	blocks uint64
}

func (e *laggingError) Error() string {
	return fmt.Sprintf("endpoint %s is %d blocks behind", e.url, e.blocks)
}
