// Code generated via abigen V2 - DO NOT EDIT.
// This file is a generated binding and any manual changes will be lost.

package channels

import (
	"bytes"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Reference imports to suppress errors if they are not otherwise used.
var (
	_ = bytes.Equal
	_ = errors.New
	_ = big.NewInt
	_ = common.Big1
	_ = types.BloomLookup
	_ = abi.ConvertType
)

// IChannelsAuthorization is an auto generated low-level Go binding around an user-defined struct.
type IChannelsAuthorization struct {
	ValidAfter  *big.Int
	ValidBefore *big.Int
	Salt        [32]byte
	Relayer     common.Address
	MaxFee      *big.Int
	V           uint8
	R           [32]byte
	S           [32]byte
}

// IChannelsClosing is an auto generated low-level Go binding around an user-defined struct.
type IChannelsClosing struct {
	Token      common.Address
	Signer     common.Address
	Payee      common.Address
	Rows       []byte
	Ceiling    *big.Int
	Epoch      *big.Int
	ValidUntil *big.Int
	Signature  []byte
	To         common.Address
}

// IChannelsOpening is an auto generated low-level Go binding around an user-defined struct.
type IChannelsOpening struct {
	Token   common.Address
	Payer   common.Address
	Signer  common.Address
	Payee   common.Address
	Amount  *big.Int
	Ceiling *big.Int
}

// IRelayingPermit is an auto generated low-level Go binding around an user-defined struct.
type IRelayingPermit struct {
	Value    *big.Int
	Deadline *big.Int
	V        uint8
	R        [32]byte
	S        [32]byte
}

// IRelayingRelay is an auto generated low-level Go binding around an user-defined struct.
type IRelayingRelay struct {
	Relayer  common.Address
	MaxFee   *big.Int
	Nonce    *big.Int
	Deadline *big.Int
}

// ChannelsMetaData contains all meta data concerning the Channels contract.
var ChannelsMetaData = bind.MetaData{
	ABI: "[{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"exitDelay\",\"type\":\"uint40\"}],\"stateMutability\":\"nonpayable\",\"type\":\"constructor\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"AmountOverflow\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"current\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"wanted\",\"type\":\"uint96\"}],\"name\":\"CeilingNotLowered\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"current\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"wanted\",\"type\":\"uint96\"}],\"name\":\"CeilingNotRaised\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"delay\",\"type\":\"uint256\"}],\"name\":\"ExitDelayOutOfRange\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"name\":\"ExitInProgress\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"name\":\"ExitTooEarly\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"cap\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"}],\"name\":\"FeeAboveCap\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"free\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"wanted\",\"type\":\"uint96\"}],\"name\":\"InsufficientFree\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"recipient\",\"type\":\"address\"}],\"name\":\"InvalidRecipient\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"InvalidReleaseSignature\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"}],\"name\":\"InvalidSignature\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NoExit\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"}],\"name\":\"NonceUsed\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NothingReceived\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NothingReserved\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ReentrancyGuardReentrantCall\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"}],\"name\":\"ReleaseExpired\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"length\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"row\",\"type\":\"uint256\"}],\"name\":\"RowsLength\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"}],\"name\":\"SafeERC20FailedOperation\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"name\":\"SignatureExpired\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint24\",\"name\":\"current\",\"type\":\"uint24\"},{\"internalType\":\"uint24\",\"name\":\"signed\",\"type\":\"uint24\"}],\"name\":\"WrongEpoch\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"}],\"name\":\"WrongRelayer\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ZeroPayer\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ZeroSigner\",\"type\":\"error\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"skipped\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"bytes32[]\",\"name\":\"settled\",\"type\":\"bytes32[]\"}],\"name\":\"Claimed\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"Deposited\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[],\"name\":\"EIP712DomainChanged\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"}],\"name\":\"ExitCancelled\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"name\":\"ExitStarted\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"word\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"used\",\"type\":\"uint256\"}],\"name\":\"NoncesCancelled\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"Opened\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"}],\"name\":\"Relayed\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"}],\"name\":\"Released\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"}],\"name\":\"ReserveUsed\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"Reserved\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"rows\",\"type\":\"uint256\"}],\"name\":\"ReservesSkipped\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"}],\"name\":\"Revoked\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"Withdrawn\",\"type\":\"event\"},{\"inputs\":[],\"name\":\"EXIT_DELAY\",\"outputs\":[{\"internalType\":\"uint40\",\"name\":\"\",\"type\":\"uint40\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MAX_EXIT_DELAY\",\"outputs\":[{\"internalType\":\"uint40\",\"name\":\"\",\"type\":\"uint40\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"internalType\":\"structIChannels.Opening\",\"name\":\"o\",\"type\":\"tuple\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"validAfter\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"validBefore\",\"type\":\"uint256\"},{\"internalType\":\"bytes32\",\"name\":\"salt\",\"type\":\"bytes32\"},{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"internalType\":\"structIChannels.Authorization\",\"name\":\"a\",\"type\":\"tuple\"}],\"name\":\"authorizationNonce\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"cancelExit\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"cancelExitSigned\",\"outputs\":[{\"internalType\":\"bool\",\"name\":\"cancelled\",\"type\":\"bool\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"word\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"mask\",\"type\":\"uint256\"}],\"name\":\"cancelNonces\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"channelOf\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"free\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"settled\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"}],\"name\":\"claim\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"claimSigned\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"}],\"name\":\"claimToVault\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"claimToVaultSigned\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"},{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"}],\"internalType\":\"structIChannels.Closing\",\"name\":\"c\",\"type\":\"tuple\"}],\"name\":\"closeAndWithdraw\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"},{\"internalType\":\"uint96\",\"name\":\"withdrawn\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"},{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"}],\"internalType\":\"structIChannels.Closing\",\"name\":\"c\",\"type\":\"tuple\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"closeAndWithdrawSigned\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"},{\"internalType\":\"uint96\",\"name\":\"withdrawn\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"deposit\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"domainSeparator\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"eip712Domain\",\"outputs\":[{\"internalType\":\"bytes1\",\"name\":\"fields\",\"type\":\"bytes1\"},{\"internalType\":\"string\",\"name\":\"name\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"},{\"internalType\":\"uint256\",\"name\":\"chainId\",\"type\":\"uint256\"},{\"internalType\":\"address\",\"name\":\"verifyingContract\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"salt\",\"type\":\"bytes32\"},{\"internalType\":\"uint256[]\",\"name\":\"extensions\",\"type\":\"uint256[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"finishExit\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"freed\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"finishExitSigned\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"freed\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"word\",\"type\":\"uint256\"}],\"name\":\"noncesOf\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"used\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"open\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"internalType\":\"structIChannels.Opening\",\"name\":\"o\",\"type\":\"tuple\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"validAfter\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"validBefore\",\"type\":\"uint256\"},{\"internalType\":\"bytes32\",\"name\":\"salt\",\"type\":\"bytes32\"},{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"internalType\":\"structIChannels.Authorization\",\"name\":\"a\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"}],\"name\":\"openWithAuthorization\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"value\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"deadline\",\"type\":\"uint256\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"internalType\":\"structIRelaying.Permit\",\"name\":\"permit\",\"type\":\"tuple\"}],\"name\":\"openWithPermit\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"internalType\":\"structIChannels.Opening\",\"name\":\"o\",\"type\":\"tuple\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"value\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"deadline\",\"type\":\"uint256\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"internalType\":\"structIRelaying.Permit\",\"name\":\"permit\",\"type\":\"tuple\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"openWithPermitSigned\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"cumulative\",\"type\":\"uint96\"}],\"name\":\"promiseDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"release\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"freed\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"}],\"name\":\"releaseDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"releaseSigned\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"freed\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"reserve\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"}],\"name\":\"reserveDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"}],\"name\":\"reserveSigned\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"reserved\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"revoke\",\"outputs\":[{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"revokeSigned\",\"outputs\":[{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"startExit\",\"outputs\":[{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"startExitSigned\",\"outputs\":[{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"}],\"name\":\"vaultOf\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"free\",\"type\":\"uint96\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"}],\"name\":\"withdraw\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"withdrawSigned\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"withdrawn\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"}]",
	ID:  "Channels",
	Bin: "0x60e080604052346101615760208161573a803803809161001f8285610165565b833981010312610161575164ffffffffff8116808203610161574660805260405161004b604082610165565b600e81526d4279776179204368616e6e656c7360901b602090910152604080517fd8222833218b08825825ebc88522e284db7c9c20122d31163795733d6b6feaa8916100979082610165565b600181526020810190603160f81b82525190206040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a081526100fb60c082610165565b51902060a05280158015610155575b610143575060c05260405161559d908161019d8239608051816137cc015260a051816137f2015260c05181818161152a0152614f4b0152f35b63e2c1981560e01b5f5260045260245ffd5b5062278d00811161010a565b5f80fd5b601f909101601f19168101906001600160401b0382119082101761018857604052565b634e487b7160e01b5f52604160045260245ffdfe60806040526004361015610011575f80fd5b5f3560e01c80630a5ec9ca146130795780630ac5eeaf146130135780630dd69ae814612e74578063107c722814612dc65780631235958214612cb157806312f1fc1614612c5857806313c2d4b214612ad25780631845d0ea1461282a57806323a1adb3146127ca578063275cb7f7146123ff5780632fad1170146120ce5780633a11165614611d4a578063460c955b14611a9a5780634616283a14611a7d5780634a0178d7146119f1578063515c2eba1461198557806374bdbe2a1461193657806374fdf1b914611815578063767081d11461177a57806377168f631461165057806384b0196e1461154e5780639d82ba251461150d578063a4609bfc146114a2578063a5bf68d0146113e7578063a8c319fe14611375578063b16ced011461132a578063c06ace61146112fa578063c59986821461117e578063c65b60071461111f578063caafbd1e1461108c578063cc601e3e14610fae578063cdaa668514610b08578063d3bc6e5a14610aae578063e78ebb551461098f578063eab574e414610259578063ebef4150146101d65763f698da25146101b0575f80fd5b346101d2575f6003193601126101d25760206101ca6137c9565b604051908152f35b5f80fd5b346101d2576101e43661343e565b906101f09392936143cd565b6101fc828286866140ac565b93909264ffffffffff8560181c16156102315760209661021b96614d41565b6bffffffffffffffffffffffff60405191168152f35b7f19918280000000000000000000000000000000000000000000000000000000005f5260045ffd5b346101d2576101006003193601126101d25760043567ffffffffffffffff81116101d2578060040161012060031983360301126101d2576102986131b1565b9160807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc3601126101d25760c435906bffffffffffffffffffffffff821682036101d25760e43567ffffffffffffffff81116101d2576102fc903690600401613229565b6103079491946143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d61035961033783613538565b61034360448601613538565b90610351606487018661359b565b92909161463b565b9461036383613538565b61036f60248601613538565b61037b60448701613538565b61038760848801613582565b61039360a48901614b31565b906103a16101048a01613538565b926001600160a01b0360443516604435036101d2576bffffffffffffffffffffffff60643516606435036101d25764ffffffffff60a4351660a435036101d25760405160208101907f7ca5de01b46b498d21a4746d0783b57db3f8af3b97556da92ca052415ee289d082526044356001600160a01b031660408201526064356bffffffffffffffffffffffff166060820152608435608082015260a43564ffffffffff1660a082015260a0815261045960c0826135ec565b519020948d60405197602089017f7660d449a4ea0c7cec9fd3680a2e986072630472f1afa4f726edb619590544cd90526001600160a01b031660408901526001600160a01b031660608801526001600160a01b031660808701526001600160a01b031660a08601526bffffffffffffffffffffffff1660c085015262ffffff1660e08401526001600160a01b03166101008301526101208201526101208152610504610140826135ec565b80516020909101209061051c86606435604435614b41565b60a43564ffffffffff16421161095a5761053b60843560081c89614eed565b92835491600160ff608435161b9384841661091f579061059961059f93926105616137c9565b604291604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b8b61514d565b156108ea571790556105b081613538565b946105bd60248401613538565b926105ca60448201613538565b6105d48189613c8b565b6105ea6105e46101048401613538565b89613c8b565b6105f68186858b6140ac565b829a919a549a6bffffffffffffffffffffffff8260401c168260a01c811190816108c7575b50806108a8575b610828575b50506bffffffffffffffffffffffff8a116107fc57916106ee6001600160a01b03926107399998979695946bffffffffffffffffffffffff5f9d16986106776106708b8d6149c8565b809b61349c565b9d8e93557f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a57866106aa6101048a01613538565b9316968792169485946040519182916001600160a01b038d1696839092916bffffffffffffffffffffffff6020916001600160a01b03604085019616845216910152565b0390a46bffffffffffffffffffffffff87166107aa575b508880610799575b50506bffffffffffffffffffffffff8916908161077b575b50505061073460843592613538565b6149f7565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604080519182526bffffffffffffffffffffffff929092166020820152f35b61078b6101046107919401613538565b90613cf7565b878080610725565b6107a39183613cf7565b898861070d565b604080513381526bffffffffffffffffffffffff891660208201526001600160a01b0387169185917f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a579190a48a610705565b897fff29cf0d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b61089983809d936bffffffffffffffffffffffff93888d8c6108938f8e61088d846108a09e60849461085b868601613582565b61086760a48701614b31565b908d8c8c61088561087a60c48c016138ae565b9660e48c019061359b565b9890976140f5565b01613582565b956141dd565b16906134c6565b988a80610627565b5062ffffff6108b960a48801614b31565b1662ffffff83161115610622565b90506bffffffffffffffffffffffff6108e260848901613582565b16108d61061b565b6001600160a01b03887fd855c4f4000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b6001600160a01b038b7f2af71f10000000000000000000000000000000000000000000000000000000005f521660045260843560245260445ffd5b7f4e1025f6000000000000000000000000000000000000000000000000000000005f5264ffffffffff60a4351660045260245ffd5b346101d25761099d3661331f565b9291906109a86143cd565b6109b28184613c8b565b6109be818333866140ac565b906bffffffffffffffffffffffff8260401c166bffffffffffffffffffffffff88169080821115610a80575050916bffffffffffffffffffffffff7f31bc64aaf34b7e9d06f76a9d0150ffb64d65452c9ce9d06aae9d69a7e1b722229492610a35896001600160a01b03968486541693849161502a565b9003169055610a7b60405192839216966001600160a01b0333971695839092916bffffffffffffffffffffffff6020916001600160a01b03604085019616845216910152565b0390a4005b7f2a537107000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b346101d25760406003193601126101d257600435610acc8133614eed565b60243581541780915560405191825260208201527f553fd4f76f0871ec5b324e08d165e91b3928c3154e4ff372734bd80ab59bf49160403392a2005b346101d2576101606003193601126101d257610b2261319b565b610b2a6131b1565b610b326131dd565b91610b3b6131f3565b90608435926001600160a01b03841684036101d25760807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff5c3601126101d25761012435926bffffffffffffffffffffffff841684036101d2576101443567ffffffffffffffff81116101d257610bb5903690600401613229565b610bc09791976143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d610bee8786613c8b565b6001600160a01b0360a435168060a435036101d2576bffffffffffffffffffffffff60c435168060c435036101d25764ffffffffff610104351661010435036101d2576040519060208201927f7ca5de01b46b498d21a4746d0783b57db3f8af3b97556da92ca052415ee289d084526040830152606082015260e435608082015264ffffffffff610104351660a082015260a08152610c8e60c0826135ec565b519020976040517f3e4594d29c4dccc876be82a342dc7ae6e05bc6c0726c744cdd56baead0bec52260208201526001600160a01b03871660408201526001600160a01b038616998a60608301526001600160a01b03851660808301526bffffffffffffffffffffffff861660a08301526001600160a01b038a1660c083015260e082015260e08152610d22610100826135ec565b6020815191012091610d398860c43560a435614b41565b64ffffffffff61010435164211610f7857610d5960e43560081c87614eed565b92835491600160ff60e435161b93848416610f4657610d7d610d83936105616137c9565b8961514d565b15610f1a57926020996bffffffffffffffffffffffff93610e8199989693610e009896179055610dd5828688906060926001600160a01b03809281604051951685521660208401521660408201522090565b84610e0d8a610e08610deb8486541680936149c8565b9b8c9885610df98b8661349c565b16906149c8565b97889261349c565b61349c565b169055604080516001600160a01b038c811682526bffffffffffffffffffffffff86166020830152848116928492918a16917f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a579190a4838716610ec6575b505016958680610eac575b505060e435916149f7565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b610ebf916001600160a01b038516613cf7565b8786610e76565b604080513381526bffffffffffffffffffffffff891660208201526001600160a01b03938416938816917f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a5791a48980610e6b565b897fd855c4f4000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b8c7f2af71f10000000000000000000000000000000000000000000000000000000005f5260045260e43560245260445ffd5b7f4e1025f6000000000000000000000000000000000000000000000000000000005f5264ffffffffff610104351660045260245ffd5b346101d25760606003193601126101d257610fc761319b565b610fcf6131b1565b90610fd86131dd565b610fe06143cd565b610fec818433856140ac565b9290915064ffffffffff8360181c168061106157506bffffffffffffffffffffffff8360401c168360a01c146110395760209461102a943390614f3c565b64ffffffffff60405191168152f35b7fb71ad786000000000000000000000000000000000000000000000000000000005f5260045ffd5b7f103cb3b2000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b346101d25760206110d661109f366133a8565b906110ab9492946143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d338461463b565b80928161110c575b5050505f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b611117923390613beb565b8281816110de565b346101d25760606003193601126101d25761113861319b565b6111406131b1565b6111486131dd565b906111516143cd565b61115d828233866140ac565b9391509164ffffffffff8460181c16156102315761117c943390614cb6565b005b346101d257602061125561119136613257565b906111a39892969398979594976143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d86896111d2816150ba565b6040518d8101917f3433b0e2cb11fed97ad74adc05919d4b05497f1e340499ffebfaddb71b215eff83526001600160a01b038b1660408301526001600160a01b03891660608301526001600160a01b038a1660808301526001600160a01b038d1660a083015260c082015260c0815261124c60e0826135ec565b519020866138c0565b611261858383866140ac565b915064ffffffffff8260181c16968715806112dc575b6112c0575b505050604061128e9596013592613a59565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d64ffffffffff60405191168152f35b61128e9750916112d591604093868689614f3c565b958961127c565b506bffffffffffffffffffffffff8360401c168360a01c1415611277565b346101d25760406003193601126101d257602061132161131861319b565b60243590614eed565b54604051908152f35b346101d25760606003193601126101d257602061136861134861319b565b6113506131b1565b6113586131dd565b916113616143cd565b33906139f0565b62ffffff60405191168152f35b346101d25760a06bffffffffffffffffffffffff62ffffff6113a26113993661343e565b929190916140ac565b9391905054169180841c6bffffffffffffffffffffffff8260401c1664ffffffffff8360181c1691604051958652602086015260408501526060840152166080820152f35b346101d25760a06003193601126101d257602061140261319b565b61146961140d6131b1565b916114166131dd565b9061141f6131f3565b9161145f61142b61320e565b936114346143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d3384613b3f565b9485923390613f1d565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6bffffffffffffffffffffffff60405191168152f35b346101d25760c06003193601126101d2576114bb61319b565b6114c36131b1565b6114cb6131dd565b916114d46131f3565b60843562ffffff811681036101d25760a4359164ffffffffff831683036101d2576020956101ca9561150595614e67565b6105616137c9565b346101d2575f6003193601126101d257602060405164ffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b346101d2575f6003193601126101d2576115f5604080519061157081836135ec565b600e82527f4279776179204368616e6e656c7300000000000000000000000000000000000060208301526115a261378e565b906116026020918051936115b684866135ec565b5f85525f36813781519687967f0f00000000000000000000000000000000000000000000000000000000000000885260e08689015260e08801906133fb565b91868303908701526133fb565b4660608501523060808501525f60a085015283810360c08501528180845192838152019301915f5b82811061163957505050500390f35b83518552869550938101939281019260010161162a565b346101d257602061172861166336613257565b6116749891979594929693986143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d5f97878a6116a5816150ba565b6040518e8101917ff198bc9fcbb0e5dec781fdf58b397deddee272a85aa1c93e7b535fb846d7cc0f83526001600160a01b038c1660408301526001600160a01b038a1660608301526001600160a01b038b1660808301526001600160a01b03891660a083015260c082015260c0815261171f60e0826135ec565b519020876138c0565b611734818484876140ac565b92909190601884901c64ffffffffff1661175c575b5050505060406114699596013592613a59565b611469985091604093916117729387878a614d41565b958980611749565b346101d25760206117ce61178d366133a8565b906117999492946143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6117c78585613c8b565b848461463b565b809281611803575050505f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b6001600160a01b036111179316613cf7565b346101d25761182336613257565b83969592949793916118336143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d85611861846150ba565b60405160208101917f9449f45b845400c7c41d3c0d01e3d41519901802ced8eac1325aea8a62caaa7783526001600160a01b03891660408301526001600160a01b038b1660608301526001600160a01b03881660808301526001600160a01b038d1660a083015260c082015260c081526118dc60e0826135ec565b519020936118ea94896138c0565b6118f6868286856140ac565b9591508560181c64ffffffffff16151596602098610e81976040938a611922575b505050013592613a59565b61192e9287878a614cb6565b898080611917565b346101d25760031936016101c081126101d25760c0136101d2576101007fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff3c3601126101d25760206101ca61365a565b346101d25760606003193601126101d25760206bffffffffffffffffffffffff6119e76119b061319b565b6119b86131b1565b6119c06131dd565b91906060926001600160a01b03809281604051951685521660208401521660408201522090565b5416604051908152f35b346101d25760206101ca6001600160a01b036bffffffffffffffffffffffff611a193661331f565b91939294908160405195818a8801987f5524f6b91e89b71e3661f31308424c2817578d250d8108c73f1447278d112b878a521660408801521660608601521660808401521660a082015260a08152611a7260c0826135ec565b5190206105616137c9565b346101d2575f6003193601126101d257602060405162278d008152f35b346101d25760031936016101e081126101d25760c0136101d2576101007fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff3c3601126101d2576101c4356bffffffffffffffffffffffff811681036101d257611b006143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d61012435906001600160a01b03821682036101d257610144356bffffffffffffffffffffffff811681036101d257602492611b60918391614b41565b611b6861365a565b9060206001600160a01b03611b7b6134f6565b16604051948580927f70a082310000000000000000000000000000000000000000000000000000000082523060048301525afa928315611d0b575f93611d16575b506001600160a01b03611bcd6134f6565b1690611bd76134e0565b611bdf61354c565b92610164359060ff8216918281036101d25750803b156101d2575f9283610124926001600160a01b03946bffffffffffffffffffffffff604051998a9788967fef55bec600000000000000000000000000000000000000000000000000000000885216600487015230602487015216604485015260c435606485015260e43560848501528960a485015260c48401526101843560e48401526101a4356101048401525af18015611d0b57611cb182611cac602097611469968395611cfb575b50611ca76134f6565b614bd8565b614acc565b93611ce5611cbd6134f6565b86611cc66134e0565b611cce61350c565b611cd6613522565b91611cdf613567565b94613ff6565b611ced6134f6565b611cf56134e0565b906149f7565b5f611d05916135ec565b89611c9e565b6040513d5f823e3d90fd5b9092506020813d602011611d42575b81611d32602093836135ec565b810103126101d257519183611bbc565b3d9150611d25565b346101d25760206003193601126101d25760043567ffffffffffffffff81116101d257806004019061012060031982360301126101d257611d896143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d611db682613538565b90611dd66044820192611dc884613538565b90610351606485018761359b565b91611de084613538565b9384611df7611df160248601613538565b93613538565b91611e028383613c8b565b610104850194611e1a611e1487613538565b84613c8b565b8484611e28818333886140ac565b93919b90948c54966bffffffffffffffffffffffff8660401c168660a01c811190816120ab575b50806120a3575b612027575b505050505050506bffffffffffffffffffffffff8111611ffc576bffffffffffffffffffffffff168015611ff1575f611e9581809361349c565b97556001600160a01b0380611ea987613538565b931694168092857f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a5760405180611f058d3396839092916bffffffffffffffffffffffff6020916001600160a01b03604085019616845216910152565b0390a46bffffffffffffffffffffffff8116611fa7575b50508380611f96575b50506bffffffffffffffffffffffff84169081611f82575b5050505f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604080519182526bffffffffffffffffffffffff929092166020820152f35b61078b611f8e93613538565b828080611f3d565b611fa09183613cf7565b8483611f25565b60408051338082526bffffffffffffffffffffffff93909316602082015285917f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a5791a48580611f1c565b5f611e95828061349c565b7fff29cf0d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b936120886120979897946bffffffffffffffffffffffff97948461089998608461208d9701958861205788613582565b9161207e61206760a48701614b31565b9460e461207660c489016138ae565b97019061359b565b97909633906140f5565b613582565b91888a338a6141dd565b87808486858380611e5b565b506001611e56565b90506bffffffffffffffffffffffff6120c660848501613582565b16108f611e4f565b346101d2576101206003193601126101d2576120e861319b565b6120f06131b1565b9060443567ffffffffffffffff81116101d257612111903690600401613229565b919060807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff9c3601126101d25760e435936bffffffffffffffffffffffff851685036101d257610104359267ffffffffffffffff84116101d25761217b6121c8943690600401613229565b9490936121866143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6121b48484613c8b565b6121c08782868661463b565b963691614964565b6020815191012093606435946001600160a01b038616948587036101d257608435916bffffffffffffffffffffffff83168084036101d25760a4359760c4359064ffffffffff8216928383036101d2576040519060208201927f7ca5de01b46b498d21a4746d0783b57db3f8af3b97556da92ca052415ee289d08452604083015260608201528a60808201528360a082015260a0815261226960c0826135ec565b519020998c60405160208101907f58370174738a562df0102509290eadf1192638b9bb943c9dbab46a33768a325082526001600160a01b038b169d8e60408301526001600160a01b038d1697886060840152608083015260a082015260a081526122d460c0826135ec565b519020966122e192614b41565b8142116123d35750506122f78760081c87614eed565b93845492600160ff8a161b948585166123a35790610d7d61231b93926105616137c9565b15612378575091602098959391610e8197959317905561233b87866149c8565b936bffffffffffffffffffffffff85169083828a0361235d575b5050506149f7565b61236a612370938b6134d3565b91613cf7565b888083612355565b7fd855c4f4000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b89847f2af71f10000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b507f4e1025f6000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b346101d257600319360161022081126101d25760c0136101d25760a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff3c3601126101d25760807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe9c3601126101d2576101e4356bffffffffffffffffffffffff811681036101d2576102043567ffffffffffffffff81116101d2576124a7903690600401613229565b6124b29291926143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6124de6134e0565b926124e76134f6565b6124ef6134e0565b906124f861350c565b90612501613522565b61250961354c565b93612512613567565b906001600160a01b03610164351661016435036101d2576bffffffffffffffffffffffff610184351661018435036101d25764ffffffffff6101c435166101c435036101d2577fadd89b5c95fc5339d8c0a2ba0f57eeca7998b4cfea463fba5bf979d66a9f4ebb956001600160a01b036bffffffffffffffffffffffff9481602098818896816040518d8101907f7ca5de01b46b498d21a4746d0783b57db3f8af3b97556da92ca052415ee289d0825282610164351660408201528a610184351660608201526101a435608082015264ffffffffff6101c4351660a082015260a0815261260060c0826135ec565b5190209b6040519d8e019e8f521660408d01521660608b01521660808901521660a08701521660c08501521660e08301526101008201526101008152612648610120826135ec565b5190209061265d846101843561016435614b41565b64ffffffffff6101c4351642116127945761267e6101a43560081c86614eed565b92835491600160ff6101a435161b9384841661275857906126a56126ab93926105616137c9565b8861514d565b1561272357602094501790556126d06126c26134f6565b6126ca6134e0565b90613e55565b6114696126f882611cac6126e26134f6565b6126ea6134e0565b6126f261354c565b91613b3f565b9161270d6127046134f6565b84611cc66134e0565b806127166134f6565b6101a43590611cf56134e0565b6001600160a01b03857fd855c4f4000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b6001600160a01b03887f2af71f10000000000000000000000000000000000000000000000000000000005f52166004526101a43560245260445ffd5b7f4e1025f6000000000000000000000000000000000000000000000000000000005f5264ffffffffff6101c4351660045260245ffd5b346101d25760206128026127dd3661331f565b916127ea949391946143cd565b6127f6338683856140ac565b939196909233926141dd565b906bffffffffffffffffffffffff61281f818354941680946142f9565b169055604051908152f35b346101d2576101406003193601126101d25761284461319b565b61284c6131b1565b6128546131dd565b60643567ffffffffffffffff81116101d257612874903690600401613229565b9260807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7c3601126101d25761010435946bffffffffffffffffffffffff861686036101d2576101243567ffffffffffffffff81116101d2576128dd612920913690600401613229565b9190946128e86143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6129188882878761463b565b973691614964565b6020815191012093608435906001600160a01b0382168083036101d25760a4356bffffffffffffffffffffffff8116978882036101d25760c4359860e4359164ffffffffff8316938484036101d257898f928c908f988f96612a3c976040519160208301937f7ca5de01b46b498d21a4746d0783b57db3f8af3b97556da92ca052415ee289d085526040840152606083015260808201528960a082015260a081526129cc60c0826135ec565b519020906001600160a01b0380604051948160208701977fcfae3b5109a5990a370b115e01925bbe1124db73f4cc985d270cf2e7ac8eb6f58952166040870152169a8b606086015216608084015260a083015260c082015260c08152612a3360e0826135ec565b51902097614b41565b8142116123d3575050612a528760081c87614eed565b93845492600160ff8a161b948585166123a35790610d7d612a7693926105616137c9565b15612378575091602098959391610e81979593179055612a9687866149c8565b936bffffffffffffffffffffffff851690818903612ab6575b50506149f7565b612ac3612acb928a6134d3565b908484613beb565b8880612aaf565b346101d257612ae0366133a8565b9290612aea6143cd565b5f92607f8516612c2757612afe8184613c8b565b5f915f905b868210612b605750506020945081612b21575b505050604051908152f35b846001600160a01b03807f3193df6267e9c8b0a8b84638d00597f8ba87fe16742767cd980c94388f355f449360405195865216941692a3828080612b16565b909460808601808711612bc55787106101d2576bffffffffffffffffffffffff612ba087840160608101359060408101359060208101359035888b61441d565b16908115612bf2575b90612bb3916134c6565b9460808101809111612bc55790612b03565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b93907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8214612bc55760019190910193612ba9565b847ff0e713c6000000000000000000000000000000000000000000000000000000005f52600452608060245260445ffd5b346101d25760e06003193601126101d25760206101ca611505612c7961319b565b612c816131b1565b612c896131dd565b612c916131c7565b612c9961320e565b91612ca2613382565b93612cab613394565b95614327565b346101d2576101006003193601126101d257612ccb61319b565b612cd36131b1565b90612cdc6131dd565b90612ce56131c7565b91612cee61320e565b90612cf7613382565b612cff613394565b9460e4359267ffffffffffffffff84116101d257602097612d7b96612d2b612d76963690600401613229565b612d369791976143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d612d66868686866140ac565b99919c90988b8b8a8a8a8a6140f5565b6141dd565b906bffffffffffffffffffffffff612d98818354941680946142f9565b1690555f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b346101d2576101406003193601126101d257612de061319b565b612de86131b1565b612df06131dd565b91612df96131f3565b90612e0261320e565b9060a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff5c3601126101d25760209461145f61146994612e3f6143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d612e6d3385613da7565b3384613b3f565b346101d25760806003193601126101d257612e8d61319b565b612e956131b1565b604435906bffffffffffffffffffffffff8216918281036101d257612eb86131c7565b91612ec16143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d612eef8386613c8b565b604080516001600160a01b03808816825233602083015283169181019190915260609020946bffffffffffffffffffffffff86541695868611612fe357906001600160a01b03916bffffffffffffffffffffffff612f5086612fbe9a61349c565b1690551691827f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a576001600160a01b0360405194169380612fb6339589839092916bffffffffffffffffffffffff6020916001600160a01b03604085019616845216910152565b0390a4613cf7565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b85877f24e35313000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b346101d25760206bffffffffffffffffffffffff610e816130706130363661331f565b613045969296949193946143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d3385613b3f565b16938492613beb565b346101d2576020604061316b61315a61316261309436613257565b906130a79b95979894939b9992996143cd565b60017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d898c8a6130d7826150ba565b89519060206001600160a01b03908301937f924e9905422c6086ba6bf6dade28c391130e26f4786fad7d365e8aa95f9306878552168b8301526001600160a01b038c1660608301526001600160a01b038d1660808301526001600160a01b03891660a083015260c082015260c0815261315160e0826135ec565b519020896138c0565b8484876139f0565b96013592613a59565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d62ffffff60405191168152f35b600435906001600160a01b03821682036101d257565b602435906001600160a01b03821682036101d257565b606435906001600160a01b03821682036101d257565b604435906001600160a01b03821682036101d257565b606435906bffffffffffffffffffffffff821682036101d257565b608435906bffffffffffffffffffffffff821682036101d257565b9181601f840112156101d25782359167ffffffffffffffff83116101d257602083818601950101116101d257565b6101406003198201126101d2576004356001600160a01b03811681036101d257916024356001600160a01b03811681036101d257916044356001600160a01b03811681036101d257916064356001600160a01b03811681036101d2579160807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7c8201126101d257608491610104356bffffffffffffffffffffffff811681036101d25791610124359067ffffffffffffffff82116101d25761331b91600401613229565b9091565b60031960809101126101d2576004356001600160a01b03811681036101d257906024356001600160a01b03811681036101d257906044356001600160a01b03811681036101d257906064356bffffffffffffffffffffffff811681036101d25790565b60a4359062ffffff821682036101d257565b60c4359064ffffffffff821682036101d257565b60606003198201126101d2576004356001600160a01b03811681036101d257916024356001600160a01b03811681036101d257916044359067ffffffffffffffff82116101d25761331b91600401613229565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b60031960809101126101d2576004356001600160a01b03811681036101d257906024356001600160a01b03811681036101d257906044356001600160a01b03811681036101d257906064356001600160a01b03811681036101d25790565b906bffffffffffffffffffffffff809116911603906bffffffffffffffffffffffff8211612bc557565b91908201809211612bc557565b91908203918211612bc557565b6024356001600160a01b03811681036101d25790565b6004356001600160a01b03811681036101d25790565b6044356001600160a01b03811681036101d25790565b6064356001600160a01b03811681036101d25790565b356001600160a01b03811681036101d25790565b6084356bffffffffffffffffffffffff811681036101d25790565b60a4356bffffffffffffffffffffffff811681036101d25790565b356bffffffffffffffffffffffff811681036101d25790565b9035907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe1813603018212156101d2570180359067ffffffffffffffff82116101d2576020019181360383136101d257565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff82111761362d57604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b6004356001600160a01b038116908181036101d257506024356001600160a01b038116908181036101d257506044356001600160a01b038116908181036101d257506064356001600160a01b038116908181036101d257506084356bffffffffffffffffffffffff8116908181036101d2575060a435906bffffffffffffffffffffffff8216918281036101d2575061012435926001600160a01b038416938481036101d2575061014435946bffffffffffffffffffffffff8616958681036101d25750604051966020880198468a523060408a01526060890152608088015260a087015260c086015260e085015261010084015260c43561012084015260e435610140840152610104356101608401526101808301526101a08201526101a081526137886101c0826135ec565b51902090565b6040519061379d6040836135ec565b600182527f31000000000000000000000000000000000000000000000000000000000000006020830152565b467f000000000000000000000000000000000000000000000000000000000000000003613814577f000000000000000000000000000000000000000000000000000000000000000090565b600e60206040516138266040826135ec565b828152017f4279776179204368616e6e656c7300000000000000000000000000000000000081522061385661378e565b602081519101206040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a0815261378860c0826135ec565b3564ffffffffff811681036101d25790565b9190926138e5909594956138d383613538565b6138df60208501613582565b90614b41565b6060810164ffffffffff6138f8826138ae565b1642116139b5575060400135926139128460081c83614eed565b94855493600160ff87161b9586861661397d57509061393761393d93926105616137c9565b8461514d565b156139485750179055565b6001600160a01b03907fd855c4f4000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b6001600160a01b03857f2af71f10000000000000000000000000000000000000000000000000000000005f521660045260245260445ffd5b6139c464ffffffffff916138ae565b7f4e1025f6000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b90919392937fc706ca58ce60eab297a02413d59d34ea7562bbdc0cce0962afe4bc38cbda531460406001600160a01b03808062ffffff613a3e613a358c898c8c6140ac565b90929150615287565b8091551699818551971687528a6020880152169616941692a4565b90613ac7949391613a8c848383906060926001600160a01b03809281604051951685521660208401521660408201522090565b936bffffffffffffffffffffffff85541694613aa886886149c8565b80966bffffffffffffffffffffffff8216613ac9575b505050506149f7565b565b6bffffffffffffffffffffffff91613ae09161349c565b169055604080513381526bffffffffffffffffffffffff871660208201526001600160a01b039283169285811692908516917f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a579190a45f808581613abe565b6040517f70a082310000000000000000000000000000000000000000000000000000000081523060048201526001600160a01b03821693909290602084602481885afa938415611d0b575f94613bb3575b5090613bb0946bffffffffffffffffffffffff611ca7931691309161529c565b90565b919093506020823d602011613be3575b81613bd0602093836135ec565b810103126101d257905192613bb0613b90565b3d9150613bc3565b9160206001600160a01b0380807fc61c65289807745157eaaadb63856503293aa8a544b08150280e4d618adc9d3f94979597613c27818a61531a565b613c53818a8a906060926001600160a01b03809281604051951685521660208401521660408201522090565b6bffffffffffffffffffffffff613c6b8983546142f9565b1690556bffffffffffffffffffffffff60405197168752169616941692a4565b906001600160a01b0316908115908115613ced575b8115613cda575b50613caf5750565b7f17858bbe000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b6001600160a01b0391501681145f613ca7565b3083149150613ca0565b916001600160a01b03604051927fa9059cbb000000000000000000000000000000000000000000000000000000005f521660045260245260205f60448180865af19060015f5114821615613d86575b60405215613d515750565b6001600160a01b03907f5274afe7000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b906001811516613d9e57823b15153d15161690613d46565b503d5f823e3d90fd5b9060e4359060ff8216928383036101d2578315613e4f576001600160a01b03169150813b156101d25760e46001600160a01b03915f809460405196879586947fd505accf00000000000000000000000000000000000000000000000000000000865216600485015230602485015260a435604485015260c435606485015260848401526101043560a48401526101243560c48401525af1613e455750565b5f613ac7916135ec565b50505050565b90610104359060ff8216928383036101d2578315613e4f576001600160a01b03169150813b156101d25760e46001600160a01b03915f809460405196879586947fd505accf00000000000000000000000000000000000000000000000000000000865216600485015230602485015260c43560448501528435606485015260848401526101243560a48401526101443560c48401525af1613e455750565b906bffffffffffffffffffffffff809116911601906bffffffffffffffffffffffff8211612bc557565b936001600160a01b0380856bffffffffffffffffffffffff85998395613f7d899a7f1f2e70767143557e7819ff27b35d4c6bfc1f35a572da4035155cd5537803f4539a60609a8e613f6e838361531a565b613f788482613c8b565b6140ac565b929190858254931693613f9085856142f9565b91878260401c1680898916115f14613fe9575091613fb48782613fba948b9661502a565b9061349c565b16918203613fe1575b5050846040519a168a5260208a0152166040880152169616941692a4565b555f80613fc3565b9150508691955094613fba565b936001600160a01b0380856bffffffffffffffffffffffff8294869a614047899a7f1f2e70767143557e7819ff27b35d4c6bfc1f35a572da4035155cd5537803f4539a60609a8e613f6e838361531a565b9391909285825493169361405b85856142f9565b91878760401c169081898216115f146140a057613fba9284614098846140926140898e9997613fb49761349c565b898516906149c8565b90613ef3565b998a9261502a565b50955086919050613fba565b916140e3916001600160a01b0393959495906060926001600160a01b03809281604051951685521660208401521660408201522090565b92835f521660205260405f2090815490565b909192959493999897969964ffffffffff8b168042116141b2575062ffffff1662ffffff8616908082148015906141a6575b6141785750509285614149999a93614143969361150596614327565b9061514d565b1561415057565b7fcda44837000000000000000000000000000000000000000000000000000000005f5260045ffd5b7ff5f5f3c8000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b5062ffffff8214614127565b7f5e3e152f000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b939291909496958760a01c6bffffffffffffffffffffffff8216918183105f146142f15750905b6bffffffffffffffffffffffff8960401c1690816bffffffffffffffffffffffff841610156142c257506001600160a01b0392826142718161426b7f8ade700b8ea8f146aa7fe106b64e0359b183b7f58950cdd9753643d9b512bd2198966142bd9661349c565b9c615388565b80975562ffffff8580604051978897169b169916971691849160409194936bffffffffffffffffffffffff62ffffff926001600160a01b03606087019816865216602085015216910152565b0390a4565b907f40462334000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b905090614204565b90614303916134c6565b6bffffffffffffffffffffffff8111611ffc576bffffffffffffffffffffffff1690565b959391949290946040519560208701977facc661088166d6aaf7be8a8d0648fa713743dfc7aa0069f29088a0f40ff2726689526001600160a01b031660408801526001600160a01b031660608701526001600160a01b031660808601526001600160a01b031660a08501526bffffffffffffffffffffffff1660c084015262ffffff1660e083015264ffffffffff166101008201526101008152613788610120826135ec565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c6143f557565b7f3ee5aeb5000000000000000000000000000000000000000000000000000000005f5260045ffd5b93959492919264ffffffffff83169662ffffff8460281c169360401c15801590614632575b61462757906144749161446f6115056bffffffffffffffffffffffff8860601c98169a878c8b898c614e67565b61542c565b6001600160a01b0381161561461d5761448f828286886140ac565b90948062ffffff83161490811591614610575b50614604576bffffffffffffffffffffffff8160401c169164ffffffffff8260181c16158015906145fa575b6145ed576144ec836bffffffffffffffffffffffff8354169b61349c565b99806bffffffffffffffffffffffff8c16116145e5575b6bffffffffffffffffffffffff8b16156145d7578a7f94197676563baa61a4ed485b74f10e4f47fbb09825d451863a63cd0587737cb096946145896142bd956001600160a01b0398956bffffffffffffffffffffffff614566866145919861349c565b16905573ffffffffffffffffffffffff00000000000000008460401b1601615287565b809955613ef3565b62ffffff85604051968796169a16971691849160409194936bffffffffffffffffffffffff62ffffff926001600160a01b03606087019816865216602085015216910152565b505f99505050505050505050565b995089614503565b505f985050505050505050565b50828a11156144ce565b505f9750505050505050565b62ffffff9150145f6144a2565b505f955050505050565b505f96505050505050565b50874211614442565b5f9493606081066149345761464e6137c9565b610400604051116101d2577f5524f6b91e89b71e3661f31308424c2817578d250d8108c73f1447278d112b8761040052836104405282610460526119016104a0526104c052816105805282602052610660938181015b80821061474c575050806146bb575b505050604052565b6060907ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff9a0850160051c918291886105e052040361060052606061062052610640527fb3d248eb0686e646395c9fd28eae8c7585828693363b05666fc74985aaafe4a07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa2084016105e0a35f80806146b3565b90948535976bffffffffffffffffffffffff8960601c99169860408801357f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8116907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a082116149265782610420528b6104805260a0610400206104e05260426104be206105005260ff1c601b01610520526020890135610540526105605260206105c0608061050060015afa503d1561491a576105a05260606105802090815f5260405f20908154918260a01c9b8c81111561490b578c9003928c6bffffffffffffffffffffffff8260401c1603808511614888575b509280602095937fffffffffffffffffffffffffffffffffffffffff00000000000000000000000093606098968360a01b019055019c01911617815201955b01906146a4565b8086549503858111614904575b8091019485156148f357937fffffffffffffffffffffffffffffffffffffffff000000000000000000000000938693836020999760609b99956148e3575b5050939698509350939550614842565b819003885560401b015f806148d3565b505050509950505094606090614881565b5084614895565b50509950505094606090614881565b50975094606090614881565b505050975094606090614881565b7ff0e713c6000000000000000000000000000000000000000000000000000000005f52600452606060245260445ffd5b92919267ffffffffffffffff821161362d57604051916149ac601f82017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe016602001846135ec565b8294818452818301116101d2578281602093845f960137010152565b90806bffffffffffffffffffffffff8316105f146149e4575090565b6bffffffffffffffffffffffff91501690565b6001600160a01b0390939193168092604051907f44e0b18bfabb8b3bb93cdbaf5de200d932a3bd3497be701f74b69780c4e5ae50339280614a5e8a6001600160a01b038b1695839092916bffffffffffffffffffffffff6020916040840195845216910152565b0390a46bffffffffffffffffffffffff811680614abc575b6bffffffffffffffffffffffff851603614a905750505050565b614aaa6bffffffffffffffffffffffff91614ab39561349c565b1691339161529c565b5f808080613e4f565b614ac7813385613cf7565b614a76565b91906bffffffffffffffffffffffff8316926bffffffffffffffffffffffff821693808511614b015750613bb092935061349c565b84907f24e35313000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b3562ffffff811681036101d25790565b6001600160a01b031680151580614bce575b614ba357506bffffffffffffffffffffffff9182169116808211614b75575050565b7f7f9e8a5e000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b7fdd770b77000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b5033811415614b53565b9060206001600160a01b03926024604051809581937f70a08231000000000000000000000000000000000000000000000000000000008352306004840152165afa8015611d0b575f90614c82575b614c3092506134d3565b8015614c5a576bffffffffffffffffffffffff8111611ffc576bffffffffffffffffffffffff1690565b7fb5c74a27000000000000000000000000000000000000000000000000000000005f5260045ffd5b506020823d602011614cae575b81614c9c602093836135ec565b810103126101d257614c309151614c26565b3d9150614c8f565b7fffffffffffffffffffffffff0000000000000000000000000000000000000000861673ffffffffffffffffffffffff000000000000000087161762ffffff909616959095179093556040516001600160a01b039182168152918116939281169216907f1ed59dfa4eb42a320c9ffad65a8bca71df2c01becceb7d9c8528e16e6d7e881b90602090a4565b93969596949291909464ffffffffff8860181c16804210614e3c5750916142bd6001600160a01b03926bffffffffffffffffffffffff7f8ade700b8ea8f146aa7fe106b64e0359b183b7f58950cdd9753643d9b512bd2195614db78c614db18160a01c8095819360401c1661349c565b9d615388565b8098556bffffffffffffffffffffffff8c1680614e1a575b505062ffffff8580604051978897169b169916971691849160409194936bffffffffffffffffffffffff62ffffff926001600160a01b03606087019816865216602085015216910152565b614e326bffffffffffffffffffffffff9183546142f9565b1690555f80614dcf565b7f0703f125000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b936bffffffffffffffffffffffff64ffffffffff946001600160a01b037fb391bf42198782374759364ac2ad67417cfafb61f64201a22df3c580fd37566f98958162ffffff96816040519b60208d019d8e521660408c01521660608a01521660808801521660a08601521660c08401521660e082015260e08152613788610100826135ec565b90604051906001600160a01b0360208301937ff25b40d355337803ec8bae8c924653d9b749982e462f9b499a3d53b4e29fcdde85521660408301526060820152606081526137886080826135ec565b9295949593909364ffffffffff7f00000000000000000000000000000000000000000000000000000000000000001664ffffffffff4216019064ffffffffff8211612bc55790967ffdd918ba6267127e422e6288c217bf1afe2653589924fc5756fd341189a00ea8926040926001600160a01b0392839283929164ffffffffff918d917fffffffffffffffffffffffff0000000000000000000000000000000000000000811673ffffffffffffffffffffffff0000000000000000821617601884901b67ffffffffff000000161762ffffff90911617905583875199168952166020880152169616941692a4565b91939264ffffffffff8260181c168061106157506bffffffffffffffffffffffff8260401c1690036bffffffffffffffffffffffff808216951680861161508a575060401b73ffffffffffffffffffffffff000000000000000016019055565b85907f24e35313000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b6150c381613538565b9064ffffffffff6150d660208301613582565b9160406150e5606083016138ae565b916bffffffffffffffffffffffff8251956001600160a01b0360208801987f7ca5de01b46b498d21a4746d0783b57db3f8af3b97556da92ca052415ee289d08a521684880152166060860152013560808401521660a082015260a0815261378860c0826135ec565b9092919261515c8385836154d5565b50600481101561525a57159081615244575b5061523b57813b15159283615186575b505050905090565b5f93507fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f6151bc6020976064943691614964565b805190604051957f1626ba7e00000000000000000000000000000000000000000000000000000000875260048701526040602487015288820190604487015e86848287010152011601915afa7f1626ba7e000000000000000000000000000000000000000000000000000000005f5114601f3d111616805f808061517e565b50505050600190565b90506001600160a01b038084169116145f61516e565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b62ffffff818116036152965790565b60010190565b9290916001600160a01b039081604051947f23b872dd000000000000000000000000000000000000000000000000000000005f52166004521660245260445260205f60648180865af19060015f5114821615615302575b6040525f60605215613d515750565b906001811516613d9e57823b15153d151616906152f3565b6001600160a01b031615615360576001600160a01b03161561533857565b7fe5c48ac5000000000000000000000000000000000000000000000000000000005f5260045ffd5b7fa26bef69000000000000000000000000000000000000000000000000000000005f5260045ffd5b613bb091615412918060a01c91826bffffffffffffffffffffffff8216145f146154175762ffffff5f925b169290919273ffffffffffffffffffffffff000000000000000067ffffffffff00000062ffffff7fffffffffffffffffffffffff000000000000000000000000000000000000000093169560181b169360401b169160a01b1617171790565b615287565b62ffffff64ffffffffff8360181c16926153b3565b91907f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8216917f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a083116154cd5760ff1c601b0180601b11612bc5576154ba5f9360ff936020966040519586951690859094939260ff6060936080840197845216602083015260408201520152565b838052039060015afa15611d0b575f5190565b505050505f90565b90604183036154ff576154f89250602081013591604082359201355f1a90615509565b9192909190565b50505f9160029190565b90917f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0841161559257906155626020945f9493604051948594859094939260ff6060936080840197845216602083015260408201520152565b838052039060015afa15611d0b575f516001600160a01b0381161561558857905f905f90565b505f906001905f90565b5050505f916003919056",
}

// Channels is an auto generated Go binding around an Ethereum contract.
type Channels struct {
	abi abi.ABI
}

// GetABI returns the ABI associated with this contract binding.
func (c *Channels) GetABI() abi.ABI {
	return c.abi
}

// NewChannels creates a new instance of Channels.
func NewChannels() *Channels {
	parsed, err := ChannelsMetaData.ParseABI()
	if err != nil {
		panic(errors.New("invalid ABI: " + err.Error()))
	}
	return &Channels{abi: *parsed}
}

// Instance creates a wrapper for a deployed contract instance at the given address.
// Use this to create the instance object passed to abigen v2 library functions Call, Transact, etc.
func (c *Channels) Instance(backend bind.ContractBackend, addr common.Address) *bind.BoundContract {
	return bind.NewBoundContract(addr, c.abi, backend, backend, backend)
}

// PackConstructor is the Go binding used to pack the parameters required for
// contract deployment.
//
// Solidity: constructor(uint40 exitDelay) returns()
func (channels *Channels) PackConstructor(exitDelay *big.Int) []byte {
	enc, err := channels.abi.Pack("", exitDelay)
	if err != nil {
		panic(err)
	}
	return enc
}

// PackEXITDELAY is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x9d82ba25.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function EXIT_DELAY() view returns(uint40)
func (channels *Channels) PackEXITDELAY() []byte {
	enc, err := channels.abi.Pack("EXIT_DELAY")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackEXITDELAY is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x9d82ba25.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function EXIT_DELAY() view returns(uint40)
func (channels *Channels) TryPackEXITDELAY() ([]byte, error) {
	return channels.abi.Pack("EXIT_DELAY")
}

// UnpackEXITDELAY is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x9d82ba25.
//
// Solidity: function EXIT_DELAY() view returns(uint40)
func (channels *Channels) UnpackEXITDELAY(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("EXIT_DELAY", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMAXEXITDELAY is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4616283a.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_EXIT_DELAY() view returns(uint40)
func (channels *Channels) PackMAXEXITDELAY() []byte {
	enc, err := channels.abi.Pack("MAX_EXIT_DELAY")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMAXEXITDELAY is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4616283a.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_EXIT_DELAY() view returns(uint40)
func (channels *Channels) TryPackMAXEXITDELAY() ([]byte, error) {
	return channels.abi.Pack("MAX_EXIT_DELAY")
}

// UnpackMAXEXITDELAY is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x4616283a.
//
// Solidity: function MAX_EXIT_DELAY() view returns(uint40)
func (channels *Channels) UnpackMAXEXITDELAY(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("MAX_EXIT_DELAY", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackAuthorizationNonce is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x74bdbe2a.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function authorizationNonce((address,address,address,address,uint96,uint96) o, (uint256,uint256,bytes32,address,uint96,uint8,bytes32,bytes32) a) view returns(bytes32)
func (channels *Channels) PackAuthorizationNonce(o IChannelsOpening, a IChannelsAuthorization) []byte {
	enc, err := channels.abi.Pack("authorizationNonce", o, a)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAuthorizationNonce is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x74bdbe2a.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function authorizationNonce((address,address,address,address,uint96,uint96) o, (uint256,uint256,bytes32,address,uint96,uint8,bytes32,bytes32) a) view returns(bytes32)
func (channels *Channels) TryPackAuthorizationNonce(o IChannelsOpening, a IChannelsAuthorization) ([]byte, error) {
	return channels.abi.Pack("authorizationNonce", o, a)
}

// UnpackAuthorizationNonce is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x74bdbe2a.
//
// Solidity: function authorizationNonce((address,address,address,address,uint96,uint96) o, (uint256,uint256,bytes32,address,uint96,uint8,bytes32,bytes32) a) view returns(bytes32)
func (channels *Channels) UnpackAuthorizationNonce(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("authorizationNonce", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackCancelExit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc65b6007.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function cancelExit(address token, address signer, address payee) returns()
func (channels *Channels) PackCancelExit(token common.Address, signer common.Address, payee common.Address) []byte {
	enc, err := channels.abi.Pack("cancelExit", token, signer, payee)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackCancelExit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc65b6007.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function cancelExit(address token, address signer, address payee) returns()
func (channels *Channels) TryPackCancelExit(token common.Address, signer common.Address, payee common.Address) ([]byte, error) {
	return channels.abi.Pack("cancelExit", token, signer, payee)
}

// PackCancelExitSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x74fdf1b9.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function cancelExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(bool cancelled)
func (channels *Channels) PackCancelExitSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("cancelExitSigned", token, payer, signer, payee, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackCancelExitSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x74fdf1b9.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function cancelExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(bool cancelled)
func (channels *Channels) TryPackCancelExitSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("cancelExitSigned", token, payer, signer, payee, relay, fee, signature)
}

// UnpackCancelExitSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x74fdf1b9.
//
// Solidity: function cancelExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(bool cancelled)
func (channels *Channels) UnpackCancelExitSigned(data []byte) (bool, error) {
	out, err := channels.abi.Unpack("cancelExitSigned", data)
	if err != nil {
		return *new(bool), err
	}
	out0 := *abi.ConvertType(out[0], new(bool)).(*bool)
	return out0, nil
}

// PackCancelNonces is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd3bc6e5a.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function cancelNonces(uint256 word, uint256 mask) returns()
func (channels *Channels) PackCancelNonces(word *big.Int, mask *big.Int) []byte {
	enc, err := channels.abi.Pack("cancelNonces", word, mask)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackCancelNonces is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd3bc6e5a.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function cancelNonces(uint256 word, uint256 mask) returns()
func (channels *Channels) TryPackCancelNonces(word *big.Int, mask *big.Int) ([]byte, error) {
	return channels.abi.Pack("cancelNonces", word, mask)
}

// PackChannelOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa8c319fe.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function channelOf(address token, address payer, address signer, address payee) view returns(uint96 free, uint96 settled, uint96 ceiling, uint40 exitAt, uint24 epoch)
func (channels *Channels) PackChannelOf(token common.Address, payer common.Address, signer common.Address, payee common.Address) []byte {
	enc, err := channels.abi.Pack("channelOf", token, payer, signer, payee)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackChannelOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa8c319fe.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function channelOf(address token, address payer, address signer, address payee) view returns(uint96 free, uint96 settled, uint96 ceiling, uint40 exitAt, uint24 epoch)
func (channels *Channels) TryPackChannelOf(token common.Address, payer common.Address, signer common.Address, payee common.Address) ([]byte, error) {
	return channels.abi.Pack("channelOf", token, payer, signer, payee)
}

// ChannelOfOutput serves as a container for the return parameters of contract
// method ChannelOf.
type ChannelOfOutput struct {
	Free    *big.Int
	Settled *big.Int
	Ceiling *big.Int
	ExitAt  *big.Int
	Epoch   *big.Int
}

// UnpackChannelOf is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xa8c319fe.
//
// Solidity: function channelOf(address token, address payer, address signer, address payee) view returns(uint96 free, uint96 settled, uint96 ceiling, uint40 exitAt, uint24 epoch)
func (channels *Channels) UnpackChannelOf(data []byte) (ChannelOfOutput, error) {
	out, err := channels.abi.Unpack("channelOf", data)
	outstruct := new(ChannelOfOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Free = abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	outstruct.Settled = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	outstruct.Ceiling = abi.ConvertType(out[2], new(big.Int)).(*big.Int)
	outstruct.ExitAt = abi.ConvertType(out[3], new(big.Int)).(*big.Int)
	outstruct.Epoch = abi.ConvertType(out[4], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackClaim is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x767081d1.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function claim(address token, address payee, bytes rows) returns(uint256 paid)
func (channels *Channels) PackClaim(token common.Address, payee common.Address, rows []byte) []byte {
	enc, err := channels.abi.Pack("claim", token, payee, rows)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackClaim is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x767081d1.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function claim(address token, address payee, bytes rows) returns(uint256 paid)
func (channels *Channels) TryPackClaim(token common.Address, payee common.Address, rows []byte) ([]byte, error) {
	return channels.abi.Pack("claim", token, payee, rows)
}

// UnpackClaim is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x767081d1.
//
// Solidity: function claim(address token, address payee, bytes rows) returns(uint256 paid)
func (channels *Channels) UnpackClaim(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("claim", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackClaimSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x2fad1170.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function claimSigned(address token, address payee, bytes rows, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid)
func (channels *Channels) PackClaimSigned(token common.Address, payee common.Address, rows []byte, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("claimSigned", token, payee, rows, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackClaimSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x2fad1170.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function claimSigned(address token, address payee, bytes rows, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid)
func (channels *Channels) TryPackClaimSigned(token common.Address, payee common.Address, rows []byte, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("claimSigned", token, payee, rows, relay, fee, signature)
}

// UnpackClaimSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x2fad1170.
//
// Solidity: function claimSigned(address token, address payee, bytes rows, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid)
func (channels *Channels) UnpackClaimSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("claimSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackClaimToVault is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcaafbd1e.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function claimToVault(address token, address signer, bytes rows) returns(uint256 paid)
func (channels *Channels) PackClaimToVault(token common.Address, signer common.Address, rows []byte) []byte {
	enc, err := channels.abi.Pack("claimToVault", token, signer, rows)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackClaimToVault is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcaafbd1e.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function claimToVault(address token, address signer, bytes rows) returns(uint256 paid)
func (channels *Channels) TryPackClaimToVault(token common.Address, signer common.Address, rows []byte) ([]byte, error) {
	return channels.abi.Pack("claimToVault", token, signer, rows)
}

// UnpackClaimToVault is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xcaafbd1e.
//
// Solidity: function claimToVault(address token, address signer, bytes rows) returns(uint256 paid)
func (channels *Channels) UnpackClaimToVault(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("claimToVault", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackClaimToVaultSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1845d0ea.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function claimToVaultSigned(address token, address payee, address signer, bytes rows, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid)
func (channels *Channels) PackClaimToVaultSigned(token common.Address, payee common.Address, signer common.Address, rows []byte, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("claimToVaultSigned", token, payee, signer, rows, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackClaimToVaultSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1845d0ea.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function claimToVaultSigned(address token, address payee, address signer, bytes rows, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid)
func (channels *Channels) TryPackClaimToVaultSigned(token common.Address, payee common.Address, signer common.Address, rows []byte, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("claimToVaultSigned", token, payee, signer, rows, relay, fee, signature)
}

// UnpackClaimToVaultSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x1845d0ea.
//
// Solidity: function claimToVaultSigned(address token, address payee, address signer, bytes rows, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid)
func (channels *Channels) UnpackClaimToVaultSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("claimToVaultSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackCloseAndWithdraw is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x3a111656.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function closeAndWithdraw((address,address,address,bytes,uint96,uint24,uint40,bytes,address) c) returns(uint256 paid, uint96 withdrawn)
func (channels *Channels) PackCloseAndWithdraw(c IChannelsClosing) []byte {
	enc, err := channels.abi.Pack("closeAndWithdraw", c)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackCloseAndWithdraw is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x3a111656.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function closeAndWithdraw((address,address,address,bytes,uint96,uint24,uint40,bytes,address) c) returns(uint256 paid, uint96 withdrawn)
func (channels *Channels) TryPackCloseAndWithdraw(c IChannelsClosing) ([]byte, error) {
	return channels.abi.Pack("closeAndWithdraw", c)
}

// CloseAndWithdrawOutput serves as a container for the return parameters of contract
// method CloseAndWithdraw.
type CloseAndWithdrawOutput struct {
	Paid      *big.Int
	Withdrawn *big.Int
}

// UnpackCloseAndWithdraw is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x3a111656.
//
// Solidity: function closeAndWithdraw((address,address,address,bytes,uint96,uint24,uint40,bytes,address) c) returns(uint256 paid, uint96 withdrawn)
func (channels *Channels) UnpackCloseAndWithdraw(data []byte) (CloseAndWithdrawOutput, error) {
	out, err := channels.abi.Unpack("closeAndWithdraw", data)
	outstruct := new(CloseAndWithdrawOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Paid = abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	outstruct.Withdrawn = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackCloseAndWithdrawSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xeab574e4.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function closeAndWithdrawSigned((address,address,address,bytes,uint96,uint24,uint40,bytes,address) c, address payer, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid, uint96 withdrawn)
func (channels *Channels) PackCloseAndWithdrawSigned(c IChannelsClosing, payer common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("closeAndWithdrawSigned", c, payer, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackCloseAndWithdrawSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xeab574e4.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function closeAndWithdrawSigned((address,address,address,bytes,uint96,uint24,uint40,bytes,address) c, address payer, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid, uint96 withdrawn)
func (channels *Channels) TryPackCloseAndWithdrawSigned(c IChannelsClosing, payer common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("closeAndWithdrawSigned", c, payer, relay, fee, signature)
}

// CloseAndWithdrawSignedOutput serves as a container for the return parameters of contract
// method CloseAndWithdrawSigned.
type CloseAndWithdrawSignedOutput struct {
	Paid      *big.Int
	Withdrawn *big.Int
}

// UnpackCloseAndWithdrawSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xeab574e4.
//
// Solidity: function closeAndWithdrawSigned((address,address,address,bytes,uint96,uint24,uint40,bytes,address) c, address payer, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint256 paid, uint96 withdrawn)
func (channels *Channels) UnpackCloseAndWithdrawSigned(data []byte) (CloseAndWithdrawSignedOutput, error) {
	out, err := channels.abi.Unpack("closeAndWithdrawSigned", data)
	outstruct := new(CloseAndWithdrawSignedOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Paid = abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	outstruct.Withdrawn = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	return *outstruct, nil
}

// PackDeposit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0ac5eeaf.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function deposit(address token, address payer, address signer, uint96 amount) returns(uint96 received)
func (channels *Channels) PackDeposit(token common.Address, payer common.Address, signer common.Address, amount *big.Int) []byte {
	enc, err := channels.abi.Pack("deposit", token, payer, signer, amount)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDeposit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0ac5eeaf.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function deposit(address token, address payer, address signer, uint96 amount) returns(uint96 received)
func (channels *Channels) TryPackDeposit(token common.Address, payer common.Address, signer common.Address, amount *big.Int) ([]byte, error) {
	return channels.abi.Pack("deposit", token, payer, signer, amount)
}

// UnpackDeposit is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x0ac5eeaf.
//
// Solidity: function deposit(address token, address payer, address signer, uint96 amount) returns(uint96 received)
func (channels *Channels) UnpackDeposit(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("deposit", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackDomainSeparator is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf698da25.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (channels *Channels) PackDomainSeparator() []byte {
	enc, err := channels.abi.Pack("domainSeparator")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDomainSeparator is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf698da25.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (channels *Channels) TryPackDomainSeparator() ([]byte, error) {
	return channels.abi.Pack("domainSeparator")
}

// UnpackDomainSeparator is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xf698da25.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (channels *Channels) UnpackDomainSeparator(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("domainSeparator", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackEip712Domain is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x84b0196e.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function eip712Domain() view returns(bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)
func (channels *Channels) PackEip712Domain() []byte {
	enc, err := channels.abi.Pack("eip712Domain")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackEip712Domain is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x84b0196e.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function eip712Domain() view returns(bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)
func (channels *Channels) TryPackEip712Domain() ([]byte, error) {
	return channels.abi.Pack("eip712Domain")
}

// Eip712DomainOutput serves as a container for the return parameters of contract
// method Eip712Domain.
type Eip712DomainOutput struct {
	Fields            [1]byte
	Name              string
	Version           string
	ChainId           *big.Int
	VerifyingContract common.Address
	Salt              [32]byte
	Extensions        []*big.Int
}

// UnpackEip712Domain is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x84b0196e.
//
// Solidity: function eip712Domain() view returns(bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)
func (channels *Channels) UnpackEip712Domain(data []byte) (Eip712DomainOutput, error) {
	out, err := channels.abi.Unpack("eip712Domain", data)
	outstruct := new(Eip712DomainOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Fields = *abi.ConvertType(out[0], new([1]byte)).(*[1]byte)
	outstruct.Name = *abi.ConvertType(out[1], new(string)).(*string)
	outstruct.Version = *abi.ConvertType(out[2], new(string)).(*string)
	outstruct.ChainId = abi.ConvertType(out[3], new(big.Int)).(*big.Int)
	outstruct.VerifyingContract = *abi.ConvertType(out[4], new(common.Address)).(*common.Address)
	outstruct.Salt = *abi.ConvertType(out[5], new([32]byte)).(*[32]byte)
	outstruct.Extensions = *abi.ConvertType(out[6], new([]*big.Int)).(*[]*big.Int)
	return *outstruct, nil
}

// PackFinishExit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xebef4150.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function finishExit(address token, address payer, address signer, address payee) returns(uint96 freed)
func (channels *Channels) PackFinishExit(token common.Address, payer common.Address, signer common.Address, payee common.Address) []byte {
	enc, err := channels.abi.Pack("finishExit", token, payer, signer, payee)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackFinishExit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xebef4150.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function finishExit(address token, address payer, address signer, address payee) returns(uint96 freed)
func (channels *Channels) TryPackFinishExit(token common.Address, payer common.Address, signer common.Address, payee common.Address) ([]byte, error) {
	return channels.abi.Pack("finishExit", token, payer, signer, payee)
}

// UnpackFinishExit is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xebef4150.
//
// Solidity: function finishExit(address token, address payer, address signer, address payee) returns(uint96 freed)
func (channels *Channels) UnpackFinishExit(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("finishExit", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackFinishExitSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x77168f63.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function finishExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 freed)
func (channels *Channels) PackFinishExitSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("finishExitSigned", token, payer, signer, payee, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackFinishExitSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x77168f63.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function finishExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 freed)
func (channels *Channels) TryPackFinishExitSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("finishExitSigned", token, payer, signer, payee, relay, fee, signature)
}

// UnpackFinishExitSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x77168f63.
//
// Solidity: function finishExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 freed)
func (channels *Channels) UnpackFinishExitSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("finishExitSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackNoncesOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc06ace61.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function noncesOf(address account, uint256 word) view returns(uint256 used)
func (channels *Channels) PackNoncesOf(account common.Address, word *big.Int) []byte {
	enc, err := channels.abi.Pack("noncesOf", account, word)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackNoncesOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc06ace61.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function noncesOf(address account, uint256 word) view returns(uint256 used)
func (channels *Channels) TryPackNoncesOf(account common.Address, word *big.Int) ([]byte, error) {
	return channels.abi.Pack("noncesOf", account, word)
}

// UnpackNoncesOf is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xc06ace61.
//
// Solidity: function noncesOf(address account, uint256 word) view returns(uint256 used)
func (channels *Channels) UnpackNoncesOf(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("noncesOf", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackOpen is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa5bf68d0.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function open(address token, address signer, address payee, uint96 amount, uint96 ceiling) returns(uint96 received)
func (channels *Channels) PackOpen(token common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int) []byte {
	enc, err := channels.abi.Pack("open", token, signer, payee, amount, ceiling)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackOpen is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa5bf68d0.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function open(address token, address signer, address payee, uint96 amount, uint96 ceiling) returns(uint96 received)
func (channels *Channels) TryPackOpen(token common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int) ([]byte, error) {
	return channels.abi.Pack("open", token, signer, payee, amount, ceiling)
}

// UnpackOpen is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xa5bf68d0.
//
// Solidity: function open(address token, address signer, address payee, uint96 amount, uint96 ceiling) returns(uint96 received)
func (channels *Channels) UnpackOpen(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("open", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackOpenWithAuthorization is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x460c955b.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function openWithAuthorization((address,address,address,address,uint96,uint96) o, (uint256,uint256,bytes32,address,uint96,uint8,bytes32,bytes32) a, uint96 fee) returns(uint96 received)
func (channels *Channels) PackOpenWithAuthorization(o IChannelsOpening, a IChannelsAuthorization, fee *big.Int) []byte {
	enc, err := channels.abi.Pack("openWithAuthorization", o, a, fee)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackOpenWithAuthorization is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x460c955b.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function openWithAuthorization((address,address,address,address,uint96,uint96) o, (uint256,uint256,bytes32,address,uint96,uint8,bytes32,bytes32) a, uint96 fee) returns(uint96 received)
func (channels *Channels) TryPackOpenWithAuthorization(o IChannelsOpening, a IChannelsAuthorization, fee *big.Int) ([]byte, error) {
	return channels.abi.Pack("openWithAuthorization", o, a, fee)
}

// UnpackOpenWithAuthorization is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x460c955b.
//
// Solidity: function openWithAuthorization((address,address,address,address,uint96,uint96) o, (uint256,uint256,bytes32,address,uint96,uint8,bytes32,bytes32) a, uint96 fee) returns(uint96 received)
func (channels *Channels) UnpackOpenWithAuthorization(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("openWithAuthorization", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackOpenWithPermit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x107c7228.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function openWithPermit(address token, address signer, address payee, uint96 amount, uint96 ceiling, (uint256,uint256,uint8,bytes32,bytes32) permit) returns(uint96 received)
func (channels *Channels) PackOpenWithPermit(token common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int, permit IRelayingPermit) []byte {
	enc, err := channels.abi.Pack("openWithPermit", token, signer, payee, amount, ceiling, permit)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackOpenWithPermit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x107c7228.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function openWithPermit(address token, address signer, address payee, uint96 amount, uint96 ceiling, (uint256,uint256,uint8,bytes32,bytes32) permit) returns(uint96 received)
func (channels *Channels) TryPackOpenWithPermit(token common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int, permit IRelayingPermit) ([]byte, error) {
	return channels.abi.Pack("openWithPermit", token, signer, payee, amount, ceiling, permit)
}

// UnpackOpenWithPermit is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x107c7228.
//
// Solidity: function openWithPermit(address token, address signer, address payee, uint96 amount, uint96 ceiling, (uint256,uint256,uint8,bytes32,bytes32) permit) returns(uint96 received)
func (channels *Channels) UnpackOpenWithPermit(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("openWithPermit", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackOpenWithPermitSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x275cb7f7.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function openWithPermitSigned((address,address,address,address,uint96,uint96) o, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 received)
func (channels *Channels) PackOpenWithPermitSigned(o IChannelsOpening, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("openWithPermitSigned", o, permit, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackOpenWithPermitSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x275cb7f7.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function openWithPermitSigned((address,address,address,address,uint96,uint96) o, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 received)
func (channels *Channels) TryPackOpenWithPermitSigned(o IChannelsOpening, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("openWithPermitSigned", o, permit, relay, fee, signature)
}

// UnpackOpenWithPermitSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x275cb7f7.
//
// Solidity: function openWithPermitSigned((address,address,address,address,uint96,uint96) o, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 received)
func (channels *Channels) UnpackOpenWithPermitSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("openWithPermitSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackPromiseDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4a0178d7.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function promiseDigest(address payer, address payee, address token, uint96 cumulative) view returns(bytes32)
func (channels *Channels) PackPromiseDigest(payer common.Address, payee common.Address, token common.Address, cumulative *big.Int) []byte {
	enc, err := channels.abi.Pack("promiseDigest", payer, payee, token, cumulative)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackPromiseDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4a0178d7.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function promiseDigest(address payer, address payee, address token, uint96 cumulative) view returns(bytes32)
func (channels *Channels) TryPackPromiseDigest(payer common.Address, payee common.Address, token common.Address, cumulative *big.Int) ([]byte, error) {
	return channels.abi.Pack("promiseDigest", payer, payee, token, cumulative)
}

// UnpackPromiseDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x4a0178d7.
//
// Solidity: function promiseDigest(address payer, address payee, address token, uint96 cumulative) view returns(bytes32)
func (channels *Channels) UnpackPromiseDigest(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("promiseDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackRelease is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x23a1adb3.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function release(address token, address payer, address signer, uint96 ceiling) returns(uint96 freed)
func (channels *Channels) PackRelease(token common.Address, payer common.Address, signer common.Address, ceiling *big.Int) []byte {
	enc, err := channels.abi.Pack("release", token, payer, signer, ceiling)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRelease is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x23a1adb3.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function release(address token, address payer, address signer, uint96 ceiling) returns(uint96 freed)
func (channels *Channels) TryPackRelease(token common.Address, payer common.Address, signer common.Address, ceiling *big.Int) ([]byte, error) {
	return channels.abi.Pack("release", token, payer, signer, ceiling)
}

// UnpackRelease is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x23a1adb3.
//
// Solidity: function release(address token, address payer, address signer, uint96 ceiling) returns(uint96 freed)
func (channels *Channels) UnpackRelease(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("release", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackReleaseDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x12f1fc16.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function releaseDigest(address token, address payer, address signer, address payee, uint96 ceiling, uint24 epoch, uint40 validUntil) view returns(bytes32)
func (channels *Channels) PackReleaseDigest(token common.Address, payer common.Address, signer common.Address, payee common.Address, ceiling *big.Int, epoch *big.Int, validUntil *big.Int) []byte {
	enc, err := channels.abi.Pack("releaseDigest", token, payer, signer, payee, ceiling, epoch, validUntil)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackReleaseDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x12f1fc16.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function releaseDigest(address token, address payer, address signer, address payee, uint96 ceiling, uint24 epoch, uint40 validUntil) view returns(bytes32)
func (channels *Channels) TryPackReleaseDigest(token common.Address, payer common.Address, signer common.Address, payee common.Address, ceiling *big.Int, epoch *big.Int, validUntil *big.Int) ([]byte, error) {
	return channels.abi.Pack("releaseDigest", token, payer, signer, payee, ceiling, epoch, validUntil)
}

// UnpackReleaseDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x12f1fc16.
//
// Solidity: function releaseDigest(address token, address payer, address signer, address payee, uint96 ceiling, uint24 epoch, uint40 validUntil) view returns(bytes32)
func (channels *Channels) UnpackReleaseDigest(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("releaseDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackReleaseSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x12359582.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function releaseSigned(address token, address payer, address signer, address payee, uint96 ceiling, uint24 epoch, uint40 validUntil, bytes signature) returns(uint96 freed)
func (channels *Channels) PackReleaseSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, ceiling *big.Int, epoch *big.Int, validUntil *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("releaseSigned", token, payer, signer, payee, ceiling, epoch, validUntil, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackReleaseSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x12359582.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function releaseSigned(address token, address payer, address signer, address payee, uint96 ceiling, uint24 epoch, uint40 validUntil, bytes signature) returns(uint96 freed)
func (channels *Channels) TryPackReleaseSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, ceiling *big.Int, epoch *big.Int, validUntil *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("releaseSigned", token, payer, signer, payee, ceiling, epoch, validUntil, signature)
}

// UnpackReleaseSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x12359582.
//
// Solidity: function releaseSigned(address token, address payer, address signer, address payee, uint96 ceiling, uint24 epoch, uint40 validUntil, bytes signature) returns(uint96 freed)
func (channels *Channels) UnpackReleaseSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("releaseSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackReserve is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe78ebb55.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function reserve(address token, address signer, address payee, uint96 ceiling) returns()
func (channels *Channels) PackReserve(token common.Address, signer common.Address, payee common.Address, ceiling *big.Int) []byte {
	enc, err := channels.abi.Pack("reserve", token, signer, payee, ceiling)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackReserve is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe78ebb55.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function reserve(address token, address signer, address payee, uint96 ceiling) returns()
func (channels *Channels) TryPackReserve(token common.Address, signer common.Address, payee common.Address, ceiling *big.Int) ([]byte, error) {
	return channels.abi.Pack("reserve", token, signer, payee, ceiling)
}

// PackReserveDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa4609bfc.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function reserveDigest(address payer, address payee, address token, uint96 ceiling, uint24 epoch, uint40 validUntil) view returns(bytes32)
func (channels *Channels) PackReserveDigest(payer common.Address, payee common.Address, token common.Address, ceiling *big.Int, epoch *big.Int, validUntil *big.Int) []byte {
	enc, err := channels.abi.Pack("reserveDigest", payer, payee, token, ceiling, epoch, validUntil)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackReserveDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa4609bfc.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function reserveDigest(address payer, address payee, address token, uint96 ceiling, uint24 epoch, uint40 validUntil) view returns(bytes32)
func (channels *Channels) TryPackReserveDigest(payer common.Address, payee common.Address, token common.Address, ceiling *big.Int, epoch *big.Int, validUntil *big.Int) ([]byte, error) {
	return channels.abi.Pack("reserveDigest", payer, payee, token, ceiling, epoch, validUntil)
}

// UnpackReserveDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xa4609bfc.
//
// Solidity: function reserveDigest(address payer, address payee, address token, uint96 ceiling, uint24 epoch, uint40 validUntil) view returns(bytes32)
func (channels *Channels) UnpackReserveDigest(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("reserveDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackReserveSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x13c2d4b2.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function reserveSigned(address token, address payee, bytes rows) returns(uint256 reserved)
func (channels *Channels) PackReserveSigned(token common.Address, payee common.Address, rows []byte) []byte {
	enc, err := channels.abi.Pack("reserveSigned", token, payee, rows)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackReserveSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x13c2d4b2.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function reserveSigned(address token, address payee, bytes rows) returns(uint256 reserved)
func (channels *Channels) TryPackReserveSigned(token common.Address, payee common.Address, rows []byte) ([]byte, error) {
	return channels.abi.Pack("reserveSigned", token, payee, rows)
}

// UnpackReserveSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x13c2d4b2.
//
// Solidity: function reserveSigned(address token, address payee, bytes rows) returns(uint256 reserved)
func (channels *Channels) UnpackReserveSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("reserveSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackRevoke is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb16ced01.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function revoke(address token, address signer, address payee) returns(uint24 epoch)
func (channels *Channels) PackRevoke(token common.Address, signer common.Address, payee common.Address) []byte {
	enc, err := channels.abi.Pack("revoke", token, signer, payee)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRevoke is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb16ced01.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function revoke(address token, address signer, address payee) returns(uint24 epoch)
func (channels *Channels) TryPackRevoke(token common.Address, signer common.Address, payee common.Address) ([]byte, error) {
	return channels.abi.Pack("revoke", token, signer, payee)
}

// UnpackRevoke is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xb16ced01.
//
// Solidity: function revoke(address token, address signer, address payee) returns(uint24 epoch)
func (channels *Channels) UnpackRevoke(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("revoke", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackRevokeSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0a5ec9ca.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function revokeSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint24 epoch)
func (channels *Channels) PackRevokeSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("revokeSigned", token, payer, signer, payee, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRevokeSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0a5ec9ca.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function revokeSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint24 epoch)
func (channels *Channels) TryPackRevokeSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("revokeSigned", token, payer, signer, payee, relay, fee, signature)
}

// UnpackRevokeSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x0a5ec9ca.
//
// Solidity: function revokeSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint24 epoch)
func (channels *Channels) UnpackRevokeSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("revokeSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackStartExit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcc601e3e.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function startExit(address token, address signer, address payee) returns(uint40 exitAt)
func (channels *Channels) PackStartExit(token common.Address, signer common.Address, payee common.Address) []byte {
	enc, err := channels.abi.Pack("startExit", token, signer, payee)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackStartExit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcc601e3e.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function startExit(address token, address signer, address payee) returns(uint40 exitAt)
func (channels *Channels) TryPackStartExit(token common.Address, signer common.Address, payee common.Address) ([]byte, error) {
	return channels.abi.Pack("startExit", token, signer, payee)
}

// UnpackStartExit is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xcc601e3e.
//
// Solidity: function startExit(address token, address signer, address payee) returns(uint40 exitAt)
func (channels *Channels) UnpackStartExit(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("startExit", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackStartExitSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc5998682.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function startExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint40 exitAt)
func (channels *Channels) PackStartExitSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("startExitSigned", token, payer, signer, payee, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackStartExitSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc5998682.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function startExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint40 exitAt)
func (channels *Channels) TryPackStartExitSigned(token common.Address, payer common.Address, signer common.Address, payee common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("startExitSigned", token, payer, signer, payee, relay, fee, signature)
}

// UnpackStartExitSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xc5998682.
//
// Solidity: function startExitSigned(address token, address payer, address signer, address payee, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint40 exitAt)
func (channels *Channels) UnpackStartExitSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("startExitSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackVaultOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x515c2eba.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function vaultOf(address token, address payer, address signer) view returns(uint96 free)
func (channels *Channels) PackVaultOf(token common.Address, payer common.Address, signer common.Address) []byte {
	enc, err := channels.abi.Pack("vaultOf", token, payer, signer)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackVaultOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x515c2eba.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function vaultOf(address token, address payer, address signer) view returns(uint96 free)
func (channels *Channels) TryPackVaultOf(token common.Address, payer common.Address, signer common.Address) ([]byte, error) {
	return channels.abi.Pack("vaultOf", token, payer, signer)
}

// UnpackVaultOf is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x515c2eba.
//
// Solidity: function vaultOf(address token, address payer, address signer) view returns(uint96 free)
func (channels *Channels) UnpackVaultOf(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("vaultOf", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackWithdraw is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0dd69ae8.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function withdraw(address token, address signer, uint96 amount, address to) returns()
func (channels *Channels) PackWithdraw(token common.Address, signer common.Address, amount *big.Int, to common.Address) []byte {
	enc, err := channels.abi.Pack("withdraw", token, signer, amount, to)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackWithdraw is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x0dd69ae8.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function withdraw(address token, address signer, uint96 amount, address to) returns()
func (channels *Channels) TryPackWithdraw(token common.Address, signer common.Address, amount *big.Int, to common.Address) ([]byte, error) {
	return channels.abi.Pack("withdraw", token, signer, amount, to)
}

// PackWithdrawSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcdaa6685.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function withdrawSigned(address token, address payer, address signer, uint96 amount, address to, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 withdrawn)
func (channels *Channels) PackWithdrawSigned(token common.Address, payer common.Address, signer common.Address, amount *big.Int, to common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := channels.abi.Pack("withdrawSigned", token, payer, signer, amount, to, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackWithdrawSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcdaa6685.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function withdrawSigned(address token, address payer, address signer, uint96 amount, address to, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 withdrawn)
func (channels *Channels) TryPackWithdrawSigned(token common.Address, payer common.Address, signer common.Address, amount *big.Int, to common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return channels.abi.Pack("withdrawSigned", token, payer, signer, amount, to, relay, fee, signature)
}

// UnpackWithdrawSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xcdaa6685.
//
// Solidity: function withdrawSigned(address token, address payer, address signer, uint96 amount, address to, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 withdrawn)
func (channels *Channels) UnpackWithdrawSigned(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("withdrawSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// ChannelsClaimed represents a Claimed event raised by the Channels contract.
type ChannelsClaimed struct {
	Token   common.Address
	Payee   common.Address
	Paid    *big.Int
	Skipped *big.Int
	Settled [][32]byte
	Raw     *types.Log // Blockchain specific contextual infos
}

const ChannelsClaimedEventName = "Claimed"

// ContractEventName returns the user-defined event name.
func (ChannelsClaimed) ContractEventName() string {
	return ChannelsClaimedEventName
}

// UnpackClaimedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Claimed(address indexed token, address indexed payee, uint256 paid, uint256 skipped, bytes32[] settled)
func (channels *Channels) UnpackClaimedEvent(log *types.Log) (*ChannelsClaimed, error) {
	event := "Claimed"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsClaimed)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsDeposited represents a Deposited event raised by the Channels contract.
type ChannelsDeposited struct {
	Token  common.Address
	Payer  common.Address
	Signer common.Address
	Amount *big.Int
	Raw    *types.Log // Blockchain specific contextual infos
}

const ChannelsDepositedEventName = "Deposited"

// ContractEventName returns the user-defined event name.
func (ChannelsDeposited) ContractEventName() string {
	return ChannelsDepositedEventName
}

// UnpackDepositedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Deposited(address indexed token, address indexed payer, address indexed signer, uint96 amount)
func (channels *Channels) UnpackDepositedEvent(log *types.Log) (*ChannelsDeposited, error) {
	event := "Deposited"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsDeposited)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsEIP712DomainChanged represents a EIP712DomainChanged event raised by the Channels contract.
type ChannelsEIP712DomainChanged struct {
	Raw *types.Log // Blockchain specific contextual infos
}

const ChannelsEIP712DomainChangedEventName = "EIP712DomainChanged"

// ContractEventName returns the user-defined event name.
func (ChannelsEIP712DomainChanged) ContractEventName() string {
	return ChannelsEIP712DomainChangedEventName
}

// UnpackEIP712DomainChangedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event EIP712DomainChanged()
func (channels *Channels) UnpackEIP712DomainChangedEvent(log *types.Log) (*ChannelsEIP712DomainChanged, error) {
	event := "EIP712DomainChanged"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsEIP712DomainChanged)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsExitCancelled represents a ExitCancelled event raised by the Channels contract.
type ChannelsExitCancelled struct {
	Token  common.Address
	Payer  common.Address
	Payee  common.Address
	Signer common.Address
	Raw    *types.Log // Blockchain specific contextual infos
}

const ChannelsExitCancelledEventName = "ExitCancelled"

// ContractEventName returns the user-defined event name.
func (ChannelsExitCancelled) ContractEventName() string {
	return ChannelsExitCancelledEventName
}

// UnpackExitCancelledEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ExitCancelled(address indexed token, address indexed payer, address indexed payee, address signer)
func (channels *Channels) UnpackExitCancelledEvent(log *types.Log) (*ChannelsExitCancelled, error) {
	event := "ExitCancelled"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsExitCancelled)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsExitStarted represents a ExitStarted event raised by the Channels contract.
type ChannelsExitStarted struct {
	Token  common.Address
	Payer  common.Address
	Payee  common.Address
	Signer common.Address
	ExitAt *big.Int
	Raw    *types.Log // Blockchain specific contextual infos
}

const ChannelsExitStartedEventName = "ExitStarted"

// ContractEventName returns the user-defined event name.
func (ChannelsExitStarted) ContractEventName() string {
	return ChannelsExitStartedEventName
}

// UnpackExitStartedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ExitStarted(address indexed token, address indexed payer, address indexed payee, address signer, uint40 exitAt)
func (channels *Channels) UnpackExitStartedEvent(log *types.Log) (*ChannelsExitStarted, error) {
	event := "ExitStarted"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsExitStarted)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsNoncesCancelled represents a NoncesCancelled event raised by the Channels contract.
type ChannelsNoncesCancelled struct {
	Account common.Address
	Word    *big.Int
	Used    *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const ChannelsNoncesCancelledEventName = "NoncesCancelled"

// ContractEventName returns the user-defined event name.
func (ChannelsNoncesCancelled) ContractEventName() string {
	return ChannelsNoncesCancelledEventName
}

// UnpackNoncesCancelledEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event NoncesCancelled(address indexed account, uint256 word, uint256 used)
func (channels *Channels) UnpackNoncesCancelledEvent(log *types.Log) (*ChannelsNoncesCancelled, error) {
	event := "NoncesCancelled"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsNoncesCancelled)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsOpened represents a Opened event raised by the Channels contract.
type ChannelsOpened struct {
	Token   common.Address
	Payer   common.Address
	Payee   common.Address
	Signer  common.Address
	Amount  *big.Int
	Ceiling *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const ChannelsOpenedEventName = "Opened"

// ContractEventName returns the user-defined event name.
func (ChannelsOpened) ContractEventName() string {
	return ChannelsOpenedEventName
}

// UnpackOpenedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Opened(address indexed token, address indexed payer, address indexed payee, address signer, uint96 amount, uint96 ceiling)
func (channels *Channels) UnpackOpenedEvent(log *types.Log) (*ChannelsOpened, error) {
	event := "Opened"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsOpened)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsRelayed represents a Relayed event raised by the Channels contract.
type ChannelsRelayed struct {
	Account common.Address
	Relayer common.Address
	Token   common.Address
	Nonce   *big.Int
	Fee     *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const ChannelsRelayedEventName = "Relayed"

// ContractEventName returns the user-defined event name.
func (ChannelsRelayed) ContractEventName() string {
	return ChannelsRelayedEventName
}

// UnpackRelayedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Relayed(address indexed account, address indexed relayer, address indexed token, uint256 nonce, uint96 fee)
func (channels *Channels) UnpackRelayedEvent(log *types.Log) (*ChannelsRelayed, error) {
	event := "Relayed"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsRelayed)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsReleased represents a Released event raised by the Channels contract.
type ChannelsReleased struct {
	Token   common.Address
	Payer   common.Address
	Payee   common.Address
	Signer  common.Address
	Ceiling *big.Int
	Epoch   *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const ChannelsReleasedEventName = "Released"

// ContractEventName returns the user-defined event name.
func (ChannelsReleased) ContractEventName() string {
	return ChannelsReleasedEventName
}

// UnpackReleasedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Released(address indexed token, address indexed payer, address indexed payee, address signer, uint96 ceiling, uint24 epoch)
func (channels *Channels) UnpackReleasedEvent(log *types.Log) (*ChannelsReleased, error) {
	event := "Released"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsReleased)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsReserveUsed represents a ReserveUsed event raised by the Channels contract.
type ChannelsReserveUsed struct {
	Token   common.Address
	Payer   common.Address
	Payee   common.Address
	Signer  common.Address
	Ceiling *big.Int
	Epoch   *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const ChannelsReserveUsedEventName = "ReserveUsed"

// ContractEventName returns the user-defined event name.
func (ChannelsReserveUsed) ContractEventName() string {
	return ChannelsReserveUsedEventName
}

// UnpackReserveUsedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ReserveUsed(address indexed token, address indexed payer, address indexed payee, address signer, uint96 ceiling, uint24 epoch)
func (channels *Channels) UnpackReserveUsedEvent(log *types.Log) (*ChannelsReserveUsed, error) {
	event := "ReserveUsed"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsReserveUsed)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsReserved represents a Reserved event raised by the Channels contract.
type ChannelsReserved struct {
	Token   common.Address
	Payer   common.Address
	Payee   common.Address
	Signer  common.Address
	Ceiling *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const ChannelsReservedEventName = "Reserved"

// ContractEventName returns the user-defined event name.
func (ChannelsReserved) ContractEventName() string {
	return ChannelsReservedEventName
}

// UnpackReservedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Reserved(address indexed token, address indexed payer, address indexed payee, address signer, uint96 ceiling)
func (channels *Channels) UnpackReservedEvent(log *types.Log) (*ChannelsReserved, error) {
	event := "Reserved"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsReserved)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsReservesSkipped represents a ReservesSkipped event raised by the Channels contract.
type ChannelsReservesSkipped struct {
	Token common.Address
	Payee common.Address
	Rows  *big.Int
	Raw   *types.Log // Blockchain specific contextual infos
}

const ChannelsReservesSkippedEventName = "ReservesSkipped"

// ContractEventName returns the user-defined event name.
func (ChannelsReservesSkipped) ContractEventName() string {
	return ChannelsReservesSkippedEventName
}

// UnpackReservesSkippedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ReservesSkipped(address indexed token, address indexed payee, uint256 rows)
func (channels *Channels) UnpackReservesSkippedEvent(log *types.Log) (*ChannelsReservesSkipped, error) {
	event := "ReservesSkipped"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsReservesSkipped)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsRevoked represents a Revoked event raised by the Channels contract.
type ChannelsRevoked struct {
	Token  common.Address
	Payer  common.Address
	Payee  common.Address
	Signer common.Address
	Epoch  *big.Int
	Raw    *types.Log // Blockchain specific contextual infos
}

const ChannelsRevokedEventName = "Revoked"

// ContractEventName returns the user-defined event name.
func (ChannelsRevoked) ContractEventName() string {
	return ChannelsRevokedEventName
}

// UnpackRevokedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Revoked(address indexed token, address indexed payer, address indexed payee, address signer, uint24 epoch)
func (channels *Channels) UnpackRevokedEvent(log *types.Log) (*ChannelsRevoked, error) {
	event := "Revoked"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsRevoked)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsWithdrawn represents a Withdrawn event raised by the Channels contract.
type ChannelsWithdrawn struct {
	Token  common.Address
	Payer  common.Address
	Signer common.Address
	To     common.Address
	Amount *big.Int
	Raw    *types.Log // Blockchain specific contextual infos
}

const ChannelsWithdrawnEventName = "Withdrawn"

// ContractEventName returns the user-defined event name.
func (ChannelsWithdrawn) ContractEventName() string {
	return ChannelsWithdrawnEventName
}

// UnpackWithdrawnEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Withdrawn(address indexed token, address indexed payer, address indexed signer, address to, uint96 amount)
func (channels *Channels) UnpackWithdrawnEvent(log *types.Log) (*ChannelsWithdrawn, error) {
	event := "Withdrawn"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsWithdrawn)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// UnpackError attempts to decode the provided error data using user-defined
// error definitions.
func (channels *Channels) UnpackError(raw []byte) (any, error) {
	if bytes.Equal(raw[:4], channels.abi.Errors["AmountOverflow"].ID.Bytes()[:4]) {
		return channels.UnpackAmountOverflowError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["CeilingNotLowered"].ID.Bytes()[:4]) {
		return channels.UnpackCeilingNotLoweredError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["CeilingNotRaised"].ID.Bytes()[:4]) {
		return channels.UnpackCeilingNotRaisedError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ExitDelayOutOfRange"].ID.Bytes()[:4]) {
		return channels.UnpackExitDelayOutOfRangeError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ExitInProgress"].ID.Bytes()[:4]) {
		return channels.UnpackExitInProgressError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ExitTooEarly"].ID.Bytes()[:4]) {
		return channels.UnpackExitTooEarlyError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["FeeAboveCap"].ID.Bytes()[:4]) {
		return channels.UnpackFeeAboveCapError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InsufficientFree"].ID.Bytes()[:4]) {
		return channels.UnpackInsufficientFreeError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InvalidRecipient"].ID.Bytes()[:4]) {
		return channels.UnpackInvalidRecipientError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InvalidReleaseSignature"].ID.Bytes()[:4]) {
		return channels.UnpackInvalidReleaseSignatureError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InvalidSignature"].ID.Bytes()[:4]) {
		return channels.UnpackInvalidSignatureError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["NoExit"].ID.Bytes()[:4]) {
		return channels.UnpackNoExitError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["NonceUsed"].ID.Bytes()[:4]) {
		return channels.UnpackNonceUsedError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["NothingReceived"].ID.Bytes()[:4]) {
		return channels.UnpackNothingReceivedError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["NothingReserved"].ID.Bytes()[:4]) {
		return channels.UnpackNothingReservedError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ReentrancyGuardReentrantCall"].ID.Bytes()[:4]) {
		return channels.UnpackReentrancyGuardReentrantCallError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ReleaseExpired"].ID.Bytes()[:4]) {
		return channels.UnpackReleaseExpiredError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["RowsLength"].ID.Bytes()[:4]) {
		return channels.UnpackRowsLengthError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["SafeERC20FailedOperation"].ID.Bytes()[:4]) {
		return channels.UnpackSafeERC20FailedOperationError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["SignatureExpired"].ID.Bytes()[:4]) {
		return channels.UnpackSignatureExpiredError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["WrongEpoch"].ID.Bytes()[:4]) {
		return channels.UnpackWrongEpochError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["WrongRelayer"].ID.Bytes()[:4]) {
		return channels.UnpackWrongRelayerError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ZeroPayer"].ID.Bytes()[:4]) {
		return channels.UnpackZeroPayerError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ZeroSigner"].ID.Bytes()[:4]) {
		return channels.UnpackZeroSignerError(raw[4:])
	}
	return nil, errors.New("Unknown error")
}

// ChannelsAmountOverflow represents a AmountOverflow error raised by the Channels contract.
type ChannelsAmountOverflow struct {
	Amount *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error AmountOverflow(uint256 amount)
func ChannelsAmountOverflowErrorID() common.Hash {
	return common.HexToHash("0xff29cf0dc99945886e0b88909c7a5ea60d0489dedf5c69850991b1580beffb68")
}

// UnpackAmountOverflowError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error AmountOverflow(uint256 amount)
func (channels *Channels) UnpackAmountOverflowError(raw []byte) (*ChannelsAmountOverflow, error) {
	out := new(ChannelsAmountOverflow)
	if err := channels.abi.UnpackIntoInterface(out, "AmountOverflow", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsCeilingNotLowered represents a CeilingNotLowered error raised by the Channels contract.
type ChannelsCeilingNotLowered struct {
	Current *big.Int
	Wanted  *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error CeilingNotLowered(uint96 current, uint96 wanted)
func ChannelsCeilingNotLoweredErrorID() common.Hash {
	return common.HexToHash("0x4046233428ecd709dc686d5ebf90317a1f3611725c8a95416006e7a41e3cfeb6")
}

// UnpackCeilingNotLoweredError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error CeilingNotLowered(uint96 current, uint96 wanted)
func (channels *Channels) UnpackCeilingNotLoweredError(raw []byte) (*ChannelsCeilingNotLowered, error) {
	out := new(ChannelsCeilingNotLowered)
	if err := channels.abi.UnpackIntoInterface(out, "CeilingNotLowered", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsCeilingNotRaised represents a CeilingNotRaised error raised by the Channels contract.
type ChannelsCeilingNotRaised struct {
	Current *big.Int
	Wanted  *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error CeilingNotRaised(uint96 current, uint96 wanted)
func ChannelsCeilingNotRaisedErrorID() common.Hash {
	return common.HexToHash("0x2a537107e18e80dd03c2328b795c6dee3b307cf7ce60aad1d4abb20181f82422")
}

// UnpackCeilingNotRaisedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error CeilingNotRaised(uint96 current, uint96 wanted)
func (channels *Channels) UnpackCeilingNotRaisedError(raw []byte) (*ChannelsCeilingNotRaised, error) {
	out := new(ChannelsCeilingNotRaised)
	if err := channels.abi.UnpackIntoInterface(out, "CeilingNotRaised", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsExitDelayOutOfRange represents a ExitDelayOutOfRange error raised by the Channels contract.
type ChannelsExitDelayOutOfRange struct {
	Delay *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ExitDelayOutOfRange(uint256 delay)
func ChannelsExitDelayOutOfRangeErrorID() common.Hash {
	return common.HexToHash("0xe2c19815cc30bd64aaff4f80cc0667167d9a6c7ea4b27a8dc6822d1d5af92f4a")
}

// UnpackExitDelayOutOfRangeError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ExitDelayOutOfRange(uint256 delay)
func (channels *Channels) UnpackExitDelayOutOfRangeError(raw []byte) (*ChannelsExitDelayOutOfRange, error) {
	out := new(ChannelsExitDelayOutOfRange)
	if err := channels.abi.UnpackIntoInterface(out, "ExitDelayOutOfRange", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsExitInProgress represents a ExitInProgress error raised by the Channels contract.
type ChannelsExitInProgress struct {
	ExitAt *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ExitInProgress(uint40 exitAt)
func ChannelsExitInProgressErrorID() common.Hash {
	return common.HexToHash("0x103cb3b29c0cefbd351bbd05b2082f8ac532c0243232e290298370c5a0c68adf")
}

// UnpackExitInProgressError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ExitInProgress(uint40 exitAt)
func (channels *Channels) UnpackExitInProgressError(raw []byte) (*ChannelsExitInProgress, error) {
	out := new(ChannelsExitInProgress)
	if err := channels.abi.UnpackIntoInterface(out, "ExitInProgress", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsExitTooEarly represents a ExitTooEarly error raised by the Channels contract.
type ChannelsExitTooEarly struct {
	ExitAt *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ExitTooEarly(uint40 exitAt)
func ChannelsExitTooEarlyErrorID() common.Hash {
	return common.HexToHash("0x0703f12549282e0ebbd5779af6aa6c5054f66f4077987a4156b43fab42e0f351")
}

// UnpackExitTooEarlyError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ExitTooEarly(uint40 exitAt)
func (channels *Channels) UnpackExitTooEarlyError(raw []byte) (*ChannelsExitTooEarly, error) {
	out := new(ChannelsExitTooEarly)
	if err := channels.abi.UnpackIntoInterface(out, "ExitTooEarly", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsFeeAboveCap represents a FeeAboveCap error raised by the Channels contract.
type ChannelsFeeAboveCap struct {
	Cap *big.Int
	Fee *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error FeeAboveCap(uint96 cap, uint96 fee)
func ChannelsFeeAboveCapErrorID() common.Hash {
	return common.HexToHash("0x7f9e8a5ea5ce471b00a4d1eda07913c044c2fd858569b3f0aa6abef0e6ca5dde")
}

// UnpackFeeAboveCapError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error FeeAboveCap(uint96 cap, uint96 fee)
func (channels *Channels) UnpackFeeAboveCapError(raw []byte) (*ChannelsFeeAboveCap, error) {
	out := new(ChannelsFeeAboveCap)
	if err := channels.abi.UnpackIntoInterface(out, "FeeAboveCap", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsInsufficientFree represents a InsufficientFree error raised by the Channels contract.
type ChannelsInsufficientFree struct {
	Free   *big.Int
	Wanted *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InsufficientFree(uint96 free, uint96 wanted)
func ChannelsInsufficientFreeErrorID() common.Hash {
	return common.HexToHash("0x24e3531374a2722956ba095b4fb3c2ceb5c2a5fe4bb4d400a212e25f0cb34c21")
}

// UnpackInsufficientFreeError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InsufficientFree(uint96 free, uint96 wanted)
func (channels *Channels) UnpackInsufficientFreeError(raw []byte) (*ChannelsInsufficientFree, error) {
	out := new(ChannelsInsufficientFree)
	if err := channels.abi.UnpackIntoInterface(out, "InsufficientFree", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsInvalidRecipient represents a InvalidRecipient error raised by the Channels contract.
type ChannelsInvalidRecipient struct {
	Recipient common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidRecipient(address recipient)
func ChannelsInvalidRecipientErrorID() common.Hash {
	return common.HexToHash("0x17858bbe33f2abed3758965a9f02dee0a7e83a84b7b813e2a23810c33c0858ea")
}

// UnpackInvalidRecipientError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidRecipient(address recipient)
func (channels *Channels) UnpackInvalidRecipientError(raw []byte) (*ChannelsInvalidRecipient, error) {
	out := new(ChannelsInvalidRecipient)
	if err := channels.abi.UnpackIntoInterface(out, "InvalidRecipient", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsInvalidReleaseSignature represents a InvalidReleaseSignature error raised by the Channels contract.
type ChannelsInvalidReleaseSignature struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidReleaseSignature()
func ChannelsInvalidReleaseSignatureErrorID() common.Hash {
	return common.HexToHash("0xcda44837bce8d0782e583faead097b0eced91cae9b408ab76971b8306fdd237c")
}

// UnpackInvalidReleaseSignatureError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidReleaseSignature()
func (channels *Channels) UnpackInvalidReleaseSignatureError(raw []byte) (*ChannelsInvalidReleaseSignature, error) {
	out := new(ChannelsInvalidReleaseSignature)
	if err := channels.abi.UnpackIntoInterface(out, "InvalidReleaseSignature", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsInvalidSignature represents a InvalidSignature error raised by the Channels contract.
type ChannelsInvalidSignature struct {
	Account common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidSignature(address account)
func ChannelsInvalidSignatureErrorID() common.Hash {
	return common.HexToHash("0xd855c4f4d7a9aef9d1b6f49c25339cf5cd471e30830c8071f7b5024985e5abcd")
}

// UnpackInvalidSignatureError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidSignature(address account)
func (channels *Channels) UnpackInvalidSignatureError(raw []byte) (*ChannelsInvalidSignature, error) {
	out := new(ChannelsInvalidSignature)
	if err := channels.abi.UnpackIntoInterface(out, "InvalidSignature", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsNoExit represents a NoExit error raised by the Channels contract.
type ChannelsNoExit struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NoExit()
func ChannelsNoExitErrorID() common.Hash {
	return common.HexToHash("0x199182803535974046054db8ca4e70b12296c91f61c462edeb0c989b0c0fa184")
}

// UnpackNoExitError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NoExit()
func (channels *Channels) UnpackNoExitError(raw []byte) (*ChannelsNoExit, error) {
	out := new(ChannelsNoExit)
	if err := channels.abi.UnpackIntoInterface(out, "NoExit", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsNonceUsed represents a NonceUsed error raised by the Channels contract.
type ChannelsNonceUsed struct {
	Account common.Address
	Nonce   *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NonceUsed(address account, uint256 nonce)
func ChannelsNonceUsedErrorID() common.Hash {
	return common.HexToHash("0x2af71f10069c28afc67c3752e87e0e4616a97948d33c8f404a856c0c334b3e01")
}

// UnpackNonceUsedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NonceUsed(address account, uint256 nonce)
func (channels *Channels) UnpackNonceUsedError(raw []byte) (*ChannelsNonceUsed, error) {
	out := new(ChannelsNonceUsed)
	if err := channels.abi.UnpackIntoInterface(out, "NonceUsed", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsNothingReceived represents a NothingReceived error raised by the Channels contract.
type ChannelsNothingReceived struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NothingReceived()
func ChannelsNothingReceivedErrorID() common.Hash {
	return common.HexToHash("0xb5c74a275db6c4a09f1d71a73712216ab6d7a1b83d11690eaf97fa848e234537")
}

// UnpackNothingReceivedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NothingReceived()
func (channels *Channels) UnpackNothingReceivedError(raw []byte) (*ChannelsNothingReceived, error) {
	out := new(ChannelsNothingReceived)
	if err := channels.abi.UnpackIntoInterface(out, "NothingReceived", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsNothingReserved represents a NothingReserved error raised by the Channels contract.
type ChannelsNothingReserved struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NothingReserved()
func ChannelsNothingReservedErrorID() common.Hash {
	return common.HexToHash("0xb71ad78651cec4ea9cd6cedb755881c9a677c1e4d692af584a0eb7dc3f60b234")
}

// UnpackNothingReservedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NothingReserved()
func (channels *Channels) UnpackNothingReservedError(raw []byte) (*ChannelsNothingReserved, error) {
	out := new(ChannelsNothingReserved)
	if err := channels.abi.UnpackIntoInterface(out, "NothingReserved", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsReentrancyGuardReentrantCall represents a ReentrancyGuardReentrantCall error raised by the Channels contract.
type ChannelsReentrancyGuardReentrantCall struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ReentrancyGuardReentrantCall()
func ChannelsReentrancyGuardReentrantCallErrorID() common.Hash {
	return common.HexToHash("0x3ee5aeb571de7fc460830b4d0017439a1ca56fb0bc39062227ade4fe4a24c1ca")
}

// UnpackReentrancyGuardReentrantCallError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ReentrancyGuardReentrantCall()
func (channels *Channels) UnpackReentrancyGuardReentrantCallError(raw []byte) (*ChannelsReentrancyGuardReentrantCall, error) {
	out := new(ChannelsReentrancyGuardReentrantCall)
	if err := channels.abi.UnpackIntoInterface(out, "ReentrancyGuardReentrantCall", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsReleaseExpired represents a ReleaseExpired error raised by the Channels contract.
type ChannelsReleaseExpired struct {
	ValidUntil *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ReleaseExpired(uint40 validUntil)
func ChannelsReleaseExpiredErrorID() common.Hash {
	return common.HexToHash("0x5e3e152fc406bb9832071a18f9abd56775a13149cd1e4ff31ac8f804b286771a")
}

// UnpackReleaseExpiredError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ReleaseExpired(uint40 validUntil)
func (channels *Channels) UnpackReleaseExpiredError(raw []byte) (*ChannelsReleaseExpired, error) {
	out := new(ChannelsReleaseExpired)
	if err := channels.abi.UnpackIntoInterface(out, "ReleaseExpired", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsRowsLength represents a RowsLength error raised by the Channels contract.
type ChannelsRowsLength struct {
	Length *big.Int
	Row    *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error RowsLength(uint256 length, uint256 row)
func ChannelsRowsLengthErrorID() common.Hash {
	return common.HexToHash("0xf0e713c6113a0d20f6f331fa8ca04615a456625ca46862dfd5369450fb66eb3b")
}

// UnpackRowsLengthError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error RowsLength(uint256 length, uint256 row)
func (channels *Channels) UnpackRowsLengthError(raw []byte) (*ChannelsRowsLength, error) {
	out := new(ChannelsRowsLength)
	if err := channels.abi.UnpackIntoInterface(out, "RowsLength", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsSafeERC20FailedOperation represents a SafeERC20FailedOperation error raised by the Channels contract.
type ChannelsSafeERC20FailedOperation struct {
	Token common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error SafeERC20FailedOperation(address token)
func ChannelsSafeERC20FailedOperationErrorID() common.Hash {
	return common.HexToHash("0x5274afe73c98b4749fc91ffae6b7b574e7842cb2144a159e9377a5f20b32edf9")
}

// UnpackSafeERC20FailedOperationError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error SafeERC20FailedOperation(address token)
func (channels *Channels) UnpackSafeERC20FailedOperationError(raw []byte) (*ChannelsSafeERC20FailedOperation, error) {
	out := new(ChannelsSafeERC20FailedOperation)
	if err := channels.abi.UnpackIntoInterface(out, "SafeERC20FailedOperation", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsSignatureExpired represents a SignatureExpired error raised by the Channels contract.
type ChannelsSignatureExpired struct {
	Deadline *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error SignatureExpired(uint40 deadline)
func ChannelsSignatureExpiredErrorID() common.Hash {
	return common.HexToHash("0x4e1025f6fc80920c5dc360f54cdec3bf63cf186b9fbfa3d221626ab32312429c")
}

// UnpackSignatureExpiredError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error SignatureExpired(uint40 deadline)
func (channels *Channels) UnpackSignatureExpiredError(raw []byte) (*ChannelsSignatureExpired, error) {
	out := new(ChannelsSignatureExpired)
	if err := channels.abi.UnpackIntoInterface(out, "SignatureExpired", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsWrongEpoch represents a WrongEpoch error raised by the Channels contract.
type ChannelsWrongEpoch struct {
	Current *big.Int
	Signed  *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error WrongEpoch(uint24 current, uint24 signed)
func ChannelsWrongEpochErrorID() common.Hash {
	return common.HexToHash("0xf5f5f3c8316de5375cfff6cf3e2a968d558592c366fb6e9e2ff6148b4ccc7f03")
}

// UnpackWrongEpochError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error WrongEpoch(uint24 current, uint24 signed)
func (channels *Channels) UnpackWrongEpochError(raw []byte) (*ChannelsWrongEpoch, error) {
	out := new(ChannelsWrongEpoch)
	if err := channels.abi.UnpackIntoInterface(out, "WrongEpoch", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsWrongRelayer represents a WrongRelayer error raised by the Channels contract.
type ChannelsWrongRelayer struct {
	Relayer common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error WrongRelayer(address relayer)
func ChannelsWrongRelayerErrorID() common.Hash {
	return common.HexToHash("0xdd770b77d9183038b3b5f449c2a9c90d2c326171f05b1641fb43ae2e42fdc836")
}

// UnpackWrongRelayerError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error WrongRelayer(address relayer)
func (channels *Channels) UnpackWrongRelayerError(raw []byte) (*ChannelsWrongRelayer, error) {
	out := new(ChannelsWrongRelayer)
	if err := channels.abi.UnpackIntoInterface(out, "WrongRelayer", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsZeroPayer represents a ZeroPayer error raised by the Channels contract.
type ChannelsZeroPayer struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ZeroPayer()
func ChannelsZeroPayerErrorID() common.Hash {
	return common.HexToHash("0xa26bef697db12f8f2c3d1fd84bc7fbad7722a802293afe7f7a37ab0372636374")
}

// UnpackZeroPayerError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ZeroPayer()
func (channels *Channels) UnpackZeroPayerError(raw []byte) (*ChannelsZeroPayer, error) {
	out := new(ChannelsZeroPayer)
	if err := channels.abi.UnpackIntoInterface(out, "ZeroPayer", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsZeroSigner represents a ZeroSigner error raised by the Channels contract.
type ChannelsZeroSigner struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ZeroSigner()
func ChannelsZeroSignerErrorID() common.Hash {
	return common.HexToHash("0xe5c48ac578e050f5a863729c359600666b17bce09ec64f88719c5ce6fc799f6a")
}

// UnpackZeroSignerError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ZeroSigner()
func (channels *Channels) UnpackZeroSignerError(raw []byte) (*ChannelsZeroSigner, error) {
	out := new(ChannelsZeroSigner)
	if err := channels.abi.UnpackIntoInterface(out, "ZeroSigner", raw); err != nil {
		return nil, err
	}
	return out, nil
}
