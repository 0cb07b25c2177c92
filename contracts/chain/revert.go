package chain

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// RevertError says that a contract refused.
type RevertError struct {
	// Reason is the message of a revert, the name of a panic, or a custom error's selector in hex.
	Reason string
	// Data is what the contract returned, for the bindings to decode; nil where the endpoint doesn't tell.
	Data []byte
	// TxHash is the mined transaction; zero where a call or an estimate reverted and nothing was sent.
	TxHash common.Hash
}

// Error implements error.
func (e *RevertError) Error() string {
	if e.TxHash == (common.Hash{}) {
		return "the contract reverts: " + e.Reason
	}
	return fmt.Sprintf("transaction %s reverted: %s", e.TxHash, e.Reason)
}

// asRevert turns an endpoint's report of a revert into a [*RevertError] and passes on anything else.
func asRevert(err error) error {
	if err == nil {
		return nil
	}
	if data, ok := revertData(err); ok {
		return &RevertError{Reason: revertReason(data), Data: data}
	}
	if isAnswer(err) && strings.Contains(err.Error(), "execution reverted") {
		return &RevertError{Reason: "no reason given"}
	}
	return err
}

// revertData finds what the contract returned in the error of a call: geth marks it with code 3, others do not.
func revertData(err error) ([]byte, bool) {
	var e rpc.DataError
	if !errors.As(err, &e) || !strings.Contains(strings.ToLower(err.Error()), "revert") {
		return nil, false
	}
	text, ok := e.ErrorData().(string)
	if !ok {
		return nil, false
	}
	data, err := hexutil.Decode(text)
	return data, err == nil
}

// revertReason describes what a reverting contract returned: Error(string) and Panic(uint256) in words.
func revertReason(data []byte) string {
	if reason, err := abi.UnpackRevert(data); err == nil {
		return printable(reason)
	}
	switch {
	case len(data) == 0:
		return "no reason given"
	case len(data) < 4:
		return "0x" + hex.EncodeToString(data)
	case len(data) == 4:
		return "custom error 0x" + hex.EncodeToString(data)
	}
	return fmt.Sprintf("custom error 0x%x(0x%x)", data[:4], data[4:min(len(data), 4+256)])
}

// printable keeps a stranger's text from playing with the terminal.
func printable(s string) string {
	if len(s) > 512 {
		s = s[:512] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '�'
		}
		return r
	}, s)
}
