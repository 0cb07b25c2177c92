// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {TypedData} from "src/libraries/TypedData.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @title Any amounts, times and epochs, against a plain model of the rules
contract FuzzTest is Fixture {
    /// @dev Puts a channel into any state that can be.
    function put(uint96 free_, uint96 settled, uint96 ceiling, uint40 exitAt, uint24 epoch) private {
        vm.store(
            address(channels),
            keccak256(abi.encode(token, payer, signer)),
            bytes32(uint256(free_))
        );
        vm.store(
            address(channels),
            slotOf(payer, signer, payee),
            bytes32(uint256(settled) << 160 | uint256(ceiling) << 64 | uint256(exitAt) << 24 | epoch)
        );
        plain.mint(address(channels), uint256(free_) + ceiling - settled);
    }

    function within(uint256 value, uint256 low, uint256 high) private pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    function min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function testFuzz_AClaimPaysWhatIsOwedAsFarAsItGoes(
        uint96 free_,
        uint96 settled,
        uint96 more,
        uint96 cumulative,
        uint40 exitAt,
        uint24 epoch
    ) external {
        uint96 ceiling = uint96(within(more, settled, MAX));
        put(free_, settled, ceiling, exitAt, epoch);
        uint256 owed = cumulative > settled ? cumulative - settled : 0;
        uint256 fromReserve = min(owed, ceiling - settled);
        uint256 fromFree = min(owed - fromReserve, free_);
        uint256 paid = channels.claim(token, payee, promised(cumulative));
        eq(paid, fromReserve + fromFree, "paid");
        expectChannel(
            uint96(free_ - fromFree), uint96(settled + paid), uint96(ceiling + fromFree), exitAt, epoch
        );
        eq(plain.balanceOf(payee), paid, "payee");
    }

    function testFuzz_ASplitClaimPaysTheSame(uint96 free_, uint96 ceiling, uint96 first, uint96 second) external {
        second = uint96(within(second, first, MAX));
        put(free_, 0, ceiling, 0, 0);
        uint256 paid = channels.claim(token, payee, bytes.concat(promised(first), promised(second), promised(first)));
        eq(paid, min(second, uint256(free_) + ceiling), "paid");
    }

    function testFuzz_ASignedReserveNeverExceedsWhatWasSigned(
        uint96 free_,
        uint96 settled,
        uint96 more,
        uint96 wanted,
        uint24 epoch,
        uint24 signedEpoch,
        uint40 exitAt,
        uint40 validUntil
    ) external {
        uint96 ceiling = uint96(within(more, settled, MAX));
        exitAt = exitAt % 3 == 0 ? exitAt : 0;
        signedEpoch = signedEpoch % 2 == 0 ? epoch : signedEpoch;
        put(free_, settled, ceiling, exitAt, epoch);
        bool good = signedEpoch == epoch && epoch != LAST_EPOCH && exitAt == 0 && validUntil >= START
            && wanted > ceiling;
        uint256 raise = good ? min(wanted - ceiling, free_) : 0;
        eq(
            channels.reserveSigned(
                token, payee, reserved(SIGNER_KEY, payer, payee, wanted, signedEpoch, validUntil)
            ),
            raise,
            "reserved"
        );
        expectChannel(
            uint96(free_ - raise), settled, uint96(ceiling + raise), exitAt, raise == 0 ? epoch : epoch + 1
        );
    }

    function testFuzz_AReleaseFreesTheDifference(uint96 settled, uint96 more, uint96 to, uint40 exitAt, uint24 epoch)
        external
    {
        settled = uint96(within(settled, 0, MAX - 1));
        uint96 ceiling = uint96(within(more, uint256(settled) + 1, MAX));
        to = uint96(within(to, 0, ceiling - 1));
        put(0, settled, ceiling, exitAt, epoch);
        uint96 lower = to < settled ? settled : to;
        vm.prank(payee);
        eq(channels.release(token, payer, signer, to), ceiling - lower, "freed");
        expectChannel(
            ceiling - lower,
            settled,
            lower,
            lower == settled ? 0 : exitAt,
            epoch == LAST_EPOCH ? LAST_EPOCH : epoch + 1
        );
    }

    function testFuzz_AnExitEndsWhenItsDelayIsOver(uint40 delay, uint40 wait, uint96 settled, uint96 more) external {
        delay = uint40(within(delay, 1, 30 days));
        wait = uint40(within(wait, 0, 2 * uint256(delay)));
        channels = newChannels(delay);
        settled = uint96(within(settled, 0, MAX - 1));
        uint96 ceiling = uint96(within(more, uint256(settled) + 1, MAX));
        put(0, settled, ceiling, 0, 0);
        vm.prank(payer);
        eq(channels.startExit(token, signer, payee), START + delay, "exitAt");
        vm.warp(START + wait);
        if (wait < delay) {
            refuse(abi.encodeWithSelector(IChannels.ExitTooEarly.selector, START + delay));
            channels.finishExit(token, payer, signer, payee);
        } else {
            eq(channels.finishExit(token, payer, signer, payee), ceiling - settled, "freed");
            expectChannel(ceiling - settled, settled, settled, 0, 1);
        }
    }

    function testFuzz_AnyBytesOfTheRightLengthAreSkipped(bytes memory noise) external {
        open(100, 60);
        bytes memory rows = new bytes(noise.length / 96 * 96);
        for (uint256 i; i < rows.length; ++i) {
            rows[i] = noise[i];
        }
        eq(channels.claim(token, payee, bytes.concat(rows, promised(40), rows)), 40, "paid");
        rows = new bytes(noise.length / 128 * 128);
        for (uint256 i; i < rows.length; ++i) {
            rows[i] = noise[i];
        }
        eq(channels.reserveSigned(token, payee, bytes.concat(rows, reserved(70, 0), rows)), 10, "reserved");
    }

    function testFuzz_AFlippedBitIsWorthNothing(uint96 cumulative, uint16 bit) external {
        cumulative = uint96(within(cumulative, 1, MAX / 2));
        put(MAX / 2, 0, MAX / 2, 0, 0);
        bytes memory row = promised(cumulative);
        row[bit % 768 / 8] ^= bytes1(uint8(1 << bit % 8));
        eq(channels.claim(token, payee, row), 0, "paid");
    }

    function testFuzz_ADepositAndAWithdrawalMoveTheSame(uint96 amount, uint96 back) external {
        amount = uint96(within(amount, 1, MAX));
        back = uint96(within(back, 0, amount));
        deposit(payer, signer, amount);
        vm.prank(payer);
        channels.withdraw(token, signer, back, stranger);
        eq(plain.balanceOf(stranger), back, "receiver");
        expectChannel(amount - back, 0, 0, 0, 0);
    }

    // What a relayer sends. The sum of all that anybody holds is the same before and after, to the unit.

    address private constant RELAYER = address(0x4e1a);

    /// @dev An account with so many tokens of its own, which the contract may take.
    function own(address account, uint96 amount) private {
        vm.prank(account);
        plain.approve(address(channels), type(uint256).max);
        uint256 more = held(account);
        vm.prank(account);
        plain.transfer(address(0xdead), more);
        plain.mint(account, amount);
    }

    function held(address who) private view returns (uint256) {
        return plain.balanceOf(who);
    }

    function testFuzz_ARelayedClaimIsSplitToTheUnit(
        uint96 there,
        uint96 ceiling,
        uint96 cumulative,
        uint96 fee,
        uint96 tokens,
        bool toVault
    ) external {
        put(there, 0, ceiling, 0, 0);
        own(payee, tokens);
        uint256 paid = min(cumulative, uint256(there) + ceiling);
        // Seldom more than there is.
        if (fee % 8 != 0) fee = uint96(within(fee, 0, min(MAX, paid + tokens)));
        bytes memory rows = promised(cumulative);
        IRelaying.Relay memory relay = relayFor(RELAYER, fee, 7);
        bytes memory signature = sign(
            PAYEE_KEY,
            toVault
                ? digests.claimToVaultDigest(channels, token, payee, otherSigner, rows, relay)
                : digests.claimDigest(channels, token, payee, rows, relay)
        );
        bool short = fee > paid + tokens;
        if (short) vm.expectRevert();
        vm.prank(RELAYER);
        if (toVault) channels.claimToVaultSigned(token, payee, otherSigner, rows, relay, fee, signature);
        else channels.claimSigned(token, payee, rows, relay, fee, signature);
        if (short) (paid, fee) = (0, 0);
        eq(held(RELAYER), fee, "relayer");
        uint256 kept = paid - min(fee, paid);
        eq(channels.vaultOf(token, payee, otherSigner), toVault ? kept : 0, "the payee's vault");
        eq(held(payee), tokens + (toVault ? 0 : kept) - (fee - min(fee, paid)), "payee");
        eq(held(address(channels)), uint256(there) + ceiling - paid + (toVault ? kept : 0), "held");
    }

    function testFuzz_ARelayedWithdrawalIsSplitToTheUnit(
        uint96 there,
        uint96 reserved_,
        uint96 amount,
        uint96 fee,
        uint96 tokens
    ) external {
        put(there, 0, reserved_, 0, 0);
        own(payer, tokens);
        fee = uint96(within(fee, 0, min(MAX, uint256(there) + tokens)));
        uint256 covered = min(fee, there);
        uint256 out = min(amount, there - covered);
        IRelaying.Relay memory relay = relayFor(RELAYER, fee, 7);
        bytes memory signature =
            sign(PAYER_KEY, digests.withdrawDigest(channels, token, payer, signer, amount, stranger, relay));
        vm.prank(RELAYER);
        eq(channels.withdrawSigned(token, payer, signer, amount, stranger, relay, fee, signature), out, "withdrawn");
        eq(held(RELAYER), fee, "relayer");
        eq(held(stranger), out, "receiver");
        eq(held(payer), tokens - (fee - covered), "payer");
        expectChannel(uint96(there - covered - out), 0, reserved_, 0, 0);
        eq(held(address(channels)), uint256(there) - covered - out + reserved_, "held");
    }

    function testFuzz_ARelayedEndIsSplitToTheUnit(
        uint96 there,
        uint96 ceiling,
        uint96 cumulative,
        uint96 stays,
        uint96 fee,
        uint96 tokens
    ) external {
        // What comes back must fit the vault.
        (there, ceiling) = (there / 2, ceiling / 2);
        put(there, 0, ceiling, 0, 0);
        own(payer, tokens);
        uint256 paid = min(cumulative, uint256(there) + ceiling);
        uint256 left = uint256(there) + ceiling - paid;
        uint256 aside = paid >= ceiling ? 0 : min(ceiling, stays > paid ? stays : paid) - paid;
        fee = uint96(within(fee, 0, min(MAX, left - aside + tokens)));
        uint256 covered = min(fee, left - aside);
        IChannels.Closing memory c =
            closing(promised(cumulative), stays, 0, uint40(START), released(stays, 0, uint40(START)), stranger);
        IRelaying.Relay memory relay = relayFor(RELAYER, fee, 7);
        bytes memory signature = sign(PAYER_KEY, digests.closeDigest(channels, c, payer, relay));
        vm.prank(RELAYER);
        channels.closeAndWithdrawSigned(c, payer, relay, fee, signature);
        eq(held(payee), paid, "payee");
        eq(held(RELAYER), fee, "relayer");
        eq(held(stranger), left - aside - covered, "receiver");
        eq(held(payer), tokens - (fee - covered), "payer");
        eq(held(address(channels)), aside, "held");
        eq(free(), 0, "free");
    }

    function testFuzz_ARelayedOpeningIsSplitToTheUnit(
        uint96 there,
        uint96 amount,
        uint96 ceiling,
        uint96 wanted,
        uint96 fee
    ) external {
        (there, amount, ceiling) = (there / 2, uint96(within(amount, 1, MAX / 2)), ceiling / 2);
        put(there, 0, ceiling, 0, 0);
        own(payer, amount);
        fee = uint96(within(fee, 0, amount));
        uint256 all = uint256(there) + amount - fee;
        uint256 raise = wanted > ceiling ? min(wanted - ceiling, all) : 0;
        IRelaying.Relay memory relay = relayFor(RELAYER, fee, 7);
        bytes memory signature = sign(PAYER_KEY, digests.openDigest(channels, opening(amount, wanted), relay));
        vm.prank(RELAYER);
        eq(
            channels.openWithPermitSigned(opening(amount, wanted), noPermit(), relay, fee, signature),
            amount - fee,
            "received"
        );
        eq(held(RELAYER), fee, "relayer");
        eq(held(payer), 0, "payer");
        expectChannel(uint96(all - raise), 0, uint96(ceiling + raise), 0, 0);
        eq(held(address(channels)), all + ceiling, "held");
    }

    /// @dev Revoking, and starting, calling off and finishing an exit.
    function testFuzz_TheFeeOfAnActionOnAChannelComesOutOfTheVaultFirst(
        uint96 there,
        uint96 ceiling,
        uint96 fee,
        uint96 tokens,
        uint8 which
    ) external {
        (there, ceiling) = (there / 2, ceiling / 2);
        which %= 4;
        put(there, 0, ceiling, which < 2 ? 0 : uint40(START), 0);
        own(payer, tokens);
        uint256 all = uint256(there) + (which == 3 ? ceiling : 0);
        fee = uint96(within(fee, 0, min(MAX, all + tokens)));
        uint256 covered = min(fee, all);
        IRelaying.Relay memory relay = relayFor(RELAYER, fee, 7);
        bytes32 typehash = [
            TypedData.REVOKE_TYPEHASH,
            TypedData.START_EXIT_TYPEHASH,
            TypedData.CANCEL_EXIT_TYPEHASH,
            TypedData.FINISH_EXIT_TYPEHASH
        ][which];
        bytes32 digest = digests.channelDigest(channels, typehash, token, payer, signer, payee, relay);
        bytes memory signature = sign(PAYER_KEY, digest);
        vm.prank(RELAYER);
        if (which == 0) channels.revokeSigned(token, payer, signer, payee, relay, fee, signature);
        else if (which == 1) channels.startExitSigned(token, payer, signer, payee, relay, fee, signature);
        else if (which == 2) channels.cancelExitSigned(token, payer, signer, payee, relay, fee, signature);
        else channels.finishExitSigned(token, payer, signer, payee, relay, fee, signature);
        eq(held(RELAYER), fee, "relayer");
        eq(held(payer), tokens - (fee - covered), "payer");
        eq(free(), all - covered, "free");
        eq(held(address(channels)), uint256(there) + ceiling - covered, "held");
    }

    /// @dev Whatever was signed, a higher fee, another number or another relayer is not.
    function testFuzz_TermsHoldAsTheyWereSigned(
        address relayer,
        uint96 cap,
        uint96 fee,
        uint256 nonce,
        uint40 deadline,
        uint40 when
    ) external {
        vm.assume(relayer != payer && relayer != address(channels) && relayer != token && relayer != stranger);
        put(MAX / 2, 0, 0, 0, 0);
        own(payer, 0);
        (cap, fee) = (cap / 2, fee % 3 == 0 ? fee / 2 : uint96(within(fee, 0, cap / 2)));
        vm.warp(when);
        IRelaying.Relay memory relay = IRelaying.Relay(relayer, cap, nonce, deadline);
        bytes memory signature =
            sign(PAYER_KEY, digests.withdrawDigest(channels, token, payer, signer, MAX, payer, relay));
        address sender = relayer == address(0) ? RELAYER : relayer;
        bytes memory call =
            abi.encodeCall(IChannels.withdrawSigned, (token, payer, signer, MAX, payer, relay, fee, signature));
        uint256 before = held(sender);
        vm.prank(stranger);
        (bool ok,) = address(channels).call(call);
        bool good = fee <= cap && when <= deadline;
        vm.assertTrue(ok == (good && relayer == address(0)), "a stranger");
        if (ok) return eq(held(stranger), fee, "fee");
        vm.prank(sender);
        (ok,) = address(channels).call(call);
        vm.assertTrue(ok == good, "its relayer");
        eq(held(sender), before + (good ? fee : 0), "fee");
        eq(channels.noncesOf(payer, nonce >> 8), good ? 1 << (nonce & 0xff) : 0, "the number");
        vm.prank(sender);
        (ok,) = address(channels).call(call);
        vm.assertTrue(!ok, "twice");
    }
}
