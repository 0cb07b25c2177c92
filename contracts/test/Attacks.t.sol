// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "./Fixture.sol";
import {Wallet} from "./Wallet.sol";
import {
    EmptyToken,
    FalseToken,
    FeeToken,
    FreezingToken,
    HugeToken,
    PlainToken,
    ReentrantToken,
    SilentToken
} from "./tokens/Tokens.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice An account's code that says no to every signature.
contract Mute {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}

/// @title What has been done to payment systems before, tried here
contract AttacksTest is Fixture {
    function claim(bytes memory rows) private returns (uint256) {
        return channels.claim(token, payee, rows);
    }

    // Replay

    function test_ReplayOfAPromise_AcrossPayees() external {
        deposit(payer, signer, 100);
        bytes memory rows = promised(60);
        eq(channels.claim(token, otherPayee, rows), 0, "paid to another payee");
    }

    function test_ReplayOfAPromise_AcrossPayers() external {
        deposit(payer, signer, 100);
        deposit(otherPayer, signer, 100);
        bytes memory rows = promised(60);
        bytes memory forged = abi.encodePacked(otherPayer, this.slice(rows, 20));
        eq(claim(forged), 0, "paid by another payer with the same signer");
    }

    function test_ReplayOfAPromise_AcrossTokens() external {
        deposit(payer, signer, 100);
        bytes memory rows = promised(60);
        FeeToken other = new FeeToken();
        other.mint(payer, 100);
        vm.startPrank(payer);
        other.approve(address(channels), 100);
        channels.deposit(address(other), payer, signer, 100);
        vm.stopPrank();
        eq(channels.claim(address(other), payee, rows), 0, "paid in another token");
    }

    function test_ReplayOfAPromise_AcrossContracts() external {
        IChannels other = newChannels(DELAY);
        vm.startPrank(payer);
        plain.approve(address(other), 100);
        other.deposit(token, payer, signer, 100);
        vm.stopPrank();
        bytes memory rows = promised(60);
        eq(other.claim(token, payee, rows), 0, "paid by another contract");
    }

    function test_ReplayOfAPromise_AcrossChains() external {
        deposit(payer, signer, 100);
        bytes memory here = promised(60);
        bytes32 separator = channels.domainSeparator();
        vm.chainId(4242);
        vm.assertTrue(channels.domainSeparator() != separator, "the domain follows the chain");
        eq(claim(here), 0, "paid on another chain");
        eq(claim(promised(60)), 60, "not paid with a signature for this chain");
    }

    function test_ReplayOfAPromise_AcrossLives() external {
        open(100, 100);
        bytes memory rows = promised(60);
        eq(claim(rows), 60, "paid");
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY);
        channels.finishExit(token, payer, signer, payee);
        channels.withdraw(token, signer, 40, payer);
        channels.open(token, signer, payee, 100, 160);
        vm.stopPrank();
        eq(claim(rows), 0, "paid again in another life");
        expectChannel(0, 60, 160, 0, 1);
    }

    function test_ReplayOfAPromise_WithinATransaction() external {
        open(100, 100);
        bytes memory row = promised(60);
        eq(claim(bytes.concat(row, row, row)), 60, "paid");
        expectChannel(0, 60, 100, 0, 0);
    }

    function test_ReplayOfAReserve_AfterARelease() external {
        deposit(payer, signer, 100);
        bytes memory row = reserved(SIGNER_KEY, payer, payee, 50, 0, type(uint40).max);
        eq(channels.reserveSigned(token, payee, row), 50, "reserved");
        vm.prank(payee);
        channels.release(token, payer, signer, 0);
        eq(channels.reserveSigned(token, payee, row), 0, "reserved again");
        expectChannel(100, 0, 0, 0, 2);
    }

    function test_ReplayOfAReserve_AfterAnExit() external {
        deposit(payer, signer, 100);
        bytes memory row = reserved(SIGNER_KEY, payer, payee, 50, 0, type(uint40).max);
        channels.reserveSigned(token, payee, row);
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY);
        channels.finishExit(token, payer, signer, payee);
        vm.stopPrank();
        eq(channels.reserveSigned(token, payee, row), 0, "reserved again");
        expectChannel(100, 0, 0, 0, 2);
    }

    function test_ReplayOfAReserve_AfterANewDeposit() external {
        deposit(payer, signer, 10);
        bytes memory row = reserved(SIGNER_KEY, payer, payee, 50, 0, type(uint40).max);
        eq(channels.reserveSigned(token, payee, row), 10, "reserved");
        deposit(payer, signer, 100);
        eq(channels.reserveSigned(token, payee, row), 0, "reserved again");
        expectChannel(100, 0, 10, 0, 1);
    }

    function test_AReserveThatWasRevoked_AlsoOfAChannelThatNeverWas() external {
        deposit(payer, signer, 100);
        bytes memory row = reserved(SIGNER_KEY, payer, payee, 50, 0, type(uint40).max);
        vm.prank(payer);
        channels.revoke(token, signer, payee);
        eq(channels.reserveSigned(token, payee, row), 0, "reserved");
        expectChannel(100, 0, 0, 0, 1);
    }

    function test_ReplayOfARelease() external {
        open(200, 100);
        bytes memory signature = released(0, 0, type(uint40).max);
        channels.releaseSigned(token, payer, signer, payee, 0, 0, type(uint40).max, signature);
        vm.prank(payer);
        channels.reserve(token, signer, payee, 100);
        refuse(abi.encodeWithSelector(IChannels.WrongEpoch.selector, 1, 0));
        channels.releaseSigned(token, payer, signer, payee, 0, 0, type(uint40).max, signature);
    }

    function test_ReplayOfAnEpoch_AfterTheLastOne() external {
        open(200, 100);
        setEpoch(LAST_EPOCH - 1);
        vm.prank(payee);
        channels.release(token, payer, signer, 50);
        expectChannel(150, 0, 50, 0, LAST_EPOCH);
        vm.prank(payee);
        channels.release(token, payer, signer, 40);
        expectChannel(160, 0, 40, 0, LAST_EPOCH);
        eq(channels.reserveSigned(token, payee, reserved(90, LAST_EPOCH)), 0, "reserved in the last epoch");
        eq(channels.reserveSigned(token, payee, reserved(90, 0)), 0, "reserved in the first epoch");
        bytes memory signature = released(0, LAST_EPOCH, uint40(START));
        refuse(abi.encodeWithSelector(IChannels.WrongEpoch.selector, LAST_EPOCH, LAST_EPOCH));
        channels.releaseSigned(token, payer, signer, payee, 0, LAST_EPOCH, uint40(START), signature);
        // The payer still gets its money.
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY);
        channels.finishExit(token, payer, signer, payee);
        vm.stopPrank();
        expectChannel(200, 0, 0, 0, LAST_EPOCH);
    }

    // One type of message passed as another

    function test_AReserveIsNoPromise() external {
        deposit(payer, signer, 100);
        (bytes32 r, uint256 vs) =
            compact(SIGNER_KEY, channels.reserveDigest(payer, payee, token, 60, 0, uint40(START)));
        eq(claim(abi.encodePacked(payer, uint96(60), r, vs)), 0, "paid for a reserve");
    }

    function test_APromiseIsNoReserve() external {
        deposit(payer, signer, 100);
        (bytes32 r, uint256 vs) = compact(SIGNER_KEY, channels.promiseDigest(payer, payee, token, 60));
        bytes memory row = abi.encodePacked(payer, uint96(60), uint256(START), r, vs);
        eq(channels.reserveSigned(token, payee, row), 0, "reserved by a promise");
    }

    function test_AReserveIsNoRelease() external {
        // The payee is the signer of a vault of its own here, and has signed a reserve.
        open(100, 100);
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(PAYEE_KEY, channels.reserveDigest(payer, payee, token, 0, 0, uint40(START)));
        refuse(IChannels.InvalidReleaseSignature.selector);
        channels.releaseSigned(token, payer, signer, payee, 0, 0, uint40(START), abi.encodePacked(r, s, v));
    }

    function test_ASignatureOfTheBareStructHashIsWorthNothing() external {
        deposit(payer, signer, 100);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Promise(address payer,address payee,address token,uint96 cumulative)"),
                payer,
                payee,
                token,
                60
            )
        );
        (bytes32 r, uint256 vs) = compact(SIGNER_KEY, structHash);
        eq(claim(abi.encodePacked(payer, uint96(60), r, vs)), 0, "paid without a domain");
    }

    // Third parties

    function test_AThirdPartyCannotStartCancelOrShortenAnExit() external {
        open(100, 100);
        vm.prank(stranger);
        refuse(IChannels.NothingReserved.selector);
        channels.startExit(token, signer, payee);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        address[4] memory others = [stranger, payee, signer, otherPayer];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            refuse(IChannels.NoExit.selector);
            channels.cancelExit(token, signer, payee);
            vm.prank(others[i]);
            refuse(abi.encodeWithSelector(IChannels.ExitTooEarly.selector, uint40(START) + DELAY));
            channels.finishExit(token, payer, signer, payee);
        }
        expectChannel(0, 0, 100, uint40(START) + DELAY, 0);
    }

    function test_AThirdPartyFinishingAnExitMovesNothingElsewhere() external {
        open(100, 100);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY);
        vm.prank(stranger);
        channels.finishExit(token, payer, signer, payee);
        expectChannel(100, 0, 0, 0, 1);
        eq(plain.balanceOf(stranger), 0, "stranger");
    }

    function test_AReserveDoesNotCancelAnExit() external {
        open(200, 100);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        eq(channels.reserveSigned(token, payee, reserved(150, 0)), 0, "reserved during an exit");
        expectChannel(100, 0, 100, uint40(START) + DELAY, 0);
    }

    function test_StartingAnExitAgainDoesNotMoveItsTime() external {
        open(100, 100);
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY - 1);
        refuse(abi.encodeWithSelector(IChannels.ExitInProgress.selector, uint40(START) + DELAY));
        channels.startExit(token, signer, payee);
        vm.stopPrank();
        expectChannel(0, 0, 100, uint40(START) + DELAY, 0);
    }

    function test_ARereleaseDoesNotMoveAnExit() external {
        open(100, 100);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + 100);
        vm.prank(payee);
        channels.release(token, payer, signer, 60);
        expectChannel(40, 0, 60, uint40(START) + DELAY, 1);
    }

    function test_OnlyThePayeeReleases() external {
        open(100, 100);
        vm.prank(payer);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotLowered.selector, 0, 0));
        channels.release(token, payer, signer, 0);
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(PAYER_KEY, channels.releaseDigest(token, payer, signer, payee, 0, 0, uint40(START)));
        refuse(IChannels.InvalidReleaseSignature.selector);
        channels.releaseSigned(token, payer, signer, payee, 0, 0, uint40(START), abi.encodePacked(r, s, v));
    }

    function test_TheSignerCannotWithdraw() external {
        deposit(payer, signer, 100);
        vm.prank(signer);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 0, 1));
        channels.withdraw(token, signer, 1, signer);
    }

    // Signatures

    function test_TheTwinOfASignatureIsWorthNothing() external {
        deposit(payer, signer, 100);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, channels.promiseDigest(payer, payee, token, 60));
        bytes32 twin = bytes32(ORDER - uint256(s));
        // In the compact form the highest bit is the parity's: a high s that still fits below it is found, one above is not.
        uint256 vs = uint256(28 - v) << 255 | uint256(twin);
        eq(claim(abi.encodePacked(payer, uint96(60), r, vs)), 0, "paid for the twin");
        vs = uint256(v - 27) << 255 | uint256(twin) & (1 << 255) - 1;
        eq(claim(abi.encodePacked(payer, uint96(60), r, vs)), 0, "paid for the twin's lower bits");
        eq(claim(promised(60)), 60, "not paid for the signature itself");
    }

    /// @dev A signature with a high s that fits below the parity's bit is needed: with half the order below 2^255 such an s
    /// is rare by nature, so it is made: for r = x(G) and any s the digest follows.
    function test_AHighSBelowTheParityBitIsWorthNothing() external {
        deposit(payer, address(this), 1);
        uint256 s = 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff;
        vm.assertTrue(s > ORDER / 2, "s is high");
        // Whoever this recovers to owns a vault, so that only the check of s stands between.
        bytes32 r = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798;
        address who = ecrecover(channels.promiseDigest(payer, payee, token, 60), 27, r, bytes32(s));
        vm.assertTrue(who != address(0), "ecrecover takes it");
        deposit(payer, who, 100);
        eq(claim(abi.encodePacked(payer, uint96(60), r, s)), 0, "paid for a high s");
        who = ecrecover(channels.promiseDigest(payer, payee, token, 60), 28, r, bytes32(s));
        deposit(payer, who, 100);
        eq(claim(abi.encodePacked(payer, uint96(60), r, s | 1 << 255)), 0, "paid for a high s of the other parity");
        address reserver =
            ecrecover(channels.reserveDigest(payer, payee, token, 60, 0, uint40(START)), 27, r, bytes32(s));
        deposit(payer, reserver, 100);
        eq(
            channels.reserveSigned(token, payee, abi.encodePacked(payer, uint96(60), uint256(START), r, s)),
            0,
            "reserved with a high s"
        );
    }

    function test_AnInvalidSignatureDoesNotUseTheSignerOfTheRowBefore() external {
        open(100, 100);
        bytes memory good = promised(10);
        bytes memory bad = abi.encodePacked(payer, uint96(90), bytes32(0), uint256(1));
        eq(claim(bytes.concat(good, bad)), 10, "paid");
        expectChannel(0, 10, 100, 0, 0);
    }

    function test_NobodyOwnsTheVaultOfTheSignerZero() external {
        vm.startPrank(payer);
        refuse(IChannels.ZeroSigner.selector);
        channels.deposit(token, payer, address(0), 100);
        refuse(IChannels.ZeroSigner.selector);
        channels.open(token, address(0), payee, 100, 100);
        vm.stopPrank();
        deposit(otherPayer, otherSigner, 100);
        bytes memory rows = promised(OTHER_SIGNER_KEY, otherPayer, payee, 50);
        vm.prank(payee);
        refuse(IChannels.ZeroSigner.selector);
        channels.claimToVault(token, address(0), rows);
        eq(claim(abi.encodePacked(payer, uint96(90), bytes32(0), uint256(1))), 0, "paid for no signature");
        // Even if there were one, as after a mistake of another kind:
        vm.store(address(channels), keccak256(abi.encode(token, payer, address(0))), bytes32(uint256(100)));
        bytes memory row = abi.encodePacked(payer, uint96(90), bytes32(0), uint256(1));
        eq(claim(row), 0, "paid by the signer zero");
        row = abi.encodePacked(payer, uint96(90), uint256(START), bytes32(0), uint256(1));
        eq(channels.reserveSigned(token, payee, row), 0, "reserved by the signer zero");
    }

    function test_ASignerThatDelegatesByEip7702StillPays() external {
        open(100, 50);
        bytes memory rows = promised(80);
        bytes memory reserve = reserved(70, 0);
        vm.etch(signer, abi.encodePacked(hex"ef0100", address(new Mute())));
        eq(channels.reserveSigned(token, payee, reserve), 20, "reserved");
        eq(claim(rows), 80, "paid");
    }

    function test_APayerThatDelegatesByEip7702StillPays() external {
        vm.prank(payer);
        channels.deposit(token, payer, payer, 100);
        bytes memory rows = promised(PAYER_KEY, payer, payee, 80);
        vm.etch(payer, abi.encodePacked(hex"ef0100", address(new Mute())));
        eq(claim(rows), 80, "paid");
    }

    function test_APayeeThatDelegatesByEip7702StillReleases() external {
        open(100, 100);
        bytes memory signature = released(0, 0, uint40(START));
        vm.etch(payee, abi.encodePacked(hex"ef0100", address(new Mute())));
        channels.releaseSigned(token, payer, signer, payee, 0, 0, uint40(START), signature);
        expectChannel(100, 0, 0, 0, 1);
    }

    function test_AWalletReleasesByItsOwnRule() external {
        Wallet wallet = new Wallet(payee);
        vm.startPrank(payer);
        channels.open(token, signer, address(wallet), 100, 100);
        vm.stopPrank();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            PAYEE_KEY, channels.releaseDigest(token, payer, signer, address(wallet), 30, 0, uint40(START))
        );
        refuse(IChannels.InvalidReleaseSignature.selector);
        channels.releaseSigned(
            token, payer, signer, address(wallet), 30, 0, uint40(START), abi.encodePacked(uint8(8), r, s, v)
        );
        channels.releaseSigned(
            token, payer, signer, address(wallet), 30, 0, uint40(START), abi.encodePacked(uint8(7), r, s, v)
        );
        eq(free(), 70, "free");
    }

    // Tokens

    function test_AFeeTokenCreditsWhatArrives() external {
        FeeToken fee = new FeeToken();
        token = address(fee);
        fee.mint(payer, 1000);
        vm.startPrank(payer);
        fee.approve(address(channels), 1000);
        eq(channels.deposit(token, payer, signer, 100), 90, "received");
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 180, 190));
        channels.open(token, signer, payee, 100, 190);
        eq(channels.open(token, signer, payee, 100, 180), 90, "received");
        vm.stopPrank();
        expectChannel(0, 0, 180, 0, 0);
        eq(claim(promised(100)), 100, "paid");
        eq(fee.balanceOf(payee), 90, "payee");
        eq(fee.balanceOf(address(channels)), 80, "held");
    }

    function test_AFalseReturningTokenIsNotBelieved() external {
        FalseToken lying = new FalseToken();
        token = address(lying);
        vm.prank(payer);
        vm.expectRevert();
        channels.deposit(token, payer, signer, 100);
        lying.mint(payer, 100);
        deposit(payer, signer, 100);
        vm.prank(payer);
        vm.expectRevert();
        channels.withdraw(token, signer, 100, address(0xdead));
        eq(free(), 100, "free");
        bytes memory rows = promised(SIGNER_KEY, payer, address(0xdead), 50);
        vm.expectRevert();
        channels.claim(token, address(0xdead), rows);
    }

    function test_ATokenThatReturnsNothingWorks() external {
        SilentToken silent = new SilentToken();
        token = address(silent);
        silent.mint(payer, 100);
        open(100, 50);
        eq(claim(promised(60)), 60, "paid");
        eq(silent.balanceOf(payee), 60, "payee");
    }

    function test_ATokenThatMovesNothingCreditsNothing() external {
        token = address(new EmptyToken());
        vm.startPrank(payer);
        refuse(IRelaying.NothingReceived.selector);
        channels.deposit(token, payer, signer, 100);
        refuse(IRelaying.NothingReceived.selector);
        channels.open(token, signer, payee, 100, 0);
        vm.stopPrank();
    }

    function test_ATokenThatBringsMoreThan96BitsIsRefused() external {
        token = address(new HugeToken());
        vm.prank(payer);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96 + 7));
        channels.deposit(token, payer, signer, 7);
    }

    function test_AnAccountWithoutCodeIsNoToken() external {
        token = address(0x7070);
        vm.prank(payer);
        vm.expectRevert();
        channels.deposit(token, payer, signer, 7);
        vm.prank(payer);
        vm.expectRevert();
        channels.openWithPermit(token, signer, payee, 7, 7, noPermit());
    }

    function test_AFrozenPayeeLosesNothingAndBlocksNobody() external {
        FreezingToken freezing = new FreezingToken();
        token = address(freezing);
        freezing.mint(payer, 200);
        vm.prank(payer);
        freezing.approve(address(channels), 200);
        open(200, 100);
        freezing.freeze(payee, true);
        bytes memory rows = promised(60);
        refuse(abi.encodeWithSelector(FreezingToken.Frozen.selector, payee));
        claim(rows);
        // Others are paid, the payer gets what is its own.
        bytes memory others = promised(SIGNER_KEY, payer, otherPayee, 30);
        eq(channels.claim(token, otherPayee, others), 30, "another payee");
        vm.prank(payer);
        channels.withdraw(token, signer, 70, payer);
        // The payee can keep its money here and send it elsewhere.
        vm.startPrank(payee);
        eq(channels.claimToVault(token, otherSigner, rows), 60, "kept");
        channels.withdraw(token, otherSigner, 60, stranger);
        vm.stopPrank();
        eq(freezing.balanceOf(stranger), 60, "elsewhere");
    }

    /// @dev Others hold the same odd token here, and a plain one: both stay what they are, and come out whole.
    function untouched(address odd) private {
        deposit(otherPayer, otherSigner, 1000);
        token = odd;
        for (uint256 i; i < 2; ++i) {
            address account = i == 0 ? payer : otherPayer;
            PlainToken(odd).mint(account, 2000);
            vm.prank(account);
            // Some of them know no allowances.
            (bool known,) = odd.call(abi.encodeCall(IERC20.approve, (address(channels), 2000)));
            known;
        }
        deposit(otherPayer, otherSigner, 1000);
        uint96 theirs = channels.vaultOf(odd, otherPayer, otherSigner);

        open(500, 300);
        claim(promised(350));
        bytes memory kept = promised(400);
        vm.prank(payee);
        channels.claimToVault(odd, otherSigner, kept);
        bytes memory signature = released(400, 0, uint40(START));
        vm.startPrank(payer);
        channels.deposit(odd, payer, signer, 100);
        channels.withdraw(odd, signer, 20, payer);
        channels.closeAndWithdraw(closing("", 400, 0, uint40(START), signature, payer));
        vm.stopPrank();
        vm.prank(payee);
        channels.withdraw(odd, otherSigner, 50, payee);

        eq(channels.vaultOf(odd, otherPayer, otherSigner), theirs, "another's vault");
        eq(IERC20(odd).balanceOf(address(channels)), theirs, "what is left is another's");
        eq(channels.vaultOf(address(plain), otherPayer, otherSigner), 1000, "another token's vault");
        eq(plain.balanceOf(address(channels)), 1000, "another token");
        vm.startPrank(otherPayer);
        channels.withdraw(odd, otherSigner, theirs, stranger);
        channels.withdraw(address(plain), otherSigner, 1000, stranger);
        vm.stopPrank();
        eq(IERC20(odd).balanceOf(address(channels)), 0, "all came out");
        eq(plain.balanceOf(stranger), 1000, "all of the plain token came out");
    }

    function test_AFeeTokenMovesNobodyElsesFunds() external {
        untouched(address(new FeeToken()));
    }

    function test_AFalseReturningTokenMovesNobodyElsesFunds() external {
        untouched(address(new FalseToken()));
    }

    function test_ATokenThatReturnsNothingMovesNobodyElsesFunds() external {
        untouched(address(new SilentToken()));
    }

    function test_AFreezingTokenMovesNobodyElsesFunds() external {
        FreezingToken freezing = new FreezingToken();
        freezing.freeze(signer, true);
        untouched(address(freezing));
    }

    function test_AReentrantTokenMovesNobodyElsesFunds() external {
        ReentrantToken reentrant = new ReentrantToken();
        token = address(reentrant);
        reentrant.arm(address(channels), inner(14), true);
        token = address(plain);
        untouched(address(reentrant));
    }

    // Reentrancy

    function reenter(bytes memory call, bool first) private returns (ReentrantToken reentrant) {
        reentrant = new ReentrantToken();
        token = address(reentrant);
        reentrant.mint(payer, 1000);
        reentrant.mint(address(reentrant), 1000);
        vm.prank(payer);
        reentrant.approve(address(channels), 1000);
        vm.prank(address(reentrant));
        reentrant.approve(address(channels), 1000);
        open(200, 100);
        reentrant.arm(address(channels), call, first);
    }

    function expectLocked(ReentrantToken reentrant) private view {
        vm.assertTrue(!reentrant.ok(), "the inner call went through");
        vm.assertEq(
            reentrant.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "answer"
        );
    }

    /// @dev Every function that changes anything, as a token would call it.
    function inner(uint256 i) private view returns (bytes memory) {
        address t = token;
        if (i == 0) return abi.encodeCall(IChannels.deposit, (t, payer, signer, 1));
        if (i == 1) return abi.encodeCall(IChannels.open, (t, signer, payee, 1, 1));
        if (i == 2) {
            return abi.encodeCall(IChannels.openWithPermit, (t, signer, payee, 1, 1, noPermit()));
        }
        if (i == 3) {
            IChannels.Authorization memory none;
            return abi.encodeCall(IChannels.openWithAuthorization, (opening(1, 1), none, 0));
        }
        if (i == 4) return abi.encodeCall(IChannels.reserve, (t, signer, payee, 1));
        if (i == 5) return abi.encodeCall(IChannels.reserveSigned, (t, payee, ""));
        if (i == 6) return abi.encodeCall(IChannels.claim, (t, payee, ""));
        if (i == 7) return abi.encodeCall(IChannels.claimToVault, (t, signer, ""));
        if (i == 8) return abi.encodeCall(IChannels.startExit, (t, signer, payee));
        if (i == 9) return abi.encodeCall(IChannels.cancelExit, (t, signer, payee));
        if (i == 10) return abi.encodeCall(IChannels.finishExit, (t, payer, signer, payee));
        if (i == 11) return abi.encodeCall(IChannels.release, (t, payer, signer, 0));
        if (i == 12) return abi.encodeCall(IChannels.releaseSigned, (t, payer, signer, payee, 0, 0, 0, ""));
        if (i == 13) {
            return abi.encodeCall(IChannels.closeAndWithdraw, (closing("", 0, 0, 0, "", payer)));
        }
        if (i == 14) return abi.encodeCall(IChannels.withdraw, (t, signer, 0, payer));
        if (i == 15) return abi.encodeCall(IChannels.revoke, (t, signer, payee));
        if (i == 16) {
            return abi.encodeCall(
                IChannels.openWithPermitSigned, (opening(1, 1), noPermit(), noRelay(), 0, "")
            );
        }
        if (i == 17) return abi.encodeCall(IChannels.claimSigned, (t, payee, "", noRelay(), 0, ""));
        if (i == 18) {
            return abi.encodeCall(IChannels.claimToVaultSigned, (t, payee, signer, "", noRelay(), 0, ""));
        }
        if (i == 19) {
            return abi.encodeCall(
                IChannels.closeAndWithdrawSigned, (closing("", 0, 0, 0, "", payer), payer, noRelay(), 0, "")
            );
        }
        if (i == 20) {
            return abi.encodeCall(
                IChannels.withdrawSigned, (t, payer, signer, 0, payer, noRelay(), 0, "")
            );
        }
        return abi.encodeWithSelector(
            [
                IChannels.revokeSigned.selector,
                IChannels.startExitSigned.selector,
                IChannels.cancelExitSigned.selector,
                IChannels.finishExitSigned.selector
            ][i - 21],
            t,
            payer,
            signer,
            payee,
            noRelay(),
            0,
            ""
        );
    }

    function test_ATokenThatCallsBackOnDepositFindsEveryFunctionLocked() external {
        for (uint256 i; i < 25; ++i) {
            ReentrantToken reentrant = reenter(inner(i), true);
            deposit(payer, signer, 10);
            expectLocked(reentrant);
            eq(free(), 110, "free");
        }
    }

    function test_ATokenThatCallsBackOnEveryTransferFindsItLocked() external {
        for (uint256 i; i < 5; ++i) {
            ReentrantToken reentrant = reenter(inner(6), false);
            bytes memory rows = promised(60);
            if (i == 0) {
                claim(rows);
            } else if (i == 1) {
                vm.prank(payer);
                channels.withdraw(token, signer, 100, payer);
            } else if (i == 2) {
                bytes memory signature = released(0, 0, uint40(START));
                vm.prank(payer);
                channels.closeAndWithdraw(closing(rows, 0, 0, uint40(START), signature, payer));
            } else if (i == 3) {
                open(10, 0);
            } else {
                vm.prank(payer);
                channels.openWithPermit(token, signer, payee, 10, 0, noPermit());
            }
            expectLocked(reentrant);
        }
    }

    function test_EffectsComeBeforeTransfers() external {
        // A view during the transfer already sees the new state.
        ReentrantToken reentrant = reenter("", true);
        reentrant.arm(
            address(channels), abi.encodeCall(IChannels.channelOf, (token, payer, signer, payee)), true
        );
        claim(promised(120));
        (uint96 f, uint96 settled,,,) = abi.decode(reentrant.answer(), (uint96, uint96, uint96, uint40, uint24));
        eq(settled, 120, "settled during the transfer");
        eq(f, 80, "free during the transfer");
        reentrant.arm(address(channels), abi.encodeCall(IChannels.vaultOf, (token, payer, signer)), true);
        vm.prank(payer);
        channels.withdraw(token, signer, 80, payer);
        eq(abi.decode(reentrant.answer(), (uint96)), 0, "free during the withdrawal");
        reentrant = reenter("", true);
        reentrant.arm(address(channels), abi.encodeCall(IChannels.vaultOf, (token, payer, signer)), true);
        bytes memory rows = promised(100);
        vm.prank(payer);
        channels.closeAndWithdraw(closing(rows, 0, 0, 0, "", payer));
        eq(abi.decode(reentrant.answer(), (uint96)), 0, "free during the closing");
    }

    function test_TheLockOpensAgainWithinATransaction() external {
        open(100, 100);
        claim(promised(10));
        claim(promised(20));
        eq(plain.balanceOf(payee), 20, "payee");
    }

    // Permits

    function permit(uint256 value, uint256 deadline) private view returns (uint8 v, bytes32 r, bytes32 s) {
        return vm.sign(
            PAYER_KEY,
            keccak256(
                abi.encodePacked(
                    hex"1901",
                    plain.DOMAIN_SEPARATOR(),
                    keccak256(
                        abi.encode(
                            keccak256(
                                "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                            ),
                            payer,
                            address(channels),
                            value,
                            plain.nonces(payer),
                            deadline
                        )
                    )
                )
            )
        );
    }

    function test_APermitUsedBySomebodyElseFirstDoesNotStopTheOpening() external {
        vm.prank(payer);
        plain.approve(address(channels), 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(100, START);
        vm.prank(stranger);
        plain.permit(payer, address(channels), 100, START, v, r, s);
        vm.prank(payer);
        eq(
            channels.openWithPermit(token, signer, payee, 100, 60, IRelaying.Permit(100, START, v, r, s)),
            100,
            "received"
        );
        expectChannel(40, 0, 60, 0, 0);
    }

    function test_APermitOfAnotherOpensNothing() external {
        vm.prank(payer);
        plain.approve(address(channels), 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(100, START);
        IChannels.Opening memory theft = opening(100, 100);
        theft.payee = stranger;
        vm.prank(stranger);
        refuse(abi.encodeWithSelector(IRelaying.InvalidSignature.selector, payer));
        channels.openWithPermitSigned(
            theft, IRelaying.Permit(100, START, v, r, s), relayFor(address(0), 0, 0), 0, ""
        );
    }

    // Edges

    function test_AmountsAtTheEdgeOf96Bits() external {
        open(MAX, MAX);
        expectChannel(0, 0, MAX, 0, 0);
        eq(claim(promised(MAX - 1)), MAX - 1, "paid");
        eq(claim(promised(MAX)), 1, "paid the last");
        eq(claim(promised(MAX)), 0, "paid no more");
        expectChannel(0, MAX, MAX, 0, 0);
        deposit(otherPayer, signer, MAX);
        vm.prank(payee);
        plain.transfer(otherPayer, 1);
        vm.prank(otherPayer);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        channels.deposit(token, otherPayer, signer, 1);
        // The lifetime total is used up: nothing more can be reserved or owed on this channel.
        vm.prank(payee);
        plain.transfer(payer, 10);
        deposit(payer, signer, 10);
        vm.prank(payer);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotRaised.selector, MAX, MAX));
        channels.reserve(token, signer, payee, MAX);
    }

    function test_AReleaseThatWouldOverflowTheVaultWaits() external {
        open(MAX, 10);
        vm.prank(payee);
        plain.transfer(payer, 0);
        plain.mint(payer, 10);
        deposit(payer, signer, 10);
        vm.prank(payee);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        channels.release(token, payer, signer, 9);
        vm.prank(payer);
        channels.withdraw(token, signer, 10, payer);
        vm.prank(payee);
        channels.release(token, payer, signer, 0);
        expectChannel(MAX, 0, 0, 0, 1);
    }

    function test_ExitAtTheEdge() external {
        open(100, 100);
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY - 1);
        refuse(abi.encodeWithSelector(IChannels.ExitTooEarly.selector, uint40(START) + DELAY));
        channels.finishExit(token, payer, signer, payee);
        vm.warp(START + DELAY);
        eq(channels.finishExit(token, payer, signer, payee), 100, "freed");
        vm.stopPrank();
    }

    function test_ValidUntilTheEdge() external {
        open(100, 50);
        bytes memory row = reserved(60, 0);
        vm.warp(START + 1);
        eq(channels.reserveSigned(token, payee, row), 0, "reserved a second late");
        vm.warp(START);
        eq(channels.reserveSigned(token, payee, row), 10, "reserved in the last second");
        bytes memory signature = released(0, 1, uint40(START));
        vm.warp(START + 1);
        refuse(abi.encodeWithSelector(IChannels.ReleaseExpired.selector, uint40(START)));
        channels.releaseSigned(token, payer, signer, payee, 0, 1, uint40(START), signature);
        vm.warp(START);
        channels.releaseSigned(token, payer, signer, payee, 0, 1, uint40(START), signature);
    }

    function test_DirtyBitsInAReserveRowAreRefused() external {
        deposit(payer, signer, 100);
        (bytes32 r, uint256 vs) =
            compact(SIGNER_KEY, channels.reserveDigest(payer, payee, token, 60, 0, uint40(START)));
        bytes memory row = abi.encodePacked(payer, uint96(60), uint256(START) | 1 << 64, r, vs);
        eq(channels.reserveSigned(token, payee, row), 0, "reserved with dirty bits");
    }

    function slice(bytes calldata data, uint256 from) external pure returns (bytes memory) {
        return data[from:];
    }

    // Code where a key's account is expected

    bytes private seen;

    function step(address from, bytes memory data) private {
        vm.prank(from);
        (bool ok, bytes memory answer) = address(channels).call(data);
        seen = abi.encode(keccak256(seen), ok, answer);
    }

    /// @dev What all sides do and what is refused, from money in to money out.
    function life() private returns (bytes32) {
        seen = "";
        vm.recordLogs();
        step(payer, abi.encodeCall(IChannels.deposit, (token, payer, signer, 50)));
        step(otherPayer, abi.encodeCall(IChannels.deposit, (token, payer, signer, 5)));
        step(otherPayer, abi.encodeCall(IChannels.deposit, (token, payer, address(0), 5)));
        step(payer, abi.encodeCall(IChannels.open, (token, signer, address(0), 1, 0)));
        step(payer, abi.encodeCall(IChannels.open, (token, address(0), payee, 1, 0)));
        step(payer, abi.encodeCall(IChannels.open, (token, signer, payee, 100, 200)));
        step(payer, abi.encodeCall(IChannels.open, (token, signer, payee, 100, 60)));
        step(payer, abi.encodeCall(IChannels.reserve, (token, signer, address(0), 70)));
        step(payer, abi.encodeCall(IChannels.reserve, (token, signer, payee, 60)));
        step(payer, abi.encodeCall(IChannels.reserve, (token, signer, payee, 70)));
        bytes memory rows = bytes.concat(reserved(80, 0), reserved(90, 0), reserved(85, 1));
        step(stranger, abi.encodeCall(IChannels.reserveSigned, (token, payee, rows)));
        step(stranger, abi.encodeCall(IChannels.reserveSigned, (token, address(0), rows)));
        step(stranger, abi.encodeCall(IChannels.claim, (token, payee, promised(30))));
        step(stranger, abi.encodeCall(IChannels.claim, (token, address(0), promised(35))));
        step(payee, abi.encodeCall(IChannels.claimToVault, (token, otherSigner, promised(40))));
        step(payee, abi.encodeCall(IChannels.claimToVault, (token, address(0), promised(45))));
        step(payer, abi.encodeCall(IChannels.startExit, (token, signer, payee)));
        step(payer, abi.encodeCall(IChannels.startExit, (token, signer, payee)));
        step(payer, abi.encodeCall(IChannels.reserve, (token, signer, payee, 88)));
        step(payer, abi.encodeCall(IChannels.cancelExit, (token, signer, payee)));
        step(payer, abi.encodeCall(IChannels.cancelExit, (token, signer, payee)));
        step(stranger, abi.encodeCall(IChannels.finishExit, (token, payer, signer, payee)));
        step(payer, abi.encodeCall(IChannels.startExit, (token, signer, payee)));
        step(stranger, abi.encodeCall(IChannels.finishExit, (token, payer, signer, payee)));
        vm.warp(START + DELAY);
        step(stranger, abi.encodeCall(IChannels.finishExit, (token, payer, signer, payee)));
        step(payer, abi.encodeCall(IChannels.startExit, (token, signer, payee)));
        step(payer, abi.encodeCall(IChannels.reserve, (token, signer, payee, 90)));
        step(payee, abi.encodeCall(IChannels.release, (token, payer, signer, 90)));
        step(payee, abi.encodeCall(IChannels.release, (token, payer, signer, 80)));
        uint40 until = uint40(START) + DELAY;
        for (uint24 epoch = 3; epoch < 6; ++epoch) {
            bytes memory signature = released(70, epoch, until);
            step(
                stranger,
                abi.encodeCall(
                    IChannels.releaseSigned, (token, payer, signer, payee, 70, epoch, until, signature)
                )
            );
        }
        step(payer, abi.encodeCall(IChannels.revoke, (token, signer, payee)));
        step(payer, abi.encodeCall(IChannels.withdraw, (token, signer, 1, address(0))));
        step(payer, abi.encodeCall(IChannels.withdraw, (token, signer, 1, stranger)));
        for (uint24 epoch = 4; epoch < 8; ++epoch) {
            bytes memory consent = released(50, epoch, until);
            step(
                payer,
                abi.encodeCall(
                    IChannels.closeAndWithdraw,
                    (closing(promised(50), 50, epoch, until, consent, stranger))
                )
            );
        }
        Vm.Log[] memory logs = vm.getRecordedLogs();
        expectChannel(0, 50, 50, 0, 7);
        return keccak256(
            abi.encode(
                seen, logs, plain.balanceOf(payer), plain.balanceOf(payee), plain.balanceOf(stranger),
                plain.balanceOf(address(channels))
            )
        );
    }

    function test_WhoeverHasCode_NothingElseHappens() external {
        uint256 state = vm.snapshotState();
        bytes32 plainly = life();
        address[6] memory all = [payer, otherPayer, signer, otherSigner, payee, stranger];
        // Each alone, and all of them.
        for (uint256 i; i <= all.length; ++i) {
            vm.revertToState(state);
            for (uint256 j; j < all.length; ++j) {
                if (i == all.length || i == j) vm.etch(all[j], hex"00");
            }
            vm.assertEq(life(), plainly, "with code");
        }
    }
}
