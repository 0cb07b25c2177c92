// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
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
        expectChannel(uint96(free_ - raise), settled, uint96(ceiling + raise), exitAt, epoch);
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
}
