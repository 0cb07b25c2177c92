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

// ChannelsMetaData contains all meta data concerning the Channels contract.
var ChannelsMetaData = bind.MetaData{
	ABI: "[{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"exitDelay\",\"type\":\"uint40\"}],\"stateMutability\":\"nonpayable\",\"type\":\"constructor\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"AmountOverflow\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"current\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"wanted\",\"type\":\"uint96\"}],\"name\":\"CeilingNotLowered\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"current\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"wanted\",\"type\":\"uint96\"}],\"name\":\"CeilingNotRaised\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"delay\",\"type\":\"uint256\"}],\"name\":\"ExitDelayOutOfRange\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"name\":\"ExitInProgress\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"name\":\"ExitTooEarly\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"free\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"wanted\",\"type\":\"uint96\"}],\"name\":\"InsufficientFree\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"recipient\",\"type\":\"address\"}],\"name\":\"InvalidRecipient\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"InvalidReleaseSignature\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NoExit\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NothingReceived\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NothingReserved\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ReentrancyGuardReentrantCall\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"}],\"name\":\"ReleaseExpired\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"length\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"row\",\"type\":\"uint256\"}],\"name\":\"RowsLength\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"}],\"name\":\"SafeERC20FailedOperation\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint24\",\"name\":\"current\",\"type\":\"uint24\"},{\"internalType\":\"uint24\",\"name\":\"signed\",\"type\":\"uint24\"}],\"name\":\"WrongEpoch\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ZeroSigner\",\"type\":\"error\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"}],\"name\":\"Claimed\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"Deposited\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[],\"name\":\"EIP712DomainChanged\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"}],\"name\":\"ExitCancelled\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"name\":\"ExitStarted\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"Opened\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"}],\"name\":\"Released\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"Reserved\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"Withdrawn\",\"type\":\"event\"},{\"inputs\":[],\"name\":\"EXIT_DELAY\",\"outputs\":[{\"internalType\":\"uint40\",\"name\":\"\",\"type\":\"uint40\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MAX_EXIT_DELAY\",\"outputs\":[{\"internalType\":\"uint40\",\"name\":\"\",\"type\":\"uint40\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"validAfter\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"validBefore\",\"type\":\"uint256\"},{\"internalType\":\"bytes32\",\"name\":\"salt\",\"type\":\"bytes32\"}],\"name\":\"authorizationNonce\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"cancelExit\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"channelOf\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"free\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"settled\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"}],\"name\":\"claim\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"}],\"name\":\"claimToVault\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"},{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"}],\"name\":\"closeAndWithdraw\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"paid\",\"type\":\"uint256\"},{\"internalType\":\"uint96\",\"name\":\"withdrawn\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"deposit\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"domainSeparator\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"eip712Domain\",\"outputs\":[{\"internalType\":\"bytes1\",\"name\":\"fields\",\"type\":\"bytes1\"},{\"internalType\":\"string\",\"name\":\"name\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"},{\"internalType\":\"uint256\",\"name\":\"chainId\",\"type\":\"uint256\"},{\"internalType\":\"address\",\"name\":\"verifyingContract\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"salt\",\"type\":\"bytes32\"},{\"internalType\":\"uint256[]\",\"name\":\"extensions\",\"type\":\"uint256[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"finishExit\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"freed\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"open\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"validAfter\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"validBefore\",\"type\":\"uint256\"},{\"internalType\":\"bytes32\",\"name\":\"salt\",\"type\":\"bytes32\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"name\":\"openWithAuthorization\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"deadline\",\"type\":\"uint256\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"name\":\"openWithPermit\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"received\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"cumulative\",\"type\":\"uint96\"}],\"name\":\"promiseDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"release\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"freed\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"}],\"name\":\"releaseDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"releaseSigned\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"freed\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"}],\"name\":\"reserve\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"ceiling\",\"type\":\"uint96\"},{\"internalType\":\"uint24\",\"name\":\"epoch\",\"type\":\"uint24\"},{\"internalType\":\"uint40\",\"name\":\"validUntil\",\"type\":\"uint40\"}],\"name\":\"reserveDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"},{\"internalType\":\"bytes\",\"name\":\"rows\",\"type\":\"bytes\"}],\"name\":\"reserveSigned\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"reserved\",\"type\":\"uint256\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payee\",\"type\":\"address\"}],\"name\":\"startExit\",\"outputs\":[{\"internalType\":\"uint40\",\"name\":\"exitAt\",\"type\":\"uint40\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"payer\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"}],\"name\":\"vaultOf\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"free\",\"type\":\"uint96\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"signer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"}],\"name\":\"withdraw\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"}]",
	ID:  "Channels",
	Bin: "0x60e08060405234610161576020816135a4803803809161001f8285610165565b833981010312610161575164ffffffffff81168082036101615780158015610155575b61014357506080524660a05260405161005c604082610165565b600e81526d4279776179204368616e6e656c7360901b602090910152604080517fd8222833218b08825825ebc88522e284db7c9c20122d31163795733d6b6feaa8916100a89082610165565b600181526020810190603160f81b82525190206040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a0815261010c60c082610165565b51902060c052604051613407908161019d82396080518181816108b20152610e27015260a05181611f83015260c05181611fa90152f35b63e2c1981560e01b5f5260045260245ffd5b5062278d008111610042565b5f80fd5b601f909101601f19168101906001600160401b0382119082101761018857604052565b634e487b7160e01b5f52604160045260245ffdfe60806040526004361015610011575f80fd5b5f3560e01c80630ac5eeaf146119c75780630dd69ae814611821578063123595821461167457806312f1fc16146115fd57806313c2d4b21461150c5780631fae6f851461130d57806323a1adb31461121d5780632b83a511146110f85780634616283a146110bd5780634a0178d714611027578063515c2eba14610fbe578063767081d114610f3b57806384b0196e14610e4b5780639d82ba2514610dec578063a4609bfc14610d66578063a5bf68d014610cb2578063a8c319fe14610c37578063c65b600714610ad9578063caafbd1e14610a6a578063cc601e3e14610812578063e058034b14610799578063e78ebb5514610626578063ebef41501461047b578063f698da251461043b5763fd66ccb91461012c575f80fd5b34610437576101207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757610164611a33565b61016c611a56565b610174611a9c565b9060643567ffffffffffffffff811161043757610195903690600401611bde565b61019d611abf565b936101a6611bb8565b956101af611bca565b9660e43567ffffffffffffffff8111610437576101d0903690600401611bde565b919095610104359573ffffffffffffffffffffffffffffffffffffffff871687036104375761021a9161020161203a565b61020a876122b6565b610213886122b6565b8686612cc9565b97610226883386612310565b9661023186896130ab565b9384549189549c6bffffffffffffffffffffffff8460401c16958460a01c8711610371575b50505050505050506bffffffffffffffffffffffff8711610345575f9093556040805173ffffffffffffffffffffffffffffffffffffffff84811682526bffffffffffffffffffffffff98909816602082018190529197919594821694869493921690339086907f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a57908b90a48580610334575b505081610323575b5050505f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d82519182526020820152f35b61032c92612350565b5f81816102f1565b61033e9185612350565b5f856102e9565b867fff29cf0d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b936103a26bffffffffffffffffffffffff989f946103a7948f946103b9988a8f8f906103b29e9d9989923390612411565b61267e565b948582979295611d8e565b1690611db8565b99556040805173ffffffffffffffffffffffffffffffffffffffff89811682526bffffffffffffffffffffffff93909316602082015262ffffff93909316908301528381169133918416907f8ade700b8ea8f146aa7fe106b64e0359b183b7f58950cdd9753643d9b512bd2190606090a45f80808080808080610256565b5f80fd5b34610437575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610437576020610473611f80565b604051908152f35b346104375761048936611cde565b9261049592919261203a565b6104a0838383612310565b926104ab85856130ab565b90815464ffffffffff8160181c1680156105fe578042106105d357506020966105927f8ade700b8ea8f146aa7fe106b64e0359b183b7f58950cdd9753643d9b512bd219373ffffffffffffffffffffffffffffffffffffffff936bffffffffffffffffffffffff8160a01c916105308361052a81858560401c16611d8e565b92613171565b80995516998a6105c0575b5062ffffff8580604051978897169b169916971691849160409194936bffffffffffffffffffffffff62ffffff9273ffffffffffffffffffffffffffffffffffffffff606087019816865216602085015216910152565b0390a45f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b6105cb8b825461270e565b90558b61053b565b7f0703f125000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7f19918280000000000000000000000000000000000000000000000000000000005f5260045ffd5b346104375761063436611b10565b92919061063f61203a565b610648816122b6565b610653823385612310565b61065d82826130ab565b8054906bffffffffffffffffffffffff8260401c166bffffffffffffffffffffffff8816908082111561076b575050916bffffffffffffffffffffffff7f31bc64aaf34b7e9d06f76a9d0150ffb64d65452c9ce9d06aae9d69a7e1b7222294926106e38973ffffffffffffffffffffffffffffffffffffffff96848654169384916130e1565b9003169055610743604051928392169673ffffffffffffffffffffffffffffffffffffffff33971695839092916bffffffffffffffffffffffff60209173ffffffffffffffffffffffffffffffffffffffff604085019616845216910152565b0390a45f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b7f2a537107000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b34610437576101207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126104375760206104736107d6611a33565b6107de611a56565b6107e6611a9c565b916107ef611a79565b6107f7611abf565b6107ff611ada565b91610104359560e4359560c43595611ea9565b346104375760607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757610849611a33565b610851611a56565b610859611a9c565b9061086261203a565b61087682610871833387612310565b6130ab565b9283549364ffffffffff8560181c1680610a3f57506bffffffffffffffffffffffff8560401c16948060a01c91828714610a175764ffffffffff7f00000000000000000000000000000000000000000000000000000000000000001664ffffffffff4216019064ffffffffff82116109ea5761096f73ffffffffffffffffffffffffffffffffffffffff948360209a62ffffff64ffffffffff97169290919273ffffffffffffffffffffffff000000000000000067ffffffffff00000062ffffff7fffffffffffffffffffffffff000000000000000000000000000000000000000093169560181b169360401b169160a01b1617171790565b905582604051951685521693848685015216917ffdd918ba6267127e422e6288c217bf1afe2653589924fc5756fd341189a00ea8604073ffffffffffffffffffffffffffffffffffffffff33941692a45f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b7fb71ad786000000000000000000000000000000000000000000000000000000005f5260045ffd5b7f103cb3b2000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b34610437576020610a90610a7d36611c0c565b90610a8994929461203a565b3384612cc9565b809281610ac6575b5050505f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b610ad1923390612200565b828181610a98565b346104375760607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757610b10611a33565b610b18611a56565b90610b21611a9c565b610b2961203a565b610b3881610871853386612310565b9081549164ffffffffff8360181c16156105fe5773ffffffffffffffffffffffffffffffffffffffff9262ffffff8116907fffffffffffffffffffffffff000000000000000000000000000000000000000073ffffffffffffffffffffffff0000000000000000807fffffffffffffffffffffffffffffffffffffffffffffffff000000000000000084161616911617179055816040519416845216917f1ed59dfa4eb42a320c9ffad65a8bca71df2c01becceb7d9c8528e16e6d7e881b602073ffffffffffffffffffffffffffffffffffffffff33941692a45f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b346104375760a0610c6862ffffff6bffffffffffffffffffffffff610c6f610c5e36611cde565b9692919091612310565b93846130ab565b549254169180841c6bffffffffffffffffffffffff8260401c1664ffffffffff8360181c1691604051958652602086015260408501526060840152166080820152f35b346104375760a07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610437576020610ceb611a33565b610d2d610cf6611a56565b91610cff611a9c565b90610d08611af5565b91610d23610d14611abf565b93610d1d61203a565b836120ae565b9485923390612bc1565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6bffffffffffffffffffffffff60405191168152f35b346104375760c07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757610d9d611a33565b610da5611a56565b610dad611a9c565b91610db6611af5565b60843562ffffff811681036104375760a4359164ffffffffff831683036104375760209561047395610de795613018565b612834565b34610437575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757602060405164ffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b34610437575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757610edf610e84611e33565b610e8c611e6e565b6020610eed60405192610e9f8385611dc5565b5f84525f3681376040519586957f0f00000000000000000000000000000000000000000000000000000000000000875260e08588015260e0870190611c9b565b908582036040870152611c9b565b4660608501523060808501525f60a085015283810360c08501528180845192838152019301915f5b828110610f2457505050500390f35b835185528695509381019392810192600101610f15565b34610437576020610f6a610f4e36611c0c565b90610f5a94929461203a565b610f63856122b6565b8484612cc9565b809281610f9f575050505f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b73ffffffffffffffffffffffffffffffffffffffff610ad19316612350565b346104375760607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126104375760206bffffffffffffffffffffffff61101d611007611a33565b61100f611a56565b611017611a9c565b91612310565b5416604051908152f35b3461043757602061047373ffffffffffffffffffffffffffffffffffffffff6bffffffffffffffffffffffff61105c36611b10565b91939294908160405195818a8801987f5524f6b91e89b71e3661f31308424c2817578d250d8108c73f1447278d112b878a521660408801521660608601521660808401521660a082015260a081526110b560c082611dc5565b519020612834565b34610437575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757602060405162278d008152f35b34610437576101207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757611130611a33565b611138611a56565b611140611a9c565b611148611af5565b92611151611abf565b9060c4359260ff84168094036104375761116961203a565b73ffffffffffffffffffffffffffffffffffffffff821693843b15610437576020965f80610d2d9760e4610d239560405194859384927fd505accf0000000000000000000000000000000000000000000000000000000084523360048501523060248501526bffffffffffffffffffffffff8916604485015260a43560648501526084840152833560a48401526101043560c48401525af161120d575b50836120ae565b5f61121791611dc5565b88611206565b346104375760206bffffffffffffffffffffffff7f8ade700b8ea8f146aa7fe106b64e0359b183b7f58950cdd9753643d9b512bd2161125b36611b10565b9491939061126761203a565b61129b611275828787612310565b61127f33826130ab565b9761128c8954918261267e565b81978195929360401c16611d8e565b98556112b86bffffffffffffffffffffffff82549916809961270e565b90556040805173ffffffffffffffffffffffffffffffffffffffff93841681526bffffffffffffffffffffffff909216602083015262ffffff9490941693810193909352339481169316918060608101610592565b34610437576101807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757611345611a33565b61134d611a56565b611355611a9c565b61135d611a79565b611365611abf565b9361136e611ada565b9160c4359360e43594610124359760ff89168099036104375761138f61203a565b6113a3610104358884898589898f8d611ea9565b6040517f70a082310000000000000000000000000000000000000000000000000000000081523060048201529973ffffffffffffffffffffffffffffffffffffffff87169160208c602481865afa9b8c156114cd575f9c6114d8575b50823b1561043757604051998a9586958d7fef55bec600000000000000000000000000000000000000000000000000000000885273ffffffffffffffffffffffffffffffffffffffff1660048801523060248801526bffffffffffffffffffffffff1660448701526064860152608485015260a484015260c48301526101443560e4830152610164356101048301525a925f610124928195f180156114cd57602097610d2d966114b5926114bd575b5084612aa9565b958693612bc1565b5f6114c791611dc5565b896114ae565b6040513d5f823e3d90fd5b909b506020813d602011611504575b816114f460209383611dc5565b8101031261043757519a8c6113ff565b3d91506114e7565b346104375761151a36611c0c565b92909161152561203a565b5f92607f85166115cc57919061153a816122b6565b5f925b858410611572576020855f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b90919293608085018086116109ea578610610437576115b8906bffffffffffffffffffffffff6103b287850160608101359060408101359060208101359035898b612875565b93608081018091116109ea5792919061153d565b847ff0e713c6000000000000000000000000000000000000000000000000000000005f52600452608060245260445ffd5b346104375760e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610437576020610473610de761163c611a33565b611644611a56565b61164c611a9c565b611654611a79565b61165c611abf565b91611665611bb8565b9361166e611bca565b9561275a565b34610437576101007ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610437576116ac611a33565b6116b4611a56565b6116bc611a9c565b916116c5611a79565b926116ce611abf565b6116d6611bb8565b906116df611bca565b60e4359167ffffffffffffffff831161043757868592899436906004019061170691611bde565b9161170f61203a565b61171a86858c612310565b97858b6117278a8c6130ab565b9e8f549c611736988e93612411565b611740908561267e565b939084819660401c6bffffffffffffffffffffffff169061176091611d8e565b98558054976bffffffffffffffffffffffff16978861177e9161270e565b90556040805173ffffffffffffffffffffffffffffffffffffffff92831681526bffffffffffffffffffffffff94909416602085015262ffffff9490941693830193909352821693821692909116907f8ade700b8ea8f146aa7fe106b64e0359b183b7f58950cdd9753643d9b512bd2190606090a45f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152602090f35b346104375760807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261043757611858611a33565b611860611a56565b604435906bffffffffffffffffffffffff82169182810361043757611883611a79565b9161188c61203a565b611895836122b6565b6118a0813387612310565b946bffffffffffffffffffffffff86541695868611611997579073ffffffffffffffffffffffffffffffffffffffff916bffffffffffffffffffffffff6118ea866119729a611d8e565b1690551691827f4ea187db076794596948f58bd7b187af58f4b12e59708bd449f7af4941505a5773ffffffffffffffffffffffffffffffffffffffff6040519416938061196a339589839092916bffffffffffffffffffffffff60209173ffffffffffffffffffffffffffffffffffffffff604085019616845216910152565b0390a4612350565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b85877f24e35313000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b346104375760206bffffffffffffffffffffffff611a086119ff6119ea36611b10565b6119f99692969491939461203a565b846120ae565b16938492612200565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b6004359073ffffffffffffffffffffffffffffffffffffffff8216820361043757565b6024359073ffffffffffffffffffffffffffffffffffffffff8216820361043757565b6064359073ffffffffffffffffffffffffffffffffffffffff8216820361043757565b6044359073ffffffffffffffffffffffffffffffffffffffff8216820361043757565b608435906bffffffffffffffffffffffff8216820361043757565b60a435906bffffffffffffffffffffffff8216820361043757565b606435906bffffffffffffffffffffffff8216820361043757565b7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc60809101126104375760043573ffffffffffffffffffffffffffffffffffffffff81168103610437579060243573ffffffffffffffffffffffffffffffffffffffff81168103610437579060443573ffffffffffffffffffffffffffffffffffffffff8116810361043757906064356bffffffffffffffffffffffff811681036104375790565b60a4359062ffffff8216820361043757565b60c4359064ffffffffff8216820361043757565b9181601f840112156104375782359167ffffffffffffffff8311610437576020838186019501011161043757565b60607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc8201126104375760043573ffffffffffffffffffffffffffffffffffffffff81168103610437579160243573ffffffffffffffffffffffffffffffffffffffff8116810361043757916044359067ffffffffffffffff821161043757611c9791600401611bde565b9091565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc60809101126104375760043573ffffffffffffffffffffffffffffffffffffffff81168103610437579060243573ffffffffffffffffffffffffffffffffffffffff81168103610437579060443573ffffffffffffffffffffffffffffffffffffffff81168103610437579060643573ffffffffffffffffffffffffffffffffffffffff811681036104375790565b906bffffffffffffffffffffffff809116911603906bffffffffffffffffffffffff82116109ea57565b919082018092116109ea57565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff821117611e0657604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b60405190611e42604083611dc5565b600e82527f4279776179204368616e6e656c730000000000000000000000000000000000006020830152565b60405190611e7d604083611dc5565b600182527f31000000000000000000000000000000000000000000000000000000000000006020830152565b979593919694929096604051976020890199468b523060408b015273ffffffffffffffffffffffffffffffffffffffff1660608a015273ffffffffffffffffffffffffffffffffffffffff16608089015273ffffffffffffffffffffffffffffffffffffffff1660a088015273ffffffffffffffffffffffffffffffffffffffff1660c08701526bffffffffffffffffffffffff1660e08601526bffffffffffffffffffffffff166101008501526101208401526101408301526101608201526101608152611f7a61018082611dc5565b51902090565b467f000000000000000000000000000000000000000000000000000000000000000003611fcb577f000000000000000000000000000000000000000000000000000000000000000090565b611fd3611e33565b60208151910120611fe2611e6e565b602081519101206040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a08152611f7a60c082611dc5565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c6120865760017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d565b7f3ee5aeb5000000000000000000000000000000000000000000000000000000005f5260045ffd5b919073ffffffffffffffffffffffffffffffffffffffff831692604051917f70a08231000000000000000000000000000000000000000000000000000000008352306004840152602083602481885afa9283156114cd575f936121cc575b506bffffffffffffffffffffffff604051917f23b872dd000000000000000000000000000000000000000000000000000000005f5233600452306024521660445260205f60648180895af19060015f51148216156121ab575b6040525f6060521561217f5761217c929350612aa9565b90565b837f5274afe7000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b9060018115166121c357853b15153d15161690612165565b503d5f823e3d90fd5b9092506020813d6020116121f8575b816121e860209383611dc5565b810103126104375751915f61210c565b3d91506121db565b91929073ffffffffffffffffffffffffffffffffffffffff841693841561228e5773ffffffffffffffffffffffffffffffffffffffff80836122666020947fc61c65289807745157eaaadb63856503293aa8a544b08150280e4d618adc9d3f9689612310565b61227187825461270e565b90556bffffffffffffffffffffffff6040519616865216941692a4565b7fe5c48ac5000000000000000000000000000000000000000000000000000000005f5260045ffd5b73ffffffffffffffffffffffffffffffffffffffff1680158015612307575b6122dc5750565b7f17858bbe000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b503081146122d5565b9173ffffffffffffffffffffffffffffffffffffffff90816040519381602086019616865216604084015216606082015260608152611f7a608082611dc5565b9173ffffffffffffffffffffffffffffffffffffffff604051927fa9059cbb000000000000000000000000000000000000000000000000000000005f521660045260245260205f60448180865af19060015f51148216156123f9575b604052156123b75750565b73ffffffffffffffffffffffffffffffffffffffff907f5274afe7000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b9060018115166121c357823b15153d151616906123ac565b90919298979695949364ffffffffff8716804211612653575062ffffff1662ffffff861690808214801590612647575b612619575050610de794926124599694928a9261275a565b92612465838386613289565b5060048110156125ec571590816125c9575b506125c357803b151593846124b9575b505050506124b7577fcda44837000000000000000000000000000000000000000000000000000000005f5260045ffd5b565b909192935067ffffffffffffffff8411611e0657604051612502601f86017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe01660200182611dc5565b8481523685850111610437577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f825f602089819a839a83606499013783010152805190604051957f1626ba7e00000000000000000000000000000000000000000000000000000000875260048701526040602487015288820190604487015e86848287010152011601915afa7f1626ba7e000000000000000000000000000000000000000000000000000000005f5114601f3d1116165f808080612487565b50505050565b905073ffffffffffffffffffffffffffffffffffffffff8083169116145f612477565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b7ff5f5f3c8000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b5062ffffff8214612441565b7f5e3e152f000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b6bffffffffffffffffffffffff8216929160a082901c90818510156127065750925b6bffffffffffffffffffffffff8260401c16806bffffffffffffffffffffffff861610156126d8575050826126d491613171565b9190565b7f40462334000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b9050926126a0565b9061271891611db8565b906bffffffffffffffffffffffff821161272e57565b507fff29cf0d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b959391949290946040519560208701977facc661088166d6aaf7be8a8d0648fa713743dfc7aa0069f29088a0f40ff27266895273ffffffffffffffffffffffffffffffffffffffff16604088015273ffffffffffffffffffffffffffffffffffffffff16606087015273ffffffffffffffffffffffffffffffffffffffff16608086015273ffffffffffffffffffffffffffffffffffffffff1660a08501526bffffffffffffffffffffffff1660c084015262ffffff1660e083015264ffffffffff166101008201526101008152611f7a61012082611dc5565b60429061283f611f80565b90604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b93959492919264ffffffffff83169662ffffff8460281c169360401c15801590612aa0575b612a9557906128cc916128c7610de76bffffffffffffffffffffffff8860601c98169a878c8b898c613018565b6132bd565b9173ffffffffffffffffffffffffffffffffffffffff831615612a8b576128f4838587612310565b906128ff83836130ab565b908154908062ffffff83161490811591612a7e575b50612a72576bffffffffffffffffffffffff8160401c169264ffffffffff8260181c1615801590612a68575b612a5b5761295e846bffffffffffffffffffffffff8354169b611d8e565b99806bffffffffffffffffffffffff8c1611612a53575b6bffffffffffffffffffffffff8b1615612a45576129a08b6bffffffffffffffffffffffff92611d8e565b16905573ffffffffffffffffffffffff00000000000000008960401b160190556bffffffffffffffffffffffff8716016bffffffffffffffffffffffff81116109ea576040805173ffffffffffffffffffffffffffffffffffffffff94851681526bffffffffffffffffffffffff92909216602083015291831694909216917f31bc64aaf34b7e9d06f76a9d0150ffb64d65452c9ce9d06aae9d69a7e1b722229190a4565b505f99505050505050505050565b995089612975565b505f985050505050505050565b50838a1115612940565b505f9750505050505050565b62ffffff9150145f612914565b505f955050505050565b505f96505050505050565b5087421161289a565b90602073ffffffffffffffffffffffffffffffffffffffff926024604051809581937f70a08231000000000000000000000000000000000000000000000000000000008352306004840152165afa9182156114cd575f92612b8d575b50808203918083116109ea5714612b65576bffffffffffffffffffffffff8111612b3a576bffffffffffffffffffffffff1690565b7fff29cf0d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7fb5c74a27000000000000000000000000000000000000000000000000000000005f5260045ffd5b9091506020813d602011612bb9575b81612ba960209383611dc5565b810103126104375751905f612b05565b3d9150612b9c565b93919492909473ffffffffffffffffffffffffffffffffffffffff811693841561228e5773ffffffffffffffffffffffffffffffffffffffff836bffffffffffffffffffffffff8294937f1f2e70767143557e7819ff27b35d4c6bfc1f35a572da4035155cd5537803f45397612c448596612c3d60609a6122b6565b8d8d612310565b90612c4f85836130ab565b9182549285825493169386612c64868661270e565b1691878260401c1680898916115f14612cbc575091612c898782612c8f948b966130e1565b90611d8e565b16918203612cb4575b5050604051998a5260208a0152166040880152169616941692a4565b555f80612c98565b9150508691955094612c8f565b9193925f9460608206612fe757612cde611f80565b61040060405111610437577f5524f6b91e89b71e3661f31308424c2817578d250d8108c73f1447278d112b8761040052836104405284610460526119016104a0526104c0528361058052826020526106009181015b808210612dff5750507ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa0081016105e0528060405284612d7157505050565b8060207fb89ec7bc98d2aa071e58c8c51220c6ac976c29707f924bb6efcf0a6bd9b400fb925260208173ffffffffffffffffffffffffffffffffffffffff80837fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f6105e051808488015280610600604089015e5f8480838a0101015201168401019616961694030190a3565b90918235966bffffffffffffffffffffffff8860601c98169760408501357f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8116907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a08211612fd95782610420528a6104805260a0610400206104e05260426104be206105005260ff1c601b01610520526020860135610540526105605260206105c0608061050060015afa503d15612fcd576105a05260606105802090815f5260405f20908154918260a01c9a8b811115612fbe578b9003928b6bffffffffffffffffffffffff8260401c1603808511612f3b575b509280602095937fffffffffffffffffffffffffffffffffffffffff00000000000000000000000093606098968360a01b019055019b01911617815201925b0190612d33565b8086549503858111612fb7575b809101948515612fa657937fffffffffffffffffffffffffffffffffffffffff000000000000000000000000938693836020999760609b9995612f96575b5050939698509350939550612ef5565b819003885560401b015f80612f86565b505050509850505091606090612f34565b5084612f48565b50509850505091606090612f34565b50965091606090612f34565b505050965091606090612f34565b507ff0e713c6000000000000000000000000000000000000000000000000000000005f52600452606060245260445ffd5b936bffffffffffffffffffffffff64ffffffffff9473ffffffffffffffffffffffffffffffffffffffff7fb391bf42198782374759364ac2ad67417cfafb61f64201a22df3c580fd37566f98958162ffffff96816040519b60208d019d8e521660408c01521660608a01521660808801521660a08601521660c08401521660e082015260e08152611f7a61010082611dc5565b9073ffffffffffffffffffffffffffffffffffffffff604051916020830193845216604082015260408152611f7a606082611dc5565b91939264ffffffffff8260181c1680610a3f57506bffffffffffffffffffffffff8260401c1690036bffffffffffffffffffffffff8082169516808611613141575060401b73ffffffffffffffffffffffff000000000000000016019055565b85907f24e35313000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b8060a01c9062ffffff811690826bffffffffffffffffffffffff8516145f1461327957505f905b62ffffff8103613209575061217c9262ffffff9290919273ffffffffffffffffffffffff000000000000000067ffffffffff00000062ffffff7fffffffffffffffffffffffff000000000000000000000000000000000000000093169560181b169360401b169160a01b1617171790565b6001019262ffffff84116109ea5761217c939290919273ffffffffffffffffffffffff000000000000000067ffffffffff00000062ffffff7fffffffffffffffffffffffff000000000000000000000000000000000000000093169560181b169360401b169160a01b1617171790565b60181c64ffffffffff1690613198565b90604183036132b3576132ac9250602081013591604082359201355f1a90613366565b9192909190565b50505f9160029190565b91907f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8216917f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0831161335e5760ff1c601b0180601b116109ea5761334b5f9360ff936020966040519586951690859094939260ff6060936080840197845216602083015260408201520152565b838052039060015afa156114cd575f5190565b505050505f90565b90917f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a084116133fc57906133bf6020945f9493604051948594859094939260ff6060936080840197845216602083015260408201520152565b838052039060015afa156114cd575f5173ffffffffffffffffffffffffffffffffffffffff8116156133f257905f905f90565b505f906001905f90565b5050505f916003919056",
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
// the contract method with ID 0xe058034b.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function authorizationNonce(address token, address payer, address signer, address payee, uint96 amount, uint96 ceiling, uint256 validAfter, uint256 validBefore, bytes32 salt) view returns(bytes32)
func (channels *Channels) PackAuthorizationNonce(token common.Address, payer common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int, validAfter *big.Int, validBefore *big.Int, salt [32]byte) []byte {
	enc, err := channels.abi.Pack("authorizationNonce", token, payer, signer, payee, amount, ceiling, validAfter, validBefore, salt)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAuthorizationNonce is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe058034b.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function authorizationNonce(address token, address payer, address signer, address payee, uint96 amount, uint96 ceiling, uint256 validAfter, uint256 validBefore, bytes32 salt) view returns(bytes32)
func (channels *Channels) TryPackAuthorizationNonce(token common.Address, payer common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int, validAfter *big.Int, validBefore *big.Int, salt [32]byte) ([]byte, error) {
	return channels.abi.Pack("authorizationNonce", token, payer, signer, payee, amount, ceiling, validAfter, validBefore, salt)
}

// UnpackAuthorizationNonce is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xe058034b.
//
// Solidity: function authorizationNonce(address token, address payer, address signer, address payee, uint96 amount, uint96 ceiling, uint256 validAfter, uint256 validBefore, bytes32 salt) view returns(bytes32)
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

// PackCloseAndWithdraw is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xfd66ccb9.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function closeAndWithdraw(address token, address signer, address payee, bytes rows, uint96 ceiling, uint24 epoch, uint40 validUntil, bytes signature, address to) returns(uint256 paid, uint96 withdrawn)
func (channels *Channels) PackCloseAndWithdraw(token common.Address, signer common.Address, payee common.Address, rows []byte, ceiling *big.Int, epoch *big.Int, validUntil *big.Int, signature []byte, to common.Address) []byte {
	enc, err := channels.abi.Pack("closeAndWithdraw", token, signer, payee, rows, ceiling, epoch, validUntil, signature, to)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackCloseAndWithdraw is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xfd66ccb9.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function closeAndWithdraw(address token, address signer, address payee, bytes rows, uint96 ceiling, uint24 epoch, uint40 validUntil, bytes signature, address to) returns(uint256 paid, uint96 withdrawn)
func (channels *Channels) TryPackCloseAndWithdraw(token common.Address, signer common.Address, payee common.Address, rows []byte, ceiling *big.Int, epoch *big.Int, validUntil *big.Int, signature []byte, to common.Address) ([]byte, error) {
	return channels.abi.Pack("closeAndWithdraw", token, signer, payee, rows, ceiling, epoch, validUntil, signature, to)
}

// CloseAndWithdrawOutput serves as a container for the return parameters of contract
// method CloseAndWithdraw.
type CloseAndWithdrawOutput struct {
	Paid      *big.Int
	Withdrawn *big.Int
}

// UnpackCloseAndWithdraw is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xfd66ccb9.
//
// Solidity: function closeAndWithdraw(address token, address signer, address payee, bytes rows, uint96 ceiling, uint24 epoch, uint40 validUntil, bytes signature, address to) returns(uint256 paid, uint96 withdrawn)
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
// the contract method with ID 0x1fae6f85.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function openWithAuthorization(address token, address payer, address signer, address payee, uint96 amount, uint96 ceiling, uint256 validAfter, uint256 validBefore, bytes32 salt, uint8 v, bytes32 r, bytes32 s) returns(uint96 received)
func (channels *Channels) PackOpenWithAuthorization(token common.Address, payer common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int, validAfter *big.Int, validBefore *big.Int, salt [32]byte, v uint8, r [32]byte, s [32]byte) []byte {
	enc, err := channels.abi.Pack("openWithAuthorization", token, payer, signer, payee, amount, ceiling, validAfter, validBefore, salt, v, r, s)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackOpenWithAuthorization is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1fae6f85.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function openWithAuthorization(address token, address payer, address signer, address payee, uint96 amount, uint96 ceiling, uint256 validAfter, uint256 validBefore, bytes32 salt, uint8 v, bytes32 r, bytes32 s) returns(uint96 received)
func (channels *Channels) TryPackOpenWithAuthorization(token common.Address, payer common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int, validAfter *big.Int, validBefore *big.Int, salt [32]byte, v uint8, r [32]byte, s [32]byte) ([]byte, error) {
	return channels.abi.Pack("openWithAuthorization", token, payer, signer, payee, amount, ceiling, validAfter, validBefore, salt, v, r, s)
}

// UnpackOpenWithAuthorization is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x1fae6f85.
//
// Solidity: function openWithAuthorization(address token, address payer, address signer, address payee, uint96 amount, uint96 ceiling, uint256 validAfter, uint256 validBefore, bytes32 salt, uint8 v, bytes32 r, bytes32 s) returns(uint96 received)
func (channels *Channels) UnpackOpenWithAuthorization(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("openWithAuthorization", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackOpenWithPermit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x2b83a511.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function openWithPermit(address token, address signer, address payee, uint96 amount, uint96 ceiling, uint256 deadline, uint8 v, bytes32 r, bytes32 s) returns(uint96 received)
func (channels *Channels) PackOpenWithPermit(token common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int, deadline *big.Int, v uint8, r [32]byte, s [32]byte) []byte {
	enc, err := channels.abi.Pack("openWithPermit", token, signer, payee, amount, ceiling, deadline, v, r, s)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackOpenWithPermit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x2b83a511.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function openWithPermit(address token, address signer, address payee, uint96 amount, uint96 ceiling, uint256 deadline, uint8 v, bytes32 r, bytes32 s) returns(uint96 received)
func (channels *Channels) TryPackOpenWithPermit(token common.Address, signer common.Address, payee common.Address, amount *big.Int, ceiling *big.Int, deadline *big.Int, v uint8, r [32]byte, s [32]byte) ([]byte, error) {
	return channels.abi.Pack("openWithPermit", token, signer, payee, amount, ceiling, deadline, v, r, s)
}

// UnpackOpenWithPermit is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x2b83a511.
//
// Solidity: function openWithPermit(address token, address signer, address payee, uint96 amount, uint96 ceiling, uint256 deadline, uint8 v, bytes32 r, bytes32 s) returns(uint96 received)
func (channels *Channels) UnpackOpenWithPermit(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("openWithPermit", data)
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

// ChannelsClaimed represents a Claimed event raised by the Channels contract.
type ChannelsClaimed struct {
	Token common.Address
	Payee common.Address
	Rows  []byte
	Raw   *types.Log // Blockchain specific contextual infos
}

const ChannelsClaimedEventName = "Claimed"

// ContractEventName returns the user-defined event name.
func (ChannelsClaimed) ContractEventName() string {
	return ChannelsClaimedEventName
}

// UnpackClaimedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Claimed(address indexed token, address indexed payee, bytes rows)
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
	if bytes.Equal(raw[:4], channels.abi.Errors["InsufficientFree"].ID.Bytes()[:4]) {
		return channels.UnpackInsufficientFreeError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InvalidRecipient"].ID.Bytes()[:4]) {
		return channels.UnpackInvalidRecipientError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InvalidReleaseSignature"].ID.Bytes()[:4]) {
		return channels.UnpackInvalidReleaseSignatureError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["NoExit"].ID.Bytes()[:4]) {
		return channels.UnpackNoExitError(raw[4:])
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
	if bytes.Equal(raw[:4], channels.abi.Errors["WrongEpoch"].ID.Bytes()[:4]) {
		return channels.UnpackWrongEpochError(raw[4:])
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
