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

// RegistryMetaData contains all meta data concerning the Registry contract.
var RegistryMetaData = bind.MetaData{
	ABI: "[{\"inputs\":[{\"internalType\":\"address\",\"name\":\"stakeToken\",\"type\":\"address\"},{\"internalType\":\"uint64\",\"name\":\"unbondDelay\",\"type\":\"uint64\"}],\"stateMutability\":\"nonpayable\",\"type\":\"constructor\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"AlreadyRegistered\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"amount\",\"type\":\"uint256\"}],\"name\":\"AmountOverflow\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"NotRegistered\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NothingReceived\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NothingUnbonding\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ReentrancyGuardReentrantCall\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"token\",\"type\":\"address\"}],\"name\":\"SafeERC20FailedOperation\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"}],\"name\":\"SameDigest\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"delay\",\"type\":\"uint256\"}],\"name\":\"UnbondDelayOutOfRange\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint64\",\"name\":\"releaseAt\",\"type\":\"uint64\"}],\"name\":\"UnbondingTooEarly\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"ZeroDigest\",\"type\":\"error\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"unbonding\",\"type\":\"uint96\"},{\"indexed\":false,\"internalType\":\"uint64\",\"name\":\"releaseAt\",\"type\":\"uint64\"}],\"name\":\"Left\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"indexed\":false,\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"name\":\"Registered\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"StakeWithdrawn\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"name\":\"Staked\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"indexed\":false,\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"indexed\":false,\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"}],\"name\":\"Updated\",\"type\":\"event\"},{\"inputs\":[],\"name\":\"MAX_UNBOND_DELAY\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"\",\"type\":\"uint64\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"STAKE_TOKEN\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"UNBOND_DELAY\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"\",\"type\":\"uint64\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"name\":\"addStake\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"count\",\"outputs\":[{\"internalType\":\"uint256\",\"name\":\"\",\"type\":\"uint256\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"leave\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"providerOf\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"},{\"internalType\":\"uint64\",\"name\":\"since\",\"type\":\"uint64\"}],\"internalType\":\"structIRegistry.Registration\",\"name\":\"\",\"type\":\"tuple\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint256\",\"name\":\"from\",\"type\":\"uint256\"},{\"internalType\":\"uint256\",\"name\":\"limit\",\"type\":\"uint256\"}],\"name\":\"providers\",\"outputs\":[{\"components\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"},{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"},{\"internalType\":\"uint64\",\"name\":\"since\",\"type\":\"uint64\"}],\"internalType\":\"structIRegistry.Registration[]\",\"name\":\"page\",\"type\":\"tuple[]\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"},{\"internalType\":\"uint96\",\"name\":\"stake\",\"type\":\"uint96\"}],\"name\":\"register\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"provider\",\"type\":\"address\"}],\"name\":\"unbondingOf\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"},{\"internalType\":\"uint64\",\"name\":\"releaseAt\",\"type\":\"uint64\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"bytes32\",\"name\":\"digest\",\"type\":\"bytes32\"}],\"name\":\"update\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"sequence\",\"type\":\"uint64\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"to\",\"type\":\"address\"}],\"name\":\"withdrawStake\",\"outputs\":[{\"internalType\":\"uint96\",\"name\":\"amount\",\"type\":\"uint96\"}],\"stateMutability\":\"nonpayable\",\"type\":\"function\"}]",
	ID:  "Registry",
	Bin: "0x60c0346100c057601f6117a438819003918201601f19168301916001600160401b038311848410176100c45780849260409485528339810103126100c0578051906001600160a01b03821682036100c05760200151906001600160401b0382168083036100c0576301e1338081116100ae575060805260a0526040516116cb90816100d982396080518181816107ba0152818161107401526113c2015260a0518181816104710152610c630152f35b63f4be200960e01b5f5260045260245ffd5b5f80fd5b634e487b7160e01b5f52604160045260245ffdfe6080806040526004361015610012575f80fd5b5f3560e01c90816306661abd14611098575080631c39b6721461102a5780631c544d7614610d5157806321338b3814610c875780635188abbb14610c255780638b14724514610ab7578063969915ce146109d3578063a9222e8b14610997578063acf09912146108f2578063c23a5cea146106b5578063d66d9e191461020e5763f173f131146100a0575f80fd5b3461020a5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a576004356bffffffffffffffffffffffff8116810361020a576100ef611320565b61012c60016bffffffffffffffffffffffff61011261010c61167c565b94611394565b169201916bffffffffffffffffffffffff835416906111fa565b906bffffffffffffffffffffffff82116101de576bffffffffffffffffffffffff60209216906bffffffffffffffffffffffff82167fffffffffffffffffffffffffffffffffffffffff0000000000000000000000008254161790556040518181527fdc131fa0c2da1e17e756d092eb135d51effbfd68712c89339c4550cbfbeef6a3833392a25f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b507fff29cf0d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b5f80fd5b3461020a575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a57610244611320565b61024c61167c565b600181017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff64ffffffffff825460c81c160164ffffffffff811161057c5764ffffffffff165f547fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff810190811161057c576102db73ffffffffffffffffffffffffffffffffffffffff916110cf565b90549060031b1c16338103610601575b50505f5480156105d4577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff01610320816110cf565b815473ffffffffffffffffffffffffffffffffffffffff60039290921b9190911b191690555f90815581549281905581547fffff00000000000000000000ffffffffffffffff0000000000000000000000001690915533815260026020526040908190209051916bffffffffffffffffffffffff169061039f83611132565b549167ffffffffffffffff6bffffffffffffffffffffffff84169384835260601c1660208201529181610449575b8251602080850151604080516bffffffffffffffffffffffff909416845267ffffffffffffffff9091169183019190915233917f106647f52020ff9c90f6f016e65585e077f0afc16f662a5aac8d1dbb0b83863b9190a25f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b61045392506111fa565b6bffffffffffffffffffffffff81116105a95767ffffffffffffffff7f00000000000000000000000000000000000000000000000000000000000000001667ffffffffffffffff4216019067ffffffffffffffff821161057c57610575906bffffffffffffffffffffffff604051916104cb83611132565b16815267ffffffffffffffff602082019316835267ffffffffffffffff8193335f5260026020526bffffffffffffffffffffffff8060405f20945116167fffffffffffffffffffffffffffffffffffffffff00000000000000000000000084541617835551167fffffffffffffffffffffffff0000000000000000ffffffffffffffffffffffff73ffffffffffffffff00000000000000000000000083549260601b169116179055565b81806103cd565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b7fff29cf0d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603160045260245ffd5b61063a8161060e846110cf565b90919073ffffffffffffffffffffffffffffffffffffffff8084549260031b9316831b921b1916179055565b6001820180921161057c576106ae9164ffffffffff915f52600160205216600160405f2001907fffff0000000000ffffffffffffffffffffffffffffffffffffffffffffffffff7dffffffffff0000000000000000000000000000000000000000000000000083549260c81b169116179055565b82806102eb565b3461020a5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a5760043573ffffffffffffffffffffffffffffffffffffffff811680910361020a5761070d611320565b335f52600260205260405f20906040519161072783611132565b5467ffffffffffffffff60206bffffffffffffffffffffffff831694858152019160601c16815282156108ca5767ffffffffffffffff90511680421061089f5750335f5260026020525f6040812055806040518381527fcb4980f3d99f91eefd64011186d3c941533eb8e28989b14afc5c5713c4f1e55f60203392a373ffffffffffffffffffffffffffffffffffffffff7f00000000000000000000000000000000000000000000000000000000000000001691604051917fa9059cbb000000000000000000000000000000000000000000000000000000005f526004528060245260205f60448180875af160015f5114811615610880575b826040521561085457602092505f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d8152f35b827f5274afe7000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b600181151661089657833b15153d151616610820565b823d5f823e3d90fd5b7f35bcf820000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7f262b9d74000000000000000000000000000000000000000000000000000000005f5260045ffd5b3461020a5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a5760043573ffffffffffffffffffffffffffffffffffffffff811680910361020a575f526002602052602060405f206040519061095c82611132565b546bffffffffffffffffffffffff811680835260609190911c67ffffffffffffffff1692909101829052604080519182526020820192909252f35b3461020a575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a5760206040516301e133808152f35b3461020a5760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a57610a1060243560043561121b565b6040518091602082016020835281518091526020604084019201905f5b818110610a3b575050500390f35b91935091602060a082610aa9600194885167ffffffffffffffff6080809273ffffffffffffffffffffffffffffffffffffffff8151168552602081015160208601528260408201511660408601526bffffffffffffffffffffffff6060820151166060860152015116910152565b019401910191849392610a2d565b3461020a5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a57600435610af1611320565b8015610bfd57610aff61167c565b81815414610bd1579067ffffffffffffffff81610b7384600160209601610b2b85825460601c16611112565b9390915580547fffffffffffffffffffffffff0000000000000000ffffffffffffffffffffffff16606084901b73ffffffffffffffff00000000000000000000000016179055565b604051928352169081838201527f0b4bf2ab77146fe656c0d54c0a6c5fcb1aa35890d3be82f1c29b2c13b64f0eff60403392a25f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b507f4c719344000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7f506f3a1b000000000000000000000000000000000000000000000000000000005f5260045ffd5b3461020a575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a57602060405167ffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b3461020a5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a5760043573ffffffffffffffffffffffffffffffffffffffff8116810361020a57610cea60a091610ce46111ab565b506115cb565b610d4f604051809267ffffffffffffffff6080809273ffffffffffffffffffffffffffffffffffffffff8151168552602081015160208601528260408201511660408601526bffffffffffffffffffffffff6060820151166060860152015116910152565bf35b3461020a5760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a576024356bffffffffffffffffffffffff811660043581830361020a57610da4611320565b8015610bfd57335f52600160205260405f2092600184019264ffffffffff845460c81c16610ffe57610fef57505f915b5f549068010000000000000000821015610fc257602094610f5e67ffffffffffffffff92610e42610e178660016bffffffffffffffffffffffff98015f556110cf565b339073ffffffffffffffffffffffffffffffffffffffff8084549260031b9316831b921b1916179055565b85610e5285835460601c16611112565b935580547fffffffffffffffffffffffff0000000000000000ffffffffffffffffffffffff888716167fffffffffffffffffffffffff000000000000000000000000000000000000000090911617606084901b73ffffffffffffffff0000000000000000000000001617815580547fffffffffffffff0000000000ffffffffffffffffffffffffffffffffffffffff78ffffffffff0000000000000000000000000000000000000000804260a01b1616911617815564ffffffffff5f54167fffff0000000000ffffffffffffffffffffffffffffffffffffffffffffffffff7dffffffffff0000000000000000000000000000000000000000000000000083549260c81b169116179055565b604051938452169283858401521660408201527f248ee80b5528eaf5d0c0cb61c6a3d1689d931e8d6b66f0d6e62b30eaed4b616e60603392a25f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b610ff890611394565b91610dd4565b7f45ed80e9000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b3461020a575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a57602060405173ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b3461020a575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261020a576020905f548152f35b5f548110156110e5575f805260205f2001905f90565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b67ffffffffffffffff60019116019067ffffffffffffffff821161057c57565b6040810190811067ffffffffffffffff821117610fc257604052565b60a0810190811067ffffffffffffffff821117610fc257604052565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff821117610fc257604052565b604051906111b88261114e565b5f6080838281528260208201528260408201528260608201520152565b9190820391821161057c57565b67ffffffffffffffff8111610fc25760051b60200190565b9190820180921161057c57565b80518210156110e55760209160051b010190565b91905f54808410156113185780826112348680946111d5565b10156113115761124492506111d5565b61124d816111e2565b61125a604051918261116a565b8181527fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0611287836111e2565b015f5b8181106112fa57505080935f5b8381106112a45750505050565b806112de73ffffffffffffffffffffffffffffffffffffffff6112d16112cc600195876111fa565b6110cf565b90549060031b1c166115cb565b6112e88286611207565b526112f38185611207565b5001611297565b6020906113056111ab565b8282860101520161128a565b5050611244565b506060925050565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c61136c5760017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d565b7f3ee5aeb5000000000000000000000000000000000000000000000000000000005f5260045ffd5b6040517f70a082310000000000000000000000000000000000000000000000000000000081523060048201527f000000000000000000000000000000000000000000000000000000000000000073ffffffffffffffffffffffffffffffffffffffff16602082602481845afa918215611542575f92611597575b506bffffffffffffffffffffffff604051937f23b872dd000000000000000000000000000000000000000000000000000000005f5233600452306024521660445260205f60648180855af160015f5114811615611578575b836040525f6060521561154d57826024816020937f70a082310000000000000000000000000000000000000000000000000000000082523060048301525afa8015611542575f9061150e575b6114bc92506111d5565b80156114e6576bffffffffffffffffffffffff81116105a9576bffffffffffffffffffffffff1690565b7fb5c74a27000000000000000000000000000000000000000000000000000000005f5260045ffd5b506020823d60201161153a575b816115286020938361116a565b8101031261020a576114bc91516114b2565b3d915061151b565b6040513d5f823e3d90fd5b7f5274afe7000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b600181151661158e57813b15153d151616611466565b833d5f823e3d90fd5b9091506020813d6020116115c3575b816115b36020938361116a565b8101031261020a5751905f61140e565b3d91506115a6565b73ffffffffffffffffffffffffffffffffffffffff906115e96111ab565b5016805f52600160205260405f20604051906116048261114e565b60018154918284520154916bffffffffffffffffffffffff83169182602083015267ffffffffffffffff8460601c1691826040820152608064ffffffffff808760a01c169687606085015260c81c16910152604051946116638661114e565b8552602085015260408401526060830152608082015290565b335f52600160205260405f209064ffffffffff600183015460c81c161561169f57565b7fbfc6c337000000000000000000000000000000000000000000000000000000005f523360045260245ffd",
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
// Solidity: constructor(address stakeToken, uint64 unbondDelay) returns()
func (registry *Registry) PackConstructor(stakeToken common.Address, unbondDelay uint64) []byte {
	enc, err := registry.abi.Pack("", stakeToken, unbondDelay)
	if err != nil {
		panic(err)
	}
	return enc
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

// PackUnbondingOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xacf09912.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function unbondingOf(address provider) view returns(uint96 amount, uint64 releaseAt)
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
// Solidity: function unbondingOf(address provider) view returns(uint96 amount, uint64 releaseAt)
func (registry *Registry) TryPackUnbondingOf(provider common.Address) ([]byte, error) {
	return registry.abi.Pack("unbondingOf", provider)
}

// UnbondingOfOutput serves as a container for the return parameters of contract
// method UnbondingOf.
type UnbondingOfOutput struct {
	Amount    *big.Int
	ReleaseAt uint64
}

// UnpackUnbondingOf is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xacf09912.
//
// Solidity: function unbondingOf(address provider) view returns(uint96 amount, uint64 releaseAt)
func (registry *Registry) UnpackUnbondingOf(data []byte) (UnbondingOfOutput, error) {
	out, err := registry.abi.Unpack("unbondingOf", data)
	outstruct := new(UnbondingOfOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Amount = abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	outstruct.ReleaseAt = *abi.ConvertType(out[1], new(uint64)).(*uint64)
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

// RegistryLeft represents a Left event raised by the Registry contract.
type RegistryLeft struct {
	Provider  common.Address
	Unbonding *big.Int
	ReleaseAt uint64
	Raw       *types.Log // Blockchain specific contextual infos
}

const RegistryLeftEventName = "Left"

// ContractEventName returns the user-defined event name.
func (RegistryLeft) ContractEventName() string {
	return RegistryLeftEventName
}

// UnpackLeftEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Left(address indexed provider, uint96 unbonding, uint64 releaseAt)
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
	if bytes.Equal(raw[:4], registry.abi.Errors["UnbondDelayOutOfRange"].ID.Bytes()[:4]) {
		return registry.UnpackUnbondDelayOutOfRangeError(raw[4:])
	}
	if bytes.Equal(raw[:4], registry.abi.Errors["UnbondingTooEarly"].ID.Bytes()[:4]) {
		return registry.UnpackUnbondingTooEarlyError(raw[4:])
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
