// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {TypedData} from "src/libraries/TypedData.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @notice The cheatcode of forge that reads a struct, by its type as EIP-712 writes it.
interface IVmStructs {
    function parseJsonType(string calldata json, string calldata key, string calldata type_)
        external
        pure
        returns (bytes memory);
}

/// @title The library's functions that take calldata
contract TypedDataHarness {
    function domain(string calldata name, address contract_) external view returns (bytes32) {
        return TypedData.domain(name, contract_);
    }

    function relay(IRelaying.Relay calldata r) external pure returns (bytes32) {
        return TypedData.relay(r);
    }

    function open(IChannels.Opening calldata o, IRelaying.Relay calldata r) external pure returns (bytes32) {
        return TypedData.open(o, r);
    }

    function onChannel(
        bytes32 typehash,
        address token,
        address payer,
        address signer,
        address payee,
        IRelaying.Relay calldata r
    ) external pure returns (bytes32) {
        return TypedData.onChannel(typehash, token, payer, signer, payee, r);
    }

    function claim(address token, address payee, bytes calldata rows, IRelaying.Relay calldata r)
        external
        pure
        returns (bytes32)
    {
        return TypedData.claim(token, payee, rows, r);
    }

    function claimToVault(
        address token,
        address payee,
        address signer,
        bytes calldata rows,
        IRelaying.Relay calldata r
    ) external pure returns (bytes32) {
        return TypedData.claimToVault(token, payee, signer, rows, r);
    }

    function close(IChannels.Closing calldata c, address payer, IRelaying.Relay calldata r)
        external
        pure
        returns (bytes32)
    {
        return TypedData.close(c, payer, r);
    }

    function withdraw(
        address token,
        address payer,
        address signer,
        uint96 amount,
        address to,
        IRelaying.Relay calldata r
    ) external pure returns (bytes32) {
        return TypedData.withdraw(token, payer, signer, amount, to, r);
    }
}

/// @title The contracts hash typed data as ethers does (vectors/vectors.mjs)
contract VectorsTest is Fixture {
    // What is signed, by its name in TypedData's strings.

    struct Promise {
        address payer;
        address payee;
        address token;
        uint96 cumulative;
    }

    struct Reserve {
        address payer;
        address payee;
        address token;
        uint96 ceiling;
        uint24 epoch;
        uint40 validUntil;
    }

    struct Release {
        address token;
        address payer;
        address signer;
        address payee;
        uint96 ceiling;
        uint24 epoch;
        uint40 validUntil;
    }

    struct Offer {
        address provider;
        address payee;
        address token;
        uint96 pricePerGiB;
        uint64 sequence;
        uint64 notBefore;
        uint64 expires;
        string host;
        bytes32 body;
    }

    struct Open {
        address token;
        address payer;
        address signer;
        address payee;
        uint96 amount;
        uint96 ceiling;
        IRelaying.Relay relay;
    }

    struct OnChannel {
        address token;
        address payer;
        address signer;
        address payee;
        IRelaying.Relay relay;
    }

    struct Claim {
        address token;
        address payee;
        bytes rows;
        IRelaying.Relay relay;
    }

    struct ClaimToVault {
        address token;
        address payee;
        address signer;
        bytes rows;
        IRelaying.Relay relay;
    }

    struct CloseAndWithdraw {
        address token;
        address payer;
        address signer;
        address payee;
        uint96 ceiling;
        uint24 epoch;
        address to;
        IRelaying.Relay relay;
    }

    struct Withdraw {
        address token;
        address payer;
        address signer;
        uint96 amount;
        address to;
        IRelaying.Relay relay;
    }

    struct Register {
        address provider;
        bytes32 digest;
        uint96 stake;
        IRelaying.Relay relay;
    }

    struct Update {
        address provider;
        bytes32 digest;
        IRelaying.Relay relay;
    }

    struct AddStake {
        address provider;
        uint96 amount;
        IRelaying.Relay relay;
    }

    struct Leave {
        address provider;
        IRelaying.Relay relay;
    }

    struct WithdrawStake {
        address provider;
        address to;
        IRelaying.Relay relay;
    }

    /// @dev What goes with a message; forge wants another name for it, since it can't have the field `contract`.
    struct Vector {
        address by;
        uint256 chainId;
        bytes compact;
        address at;
        bytes32 digest;
        bytes32 separator;
        bytes32 structHash;
    }

    string private constant VECTOR =
        "Golden(address by,uint256 chainId,bytes compact,address contract,bytes32 digest,bytes32 separator,bytes32 structHash)";
    string private constant RELAY = "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)";
    IVmStructs private constant STRUCTS = IVmStructs(address(vm));

    TypedDataHarness private typed;
    Vector[] private vectors;

    function setUp() public override {
        // The code is put at the addresses of the vectors: that of no vector's chain computes its domain anew.
        vm.chainId(999);
        super.setUp();
        typed = new TypedDataHarness();
    }

    /// @dev The vectors of one kind; returns their messages, to be decoded.
    function read(string memory kind, string memory type_, uint256 count) private returns (bytes[] memory messages) {
        string memory json = vm.readFile("vectors/vectors.json");
        messages = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            string memory at = string.concat(".", kind, "[", vm.toString(i), "]");
            vectors.push(abi.decode(STRUCTS.parseJsonType(json, at, VECTOR), (Vector)));
            messages[i] = STRUCTS.parseJsonType(json, string.concat(at, ".message"), type_);
        }
        vm.assertTrue(
            !vm.keyExistsJson(json, string.concat(".", kind, "[", vm.toString(count), "]")), "more vectors"
        );
    }

    /// @dev The vectors of one kind of action.
    function readActions(string memory kind, string memory fields) private returns (bytes[] memory messages) {
        return read(kind, string.concat(kind, "(", fields, ",Relay relay)", RELAY), 12);
    }

    /// @dev Puts the code where a vector has it.
    function choose(uint256 i) private returns (IChannels at) {
        vm.chainId(vectors[i].chainId);
        vm.etch(vectors[i].at, address(channels).code);
        return IChannels(vectors[i].at);
    }

    function same(uint256 i, bytes32 structHash, bytes32 digest) private view {
        vm.assertEq(IChannels(vectors[i].at).domainSeparator(), vectors[i].separator, "separator");
        check(i, structHash, digest);
    }

    /// @dev For a domain that the contract has not.
    function sameIn(string memory name, uint256 i, bytes32 structHash) private {
        vm.chainId(vectors[i].chainId);
        bytes32 separator = typed.domain(name, vectors[i].at);
        vm.assertEq(separator, vectors[i].separator, "separator");
        check(i, structHash, keccak256(abi.encodePacked(hex"1901", separator, structHash)));
    }

    function check(uint256 i, bytes32 structHash, bytes32 digest) private view {
        vm.assertEq(structHash, vectors[i].structHash, "struct hash");
        vm.assertEq(digest, vectors[i].digest, "digest");
        (bytes32 r, uint256 vs) = abi.decode(vectors[i].compact, (bytes32, uint256));
        vm.assertEq(TypedData.recover(digest, r, vs), vectors[i].by, "signer");
    }

    function test_Promises() external {
        bytes[] memory list = read("Promise", "Promise(address payer,address payee,address token,uint96 cumulative)", 24);
        for (uint256 i; i < list.length; ++i) {
            Promise memory m = abi.decode(list[i], (Promise));
            same(
                i,
                TypedData.promise_(m.payer, m.payee, m.token, m.cumulative),
                choose(i).promiseDigest(m.payer, m.payee, m.token, m.cumulative)
            );
        }
    }

    function test_Reserves() external {
        bytes[] memory list = read(
            "Reserve",
            "Reserve(address payer,address payee,address token,uint96 ceiling,uint24 epoch,uint40 validUntil)",
            24
        );
        for (uint256 i; i < list.length; ++i) {
            Reserve memory m = abi.decode(list[i], (Reserve));
            same(
                i,
                TypedData.reserve(m.payer, m.payee, m.token, m.ceiling, m.epoch, m.validUntil),
                choose(i).reserveDigest(m.payer, m.payee, m.token, m.ceiling, m.epoch, m.validUntil)
            );
        }
    }

    function test_Releases() external {
        bytes[] memory list = read(
            "Release",
            "Release(address token,address payer,address signer,address payee,uint96 ceiling,uint24 epoch,uint40 validUntil)",
            24
        );
        for (uint256 i; i < list.length; ++i) {
            Release memory m = abi.decode(list[i], (Release));
            same(
                i,
                TypedData.release(m.token, m.payer, m.signer, m.payee, m.ceiling, m.epoch, m.validUntil),
                choose(i).releaseDigest(m.token, m.payer, m.signer, m.payee, m.ceiling, m.epoch, m.validUntil)
            );
        }
    }

    /// @dev No contract looks at offers: this is what one would compute.
    function test_Offers() external {
        string memory type_ =
            "Offer(address provider,address payee,address token,uint96 pricePerGiB,uint64 sequence,uint64 notBefore,uint64 expires,string host,bytes32 body)";
        bytes[] memory list = read("Offer", type_, 9);
        for (uint256 i; i < list.length; ++i) {
            Offer memory m = abi.decode(list[i], (Offer));
            bytes memory head = abi.encode(keccak256(bytes(type_)), m.provider, m.payee, m.token, m.pricePerGiB);
            bytes memory tail = abi.encode(m.sequence, m.notBefore, m.expires, keccak256(bytes(m.host)), m.body);
            sameIn("Byway Offers", i, keccak256(bytes.concat(head, tail)));
        }
    }

    function test_Opens() external {
        bytes[] memory list = readActions(
            "Open",
            "address token,address payer,address signer,address payee,uint96 amount,uint96 ceiling"
        );
        for (uint256 i; i < list.length; ++i) {
            Open memory m = abi.decode(list[i], (Open));
            IChannels.Opening memory o =
                IChannels.Opening(m.token, m.payer, m.signer, m.payee, m.amount, m.ceiling);
            sameHere(i, typed.open(o, m.relay));
        }
    }

    function onChannel(string memory kind, bytes32 typehash) private {
        bytes[] memory list = readActions(kind, "address token,address payer,address signer,address payee");
        for (uint256 i; i < list.length; ++i) {
            OnChannel memory m = abi.decode(list[i], (OnChannel));
            sameHere(i, typed.onChannel(typehash, m.token, m.payer, m.signer, m.payee, m.relay));
        }
    }

    /// @dev What is signed, in the contract's domain.
    function sameHere(uint256 i, bytes32 structHash) private {
        bytes32 separator = choose(i).domainSeparator();
        same(i, structHash, keccak256(abi.encodePacked(hex"1901", separator, structHash)));
    }

    function test_Revokes() external {
        onChannel("Revoke", TypedData.REVOKE_TYPEHASH);
    }

    function test_StartExits() external {
        onChannel("StartExit", TypedData.START_EXIT_TYPEHASH);
    }

    function test_CancelExits() external {
        onChannel("CancelExit", TypedData.CANCEL_EXIT_TYPEHASH);
    }

    function test_FinishExits() external {
        onChannel("FinishExit", TypedData.FINISH_EXIT_TYPEHASH);
    }

    function test_Claims() external {
        bytes[] memory list = readActions("Claim", "address token,address payee,bytes rows");
        for (uint256 i; i < list.length; ++i) {
            Claim memory m = abi.decode(list[i], (Claim));
            sameHere(i, typed.claim(m.token, m.payee, m.rows, m.relay));
        }
    }

    function test_ClaimsToVaults() external {
        bytes[] memory list = readActions("ClaimToVault", "address token,address payee,address signer,bytes rows");
        for (uint256 i; i < list.length; ++i) {
            ClaimToVault memory m = abi.decode(list[i], (ClaimToVault));
            sameHere(i, typed.claimToVault(m.token, m.payee, m.signer, m.rows, m.relay));
        }
    }

    /// @dev The rows, the release's time and its signature are no part of it.
    function test_Closes() external {
        bytes[] memory list = readActions(
            "CloseAndWithdraw",
            "address token,address payer,address signer,address payee,uint96 ceiling,uint24 epoch,address to"
        );
        for (uint256 i; i < list.length; ++i) {
            CloseAndWithdraw memory m = abi.decode(list[i], (CloseAndWithdraw));
            IChannels.Closing memory c = IChannels.Closing(
                m.token, m.signer, m.payee, new bytes(96 * i), m.ceiling, m.epoch, uint40(i), new bytes(i), m.to
            );
            sameHere(i, typed.close(c, m.payer, m.relay));
        }
    }

    function test_Withdrawals() external {
        bytes[] memory list = readActions("Withdraw", "address token,address payer,address signer,uint96 amount,address to");
        for (uint256 i; i < list.length; ++i) {
            Withdraw memory m = abi.decode(list[i], (Withdraw));
            sameHere(i, typed.withdraw(m.token, m.payer, m.signer, m.amount, m.to, m.relay));
        }
    }

    function test_Registers() external {
        bytes[] memory list = readActions("Register", "address provider,bytes32 digest,uint96 stake");
        for (uint256 i; i < list.length; ++i) {
            Register memory m = abi.decode(list[i], (Register));
            bytes32 relay = typed.relay(m.relay);
            sameIn(
                TypedData.REGISTRY,
                i,
                keccak256(abi.encode(TypedData.REGISTER_TYPEHASH, m.provider, m.digest, m.stake, relay))
            );
        }
    }

    function test_Updates() external {
        bytes[] memory list = readActions("Update", "address provider,bytes32 digest");
        for (uint256 i; i < list.length; ++i) {
            Update memory m = abi.decode(list[i], (Update));
            bytes32 relay = typed.relay(m.relay);
            sameIn(
                TypedData.REGISTRY,
                i,
                keccak256(abi.encode(TypedData.UPDATE_TYPEHASH, m.provider, m.digest, relay))
            );
        }
    }

    function test_AddedStakes() external {
        bytes[] memory list = readActions("AddStake", "address provider,uint96 amount");
        for (uint256 i; i < list.length; ++i) {
            AddStake memory m = abi.decode(list[i], (AddStake));
            bytes32 relay = typed.relay(m.relay);
            sameIn(
                TypedData.REGISTRY,
                i,
                keccak256(abi.encode(TypedData.ADD_STAKE_TYPEHASH, m.provider, m.amount, relay))
            );
        }
    }

    function test_Leaves() external {
        bytes[] memory list = readActions("Leave", "address provider");
        for (uint256 i; i < list.length; ++i) {
            Leave memory m = abi.decode(list[i], (Leave));
            bytes32 relay = typed.relay(m.relay);
            sameIn(
                TypedData.REGISTRY, i, keccak256(abi.encode(TypedData.LEAVE_TYPEHASH, m.provider, relay))
            );
        }
    }

    function test_WithdrawnStakes() external {
        bytes[] memory list = readActions("WithdrawStake", "address provider,address to");
        for (uint256 i; i < list.length; ++i) {
            WithdrawStake memory m = abi.decode(list[i], (WithdrawStake));
            bytes32 relay = typed.relay(m.relay);
            sameIn(
                TypedData.REGISTRY,
                i,
                keccak256(abi.encode(TypedData.WITHDRAW_STAKE_TYPEHASH, m.provider, m.to, relay))
            );
        }
    }
}
