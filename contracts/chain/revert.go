package chain

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"byway/contracts/text"
)

// RevertError says that a contract refused.
type RevertError struct {
	// Reason says why in words: the message of a revert, what a panic means, or what a custom error says. Amounts stand in
	// it as "N base units". A custom error that is not known is named by its selector.
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

// Reverted reports whether err is a contract's refusal by a custom error of that name, "ExitTooEarly" for instance.
func Reverted(err error, name string) bool {
	var r *RevertError
	if !errors.As(err, &r) {
		return false
	}
	for _, c := range customErrors {
		if c.name() != name {
			continue
		}
		if len(r.Data) >= 4 {
			return [4]byte(r.Data) == c.selector()
		}
		// A mined transaction's reason is kept in words.
		begin, _, _ := strings.Cut(c.words, "{")
		return begin != "" && strings.HasPrefix(r.Reason, begin)
	}
	return false
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

// maxReason bounds, in bytes, what is shown of a contract's own words.
const maxReason = 512

// revertReason describes what a reverting contract returned: Error(string) and Panic(uint256) in words, and every custom
// error of this program's contracts, of OpenZeppelin's and of the tokens' standards.
func revertReason(data []byte) string {
	if reason, err := abi.UnpackRevert(data); err == nil {
		return printable(reason)
	}
	switch {
	case len(data) == 0:
		return "no reason given"
	case len(data) < 4:
		return "0x" + hex.EncodeToString(data)
	}
	for _, c := range customErrors {
		if [4]byte(data) == c.selector() {
			if words, ok := c.say(data[4:]); ok {
				return words
			}
			return fmt.Sprintf("%s, with arguments that can't be read: 0x%x", c.name(), data[4:min(len(data), 4+256)])
		}
	}
	if len(data) == 4 {
		return "custom error 0x" + hex.EncodeToString(data)
	}
	return fmt.Sprintf("custom error 0x%x(0x%x)", data[:4],
		data[4:min(len(data), 4+256)])
}

// customError is an error that a contract declares. Its words name the arguments by {position kind}; a kind is amount,
// time, address, number or bytes.
type customError struct{ signature, words string }

func (c customError) name() string {
	name, _, _ := strings.Cut(c.signature, "(")
	return name
}

func (c customError) selector() [4]byte { return [4]byte(crypto.Keccak256([]byte(c.signature))) }

// say puts the arguments into the words. Every argument that is told of is one word of the ABI.
func (c customError) say(args []byte) (string, bool) {
	var b strings.Builder
	rest := c.words
	for {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		var at int
		var kind string
		inside, after, _ := strings.Cut(after, "}")
		if _, err := fmt.Sscanf(inside, "%d %s", &at, &kind); err != nil || len(args) < 32*(at+1) {
			return "", false
		}
		word := args[32*at : 32*(at+1)]
		switch n := new(big.Int).SetBytes(word); kind {
		case "amount":
			fmt.Fprintf(&b, "%s base units", n)
		case "number":
			b.WriteString(n.String())
		case "address":
			b.WriteString(common.BytesToAddress(word).Hex())
		case "bytes":
			b.WriteString("0x" + hex.EncodeToString(word))
		case "time":
			if n.BitLen() > 40 {
				b.WriteString("the end of time")
				break
			}
			b.WriteString(time.Unix(n.Int64(), 0).UTC().Format(time.RFC3339))
		default:
			return "", false
		}
		rest = after
	}
}

// customErrors are those that a transaction of this program's can meet.
var customErrors = []customError{
	// Channels.
	{"ExitDelayOutOfRange(uint256)", "an exit delay of {0 number} seconds is out of range: above zero, at most 30 days"},
	{"ZeroSigner()", "the vault's session key is the zero address"},
	{"ZeroPayer()", "the vault's owner is the zero address"},
	{"RowsLength(uint256,uint256)", "the rows have {0 number} bytes, which is no multiple of {1 number}"},
	{"InsufficientFree(uint96,uint96)", "the vault has {0 amount} free, less than the {1 amount} that this takes"},
	{"CeilingNotRaised(uint96,uint96)", "{0 amount} are guaranteed already, and {1 amount} would not raise that"},
	{"CeilingNotLowered(uint96,uint96)", "{0 amount} are guaranteed, and {1 amount} would not lower that"},
	{"NothingReserved()", "nothing is set aside on this channel"},
	{"ExitInProgress(uint40)", "an exit is under way, to be finished from {0 time} by the chain's clock"},
	{"NoExit()", "no exit is under way on this channel"},
	{"ExitTooEarly(uint40)", "the exit can be finished from {0 time} by the chain's clock, not before"},
	{"ReleaseExpired(uint40)", "the provider's consent was good until {0 time} by the chain's clock: ask again"},
	{"WrongEpoch(uint24,uint24)", "the channel is in epoch {0 number}, this was signed for epoch {1 number}: ask again"},
	{"InvalidReleaseSignature()", "the provider's consent is not signed by the provider"},
	// Both contracts: what is signed for a relayer, and tokens.
	{"WrongRelayer(address)", "this was signed for {0 address} to send, and for nobody else"},
	{"FeeAboveCap(uint96,uint96)", "at most {0 amount} were signed as the relayer's fee, and {1 amount} are asked for"},
	{"SignatureExpired(uint40)", "what was signed was good until {0 time} by the chain's clock: sign it again"},
	{"NonceUsed(address,uint256)", "{0 address} has used or cancelled the number {1 number} already: sign it again with another one"},
	{"InvalidSignature(address)", "this is not signed by {0 address}"},
	{"InvalidRecipient(address)", "{0 address} can't receive: it is zero, the token, or the contract itself"},
	{"NothingReceived()", "the token moved nothing: does it take the whole amount as a fee?"},
	{"AmountOverflow(uint256)", "{0 amount} are more than the contract can count"},
	// Registry.
	{"NoStakeToken()", "this registry has no stake token, so that it takes no stakes and no fees"},
	{"StakeBelowMinimum(uint96,uint96)", "the least stake is {0 amount}, and {1 amount} arrived"},
	{"UnbondDelayOutOfRange(uint256)", "an unbonding delay of {0 number} seconds is out of range"},
	{"ZeroDigest()", "the offer's digest is zero"},
	{"AlreadyRegistered(address)", "{0 address} is registered already"},
	{"NotRegistered(address)", "{0 address} is not registered"},
	{"SameDigest(bytes32)", "this offer is registered already"},
	{"NothingUnbonding()", "no stake is on its way back"},
	{"UnbondingTooEarly(uint64)", "the stake can be taken back from {0 time} by the chain's clock, not before"},
	// Tokens with ERC-3009, this program's own among them.
	{"AuthorizationSpent(address,bytes32)", "the authorization of {0 address} was used or cancelled already"},
	{"AuthorizationNotValid(uint256,uint256)", "the authorization is good between {0 time} and {1 time} by the chain's clock"},
	{"InvalidAuthorizationSignature(address)", "the authorization is not signed by the account that pays: by {0 address}"},
	{"CallerNotReceiver(address,address)", "{0 address} may not use the authorization: it is for {1 address}"},
	// ERC-6093, the errors of tokens.
	{"ERC20InsufficientBalance(address,uint256,uint256)", "{0 address} holds {1 amount} of the token and {2 amount} are to be moved"},
	{"ERC20InsufficientAllowance(address,uint256,uint256)", "{0 address} may take {1 amount} of the token and {2 amount} are to be moved: approve more"},
	{"ERC20InvalidSender(address)", "the token takes nothing from {0 address}"},
	{"ERC20InvalidReceiver(address)", "the token gives nothing to {0 address}"},
	{"ERC20InvalidApprover(address)", "the token lets {0 address} approve nothing"},
	{"ERC20InvalidSpender(address)", "the token lets nobody approve {0 address}"},
	{"ERC20ExceededCap(uint256,uint256)", "the token's supply would be {0 amount}, above its cap of {1 amount}"},
	{"ERC20InvalidCap(uint256)", "a cap of {0 amount} is no cap"},
	{"ERC20InvalidUnderlying(address)", "{0 address} is no token that can be wrapped"},
	// OpenZeppelin.
	{"ERC2612ExpiredSignature(uint256)", "the permit was good until {0 time} by the chain's clock"},
	{"ERC2612InvalidSigner(address,address)", "the permit is signed by {0 address}, not by {1 address}"},
	{"InvalidAccountNonce(address,uint256)", "the next nonce of {0 address} is {1 number}"},
	{"ECDSAInvalidSignature()", "a signature is malformed"},
	{"ECDSAInvalidSignatureLength(uint256)", "a signature has {0 number} bytes, not 65"},
	{"ECDSAInvalidSignatureS(bytes32)", "a signature is in its second form"},
	{"SafeERC20FailedOperation(address)", "the token {0 address} refused to move what it was told to, and gave no reason"},
	{"SafeERC20FailedDecreaseAllowance(address,uint256,uint256)", "{0 address} may take {1 amount}, less than the {2 amount} to be taken back"},
	{"ReentrancyGuardReentrantCall()", "the token called back into the contract, which is not allowed"},
	{"AddressEmptyCode(address)", "there is no contract at {0 address}"},
	{"AddressInsufficientBalance(address)", "{0 address} has not enough of the chain's coin"},
	{"InsufficientBalance(uint256,uint256)", "{0 number} wei are there and {1 number} are needed"},
	{"FailedCall()", "a call inside the contract failed without a reason"},
	{"FailedInnerCall()", "a call inside the contract failed without a reason"},
	{"EnforcedPause()", "the token is paused by its owner"},
	{"ExpectedPause()", "the token is not paused"},
	{"OwnableUnauthorizedAccount(address)", "{0 address} is not the contract's owner"},
	{"OwnableInvalidOwner(address)", "{0 address} can't own the contract"},
	{"AccessControlUnauthorizedAccount(address,bytes32)", "{0 address} has not the role that this takes"},
	{"InvalidShortString()", "the contract's name is malformed"},
	{"StringTooLong(string)", "the contract's name is too long"},
}

// printable makes what an endpoint or a contract wrote safe to show.
func printable(s string) string { return text.Cut(s, maxReason) }
