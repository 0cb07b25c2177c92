// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Digests} from "./Digests.sol";
import {PlainToken} from "./tokens/Tokens.sol";
import {IDevToken} from "./tokens/TokenSignatures.sol";
import {Vm, vm} from "./Vm.sol";

/// @title Two payers, their session keys and two payees around one Channels contract
abstract contract Fixture {
    uint40 internal constant DELAY = 1 days;
    uint96 internal constant MAX = type(uint96).max;
    uint24 internal constant LAST_EPOCH = type(uint24).max;
    uint256 internal constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 internal constant START = 1_800_000_000;

    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant OTHER_PAYER_KEY = 0xA11CF;
    uint256 internal constant SIGNER_KEY = 0x5165;
    uint256 internal constant OTHER_SIGNER_KEY = 0x5166;
    uint256 internal constant PAYEE_KEY = 0xB0B;
    uint256 internal constant OTHER_PAYEE_KEY = 0xB0C;

    address internal payer = vm.addr(PAYER_KEY);
    address internal otherPayer = vm.addr(OTHER_PAYER_KEY);
    address internal signer = vm.addr(SIGNER_KEY);
    address internal otherSigner = vm.addr(OTHER_SIGNER_KEY);
    address internal payee = vm.addr(PAYEE_KEY);
    address internal otherPayee = vm.addr(OTHER_PAYEE_KEY);
    address internal stranger = address(0x57A);

    IChannels internal channels;
    Digests internal digests;
    PlainToken internal plain;
    address internal token;

    function setUp() public virtual {
        channels = newChannels(DELAY);
        digests = new Digests();
        plain = new PlainToken();
        token = address(plain);
        vm.label(payer, "payer");
        vm.label(signer, "signer");
        vm.label(payee, "payee");
        fund(payer);
        fund(otherPayer);
    }

    function newChannels(uint40 delay) internal returns (IChannels) {
        return IChannels(vm.deployCode(artifact("Channels"), abi.encode(delay)));
    }

    function newDevToken() internal returns (IDevToken) {
        return IDevToken(vm.deployCode(artifact("DevToken"), ""));
    }

    /// @dev Where a contract's code comes from: what forge has compiled, or a mutant that the tests shall catch.
    function artifact(string memory name) internal view returns (string memory) {
        return vm.envOr(string.concat("MUTANT_", name), string.concat(name, ".sol:", name));
    }

    /// @dev Gives an account tokens and approves the contract for them.
    function fund(address account) internal {
        plain.mint(account, MAX);
        vm.prank(account);
        plain.approve(address(channels), type(uint256).max);
    }

    function deposit(address account, address key, uint96 amount) internal {
        vm.prank(account);
        channels.deposit(token, account, key, amount);
    }

    function open(uint96 amount, uint96 ceiling) internal {
        vm.prank(payer);
        channels.open(token, signer, payee, amount, ceiling);
    }

    // Signatures

    function compact(uint256 key, bytes32 digest) internal pure returns (bytes32 r, uint256 vs) {
        (uint8 v, bytes32 r_, bytes32 s) = vm.sign(key, digest);
        return (r_, uint256(v - 27) << 255 | uint256(s));
    }

    /// @dev A claim's row.
    function promised(uint256 key, address from, address to, uint96 cumulative) internal view returns (bytes memory) {
        (bytes32 r, uint256 vs) = compact(key, channels.promiseDigest(from, to, token, cumulative));
        return abi.encodePacked(from, cumulative, r, vs);
    }

    /// @dev The payer's promise to the payee.
    function promised(uint96 cumulative) internal view returns (bytes memory) {
        return promised(SIGNER_KEY, payer, payee, cumulative);
    }

    /// @dev A signed reserve's row.
    function reserved(uint256 key, address from, address to, uint96 ceiling, uint24 epoch, uint40 validUntil)
        internal
        view
        returns (bytes memory)
    {
        (bytes32 r, uint256 vs) =
            compact(key, channels.reserveDigest(from, to, token, ceiling, epoch, validUntil));
        return abi.encodePacked(from, ceiling, uint256(epoch) << 40 | validUntil, r, vs);
    }

    function reserved(uint96 ceiling, uint24 epoch) internal view returns (bytes memory) {
        return reserved(SIGNER_KEY, payer, payee, ceiling, epoch, uint40(block.timestamp));
    }

    /// @dev The payee's signature that gives reserve back.
    function released(uint96 ceiling, uint24 epoch, uint40 validUntil) internal view returns (bytes memory) {
        return
            sign(PAYEE_KEY, channels.releaseDigest(token, payer, signer, payee, ceiling, epoch, validUntil));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    // What functions take

    function opening(uint96 amount, uint96 ceiling) internal view returns (IChannels.Opening memory) {
        return IChannels.Opening(token, payer, signer, payee, amount, ceiling);
    }

    function closing(
        bytes memory rows,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil,
        bytes memory signature,
        address to
    ) internal view returns (IChannels.Closing memory) {
        return IChannels.Closing(token, signer, payee, rows, ceiling, epoch, validUntil, signature, to);
    }

    function noPermit() internal pure returns (IRelaying.Permit memory permit) {}

    function noRelay() internal pure returns (IRelaying.Relay memory relay) {}

    /// @dev Terms that end now.
    function relayFor(address relayer, uint96 maxFee, uint256 nonce) internal view returns (IRelaying.Relay memory) {
        return IRelaying.Relay(relayer, maxFee, nonce, uint40(block.timestamp));
    }

    /// @dev A word of {IChannels-Claimed}.
    function settledWord(address from, address with, uint96 settled) internal view returns (bytes32) {
        return bytes32(abi.encodePacked(bytes20(keccak256(abi.encode(token, from, with))), settled));
    }

    function words(bytes32 a) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = a;
    }

    // State

    function free() internal view returns (uint96) {
        return channels.vaultOf(token, payer, signer);
    }

    function slotOf(address from, address with, address to) internal view returns (bytes32) {
        return keccak256(abi.encode(keccak256(abi.encode(token, from, with)), to));
    }

    function setEpoch(uint24 epoch) internal {
        bytes32 slot = slotOf(payer, signer, payee);
        uint256 word = uint256(vm.load(address(channels), slot));
        vm.store(address(channels), slot, bytes32(word >> 24 << 24 | epoch));
    }

    // Assertions

    function eq(uint256 got, uint256 want, string memory what) internal pure {
        vm.assertEq(got, want, what);
    }

    function expectChannel(uint96 free_, uint96 settled, uint96 ceiling, uint40 exitAt, uint24 epoch) internal view {
        (uint96 f, uint96 s, uint96 c, uint40 x, uint24 e) = channels.channelOf(token, payer, signer, payee);
        vm.assertEq(f, free_, "free");
        vm.assertEq(s, settled, "settled");
        vm.assertEq(c, ceiling, "ceiling");
        vm.assertEq(x, exitAt, "exitAt");
        vm.assertEq(e, epoch, "epoch");
    }

    function refuseRecipient(address recipient) internal {
        refuse(abi.encodeWithSelector(IRelaying.InvalidRecipient.selector, recipient));
    }

    function refuse(bytes4 selector) internal {
        vm.expectRevert(selector);
    }

    function refuse(bytes memory answer) internal {
        vm.expectRevert(answer);
    }
}
