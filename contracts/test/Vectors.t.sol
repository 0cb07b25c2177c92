// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {TypedData} from "src/libraries/TypedData.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @title The contract hashes typed data as ethers does (vectors/vectors.mjs)
contract VectorsTest is Fixture {
    uint256 private constant COUNT = 24;

    string private json;
    string private at;

    function setUp() public override {
        // The code is put at the addresses of the vectors: that of no vector's chain computes its domain anew.
        vm.chainId(999);
        super.setUp();
        json = vm.readFile("vectors/vectors.json");
    }

    function choose(string memory kind, uint256 i) private {
        at = string.concat(".", kind, "[", vm.toString(i), "].");
        vm.chainId(vm.parseJsonUint(json, string.concat(at, "chainId")));
        vm.etch(addressOf("contract"), address(channels).code);
    }

    function contract_() private view returns (IChannels) {
        return IChannels(addressOf("contract"));
    }

    function addressOf(string memory field) private view returns (address) {
        return vm.parseJsonAddress(json, string.concat(at, field));
    }

    function party(string memory field) private view returns (address) {
        return addressOf(string.concat("message.", field));
    }

    function number(string memory field) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(at, "message.", field));
    }

    function hashOf(string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(at, field));
    }

    function same(bytes32 structHash, bytes32 digest) private view {
        vm.assertEq(contract_().domainSeparator(), hashOf("separator"), "separator");
        vm.assertEq(structHash, hashOf("structHash"), "struct hash");
        vm.assertEq(digest, hashOf("digest"), "digest");
        expectSigner(digest);
    }

    function expectSigner(bytes32 digest) private view {
        bytes memory signature = vm.parseJsonBytes(json, string.concat(at, "compact"));
        (bytes32 r, uint256 vs) = abi.decode(signature, (bytes32, uint256));
        vm.assertEq(TypedData.recover(digest, r, vs), addressOf("by"), "signer");
    }

    function test_Promises() external {
        for (uint256 i; i < COUNT; ++i) {
            choose("Promise", i);
            (address from, address to, address with) = (party("payer"), party("payee"), party("token"));
            uint96 cumulative = uint96(number("cumulative"));
            same(
                TypedData.promise_(from, to, with, cumulative),
                contract_().promiseDigest(from, to, with, cumulative)
            );
        }
    }

    function test_Reserves() external {
        for (uint256 i; i < COUNT; ++i) {
            choose("Reserve", i);
            (address from, address to, address with) = (party("payer"), party("payee"), party("token"));
            (uint96 ceiling, uint24 epoch, uint40 until) =
                (uint96(number("ceiling")), uint24(number("epoch")), uint40(number("validUntil")));
            same(
                TypedData.reserve(from, to, with, ceiling, epoch, until),
                contract_().reserveDigest(from, to, with, ceiling, epoch, until)
            );
        }
    }

    function test_Releases() external {
        for (uint256 i; i < COUNT; ++i) {
            choose("Release", i);
            (address with, address from, address by, address to) =
                (party("token"), party("payer"), party("signer"), party("payee"));
            (uint96 ceiling, uint24 epoch, uint40 until) =
                (uint96(number("ceiling")), uint24(number("epoch")), uint40(number("validUntil")));
            same(
                TypedData.release(with, from, by, to, ceiling, epoch, until),
                contract_().releaseDigest(with, from, by, to, ceiling, epoch, until)
            );
        }
    }

    /// @dev No contract looks at offers: this is what one would compute.
    function test_Offers() external {
        for (uint256 i; i < 9; ++i) {
            choose("Offer", i);
            bytes32 separator = keccak256(
                abi.encode(
                    TypedData.DOMAIN_TYPEHASH,
                    keccak256("Byway Offers"),
                    keccak256("1"),
                    block.chainid,
                    addressOf("contract")
                )
            );
            vm.assertEq(separator, hashOf("separator"), "separator");
            vm.assertEq(offer(), hashOf("structHash"), "struct hash");
            bytes32 digest = keccak256(abi.encodePacked(hex"1901", separator, offer()));
            vm.assertEq(digest, hashOf("digest"), "digest");
            expectSigner(digest);
        }
    }

    function offer() private view returns (bytes32) {
        bytes memory head = abi.encode(
            keccak256(
                "Offer(address provider,address payee,address token,uint96 pricePerGiB,uint64 sequence,uint64 notBefore,uint64 expires,string host,bytes32 body)"
            ),
            party("provider"),
            party("payee"),
            party("token"),
            number("pricePerGiB")
        );
        bytes memory tail = abi.encode(
            number("sequence"),
            number("notBefore"),
            number("expires"),
            keccak256(bytes(vm.parseJsonString(json, string.concat(at, "message.host")))),
            hashOf("message.body")
        );
        return keccak256(bytes.concat(head, tail));
    }
}
