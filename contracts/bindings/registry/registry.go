// Code generated via abigen V2 - DO NOT EDIT.
// This file is a generated binding and any manual changes will be lost.

package registry

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

// IRegistryRegistration is an auto generated low-level Go binding around an user-defined struct.
type IRegistryRegistration struct {
	Provider common.Address
	Digest   [32]byte
	Sequence uint64
	Stake    *big.Int
	Since    uint64
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

// RegistryMetaData contains all meta data concerning the Registry contract.
var RegistryMetaData = bind.MetaData{
	ABI: "[{\"inputs\":[{\"internalType\":\"address\",\"name\":\"stakeToken\",\"type\":\"address\"},{\"internalType\":\"uint64\",\"name\":\"unbondDelay\",\"type\":\"uint64\"},{\"internalType\":\"uint96\",\"name\":\"minStake\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"constructor\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"AlreadyRegistered\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"AmountOverflow\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"cap\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"}],\"name\":\"FeeAboveCap\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"recipient\",\"type\":\"address\"}],\"name\":\"InvalidRecipient\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"}],\"name\":\"InvalidSignature\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NoStakeToken\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"}],\"name\":\"NonceUsed\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"NotRegistered\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NothingReceived\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NothingUnbonding\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ReentrancyGuardReentrantCall\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"}],\"name\":\"SafeERC20FailedOperation\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"}],\"name\":\"SameDigest\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"name\":\"SignatureExpired\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"minimum\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"name\":\"StakeBelowMinimum\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"delay\",\"type\":\"uint256\"}],\"name\":\"UnbondDelayOutOfRange\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint64\",\"name\":\"releaseAt\",\"type\":\"uint64\"}],\"name\":\"UnbondingTooEarly\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"}],\"name\":\"WrongRelayer\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ZeroDigest\",\"type\":\"error\"},{\"anonymous\":false,\"inputs\":[],\"name\":\"EIP712DomainChanged\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"withdrawable\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"locked\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint64\",\"name\":\"releaseAt\",\"type\":\"uint64\"}],\"name\":\"Left\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"word\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"used\",\"type\":\"uint256\"}],\"name\":\"NoncesCancelled\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"indexed\":false,\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"name\":\"Registered\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"}],\"name\":\"Relayed\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"StakeWithdrawn\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"name\":\"Staked\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"indexed\":false,\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"}],\"name\":\"Updated\",\"type\":\"event\"},{\"inputs\":[],\"name\":\"MAX_PAGE\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MAX_UNBOND_DELAY\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"\",\"type\":\"uint64\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"MIN_STAKE\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"\",\"type\":\"uint96\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"STAKE_TOKEN\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"UNBOND_DELAY\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"\",\"type\":\"uint64\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"addStake\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"}],\"name\":\"addStakeDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"value\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"deadline\",\"type\":\"uint256\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"internalType\":\"structIRelaying.Permit\",\"name\":\"permit\",\"type\":\"tuple\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"addStakeSigned\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"word\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"mask\",\"type\":\"uint256\"}],\"name\":\"cancelNonces\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"count\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"domainSeparator\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"eip712Domain\",\"outputs\":[{\"internalType\":\"bytes1\",\"name\":\"fields\",\"type\":\"bytes1\"},{\"internalType\":\"string\",\"name\":\"name\",\"type\":\"string\"},{\"internalType\":\"string\",\"name\":\"version\",\"type\":\"string\"},{\"internalType\":\"uint256\",\"name\":\"chainId\",\"type\":\"uint256\"},{\"internalType\":\"address\",\"name\":\"verifyingContract\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"salt\",\"type\":\"bytes32\"},{\"internalType\":\"uint256[]\",\"name\":\"extensions\",\"type\":\"uint256[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"leave\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"}],\"name\":\"leaveDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"value\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"deadline\",\"type\":\"uint256\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"internalType\":\"structIRelaying.Permit\",\"name\":\"permit\",\"type\":\"tuple\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"leaveSigned\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"word\",\"type\":\"uint256\"}],\"name\":\"noncesOf\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"used\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"providerOf\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"},{\"internalType\":\"uint64\",\"name\":\"since\",\"type\":\"uint64\"}],\"internalType\":\"structIRegistry.Registration\",\"name\":\"\",\"type\":\"tuple\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"from\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"providers\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"},{\"internalType\":\"uint64\",\"name\":\"since\",\"type\":\"uint64\"}],\"internalType\":\"structIRegistry.Registration[]\",\"name\":\"page\",\"type\":\"tuple[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"previous\",\"type\":\"address\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"providersByStake\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"},{\"internalType\":\"uint64\",\"name\":\"since\",\"type\":\"uint64\"}],\"internalType\":\"structIRegistry.Registration[]\",\"name\":\"page\",\"type\":\"tuple[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"name\":\"register\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"}],\"name\":\"registerDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"value\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"deadline\",\"type\":\"uint256\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"internalType\":\"structIRelaying.Permit\",\"name\":\"permit\",\"type\":\"tuple\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"registerSigned\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"unbondingOf\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"withdrawable\",\"type\":\"uint96\"},{\"internalType\":\"uint96\",\"name\":\"locked\",\"type\":\"uint96\"},{\"internalType\":\"uint64\",\"name\":\"releaseAt\",\"type\":\"uint64\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"}],\"name\":\"update\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"}],\"name\":\"updateDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"components\":[{\"internalType\":\"uint256\",\"name\":\"value\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"deadline\",\"type\":\"uint256\"},{\"internalType\":\"uint8\",\"name\":\"v\",\"type\":\"uint8\"},{\"internalType\":\"bytes32\",\"name\":\"r\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"s\",\"type\":\"bytes32\"}],\"internalType\":\"structIRelaying.Permit\",\"name\":\"permit\",\"type\":\"tuple\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"updateSigned\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"}],\"name\":\"withdrawStake\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"}],\"name\":\"withdrawStakeDigest\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"},{\"components\":[{\"internalType\":\"address\",\"name\":\"relayer\",\"type\":\"address\"},{\"internalType\":\"uint96\",\"name\":\"maxFee\",\"type\":\"uint96\"},{\"internalType\":\"uint256\",\"name\":\"nonce\",\"type\":\"uint256\"},{\"internalType\":\"uint40\",\"name\":\"deadline\",\"type\":\"uint40\"}],\"internalType\":\"structIRelaying.Relay\",\"name\":\"relay\",\"type\":\"tuple\"},{\"internalType\":\"uint96\",\"name\":\"fee\",\"type\":\"uint96\"},{\"internalType\":\"bytes\",\"name\":\"signature\",\"type\":\"bytes\"}],\"name\":\"withdrawStakeSigned\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"}]",
	ID:  "Registry",
	Bin: "0x610120806040523461021d5760608161496b80380380916100208285610221565b83398101031261021d5780516001600160a01b0381169081810361021d5760208301516001600160401b0381169390929084840361021d5760400151936001600160601b0385169081860361021d5746608052604051610081604082610221565b600e81526d427977617920526567697374727960901b602090910152604080517f0cdbd5d64177d953e4ce9f34e5c6324e3b40148af303f8d041c967e2e983196d916100cd9082610221565b600181526020810190603160f81b82525190206040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a0815261013160c082610221565b51902060a0526301e13380811161020b575015159081610202575b506101f35760c05260e052610100526040516147129081610259823960805181612395015260a051816123bb015260c051818181610331015281816105b801528181610ab301528181610c38015281816110860152818161115c015281816116a801528181611aea01528181611bfe01528181612c4b01528181612d38015261363e015260e0518181816113c601526131ff01526101005181818161055a01526127770152f35b632a5984cd60e11b5f5260045ffd5b9050155f61014c565b63f4be200960e01b5f5260045260245ffd5b5f80fd5b601f909101601f19168101906001600160401b0382119082101761024457604052565b634e487b7160e01b5f52604160045260245ffdfe60806040526004361015610011575f80fd5b5f3560e01c806306661abd14611edb57806315bbdd9214611e79578063174c99eb14611c225780631c39b67214611bd25780631c544d7614611ba357806321338b3814611b1057806335bbea181461154c5780633712f0611461149f5780634a1b4094146113ea5780635188abbb146113a6578063609bc32a1461126757806369fc09b91461124b5780636d2a0191146111825780636d6b78e314610e6757806384b0196e14610d655780638b14724514610d3e578063969915ce14610d14578063a9222e8b14610cf6578063acf0991214610c5e578063b1f64613146108c7578063c06ace6114610897578063c23a5cea1461057e578063cb1c2b5c14610536578063ccfc9b0514610422578063d3bc6e5a146103d0578063d66d9e191461038a578063dfbfc452146101f4578063f173f1311461017e5763f698da2514610158575f80fd5b3461017a575f60031936011261017a576020610172612392565b604051908152f35b5f80fd5b3461017a57602060031936011261017a576004356bffffffffffffffffffffffff8116810361017a576101bb6020916101b5612680565b33612d82565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6bffffffffffffffffffffffff60405191168152f35b3461017a576101a060031936011261017a5761020e611f12565b6024359060a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc36011261017a5760807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff1c36011261017a5761026e61200e565b91610184359267ffffffffffffffff841161017a576103296103559261031a61029d6020973690600401612045565b906102a6612680565b856102b160e461341b565b6040518b8101917fd70fb4fa9f4032bebc576c76d1d3f1d29de000568dff575510afb3d47c55a1e7835273ffffffffffffffffffffffffffffffffffffffff8c16604083015287606083015260808201526080815261031160a082612131565b51902089612ac6565b61032385612d36565b84612e76565b9261012435907f0000000000000000000000000000000000000000000000000000000000000000612c9b565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d67ffffffffffffffff60405191168152f35b3461017a575f60031936011261017a576103a2612680565b6103ab33612ff0565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b3461017a576103de366120b6565b6103e882336133bf565b9081541780915560405191825260208201527f553fd4f76f0871ec5b324e08d165e91b3928c3154e4ff372734bd80ab59bf49160403392a2005b3461017a5760e060031936011261017a5761043b611f12565b61044361202a565b60807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff9c36011261017a576020916101729161047e606461341b565b6bffffffffffffffffffffffff6040519273ffffffffffffffffffffffffffffffffffffffff878501957f180aa45c33a960acc74bde38037b0ef8cb8b3727d962cfc5fe220eed4dc36f2b8752166040850152602435606085015216608083015260a082015260a081526104f360c082612131565b5190206104fe612392565b604291604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b3461017a575f60031936011261017a5760206040516bffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b3461017a57602060031936011261017a57610597611f12565b61059f612680565b73ffffffffffffffffffffffffffffffffffffffff81167f00000000000000000000000000000000000000000000000000000000000000008115801561088e575b801561086f575b61084357335f52600560205261063d60405f2060405190610607826120cc565b546bffffffffffffffffffffffff811682526bffffffffffffffffffffffff8160601c16602083015260c01c6040820152612f94565b9491906bffffffffffffffffffffffff8216156107d057610737915f916020976040519161066a836120cc565b8483526bffffffffffffffffffffffff8a84019116815267ffffffffffffffff604084019216825233855260058a526bffffffffffffffffffffffff8060408720945116167fffffffffffffffffffffffffffffffffffffffff00000000000000000000000084541617835551906bffffffffffffffffffffffff77ffffffffffffffffffffffff0000000000000000000000007fffffffffffffffff0000000000000000000000000000000000000000000000008554935160c01b169360601b16911617179055612c71565b906bffffffffffffffffffffffff60405192169382858094527fcb4980f3d99f91eefd64011186d3c941533eb8e28989b14afc5c5713c4f1e55f873392a3816107a9575b5050505f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b73ffffffffffffffffffffffffffffffffffffffff6107c89316613809565b82818161077b565b6bffffffffffffffffffffffff8691161561081b5767ffffffffffffffff907f35bcf820000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b7f262b9d74000000000000000000000000000000000000000000000000000000005f5260045ffd5b507f17858bbe000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b5073ffffffffffffffffffffffffffffffffffffffff811682146105e7565b503082146105e0565b3461017a57604060031936011261017a5760206108be6108b5611f12565b602435906133bf565b54604051908152f35b3461017a5761018060031936011261017a576108e1611f12565b60a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffdc36011261017a5760807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff3c36011261017a57610144356bffffffffffffffffffffffff81169182820361017a576101643567ffffffffffffffff811161017a57610971903690600401612045565b61097c929192612680565b61098660c461341b565b9460405160208101907f83549ce13ee61e9c8e0d1fc17bb5c11417b53dbff3af7da512d914109ad3d06e825273ffffffffffffffffffffffffffffffffffffffff8516978860408301526060820152606081526109e4608082612131565b5190209080151580610c20575b610bf85760c43573ffffffffffffffffffffffffffffffffffffffff81169081810361017a575060e435906bffffffffffffffffffffffff82169182810361017a575080151580610bee575b610bc35750808211610b955750506101243564ffffffffff81169081810361017a57814211610b695750506101043593610a7a8560081c856133bf565b92835491600160ff88161b93848416610b395790610a9e610aa493926104fe612392565b87613a71565b15610b0d576103ab96501790557f000000000000000000000000000000000000000000000000000000000000000073ffffffffffffffffffffffffffffffffffffffff8116610afc575b610af782612ff0565b612c9b565b610b086024838361396c565b610aee565b867fd855c4f4000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b878a7f2af71f10000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b507f4e1025f6000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7f7f9e8a5e000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b7fdd770b77000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b5033811415610a3d565b7f54b3099a000000000000000000000000000000000000000000000000000000005f5260045ffd5b5073ffffffffffffffffffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016156109f1565b3461017a57602060031936011261017a5773ffffffffffffffffffffffffffffffffffffffff610c8c611f12565b165f52600560205260606bffffffffffffffffffffffff67ffffffffffffffff610cdd60405f2060405190610cc0826120cc565b5484811682528481871c16602083015260c01c6040820152612f94565b9193908160405195168552166020840152166040820152f35b3461017a575f60031936011261017a5760206040516301e133808152f35b3461017a57610d3a610d2e610d28366120b6565b906122b6565b60405191829182611f58565b0390f35b3461017a57602060031936011261017a57610d57612680565b602061035560043533612e76565b3461017a575f60031936011261017a57610e0c6040805190610d878183612131565b600e82527f42797761792052656769737472790000000000000000000000000000000000006020830152610db9612261565b90610e19602091805193610dcd8486612131565b5f85525f36813781519687967f0f00000000000000000000000000000000000000000000000000000000000000885260e08689015260e0880190612073565b9186830390870152612073565b4660608501523060808501525f60a085015283810360c08501528180845192838152019301915f5b828110610e5057505050500390f35b835185528695509381019392810192600101610e41565b3461017a576101c060031936011261017a57610e81611f12565b602435610e8c61202a565b60a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff9c36011261017a5760807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffefc36011261017a5761018435926bffffffffffffffffffffffff84169182850361017a576101a43567ffffffffffffffff811161017a57610f1d903690600401612045565b9093610f27612680565b610f3261010461341b565b9460405160208101907f180aa45c33a960acc74bde38037b0ef8cb8b3727d962cfc5fe220eed4dc36f2b825273ffffffffffffffffffffffffffffffffffffffff8716978860408301528960608301526bffffffffffffffffffffffff8716608083015260a082015260a08152610faa60c082612131565b5190209180151580611144575b610bf8576101043573ffffffffffffffffffffffffffffffffffffffff81169081810361017a575061012435906bffffffffffffffffffffffff82169182810361017a57508015158061113a575b610bc35750808211610b955750506101643564ffffffffff81169081810361017a57814211610b6957505061014435956110428760081c876133bf565b93845492600160ff8a161b9485851661110a579061106661106c93926104fe612392565b89613a71565b156110df57509260209794926110c89261035597951790557f00000000000000000000000000000000000000000000000000000000000000009673ffffffffffffffffffffffffffffffffffffffff88166110ce575b83612710565b94612c9b565b6110da6064858a61396c565b6110c2565b7fd855c4f4000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b89847f2af71f10000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b5033811415611005565b5073ffffffffffffffffffffffffffffffffffffffff7f00000000000000000000000000000000000000000000000000000000000000001615610fb7565b3461017a5760c060031936011261017a5761119b611f12565b6111a3611ff3565b60807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc36011261017a57602091610172916111de604461341b565b6bffffffffffffffffffffffff6040519273ffffffffffffffffffffffffffffffffffffffff878501957f6ad7d78b039efed94e3d2ace48b653176c45d2af61c51447a7864ed6e897a8b487521660408501521660608301526080820152608081526104f360a082612131565b3461017a575f60031936011261017a5760206040516101f48152f35b3461017a576101a060031936011261017a57611281611f12565b611289611ff3565b9060a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc36011261017a5760807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff1c36011261017a576112e661200e565b91610184359267ffffffffffffffff841161017a576103296101bb926113976113156020973690600401612045565b9061131e612680565b8561132960e461341b565b6040518b8101917f6ad7d78b039efed94e3d2ace48b653176c45d2af61c51447a7864ed6e897a8b4835273ffffffffffffffffffffffffffffffffffffffff8c1660408301526bffffffffffffffffffffffff8816606083015260808201526080815261031160a082612131565b6113a085612d36565b84612d82565b3461017a575f60031936011261017a57602060405167ffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b3461017a5760c060031936011261017a57611403611f12565b60807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc36011261017a5761017260209161143d604461341b565b6040519073ffffffffffffffffffffffffffffffffffffffff858301937fd70fb4fa9f4032bebc576c76d1d3f1d29de000568dff575510afb3d47c55a1e7855216604083015260243560608301526080820152608081526104f360a082612131565b3461017a5760a060031936011261017a576114b8611f12565b60807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffdc36011261017a576101726020916114f2602461341b565b6040519073ffffffffffffffffffffffffffffffffffffffff858301937f83549ce13ee61e9c8e0d1fc17bb5c11417b53dbff3af7da512d914109ad3d06e85521660408301526060820152606081526104f3608082612131565b3461017a5761010060031936011261017a57611566611f12565b61156e611f35565b9060807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc36011261017a5760c4356bffffffffffffffffffffffff81169182820361017a5760e43567ffffffffffffffff811161017a576115d3903690600401612045565b6115db612680565b6115e5868461247d565b85151580611ad2575b610bf85760443573ffffffffffffffffffffffffffffffffffffffff81169081810361017a5750606435906bffffffffffffffffffffffff82169182810361017a575080151580611ac8575b610bc35750808711611a98575060a43564ffffffffff81169081810361017a57814211610b69575050608435926116748460081c866133bf565b92835491600160ff87161b93848416611a52579061169861169e93926104fe612392565b88613a71565b15611a10571790557f00000000000000000000000000000000000000000000000000000000000000009473ffffffffffffffffffffffffffffffffffffffff81169485158015611a07575b80156119e8575b6119bc5773ffffffffffffffffffffffffffffffffffffffff8416805f52600560205261172760405f2060405190610607826120cc565b999194906bffffffffffffffffffffffff8616908115611971579161185c969594939173ffffffffffffffffffffffffffffffffffffffff9360209d60405191611770836120cc565b5f83528f6bffffffffffffffffffffffff9084019116815267ffffffffffffffff6040840192168252875f528f600590526bffffffffffffffffffffffff8060405f20945116167fffffffffffffffffffffffffffffffffffffffff00000000000000000000000084541617835551906bffffffffffffffffffffffff77ffffffffffffffffffffffff0000000000000000000000007fffffffffffffffff0000000000000000000000000000000000000000000000008554935160c01b169360601b169116171790558581105f1461195d576bffffffffffffffffffffffff905b1696878097612c71565b9a847fcb4980f3d99f91eefd64011186d3c941533eb8e28989b14afc5c5713c4f1e55f8e6bffffffffffffffffffffffff6040519f169e8f8152a38a8061194a575b505016948591604051918252838b8301527f44e0b18bfabb8b3bb93cdbaf5de200d932a3bd3497be701f74b69780c4e5ae5060403393a48161193a575b0361190e575b85855f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b6119286bffffffffffffffffffffffff9161193195612c71565b169133916138d3565b828080806118e1565b611945823386613809565b6118db565b61195691848416613809565b8b8a61189e565b506bffffffffffffffffffffffff85611852565b6bffffffffffffffffffffffff8c91161561081b5767ffffffffffffffff907f35bcf820000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b857f17858bbe000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b5073ffffffffffffffffffffffffffffffffffffffff871686146116f0565b503086146116e9565b73ffffffffffffffffffffffffffffffffffffffff857fd855c4f4000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b8673ffffffffffffffffffffffffffffffffffffffff897f2af71f10000000000000000000000000000000000000000000000000000000005f521660045260245260445ffd5b86907f7f9e8a5e000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b503381141561163a565b5073ffffffffffffffffffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016156115ee565b3461017a57602060031936011261017a5760a0611b3c611b2e611f12565b611b3661218a565b506125b3565b611ba1604051809267ffffffffffffffff6080809273ffffffffffffffffffffffffffffffffffffffff8151168552602081015160208601528260408201511660408601526bffffffffffffffffffffffff6060820151166060860152015116910152565bf35b3461017a57604060031936011261017a576020610355611bc1611ff3565b611bc9612680565b60043533612710565b3461017a575f60031936011261017a57602060405173ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b3461017a57604060031936011261017a57611c3b611f12565b6024359073ffffffffffffffffffffffffffffffffffffffff8116611e3357505f60208190526801dc27bb5462fdadcb90527f8a4b51371decd01b4c725d6f435fcab69063c62f6a4bd7fc9fa84d3600000000805460801c80611e0b575b801515911702905b6101f4811015611dff57611cf8905b5f60208190526801dc27bb5462fdadcb90527f8a4b51371decd01b4c725d6f435fcab69063c62f6a4bd7fc9fa84d360000000054637fffffff1680821015611df857506121b4565b5f915b8151831080611def575b15611ddc5764ffffffffff611d198261258d565b1664ffffffffff039064ffffffffff8211611daf5764ffffffffff611d7e92165f526003602052611d6373ffffffffffffffffffffffffffffffffffffffff60405f2054166125b3565b611d6d8585612220565b52611d788484612220565b50613572565b917fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8114611daf5760010191611cfb565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b50610d3a91815260405191829182611f58565b50801515611d05565b90506121b4565b50611cf86101f4611cb0565b9190915b637fffffff81841754601f1c16908115611e295750611e0f565b9050919091611c99565b611e66611e616001611e47611e73946124ea565b01546bffffffffffffffffffffffff8160d81c911661254f565b6134e6565b8091501515911702613572565b90611ca1565b3461017a5760c060031936011261017a57611e92611f12565b611e9a611f35565b60807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc36011261017a57611ed36101729160209361247d565b6104fe612392565b3461017a575f60031936011261017a575f6020526801dc27bb5462fdadcb5f526020637fffffff60405f20821b5416604051908152f35b6004359073ffffffffffffffffffffffffffffffffffffffff8216820361017a57565b6024359073ffffffffffffffffffffffffffffffffffffffff8216820361017a57565b60206040818301928281528451809452019201905f5b818110611f7b5750505090565b909192602060a082611fe8600194885167ffffffffffffffff6080809273ffffffffffffffffffffffffffffffffffffffff8151168552602081015160208601528260408201511660408601526bffffffffffffffffffffffff6060820151166060860152015116910152565b019401929101611f6e565b602435906bffffffffffffffffffffffff8216820361017a57565b61016435906bffffffffffffffffffffffff8216820361017a57565b604435906bffffffffffffffffffffffff8216820361017a57565b9181601f8401121561017a5782359167ffffffffffffffff831161017a576020838186019501011161017a57565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b600319604091011261017a576004359060243590565b6060810190811067ffffffffffffffff8211176120e857604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b60a0810190811067ffffffffffffffff8211176120e857604052565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff8211176120e857604052565b67ffffffffffffffff81116120e85760051b60200190565b6040519061219782612115565b5f6080838281528260208201528260408201528260608201520152565b906121be82612172565b6121cb6040519182612131565b8281527fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe06121f98294612172565b01905f5b82811061220957505050565b60209061221461218a565b828285010152016121fd565b80518210156122345760209160051b010190565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b60405190612270604083612131565b600182527f31000000000000000000000000000000000000000000000000000000000000006020830152565b91908203918211611daf57565b91908201809211611daf57565b91905f6020526801dc27bb5462fdadcb5f52637fffffff60405f2060201b5416908184101561238a57836101f482101561237c576122f4919261229c565b8082101561237557505b612307816121b4565b925f5b82811061231657505050565b61232081836122a9565b9060018201809211611daf576001915f52600260205261235973ffffffffffffffffffffffffffffffffffffffff60405f2054166125b3565b6123638288612220565b5261236e8187612220565b500161230a565b90506122fe565b6122f491506101f49261229c565b506060925050565b467f0000000000000000000000000000000000000000000000000000000000000000036123dd577f000000000000000000000000000000000000000000000000000000000000000090565b600e60206040516123ef604082612131565b828152017f427977617920526567697374727900000000000000000000000000000000000081522061241f612261565b602081519101206040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a0815261247760c082612131565b51902090565b90612488604461341b565b73ffffffffffffffffffffffffffffffffffffffff604051928160208501957fed25fbc205da5798563515efd3a29c4b34b138b35865ee7648d2162f266a8889875216604085015216606083015260808201526080815261247760a082612131565b73ffffffffffffffffffffffffffffffffffffffff1690815f52600460205260405f209163ffffffff600184015460b81c16156125245750565b7fbfc6c337000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b9064ffffffffff1664ffffffffff0364ffffffffff8111611daf5764ffffffffff70ffffffffffffffffffffffff000000000091169160281b161790565b9081156125ae57815460601c9182156125a35750565b638000000017549150565b5f9150565b73ffffffffffffffffffffffffffffffffffffffff906125d161218a565b5016805f52600460205260405f206040519060c0820182811067ffffffffffffffff8211176120e85760405260018154918284520154916bffffffffffffffffffffffff83169182602083015265ffffffffffff8460601c169182604082015260a064ffffffffff8660901c169586606084015263ffffffff8160b81c16608084015260d81c9101526040519461266786612115565b8552602085015260408401526060830152608082015290565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c6126cc5760017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d565b7f3ee5aeb5000000000000000000000000000000000000000000000000000000005f5260045ffd5b65ffffffffffff60019116019065ffffffffffff8211611daf57565b908015612a9e5773ffffffffffffffffffffffffffffffffffffffff821691825f52600460205260405f2090600182019463ffffffff865460b81c16612a72576bffffffffffffffffffffffff8116612a635750505f935b6bffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016946bffffffffffffffffffffffff811695808710612a3357506001549064ffffffffff821664ffffffffff8114611daf5760017fffffffffffffffffffffffffffffffffffffffffffffffffffffff000000000091019264ffffffffff841691829116176001555f6020526801dc27bb5462fdadcb5f52637fffffff60405f2060201b541660018101809111611daf5761283b8463ffffffff61284a93169461254f565b612844816134e6565b916145ee565b80612a2b57509265ffffffffffff926129cb606096937f248ee80b5528eaf5d0c0cb61c6a3d1689d931e8d6b66f0d6e62b30eaed4b616e98965f52600360205260405f208a7fffffffffffffffffffffffff0000000000000000000000000000000000000000825416179055805f52600260205260405f208a7fffffffffffffffffffffffff0000000000000000000000000000000000000000825416179055866128f98786548b1c166126f4565b955583547fffffffffffffffffffffffffffff000000000000ffffffffffffffffffffffff8c167fffffffffffffffffffffffffffff00000000000000000000000000000000000090911617606086901b71ffffffffffff0000000000000000000000001617845583547fffffffffff000000000000000000ffffffffffffffffffffffffffffffffffff164260901b76ffffffffff000000000000000000000000000000000000161760b89190911b7affffffff000000000000000000000000000000000000000000000016178355565b7affffffffffffffffffffffffffffffffffffffffffffffffffffff7fffffffffff00000000000000000000000000000000000000000000000000000083549260d81b16911617905560405192835216948560208301526040820152a290565b5f526004601cfd5b86907f3e6a699b000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b612a6c91613627565b93612768565b847f45ed80e9000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7f506f3a1b000000000000000000000000000000000000000000000000000000005f5260045ffd5b92939290916bffffffffffffffffffffffff1680151580612c33575b610bf85760e43573ffffffffffffffffffffffffffffffffffffffff81169081810361017a575061010435906bffffffffffffffffffffffff82169182810361017a575080151580612c29575b610bc35750808211610b955750506101443564ffffffffff81169081810361017a57814211610b695750506101243592612b6c8460081c836133bf565b94855493600160ff87161b95868616612be4575090612b91612b9793926104fe612392565b84613a71565b15612ba25750179055565b73ffffffffffffffffffffffffffffffffffffffff907fd855c4f4000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b73ffffffffffffffffffffffffffffffffffffffff857f2af71f10000000000000000000000000000000000000000000000000000000005f521660045260245260445ffd5b5033811415612b2f565b5073ffffffffffffffffffffffffffffffffffffffff7f00000000000000000000000000000000000000000000000000000000000000001615612ae2565b906bffffffffffffffffffffffff809116911603906bffffffffffffffffffffffff8211611daf57565b73ffffffffffffffffffffffffffffffffffffffff909291921690604051908152816bffffffffffffffffffffffff85169182602082015233907f44e0b18bfabb8b3bb93cdbaf5de200d932a3bd3497be701f74b69780c4e5ae50604073ffffffffffffffffffffffffffffffffffffffff881692a4612d1a57505050565b6bffffffffffffffffffffffff6119285f612d3495612c71565b565b7f000000000000000000000000000000000000000000000000000000000000000073ffffffffffffffffffffffffffffffffffffffff8116612d76575050565b612d349160449161396c565b9190916001612d90826124ea565b01612dc0612dd5612dcd611e61845497612dc76bffffffffffffffffffffffff808b169a60d81c9687938a613627565b168a613a43565b9861254f565b919050614623565b80612a2b575061283b612de8918661254f565b80612a2b57506bffffffffffffffffffffffff84167fffffffffffffffffffffffffffffffffffffffff0000000000000000000000008254161790557fdc131fa0c2da1e17e756d092eb135d51effbfd68712c89339c4550cbfbeef6a3602073ffffffffffffffffffffffffffffffffffffffff604051936bffffffffffffffffffffffff871685521692a2565b908015612a9e57612e86826124ea565b81815414612f3e57604073ffffffffffffffffffffffffffffffffffffffff65ffffffffffff84612f2b8560017f0b4bf2ab77146fe656c0d54c0a6c5fcb1aa35890d3be82f1c29b2c13b64f0eff9701612ee585825460601c166126f4565b9390915580547fffffffffffffffffffffffffffff000000000000ffffffffffffffffffffffff16606084901b71ffffffffffff00000000000000000000000016179055565b835195865216948560208601521692a290565b507f4c719344000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b906bffffffffffffffffffffffff809116911601906bffffffffffffffffffffffff8211611daf57565b67ffffffffffffffff604082015116804210612fd35750806bffffffffffffffffffffffff602081612fcc9451169201511690612f6a565b905f905f90565b90916bffffffffffffffffffffffff602081855116940151169190565b612ff9816124ea565b90600182018054926130b9612dcd611e616bffffffffffffffffffffffff87169663ffffffff8160d81c9160b81c165f6020526801dc27bb5462fdadcb5f52637fffffff60405f2060201b5416908181036132ee575b505f52600260205260405f207fffffffffffffffffffffffff00000000000000000000000000000000000000008154169055805f52600360205260405f207fffffffffffffffffffffffff000000000000000000000000000000000000000081541690558761254f565b80612a2b57505f90819055815471ffffffffffff0000000000000000000000001690915573ffffffffffffffffffffffffffffffffffffffff919091168082526005602052604091829020915190929091613113836120cc565b546bffffffffffffffffffffffff8116908184526bffffffffffffffffffffffff8160601c16602085019181835260c01c926040860193808552856131ba575b505050505060809067ffffffffffffffff6bffffffffffffffffffffffff8061319c7f97cc7d19aeb4348bf6ba120bb0df0ba2026e34383ee4af65b9b3734d73748fc396612f94565b939091604051968752166020860152166040840152166060820152a2565b95929493954210156132ca575b50506bffffffffffffffffffffffff6131e383828651166122a9565b6131f08183855116613a43565b5016835267ffffffffffffffff7f00000000000000000000000000000000000000000000000000000000000000001667ffffffffffffffff4216019267ffffffffffffffff8411611daf5767ffffffffffffffff93841685525f86815260056020526040902082519151955160609690961b77ffffffffffffffffffffffff000000000000000000000000166bffffffffffffffffffffffff9283161760c09690961b7fffffffffffffffff000000000000000000000000000000000000000000000000169590951790945592909182918061319c613153565b6bffffffffffffffffffffffff916132e191612f6a565b1681525f83525f806131c7565b6133b990825f52600260205273ffffffffffffffffffffffffffffffffffffffff60405f205416815f52600260205260405f2073ffffffffffffffffffffffffffffffffffffffff82167fffffffffffffffffffffffff00000000000000000000000000000000000000008254161790555f526004602052600160405f2001907fffffffffff00000000ffffffffffffffffffffffffffffffffffffffffffffff7affffffff000000000000000000000000000000000000000000000083549260b81b169116179055565b5f61304f565b906040519073ffffffffffffffffffffffffffffffffffffffff60208301937ff25b40d355337803ec8bae8c924653d9b749982e462f9b499a3d53b4e29fcdde8552166040830152606082015260608152612477608082612131565b80359073ffffffffffffffffffffffffffffffffffffffff8216820361017a576020810135906bffffffffffffffffffffffff8216820361017a57606081013564ffffffffff8116810361017a57604064ffffffffff926bffffffffffffffffffffffff82519573ffffffffffffffffffffffffffffffffffffffff60208801987f7ca5de01b46b498d21a4746d0783b57db3f8af3b97556da92ca052415ee289d08a521684880152166060860152013560808401521660a082015260a0815261247760c082612131565b905f905f908315613565575f6020526801dc27bb5462fdadcb5f5260405f2060201b93601f600152845460801c90815b61351e575050565b90809450938086178054918260601c918215613556575b5083821461354f57508211511c637fffffff169081613516565b9450505050565b6380000000175491505f613535565b63c94f18775f526004601cfd5b908115612d34577fffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000000821682637fffffff16925492637fffffff84169384156135e1575050915b637fffffff81841754601f1c169081156135d257506135b8565b90509190915b80151591170290565b637fffffff9192939450603e1c1690815b6135fd575b506135d8565b908083175491637fffffff83160361362157637fffffff9091603e1c1690816135f2565b906135f7565b73ffffffffffffffffffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016908115610bf857604051927f70a08231000000000000000000000000000000000000000000000000000000008452306004850152602084602481865afa9384156137c6575f946137d1575b50916136cc6020926bffffffffffffffffffffffff6024969516903090846138d3565b604051938480927f70a082310000000000000000000000000000000000000000000000000000000082523060048301525afa80156137c6575f90613792575b613715925061229c565b801561376a576bffffffffffffffffffffffff811161373f576bffffffffffffffffffffffff1690565b7fff29cf0d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7fb5c74a27000000000000000000000000000000000000000000000000000000005f5260045ffd5b506020823d6020116137be575b816137ac60209383612131565b8101031261017a57613715915161370b565b3d915061379f565b6040513d5f823e3d90fd5b9350916020843d602011613801575b816137ed60209383612131565b8101031261017a57925192916136cc6136a9565b3d91506137e0565b9173ffffffffffffffffffffffffffffffffffffffff604051927fa9059cbb000000000000000000000000000000000000000000000000000000005f521660045260245260205f60448180865af19060015f51148216156138b2575b604052156138705750565b73ffffffffffffffffffffffffffffffffffffffff907f5274afe7000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b9060018115166138ca57823b15153d15161690613865565b503d5f823e3d90fd5b92909173ffffffffffffffffffffffffffffffffffffffff9081604051947f23b872dd000000000000000000000000000000000000000000000000000000005f52166004521660245260445260205f60648180865af19060015f5114821615613946575b6040525f606052156138705750565b9060018115166138ca57823b15153d15161690613937565b3560ff8116810361017a5790565b91604081019260ff61397d8561395e565b1615613a3d5773ffffffffffffffffffffffffffffffffffffffff6139a391169361395e565b92803b1561017a575f928360e492608073ffffffffffffffffffffffffffffffffffffffff9560ff604051998a9889977fd505accf0000000000000000000000000000000000000000000000000000000089521660048801523060248801528235604488015260208301356064880152166084860152606081013560a4860152013560c48401525af1613a335750565b5f612d3491612131565b50505050565b90613a4d916122a9565b6bffffffffffffffffffffffff811161373f576bffffffffffffffffffffffff1690565b92919092613a8083838661464f565b506004811015613bdf57159081613bbc575b50613bb357803b15159384613aa9575b5050505090565b909192935067ffffffffffffffff84116120e857604051613af2601f86017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe01660200182612131565b848152368585011161017a577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f825f602089819a839a83606499013783010152805190604051957f1626ba7e00000000000000000000000000000000000000000000000000000000875260048701526040602487015288820190604487015e86848287010152011601915afa7f1626ba7e000000000000000000000000000000000000000000000000000000005f5114601f3d1116165f808080613aa2565b50505050600190565b905073ffffffffffffffffffffffffffffffffffffffff8083169116145f613a92565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b637fffffff909291926b1fffffffc0000000000000008482179485549586881c97888616948880603e1c8816868884179c8d54998c8b811c8d169485613cf5575b801597179180891b918e8a1b1998613cea5783549182821c637fffffff168d14613cd857505087161790555b603e1b16931b9116177fffffffffffffffffffffffffffffffffffffffffe00000003fffffffffffffff16179055841b9416907fffffffffffffffffffffffffffffffffffffffffe00000003fffffffffffffff1617911b1916179055565b8f918094501b921b1916179055613c79565b509150505f52613c79565b85881780548c603e1b907fffffffffffffffffffffffffffffffffffffffffe00000003fffffffffffffff16179055613c4d565b92905f92613fd657600160205160801c0191637fffffff8311613fc95782908160801b60205282603e1b6b200000000000000000000000178287178273ffffffffffffffffffffffffffffffffffffffff8111156380000000831790613fbc57555b558583179215613fb3578254908160601c908115613fa4575b1015613f75577fffffffffffffffffffffffffffffffffffffffffffffffffffffffff80000000161790555b5b5f518114613f6d5780831754603e1c637fffffff16808417805490816b2000000000000000000000001615613f625781603e1c637fffffff169384871793845493601f85637fffffff16831402601f81189086811c637fffffff168b1795865495866b2000000000000000000000001615613e8e5750505050917fffffffffffffffffffffffffffffffffffffffffdfffffffffffffffffffffff91826b20000000000000000000000096959416908a1755169055179055613dd1565b829850613ef29a97508399965084839e9d9c9e9492941c637fffffff1614613f1d575b5050507fffffffffffffffffffffffffffffffffffffffffdfffffffffffffffffffffff16908717556b200000000000000000000000815417905584613c0c565b5f51177fffffffffffffffffffffffffffffffffffffffffdfffffffffffffffffffffff8154169055565b909193613f2b93508a613c0c565b54603e1c637fffffff167fffffffffffffffffffffffffffffffffffffffffdfffffffffffffffffffffff81881754908587613eb1565b505050509190613ef2565b509190613ef2565b90601f1b907fffffffffffffffffffffffffffffffffffffffffffffffffc00000007fffffff16179055613dd0565b63800000008517549150613da4565b505f5250613dd0565b5060601b90911790613d8b565b505050505063ed732d0c90565b5050505063bb33e6ac90565b8115614006571791637fffffff601f84549283831614150292831b921b1916179055565b50505f5250565b915f919260205160801c84116145e25783156145d6578380821790815480601f1c637fffffff168091637fffffff16026145a8575b508583179081549182601f81637fffffff1615021c637fffffff169384861780546b1fffffffc0000000000000008616907fffffffffffffffffffffffffffffffffffffffffe00000003fffffffffffffff161790556140ad898686603e1c637fffffff1689613fe2565b828903614505575b5050506b2000000000000000000000001615614258575b507fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff91929360205160801c91828117918254918260601c925f938015614247575b849084841790815460601c5f918115614235575b0361414e575b5050505050505f825561413f575b500160801b602052565b5f90638000000017555f614135565b8382558203614227575b505080603e1c637fffffff1680159083179061421e578054601f81637fffffff168914150290637fffffff86831b921b19161790555b80601f1c637fffffff16806141ea575b50637fffffff1690816141b4575b838180614127565b1790815490603e1b907fffffffffffffffffffffffffffffffffffffffffe00000003fffffffffffffff161790555f80806141ac565b8217805484603e1b907fffffffffffffffffffffffffffffffffffffffffe00000003fffffffffffffff161790555f61419e565b50825f5261418e565b63800000001755835f614158565b91505081638000000017548091614121565b50638000000085175493508361410d565b935b5f5185146144dc5784821754806b200000000000000000000000166144b257603e1c637fffffff169485831795865490601f82637fffffff1684140291601f83189881841c637fffffff169081881792835493846b20000000000000000000000016614457575b5050828b1c637fffffff1688179283549281871c637fffffff1694858b1754948581176b2000000000000000000000001615614433579285927fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff9d9e9f8a8e9794829a9761438f9d9c9a6b20000000000000000000000016156143bf575b50505050907fffffffffffffffffffffffffffffffffffffffffdfffffffffffffffffffffff949585928454928381186b2000000000000000000000001618911755169055169088175586613c0c565b82177fffffffffffffffffffffffffffffffffffffffffdfffffffffffffffffffffff81541690559392916140cc565b7fffffffffffffffffffffffffffffffffffffffffdfffffffffffffffffffffff919296995061440a98506b200000000000000000000000949593975016905517818d17558b613c0c565b8054637fffffff90851c81168981175480871c909216808b17548b949193909287895f8061433f565b50506b200000000000000000000000909117908917555091985061425a9350505050565b9091936b20000000000000000000000093507fffffffffffffffffffffffffffffffffffffffffdfffffffffffffffffffffff16905517815561449c838a8489613c0c565b8054831c637fffffff1680871754915f806142c1565b507fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff92939461438f565b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff92939461438f565b9280986bffffffffffffffffffffffff929394549061452f868284603e1c637fffffff168b613fe2565b81637fffffff168817805491603e1b80927fffffffffffffffffffffffffffffffffffffffffe00000003fffffffffffffff1617905581601f1c637fffffff1688179081547fffffffffffffffffffffffffffffffffffffffffe00000003fffffffffffffff16179055181687189055945f80806140b5565b90955093929190935b80821754637fffffff169081156145c857506145b1565b95905093909192935f614042565b5091505063b113638a90565b5091505063ccd52fbc90565b91939290935f94385f526001845460105261460e575b5050506010519055565b8361461a949650613d29565b915f8080614604565b385f9081528154601052929161463c565b506010519055565b8161464892945061400d565b915f614634565b9060418303614679576146729250602081013591604082359201355f1a90614683565b9192909190565b50505f9160029190565b91907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a08411614707579160209360809260ff5f9560405194855216868401526040830152606082015282805260015afa156137c6575f5173ffffffffffffffffffffffffffffffffffffffff8116156146fd57905f905f90565b505f906001905f90565b5050505f916003919056",
}

// Registry is an auto generated Go binding around an Ethereum contract.
type Registry struct {
	abi abi.ABI
}

// GetABI returns the ABI associated with this contract binding.
func (c *Registry) GetABI() abi.ABI {
	return c.abi
}

// NewRegistry creates a new instance of Registry.
func NewRegistry() *Registry {
	parsed, err := RegistryMetaData.ParseABI()
	if err != nil {
		panic(errors.New("invalid ABI: " + err.Error()))
	}
	return &Registry{abi: *parsed}
}

// Instance creates a wrapper for a deployed contract instance at the given address.
// Use this to create the instance object passed to abigen v2 library functions Call, Transact, etc.
func (c *Registry) Instance(backend bind.ContractBackend, addr common.Address) *bind.BoundContract {
	return bind.NewBoundContract(addr, c.abi, backend, backend, backend)
}

// PackConstructor is the Go binding used to pack the parameters required for
// contract deployment.
//
// Solidity: constructor(address stakeToken, uint64 unbondDelay, uint96 minStake) returns()
func (registry *Registry) PackConstructor(stakeToken common.Address, unbondDelay uint64, minStake *big.Int) []byte {
	enc, err := registry.abi.Pack("", stakeToken, unbondDelay, minStake)
	if err != nil {
		panic(err)
	}
	return enc
}

// PackMAXPAGE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x69fc09b9.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_PAGE() view returns(uint256)
func (registry *Registry) PackMAXPAGE() []byte {
	enc, err := registry.abi.Pack("MAX_PAGE")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMAXPAGE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x69fc09b9.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_PAGE() view returns(uint256)
func (registry *Registry) TryPackMAXPAGE() ([]byte, error) {
	return registry.abi.Pack("MAX_PAGE")
}

// UnpackMAXPAGE is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x69fc09b9.
//
// Solidity: function MAX_PAGE() view returns(uint256)
func (registry *Registry) UnpackMAXPAGE(data []byte) (*big.Int, error) {
	out, err := registry.abi.Unpack("MAX_PAGE", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackMAXUNBONDDELAY is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa9222e8b.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_UNBOND_DELAY() view returns(uint64)
func (registry *Registry) PackMAXUNBONDDELAY() []byte {
	enc, err := registry.abi.Pack("MAX_UNBOND_DELAY")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMAXUNBONDDELAY is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xa9222e8b.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_UNBOND_DELAY() view returns(uint64)
func (registry *Registry) TryPackMAXUNBONDDELAY() ([]byte, error) {
	return registry.abi.Pack("MAX_UNBOND_DELAY")
}

// UnpackMAXUNBONDDELAY is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xa9222e8b.
//
// Solidity: function MAX_UNBOND_DELAY() view returns(uint64)
func (registry *Registry) UnpackMAXUNBONDDELAY(data []byte) (uint64, error) {
	out, err := registry.abi.Unpack("MAX_UNBOND_DELAY", data)
	if err != nil {
		return *new(uint64), err
	}
	out0 := *abi.ConvertType(out[0], new(uint64)).(*uint64)
	return out0, nil
}

// PackMINSTAKE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcb1c2b5c.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MIN_STAKE() view returns(uint96)
func (registry *Registry) PackMINSTAKE() []byte {
	enc, err := registry.abi.Pack("MIN_STAKE")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMINSTAKE is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xcb1c2b5c.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MIN_STAKE() view returns(uint96)
func (registry *Registry) TryPackMINSTAKE() ([]byte, error) {
	return registry.abi.Pack("MIN_STAKE")
}

// UnpackMINSTAKE is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xcb1c2b5c.
//
// Solidity: function MIN_STAKE() view returns(uint96)
func (registry *Registry) UnpackMINSTAKE(data []byte) (*big.Int, error) {
	out, err := registry.abi.Unpack("MIN_STAKE", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackSTAKETOKEN is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1c39b672.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function STAKE_TOKEN() view returns(address)
func (registry *Registry) PackSTAKETOKEN() []byte {
	enc, err := registry.abi.Pack("STAKE_TOKEN")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackSTAKETOKEN is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1c39b672.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function STAKE_TOKEN() view returns(address)
func (registry *Registry) TryPackSTAKETOKEN() ([]byte, error) {
	return registry.abi.Pack("STAKE_TOKEN")
}

// UnpackSTAKETOKEN is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x1c39b672.
//
// Solidity: function STAKE_TOKEN() view returns(address)
func (registry *Registry) UnpackSTAKETOKEN(data []byte) (common.Address, error) {
	out, err := registry.abi.Unpack("STAKE_TOKEN", data)
	if err != nil {
		return *new(common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new(common.Address)).(*common.Address)
	return out0, nil
}

// PackUNBONDDELAY is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x5188abbb.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function UNBOND_DELAY() view returns(uint64)
func (registry *Registry) PackUNBONDDELAY() []byte {
	enc, err := registry.abi.Pack("UNBOND_DELAY")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackUNBONDDELAY is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x5188abbb.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function UNBOND_DELAY() view returns(uint64)
func (registry *Registry) TryPackUNBONDDELAY() ([]byte, error) {
	return registry.abi.Pack("UNBOND_DELAY")
}

// UnpackUNBONDDELAY is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x5188abbb.
//
// Solidity: function UNBOND_DELAY() view returns(uint64)
func (registry *Registry) UnpackUNBONDDELAY(data []byte) (uint64, error) {
	out, err := registry.abi.Unpack("UNBOND_DELAY", data)
	if err != nil {
		return *new(uint64), err
	}
	out0 := *abi.ConvertType(out[0], new(uint64)).(*uint64)
	return out0, nil
}

// PackAddStake is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf173f131.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function addStake(uint96 amount) returns(uint96 stake)
func (registry *Registry) PackAddStake(amount *big.Int) []byte {
	enc, err := registry.abi.Pack("addStake", amount)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAddStake is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf173f131.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function addStake(uint96 amount) returns(uint96 stake)
func (registry *Registry) TryPackAddStake(amount *big.Int) ([]byte, error) {
	return registry.abi.Pack("addStake", amount)
}

// UnpackAddStake is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xf173f131.
//
// Solidity: function addStake(uint96 amount) returns(uint96 stake)
func (registry *Registry) UnpackAddStake(data []byte) (*big.Int, error) {
	out, err := registry.abi.Unpack("addStake", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackAddStakeDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x6d2a0191.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function addStakeDigest(address provider, uint96 amount, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) PackAddStakeDigest(provider common.Address, amount *big.Int, relay IRelayingRelay) []byte {
	enc, err := registry.abi.Pack("addStakeDigest", provider, amount, relay)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAddStakeDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x6d2a0191.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function addStakeDigest(address provider, uint96 amount, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) TryPackAddStakeDigest(provider common.Address, amount *big.Int, relay IRelayingRelay) ([]byte, error) {
	return registry.abi.Pack("addStakeDigest", provider, amount, relay)
}

// UnpackAddStakeDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x6d2a0191.
//
// Solidity: function addStakeDigest(address provider, uint96 amount, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) UnpackAddStakeDigest(data []byte) ([32]byte, error) {
	out, err := registry.abi.Unpack("addStakeDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackAddStakeSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x609bc32a.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function addStakeSigned(address provider, uint96 amount, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 stake)
func (registry *Registry) PackAddStakeSigned(provider common.Address, amount *big.Int, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := registry.abi.Pack("addStakeSigned", provider, amount, permit, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAddStakeSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x609bc32a.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function addStakeSigned(address provider, uint96 amount, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 stake)
func (registry *Registry) TryPackAddStakeSigned(provider common.Address, amount *big.Int, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return registry.abi.Pack("addStakeSigned", provider, amount, permit, relay, fee, signature)
}

// UnpackAddStakeSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x609bc32a.
//
// Solidity: function addStakeSigned(address provider, uint96 amount, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 stake)
func (registry *Registry) UnpackAddStakeSigned(data []byte) (*big.Int, error) {
	out, err := registry.abi.Unpack("addStakeSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackCancelNonces is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd3bc6e5a.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function cancelNonces(uint256 word, uint256 mask) returns()
func (registry *Registry) PackCancelNonces(word *big.Int, mask *big.Int) []byte {
	enc, err := registry.abi.Pack("cancelNonces", word, mask)
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
func (registry *Registry) TryPackCancelNonces(word *big.Int, mask *big.Int) ([]byte, error) {
	return registry.abi.Pack("cancelNonces", word, mask)
}

// PackCount is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x06661abd.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function count() view returns(uint256)
func (registry *Registry) PackCount() []byte {
	enc, err := registry.abi.Pack("count")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackCount is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x06661abd.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function count() view returns(uint256)
func (registry *Registry) TryPackCount() ([]byte, error) {
	return registry.abi.Pack("count")
}

// UnpackCount is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x06661abd.
//
// Solidity: function count() view returns(uint256)
func (registry *Registry) UnpackCount(data []byte) (*big.Int, error) {
	out, err := registry.abi.Unpack("count", data)
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
func (registry *Registry) PackDomainSeparator() []byte {
	enc, err := registry.abi.Pack("domainSeparator")
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
func (registry *Registry) TryPackDomainSeparator() ([]byte, error) {
	return registry.abi.Pack("domainSeparator")
}

// UnpackDomainSeparator is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xf698da25.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (registry *Registry) UnpackDomainSeparator(data []byte) ([32]byte, error) {
	out, err := registry.abi.Unpack("domainSeparator", data)
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
func (registry *Registry) PackEip712Domain() []byte {
	enc, err := registry.abi.Pack("eip712Domain")
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
func (registry *Registry) TryPackEip712Domain() ([]byte, error) {
	return registry.abi.Pack("eip712Domain")
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
func (registry *Registry) UnpackEip712Domain(data []byte) (Eip712DomainOutput, error) {
	out, err := registry.abi.Unpack("eip712Domain", data)
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

// PackLeave is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd66d9e19.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function leave() returns()
func (registry *Registry) PackLeave() []byte {
	enc, err := registry.abi.Pack("leave")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackLeave is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xd66d9e19.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function leave() returns()
func (registry *Registry) TryPackLeave() ([]byte, error) {
	return registry.abi.Pack("leave")
}

// PackLeaveDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x3712f061.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function leaveDigest(address provider, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) PackLeaveDigest(provider common.Address, relay IRelayingRelay) []byte {
	enc, err := registry.abi.Pack("leaveDigest", provider, relay)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackLeaveDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x3712f061.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function leaveDigest(address provider, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) TryPackLeaveDigest(provider common.Address, relay IRelayingRelay) ([]byte, error) {
	return registry.abi.Pack("leaveDigest", provider, relay)
}

// UnpackLeaveDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x3712f061.
//
// Solidity: function leaveDigest(address provider, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) UnpackLeaveDigest(data []byte) ([32]byte, error) {
	out, err := registry.abi.Unpack("leaveDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackLeaveSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb1f64613.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function leaveSigned(address provider, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns()
func (registry *Registry) PackLeaveSigned(provider common.Address, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := registry.abi.Pack("leaveSigned", provider, permit, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackLeaveSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb1f64613.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function leaveSigned(address provider, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns()
func (registry *Registry) TryPackLeaveSigned(provider common.Address, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return registry.abi.Pack("leaveSigned", provider, permit, relay, fee, signature)
}

// PackNoncesOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc06ace61.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function noncesOf(address account, uint256 word) view returns(uint256 used)
func (registry *Registry) PackNoncesOf(account common.Address, word *big.Int) []byte {
	enc, err := registry.abi.Pack("noncesOf", account, word)
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
func (registry *Registry) TryPackNoncesOf(account common.Address, word *big.Int) ([]byte, error) {
	return registry.abi.Pack("noncesOf", account, word)
}

// UnpackNoncesOf is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xc06ace61.
//
// Solidity: function noncesOf(address account, uint256 word) view returns(uint256 used)
func (registry *Registry) UnpackNoncesOf(data []byte) (*big.Int, error) {
	out, err := registry.abi.Unpack("noncesOf", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackProviderOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x21338b38.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function providerOf(address provider) view returns((address,bytes32,uint64,uint96,uint64))
func (registry *Registry) PackProviderOf(provider common.Address) []byte {
	enc, err := registry.abi.Pack("providerOf", provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackProviderOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x21338b38.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function providerOf(address provider) view returns((address,bytes32,uint64,uint96,uint64))
func (registry *Registry) TryPackProviderOf(provider common.Address) ([]byte, error) {
	return registry.abi.Pack("providerOf", provider)
}

// UnpackProviderOf is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x21338b38.
//
// Solidity: function providerOf(address provider) view returns((address,bytes32,uint64,uint96,uint64))
func (registry *Registry) UnpackProviderOf(data []byte) (IRegistryRegistration, error) {
	out, err := registry.abi.Unpack("providerOf", data)
	if err != nil {
		return *new(IRegistryRegistration), err
	}
	out0 := *abi.ConvertType(out[0], new(IRegistryRegistration)).(*IRegistryRegistration)
	return out0, nil
}

// PackProviders is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x969915ce.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function providers(uint256 from, uint256 limit) view returns((address,bytes32,uint64,uint96,uint64)[] page)
func (registry *Registry) PackProviders(from *big.Int, limit *big.Int) []byte {
	enc, err := registry.abi.Pack("providers", from, limit)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackProviders is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x969915ce.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function providers(uint256 from, uint256 limit) view returns((address,bytes32,uint64,uint96,uint64)[] page)
func (registry *Registry) TryPackProviders(from *big.Int, limit *big.Int) ([]byte, error) {
	return registry.abi.Pack("providers", from, limit)
}

// UnpackProviders is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x969915ce.
//
// Solidity: function providers(uint256 from, uint256 limit) view returns((address,bytes32,uint64,uint96,uint64)[] page)
func (registry *Registry) UnpackProviders(data []byte) ([]IRegistryRegistration, error) {
	out, err := registry.abi.Unpack("providers", data)
	if err != nil {
		return *new([]IRegistryRegistration), err
	}
	out0 := *abi.ConvertType(out[0], new([]IRegistryRegistration)).(*[]IRegistryRegistration)
	return out0, nil
}

// PackProvidersByStake is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x174c99eb.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function providersByStake(address previous, uint256 limit) view returns((address,bytes32,uint64,uint96,uint64)[] page)
func (registry *Registry) PackProvidersByStake(previous common.Address, limit *big.Int) []byte {
	enc, err := registry.abi.Pack("providersByStake", previous, limit)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackProvidersByStake is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x174c99eb.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function providersByStake(address previous, uint256 limit) view returns((address,bytes32,uint64,uint96,uint64)[] page)
func (registry *Registry) TryPackProvidersByStake(previous common.Address, limit *big.Int) ([]byte, error) {
	return registry.abi.Pack("providersByStake", previous, limit)
}

// UnpackProvidersByStake is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x174c99eb.
//
// Solidity: function providersByStake(address previous, uint256 limit) view returns((address,bytes32,uint64,uint96,uint64)[] page)
func (registry *Registry) UnpackProvidersByStake(data []byte) ([]IRegistryRegistration, error) {
	out, err := registry.abi.Unpack("providersByStake", data)
	if err != nil {
		return *new([]IRegistryRegistration), err
	}
	out0 := *abi.ConvertType(out[0], new([]IRegistryRegistration)).(*[]IRegistryRegistration)
	return out0, nil
}

// PackRegister is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1c544d76.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function register(bytes32 digest, uint96 stake) returns(uint64 sequence)
func (registry *Registry) PackRegister(digest [32]byte, stake *big.Int) []byte {
	enc, err := registry.abi.Pack("register", digest, stake)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRegister is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1c544d76.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function register(bytes32 digest, uint96 stake) returns(uint64 sequence)
func (registry *Registry) TryPackRegister(digest [32]byte, stake *big.Int) ([]byte, error) {
	return registry.abi.Pack("register", digest, stake)
}

// UnpackRegister is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x1c544d76.
//
// Solidity: function register(bytes32 digest, uint96 stake) returns(uint64 sequence)
func (registry *Registry) UnpackRegister(data []byte) (uint64, error) {
	out, err := registry.abi.Unpack("register", data)
	if err != nil {
		return *new(uint64), err
	}
	out0 := *abi.ConvertType(out[0], new(uint64)).(*uint64)
	return out0, nil
}

// PackRegisterDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xccfc9b05.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function registerDigest(address provider, bytes32 digest, uint96 stake, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) PackRegisterDigest(provider common.Address, digest [32]byte, stake *big.Int, relay IRelayingRelay) []byte {
	enc, err := registry.abi.Pack("registerDigest", provider, digest, stake, relay)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRegisterDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xccfc9b05.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function registerDigest(address provider, bytes32 digest, uint96 stake, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) TryPackRegisterDigest(provider common.Address, digest [32]byte, stake *big.Int, relay IRelayingRelay) ([]byte, error) {
	return registry.abi.Pack("registerDigest", provider, digest, stake, relay)
}

// UnpackRegisterDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xccfc9b05.
//
// Solidity: function registerDigest(address provider, bytes32 digest, uint96 stake, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) UnpackRegisterDigest(data []byte) ([32]byte, error) {
	out, err := registry.abi.Unpack("registerDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackRegisterSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x6d6b78e3.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function registerSigned(address provider, bytes32 digest, uint96 stake, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint64 sequence)
func (registry *Registry) PackRegisterSigned(provider common.Address, digest [32]byte, stake *big.Int, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := registry.abi.Pack("registerSigned", provider, digest, stake, permit, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRegisterSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x6d6b78e3.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function registerSigned(address provider, bytes32 digest, uint96 stake, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint64 sequence)
func (registry *Registry) TryPackRegisterSigned(provider common.Address, digest [32]byte, stake *big.Int, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return registry.abi.Pack("registerSigned", provider, digest, stake, permit, relay, fee, signature)
}

// UnpackRegisterSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x6d6b78e3.
//
// Solidity: function registerSigned(address provider, bytes32 digest, uint96 stake, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint64 sequence)
func (registry *Registry) UnpackRegisterSigned(data []byte) (uint64, error) {
	out, err := registry.abi.Unpack("registerSigned", data)
	if err != nil {
		return *new(uint64), err
	}
	out0 := *abi.ConvertType(out[0], new(uint64)).(*uint64)
	return out0, nil
}

// PackUnbondingOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xacf09912.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function unbondingOf(address provider) view returns(uint96 withdrawable, uint96 locked, uint64 releaseAt)
func (registry *Registry) PackUnbondingOf(provider common.Address) []byte {
	enc, err := registry.abi.Pack("unbondingOf", provider)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackUnbondingOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xacf09912.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function unbondingOf(address provider) view returns(uint96 withdrawable, uint96 locked, uint64 releaseAt)
func (registry *Registry) TryPackUnbondingOf(provider common.Address) ([]byte, error) {
	return registry.abi.Pack("unbondingOf", provider)
}

// UnbondingOfOutput serves as a container for the return parameters of contract
// method UnbondingOf.
type UnbondingOfOutput struct {
	Withdrawable *big.Int
	Locked       *big.Int
	ReleaseAt    uint64
}

// UnpackUnbondingOf is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xacf09912.
//
// Solidity: function unbondingOf(address provider) view returns(uint96 withdrawable, uint96 locked, uint64 releaseAt)
func (registry *Registry) UnpackUnbondingOf(data []byte) (UnbondingOfOutput, error) {
	out, err := registry.abi.Unpack("unbondingOf", data)
	outstruct := new(UnbondingOfOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Withdrawable = abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	outstruct.Locked = abi.ConvertType(out[1], new(big.Int)).(*big.Int)
	outstruct.ReleaseAt = *abi.ConvertType(out[2], new(uint64)).(*uint64)
	return *outstruct, nil
}

// PackUpdate is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8b147245.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function update(bytes32 digest) returns(uint64 sequence)
func (registry *Registry) PackUpdate(digest [32]byte) []byte {
	enc, err := registry.abi.Pack("update", digest)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackUpdate is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8b147245.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function update(bytes32 digest) returns(uint64 sequence)
func (registry *Registry) TryPackUpdate(digest [32]byte) ([]byte, error) {
	return registry.abi.Pack("update", digest)
}

// UnpackUpdate is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x8b147245.
//
// Solidity: function update(bytes32 digest) returns(uint64 sequence)
func (registry *Registry) UnpackUpdate(data []byte) (uint64, error) {
	out, err := registry.abi.Unpack("update", data)
	if err != nil {
		return *new(uint64), err
	}
	out0 := *abi.ConvertType(out[0], new(uint64)).(*uint64)
	return out0, nil
}

// PackUpdateDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4a1b4094.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function updateDigest(address provider, bytes32 digest, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) PackUpdateDigest(provider common.Address, digest [32]byte, relay IRelayingRelay) []byte {
	enc, err := registry.abi.Pack("updateDigest", provider, digest, relay)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackUpdateDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4a1b4094.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function updateDigest(address provider, bytes32 digest, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) TryPackUpdateDigest(provider common.Address, digest [32]byte, relay IRelayingRelay) ([]byte, error) {
	return registry.abi.Pack("updateDigest", provider, digest, relay)
}

// UnpackUpdateDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x4a1b4094.
//
// Solidity: function updateDigest(address provider, bytes32 digest, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) UnpackUpdateDigest(data []byte) ([32]byte, error) {
	out, err := registry.abi.Unpack("updateDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackUpdateSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xdfbfc452.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function updateSigned(address provider, bytes32 digest, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint64 sequence)
func (registry *Registry) PackUpdateSigned(provider common.Address, digest [32]byte, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := registry.abi.Pack("updateSigned", provider, digest, permit, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackUpdateSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xdfbfc452.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function updateSigned(address provider, bytes32 digest, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint64 sequence)
func (registry *Registry) TryPackUpdateSigned(provider common.Address, digest [32]byte, permit IRelayingPermit, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return registry.abi.Pack("updateSigned", provider, digest, permit, relay, fee, signature)
}

// UnpackUpdateSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xdfbfc452.
//
// Solidity: function updateSigned(address provider, bytes32 digest, (uint256,uint256,uint8,bytes32,bytes32) permit, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint64 sequence)
func (registry *Registry) UnpackUpdateSigned(data []byte) (uint64, error) {
	out, err := registry.abi.Unpack("updateSigned", data)
	if err != nil {
		return *new(uint64), err
	}
	out0 := *abi.ConvertType(out[0], new(uint64)).(*uint64)
	return out0, nil
}

// PackWithdrawStake is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc23a5cea.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function withdrawStake(address to) returns(uint96 amount)
func (registry *Registry) PackWithdrawStake(to common.Address) []byte {
	enc, err := registry.abi.Pack("withdrawStake", to)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackWithdrawStake is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xc23a5cea.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function withdrawStake(address to) returns(uint96 amount)
func (registry *Registry) TryPackWithdrawStake(to common.Address) ([]byte, error) {
	return registry.abi.Pack("withdrawStake", to)
}

// UnpackWithdrawStake is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xc23a5cea.
//
// Solidity: function withdrawStake(address to) returns(uint96 amount)
func (registry *Registry) UnpackWithdrawStake(data []byte) (*big.Int, error) {
	out, err := registry.abi.Unpack("withdrawStake", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackWithdrawStakeDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x15bbdd92.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function withdrawStakeDigest(address provider, address to, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) PackWithdrawStakeDigest(provider common.Address, to common.Address, relay IRelayingRelay) []byte {
	enc, err := registry.abi.Pack("withdrawStakeDigest", provider, to, relay)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackWithdrawStakeDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x15bbdd92.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function withdrawStakeDigest(address provider, address to, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) TryPackWithdrawStakeDigest(provider common.Address, to common.Address, relay IRelayingRelay) ([]byte, error) {
	return registry.abi.Pack("withdrawStakeDigest", provider, to, relay)
}

// UnpackWithdrawStakeDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x15bbdd92.
//
// Solidity: function withdrawStakeDigest(address provider, address to, (address,uint96,uint256,uint40) relay) view returns(bytes32)
func (registry *Registry) UnpackWithdrawStakeDigest(data []byte) ([32]byte, error) {
	out, err := registry.abi.Unpack("withdrawStakeDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackWithdrawStakeSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x35bbea18.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function withdrawStakeSigned(address provider, address to, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 amount)
func (registry *Registry) PackWithdrawStakeSigned(provider common.Address, to common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) []byte {
	enc, err := registry.abi.Pack("withdrawStakeSigned", provider, to, relay, fee, signature)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackWithdrawStakeSigned is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x35bbea18.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function withdrawStakeSigned(address provider, address to, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 amount)
func (registry *Registry) TryPackWithdrawStakeSigned(provider common.Address, to common.Address, relay IRelayingRelay, fee *big.Int, signature []byte) ([]byte, error) {
	return registry.abi.Pack("withdrawStakeSigned", provider, to, relay, fee, signature)
}

// UnpackWithdrawStakeSigned is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x35bbea18.
//
// Solidity: function withdrawStakeSigned(address provider, address to, (address,uint96,uint256,uint40) relay, uint96 fee, bytes signature) returns(uint96 amount)
func (registry *Registry) UnpackWithdrawStakeSigned(data []byte) (*big.Int, error) {
	out, err := registry.abi.Unpack("withdrawStakeSigned", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// RegistryEIP712DomainChanged represents a EIP712DomainChanged event raised by the Registry contract.
type RegistryEIP712DomainChanged struct {
	Raw *types.Log // Blockchain specific contextual infos
}

const RegistryEIP712DomainChangedEventName = "EIP712DomainChanged"

// ContractEventName returns the user-defined event name.
func (RegistryEIP712DomainChanged) ContractEventName() string {
	return RegistryEIP712DomainChangedEventName
}

// UnpackEIP712DomainChangedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event EIP712DomainChanged()
func (registry *Registry) UnpackEIP712DomainChangedEvent(log *types.Log) (*RegistryEIP712DomainChanged, error) {
	event := "EIP712DomainChanged"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != registry.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(RegistryEIP712DomainChanged)
	if len(log.Data) > 0 {
		if err := registry.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range registry.abi.Events[event].Inputs {
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

// RegistryLeft represents a Left event raised by the Registry contract.
type RegistryLeft struct {
	Provider     common.Address
	Stake        *big.Int
	Withdrawable *big.Int
	Locked       *big.Int
	ReleaseAt    uint64
	Raw          *types.Log // Blockchain specific contextual infos
}

const RegistryLeftEventName = "Left"

// ContractEventName returns the user-defined event name.
func (RegistryLeft) ContractEventName() string {
	return RegistryLeftEventName
}

// UnpackLeftEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Left(address indexed provider, uint96 stake, uint96 withdrawable, uint96 locked, uint64 releaseAt)
func (registry *Registry) UnpackLeftEvent(log *types.Log) (*RegistryLeft, error) {
	event := "Left"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != registry.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(RegistryLeft)
	if len(log.Data) > 0 {
		if err := registry.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range registry.abi.Events[event].Inputs {
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

// RegistryNoncesCancelled represents a NoncesCancelled event raised by the Registry contract.
type RegistryNoncesCancelled struct {
	Account common.Address
	Word    *big.Int
	Used    *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const RegistryNoncesCancelledEventName = "NoncesCancelled"

// ContractEventName returns the user-defined event name.
func (RegistryNoncesCancelled) ContractEventName() string {
	return RegistryNoncesCancelledEventName
}

// UnpackNoncesCancelledEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event NoncesCancelled(address indexed account, uint256 word, uint256 used)
func (registry *Registry) UnpackNoncesCancelledEvent(log *types.Log) (*RegistryNoncesCancelled, error) {
	event := "NoncesCancelled"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != registry.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(RegistryNoncesCancelled)
	if len(log.Data) > 0 {
		if err := registry.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range registry.abi.Events[event].Inputs {
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

// RegistryRegistered represents a Registered event raised by the Registry contract.
type RegistryRegistered struct {
	Provider common.Address
	Digest   [32]byte
	Sequence uint64
	Stake    *big.Int
	Raw      *types.Log // Blockchain specific contextual infos
}

const RegistryRegisteredEventName = "Registered"

// ContractEventName returns the user-defined event name.
func (RegistryRegistered) ContractEventName() string {
	return RegistryRegisteredEventName
}

// UnpackRegisteredEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Registered(address indexed provider, bytes32 digest, uint64 sequence, uint96 stake)
func (registry *Registry) UnpackRegisteredEvent(log *types.Log) (*RegistryRegistered, error) {
	event := "Registered"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != registry.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(RegistryRegistered)
	if len(log.Data) > 0 {
		if err := registry.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range registry.abi.Events[event].Inputs {
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

// RegistryRelayed represents a Relayed event raised by the Registry contract.
type RegistryRelayed struct {
	Account common.Address
	Relayer common.Address
	Token   common.Address
	Nonce   *big.Int
	Fee     *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const RegistryRelayedEventName = "Relayed"

// ContractEventName returns the user-defined event name.
func (RegistryRelayed) ContractEventName() string {
	return RegistryRelayedEventName
}

// UnpackRelayedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Relayed(address indexed account, address indexed relayer, address indexed token, uint256 nonce, uint96 fee)
func (registry *Registry) UnpackRelayedEvent(log *types.Log) (*RegistryRelayed, error) {
	event := "Relayed"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != registry.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(RegistryRelayed)
	if len(log.Data) > 0 {
		if err := registry.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range registry.abi.Events[event].Inputs {
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

// RegistryStakeWithdrawn represents a StakeWithdrawn event raised by the Registry contract.
type RegistryStakeWithdrawn struct {
	Provider common.Address
	To       common.Address
	Amount   *big.Int
	Raw      *types.Log // Blockchain specific contextual infos
}

const RegistryStakeWithdrawnEventName = "StakeWithdrawn"

// ContractEventName returns the user-defined event name.
func (RegistryStakeWithdrawn) ContractEventName() string {
	return RegistryStakeWithdrawnEventName
}

// UnpackStakeWithdrawnEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event StakeWithdrawn(address indexed provider, address indexed to, uint96 amount)
func (registry *Registry) UnpackStakeWithdrawnEvent(log *types.Log) (*RegistryStakeWithdrawn, error) {
	event := "StakeWithdrawn"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != registry.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(RegistryStakeWithdrawn)
	if len(log.Data) > 0 {
		if err := registry.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range registry.abi.Events[event].Inputs {
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

// RegistryStaked represents a Staked event raised by the Registry contract.
type RegistryStaked struct {
	Provider common.Address
	Stake    *big.Int
	Raw      *types.Log // Blockchain specific contextual infos
}

const RegistryStakedEventName = "Staked"

// ContractEventName returns the user-defined event name.
func (RegistryStaked) ContractEventName() string {
	return RegistryStakedEventName
}

// UnpackStakedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Staked(address indexed provider, uint96 stake)
func (registry *Registry) UnpackStakedEvent(log *types.Log) (*RegistryStaked, error) {
	event := "Staked"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != registry.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(RegistryStaked)
	if len(log.Data) > 0 {
		if err := registry.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range registry.abi.Events[event].Inputs {
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

// RegistryUpdated represents a Updated event raised by the Registry contract.
type RegistryUpdated struct {
	Provider common.Address
	Digest   [32]byte
	Sequence uint64
	Raw      *types.Log // Blockchain specific contextual infos
}

const RegistryUpdatedEventName = "Updated"

// ContractEventName returns the user-defined event name.
func (RegistryUpdated) ContractEventName() string {
	return RegistryUpdatedEventName
}

// UnpackUpdatedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Updated(address indexed provider, bytes32 digest, uint64 sequence)
func (registry *Registry) UnpackUpdatedEvent(log *types.Log) (*RegistryUpdated, error) {
	event := "Updated"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != registry.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(RegistryUpdated)
	if len(log.Data) > 0 {
		if err := registry.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range registry.abi.Events[event].Inputs {
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
func (registry *Registry) UnpackError(raw []byte) (any, error) {
	if bytes.Equal(raw[:4], registry.abi.Errors["AlreadyRegistered"].ID.Bytes()[:4]) {
		return registry.UnpackAlreadyRegisteredError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["AmountOverflow"].ID.Bytes()[:4]) {
		return registry.UnpackAmountOverflowError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["FeeAboveCap"].ID.Bytes()[:4]) {
		return registry.UnpackFeeAboveCapError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["InvalidRecipient"].ID.Bytes()[:4]) {
		return registry.UnpackInvalidRecipientError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["InvalidSignature"].ID.Bytes()[:4]) {
		return registry.UnpackInvalidSignatureError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["NoStakeToken"].ID.Bytes()[:4]) {
		return registry.UnpackNoStakeTokenError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["NonceUsed"].ID.Bytes()[:4]) {
		return registry.UnpackNonceUsedError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["NotRegistered"].ID.Bytes()[:4]) {
		return registry.UnpackNotRegisteredError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["NothingReceived"].ID.Bytes()[:4]) {
		return registry.UnpackNothingReceivedError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["NothingUnbonding"].ID.Bytes()[:4]) {
		return registry.UnpackNothingUnbondingError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["ReentrancyGuardReentrantCall"].ID.Bytes()[:4]) {
		return registry.UnpackReentrancyGuardReentrantCallError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["SafeERC20FailedOperation"].ID.Bytes()[:4]) {
		return registry.UnpackSafeERC20FailedOperationError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["SameDigest"].ID.Bytes()[:4]) {
		return registry.UnpackSameDigestError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["SignatureExpired"].ID.Bytes()[:4]) {
		return registry.UnpackSignatureExpiredError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["StakeBelowMinimum"].ID.Bytes()[:4]) {
		return registry.UnpackStakeBelowMinimumError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["UnbondDelayOutOfRange"].ID.Bytes()[:4]) {
		return registry.UnpackUnbondDelayOutOfRangeError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["UnbondingTooEarly"].ID.Bytes()[:4]) {
		return registry.UnpackUnbondingTooEarlyError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["WrongRelayer"].ID.Bytes()[:4]) {
		return registry.UnpackWrongRelayerError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["ZeroDigest"].ID.Bytes()[:4]) {
		return registry.UnpackZeroDigestError(raw[4:])
	}
	return nil, errors.New("Unknown error")
}

// RegistryAlreadyRegistered represents a AlreadyRegistered error raised by the Registry contract.
type RegistryAlreadyRegistered struct {
	Provider common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error AlreadyRegistered(address provider)
func RegistryAlreadyRegisteredErrorID() common.Hash {
	return common.HexToHash("0x45ed80e9399c87887ea54f615514a1e3dde31e9b6c027ddceb4ffd503b70e428")
}

// UnpackAlreadyRegisteredError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error AlreadyRegistered(address provider)
func (registry *Registry) UnpackAlreadyRegisteredError(raw []byte) (*RegistryAlreadyRegistered, error) {
	out := new(RegistryAlreadyRegistered)
	if err := registry.abi.UnpackIntoInterface(out, "AlreadyRegistered", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryAmountOverflow represents a AmountOverflow error raised by the Registry contract.
type RegistryAmountOverflow struct {
	Amount *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error AmountOverflow(uint256 amount)
func RegistryAmountOverflowErrorID() common.Hash {
	return common.HexToHash("0xff29cf0dc99945886e0b88909c7a5ea60d0489dedf5c69850991b1580beffb68")
}

// UnpackAmountOverflowError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error AmountOverflow(uint256 amount)
func (registry *Registry) UnpackAmountOverflowError(raw []byte) (*RegistryAmountOverflow, error) {
	out := new(RegistryAmountOverflow)
	if err := registry.abi.UnpackIntoInterface(out, "AmountOverflow", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryFeeAboveCap represents a FeeAboveCap error raised by the Registry contract.
type RegistryFeeAboveCap struct {
	Cap *big.Int
	Fee *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error FeeAboveCap(uint96 cap, uint96 fee)
func RegistryFeeAboveCapErrorID() common.Hash {
	return common.HexToHash("0x7f9e8a5ea5ce471b00a4d1eda07913c044c2fd858569b3f0aa6abef0e6ca5dde")
}

// UnpackFeeAboveCapError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error FeeAboveCap(uint96 cap, uint96 fee)
func (registry *Registry) UnpackFeeAboveCapError(raw []byte) (*RegistryFeeAboveCap, error) {
	out := new(RegistryFeeAboveCap)
	if err := registry.abi.UnpackIntoInterface(out, "FeeAboveCap", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryInvalidRecipient represents a InvalidRecipient error raised by the Registry contract.
type RegistryInvalidRecipient struct {
	Recipient common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidRecipient(address recipient)
func RegistryInvalidRecipientErrorID() common.Hash {
	return common.HexToHash("0x17858bbe33f2abed3758965a9f02dee0a7e83a84b7b813e2a23810c33c0858ea")
}

// UnpackInvalidRecipientError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidRecipient(address recipient)
func (registry *Registry) UnpackInvalidRecipientError(raw []byte) (*RegistryInvalidRecipient, error) {
	out := new(RegistryInvalidRecipient)
	if err := registry.abi.UnpackIntoInterface(out, "InvalidRecipient", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryInvalidSignature represents a InvalidSignature error raised by the Registry contract.
type RegistryInvalidSignature struct {
	Account common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidSignature(address account)
func RegistryInvalidSignatureErrorID() common.Hash {
	return common.HexToHash("0xd855c4f4d7a9aef9d1b6f49c25339cf5cd471e30830c8071f7b5024985e5abcd")
}

// UnpackInvalidSignatureError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidSignature(address account)
func (registry *Registry) UnpackInvalidSignatureError(raw []byte) (*RegistryInvalidSignature, error) {
	out := new(RegistryInvalidSignature)
	if err := registry.abi.UnpackIntoInterface(out, "InvalidSignature", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryNoStakeToken represents a NoStakeToken error raised by the Registry contract.
type RegistryNoStakeToken struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NoStakeToken()
func RegistryNoStakeTokenErrorID() common.Hash {
	return common.HexToHash("0x54b3099a415cffb9b83dcbd6f0d423f0f3ae57afd8dd93d34a7f70c5a6829f6a")
}

// UnpackNoStakeTokenError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NoStakeToken()
func (registry *Registry) UnpackNoStakeTokenError(raw []byte) (*RegistryNoStakeToken, error) {
	out := new(RegistryNoStakeToken)
	if err := registry.abi.UnpackIntoInterface(out, "NoStakeToken", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryNonceUsed represents a NonceUsed error raised by the Registry contract.
type RegistryNonceUsed struct {
	Account common.Address
	Nonce   *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NonceUsed(address account, uint256 nonce)
func RegistryNonceUsedErrorID() common.Hash {
	return common.HexToHash("0x2af71f10069c28afc67c3752e87e0e4616a97948d33c8f404a856c0c334b3e01")
}

// UnpackNonceUsedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NonceUsed(address account, uint256 nonce)
func (registry *Registry) UnpackNonceUsedError(raw []byte) (*RegistryNonceUsed, error) {
	out := new(RegistryNonceUsed)
	if err := registry.abi.UnpackIntoInterface(out, "NonceUsed", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryNotRegistered represents a NotRegistered error raised by the Registry contract.
type RegistryNotRegistered struct {
	Provider common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NotRegistered(address provider)
func RegistryNotRegisteredErrorID() common.Hash {
	return common.HexToHash("0xbfc6c337a80b7b8201f77f0a2a54c6e5f7c6fd9124a749804a482fa16ee8a895")
}

// UnpackNotRegisteredError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NotRegistered(address provider)
func (registry *Registry) UnpackNotRegisteredError(raw []byte) (*RegistryNotRegistered, error) {
	out := new(RegistryNotRegistered)
	if err := registry.abi.UnpackIntoInterface(out, "NotRegistered", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryNothingReceived represents a NothingReceived error raised by the Registry contract.
type RegistryNothingReceived struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NothingReceived()
func RegistryNothingReceivedErrorID() common.Hash {
	return common.HexToHash("0xb5c74a275db6c4a09f1d71a73712216ab6d7a1b83d11690eaf97fa848e234537")
}

// UnpackNothingReceivedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NothingReceived()
func (registry *Registry) UnpackNothingReceivedError(raw []byte) (*RegistryNothingReceived, error) {
	out := new(RegistryNothingReceived)
	if err := registry.abi.UnpackIntoInterface(out, "NothingReceived", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryNothingUnbonding represents a NothingUnbonding error raised by the Registry contract.
type RegistryNothingUnbonding struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NothingUnbonding()
func RegistryNothingUnbondingErrorID() common.Hash {
	return common.HexToHash("0x262b9d748fda20db08b6aa78cd2783ad16f83036900561f929b0d4a942a89706")
}

// UnpackNothingUnbondingError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NothingUnbonding()
func (registry *Registry) UnpackNothingUnbondingError(raw []byte) (*RegistryNothingUnbonding, error) {
	out := new(RegistryNothingUnbonding)
	if err := registry.abi.UnpackIntoInterface(out, "NothingUnbonding", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryReentrancyGuardReentrantCall represents a ReentrancyGuardReentrantCall error raised by the Registry contract.
type RegistryReentrancyGuardReentrantCall struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ReentrancyGuardReentrantCall()
func RegistryReentrancyGuardReentrantCallErrorID() common.Hash {
	return common.HexToHash("0x3ee5aeb571de7fc460830b4d0017439a1ca56fb0bc39062227ade4fe4a24c1ca")
}

// UnpackReentrancyGuardReentrantCallError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ReentrancyGuardReentrantCall()
func (registry *Registry) UnpackReentrancyGuardReentrantCallError(raw []byte) (*RegistryReentrancyGuardReentrantCall, error) {
	out := new(RegistryReentrancyGuardReentrantCall)
	if err := registry.abi.UnpackIntoInterface(out, "ReentrancyGuardReentrantCall", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistrySafeERC20FailedOperation represents a SafeERC20FailedOperation error raised by the Registry contract.
type RegistrySafeERC20FailedOperation struct {
	Token common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error SafeERC20FailedOperation(address token)
func RegistrySafeERC20FailedOperationErrorID() common.Hash {
	return common.HexToHash("0x5274afe73c98b4749fc91ffae6b7b574e7842cb2144a159e9377a5f20b32edf9")
}

// UnpackSafeERC20FailedOperationError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error SafeERC20FailedOperation(address token)
func (registry *Registry) UnpackSafeERC20FailedOperationError(raw []byte) (*RegistrySafeERC20FailedOperation, error) {
	out := new(RegistrySafeERC20FailedOperation)
	if err := registry.abi.UnpackIntoInterface(out, "SafeERC20FailedOperation", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistrySameDigest represents a SameDigest error raised by the Registry contract.
type RegistrySameDigest struct {
	Digest [32]byte
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error SameDigest(bytes32 digest)
func RegistrySameDigestErrorID() common.Hash {
	return common.HexToHash("0x4c7193440770f71e0d20b6672f05337e9dbfc4af4187568fdcde77ca6bb650c3")
}

// UnpackSameDigestError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error SameDigest(bytes32 digest)
func (registry *Registry) UnpackSameDigestError(raw []byte) (*RegistrySameDigest, error) {
	out := new(RegistrySameDigest)
	if err := registry.abi.UnpackIntoInterface(out, "SameDigest", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistrySignatureExpired represents a SignatureExpired error raised by the Registry contract.
type RegistrySignatureExpired struct {
	Deadline *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error SignatureExpired(uint40 deadline)
func RegistrySignatureExpiredErrorID() common.Hash {
	return common.HexToHash("0x4e1025f6fc80920c5dc360f54cdec3bf63cf186b9fbfa3d221626ab32312429c")
}

// UnpackSignatureExpiredError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error SignatureExpired(uint40 deadline)
func (registry *Registry) UnpackSignatureExpiredError(raw []byte) (*RegistrySignatureExpired, error) {
	out := new(RegistrySignatureExpired)
	if err := registry.abi.UnpackIntoInterface(out, "SignatureExpired", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryStakeBelowMinimum represents a StakeBelowMinimum error raised by the Registry contract.
type RegistryStakeBelowMinimum struct {
	Minimum *big.Int
	Stake   *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error StakeBelowMinimum(uint96 minimum, uint96 stake)
func RegistryStakeBelowMinimumErrorID() common.Hash {
	return common.HexToHash("0x3e6a699ba9a53e64248bbba2f69099047baef82fa17b909e2668c742f1eb191b")
}

// UnpackStakeBelowMinimumError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error StakeBelowMinimum(uint96 minimum, uint96 stake)
func (registry *Registry) UnpackStakeBelowMinimumError(raw []byte) (*RegistryStakeBelowMinimum, error) {
	out := new(RegistryStakeBelowMinimum)
	if err := registry.abi.UnpackIntoInterface(out, "StakeBelowMinimum", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryUnbondDelayOutOfRange represents a UnbondDelayOutOfRange error raised by the Registry contract.
type RegistryUnbondDelayOutOfRange struct {
	Delay *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error UnbondDelayOutOfRange(uint256 delay)
func RegistryUnbondDelayOutOfRangeErrorID() common.Hash {
	return common.HexToHash("0xf4be200974b068336085689ddc0ac7f9f6eba24eb7b4e28e26d26e11cf0b2c8d")
}

// UnpackUnbondDelayOutOfRangeError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error UnbondDelayOutOfRange(uint256 delay)
func (registry *Registry) UnpackUnbondDelayOutOfRangeError(raw []byte) (*RegistryUnbondDelayOutOfRange, error) {
	out := new(RegistryUnbondDelayOutOfRange)
	if err := registry.abi.UnpackIntoInterface(out, "UnbondDelayOutOfRange", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryUnbondingTooEarly represents a UnbondingTooEarly error raised by the Registry contract.
type RegistryUnbondingTooEarly struct {
	ReleaseAt uint64
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error UnbondingTooEarly(uint64 releaseAt)
func RegistryUnbondingTooEarlyErrorID() common.Hash {
	return common.HexToHash("0x35bcf82065d6bc94bc5d4143bb030754fdb4359fc573dcb2fd7886b90b7e9054")
}

// UnpackUnbondingTooEarlyError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error UnbondingTooEarly(uint64 releaseAt)
func (registry *Registry) UnpackUnbondingTooEarlyError(raw []byte) (*RegistryUnbondingTooEarly, error) {
	out := new(RegistryUnbondingTooEarly)
	if err := registry.abi.UnpackIntoInterface(out, "UnbondingTooEarly", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryWrongRelayer represents a WrongRelayer error raised by the Registry contract.
type RegistryWrongRelayer struct {
	Relayer common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error WrongRelayer(address relayer)
func RegistryWrongRelayerErrorID() common.Hash {
	return common.HexToHash("0xdd770b77d9183038b3b5f449c2a9c90d2c326171f05b1641fb43ae2e42fdc836")
}

// UnpackWrongRelayerError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error WrongRelayer(address relayer)
func (registry *Registry) UnpackWrongRelayerError(raw []byte) (*RegistryWrongRelayer, error) {
	out := new(RegistryWrongRelayer)
	if err := registry.abi.UnpackIntoInterface(out, "WrongRelayer", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// RegistryZeroDigest represents a ZeroDigest error raised by the Registry contract.
type RegistryZeroDigest struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ZeroDigest()
func RegistryZeroDigestErrorID() common.Hash {
	return common.HexToHash("0x506f3a1b346eda52e581752dd72ca5fc50463f2e4eb5db65f0e0390bcb3ada11")
}

// UnpackZeroDigestError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ZeroDigest()
func (registry *Registry) UnpackZeroDigestError(raw []byte) (*RegistryZeroDigest, error) {
	out := new(RegistryZeroDigest)
	if err := registry.abi.UnpackIntoInterface(out, "ZeroDigest", raw); err != nil {
		return nil, err
	}
	return out, nil
}
