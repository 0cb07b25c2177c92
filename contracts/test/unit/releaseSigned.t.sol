// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

/// @notice A wallet that takes any signature of one byte, or none.
contract AnyWallet {
    bytes4 private immutable ANSWER;

    constructor(bytes4 answer) {
        ANSWER = answer;
    }

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        return ANSWER;
    }
}

contract ReleaseSignedTest is Fixture {
    uint40 private constant NOW = uint40(START);

    function post(uint96 ceiling, uint24 epoch, uint40 validUntil, bytes memory signature) private returns (uint96) {
        vm.prank(stranger);
        return channels.releaseSigned(token, payer, signer, payee, ceiling, epoch, validUntil, signature);
    }

    function test_RevertWhen_ItHasExpired() external {
        open(100, 60);
        bytes memory signature = released(0, 0, NOW - 1);
        refuse(abi.encodeWithSelector(IChannels.ReleaseExpired.selector, NOW - 1));
        post(0, 0, NOW - 1, signature);
    }

    function test_RevertWhen_TheEpochIsAnother() external {
        open(100, 60);
        setEpoch(5);
        bytes memory signature = released(0, 4, NOW);
        refuse(abi.encodeWithSelector(IChannels.WrongEpoch.selector, 5, 4));
        post(0, 4, NOW, signature);
        signature = released(0, 6, NOW);
        refuse(abi.encodeWithSelector(IChannels.WrongEpoch.selector, 5, 6));
        post(0, 6, NOW, signature);
    }

    function test_RevertWhen_TheEpochIsTheLast() external {
        open(100, 60);
        setEpoch(LAST_EPOCH);
        bytes memory signature = released(0, LAST_EPOCH, NOW);
        refuse(abi.encodeWithSelector(IChannels.WrongEpoch.selector, LAST_EPOCH, LAST_EPOCH));
        post(0, LAST_EPOCH, NOW, signature);
    }

    function test_RevertWhen_AnythingElseWasSigned() external {
        open(100, 60);
        bytes memory signature = released(0, 0, NOW);
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(1, 0, NOW, signature);
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW + 1, signature);
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW, "");
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW, new bytes(65));
        deposit(payer, otherSigner, 60);
        vm.prank(payer);
        channels.reserve(token, otherSigner, payee, 60);
        refuse(IChannels.InvalidReleaseSignature.selector);
        channels.releaseSigned(token, payer, otherSigner, payee, 0, 0, NOW, signature);
    }

    function test_RevertWhen_AnotherSigned() external {
        open(100, 60);
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(PAYER_KEY, channels.releaseDigest(token, payer, signer, payee, 0, 0, NOW));
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW, abi.encodePacked(r, s, v));
    }

    function test_RevertWhen_TheSignatureIsATwin() external {
        open(100, 60);
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(PAYEE_KEY, channels.releaseDigest(token, payer, signer, payee, 0, 0, NOW));
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW, abi.encodePacked(r, bytes32(ORDER - uint256(s)), 55 - v));
    }

    function test_RevertWhen_ThePayeeIsZero() external {
        // What ecrecover answers for no signature must not stand for an account.
        vm.prank(payer);
        refuseRecipient(address(0));
        channels.open(token, signer, address(0), 100, 60);
        vm.store(address(channels), slotOf(payer, signer, address(0)), bytes32(uint256(60) << 64));
        refuse(IChannels.InvalidReleaseSignature.selector);
        channels.releaseSigned(token, payer, signer, address(0), 0, 0, NOW, new bytes(65));
    }

    function test_RevertWhen_TheCeilingIsNotLowered() external {
        open(100, 60);
        bytes memory signature = released(60, 0, NOW);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotLowered.selector, 60, 60));
        post(60, 0, NOW, signature);
    }

    function test_RevertWhen_TheVaultWouldOverflow() external {
        open(60, 60);
        deposit(payer, signer, MAX - 60);
        plain.mint(payer, 60);
        deposit(payer, signer, 60);
        bytes memory signature = released(59, 0, NOW);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        post(59, 0, NOW, signature);
    }

    function test_WhenThePayeeSigned() external {
        open(100, 60);
        setEpoch(LAST_EPOCH - 1);
        channels.claim(token, payee, promised(10));
        bytes memory signature = released(20, LAST_EPOCH - 1, NOW);
        vm.expectEmit(address(channels));
        emit IChannels.Released(token, payer, payee, signer, 20, LAST_EPOCH);
        eq(post(20, LAST_EPOCH - 1, NOW, signature), 40, "freed");
        expectChannel(80, 10, 20, 0, LAST_EPOCH);
    }

    function test_WhenThePayeeHasCodeAndItsKeySigned() external {
        open(100, 60);
        bytes memory signature = released(0, 0, NOW);
        vm.etch(payee, address(new AnyWallet(0xffffffff)).code);
        eq(post(0, 0, NOW, signature), 60, "freed");
    }

    function test_WhenThePayeeIsAWallet_ItsAnswerCounts() external {
        open(100, 60);
        vm.etch(payee, address(new AnyWallet(0xffffffff)).code);
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW, hex"01");
        vm.etch(payee, address(new AnyWallet(0x1626ba7e)).code);
        eq(post(0, 0, NOW, hex"01"), 60, "freed");
    }

    function test_RevertWhen_ThePayeesCodeKnowsNoSignatures() external {
        open(100, 60);
        vm.etch(payee, hex"00");
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW, hex"01");
    }

    function test_RevertWhen_OnlyAnothersWalletTakesIt() external {
        open(100, 60);
        address yes = address(new AnyWallet(0x1626ba7e));
        vm.etch(payer, yes.code);
        vm.etch(signer, yes.code);
        vm.etch(stranger, yes.code);
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW, "");
    }

    function test_RevertWhen_TheSessionKeySigned() external {
        open(100, 60);
        bytes memory signature =
            sign(SIGNER_KEY, channels.releaseDigest(token, payer, signer, payee, 0, 0, NOW));
        refuse(IChannels.InvalidReleaseSignature.selector);
        post(0, 0, NOW, signature);
    }

    function test_RevertWhen_ThePayeeSendsItWithoutASignature() external {
        open(100, 60);
        refuse(IChannels.InvalidReleaseSignature.selector);
        vm.prank(payee);
        channels.releaseSigned(token, payer, signer, payee, 0, 0, NOW, "");
    }

    function test_RevertWhen_ItsTimeIsZero() external {
        open(100, 60);
        bytes memory signature = released(0, 0, 0);
        refuse(abi.encodeWithSelector(IChannels.ReleaseExpired.selector, 0));
        post(0, 0, 0, signature);
    }
}
