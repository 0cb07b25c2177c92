// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Authorization, IDevToken, Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {vm} from "../Vm.sol";

/// @title Everything that three payers with two session keys each and three payees can do, in any order, and time
/// @notice After each action the handler checks what that action alone may have done; the sums are checked by the
/// invariants. Vaults are numbered by payer and signer, channels by vault and payee; the third payee is the first payer.
contract Handler {
    uint256 internal constant PAYERS = 3;
    uint256 internal constant SIGNERS = 2;
    uint256 internal constant PAYEES = 3;
    uint256 internal constant LIMIT = 1e24;

    struct State {
        uint96 free;
        uint96 settled;
        uint96 ceiling;
        uint40 exitAt;
        uint24 epoch;
    }

    IChannels public immutable channels;
    IDevToken public immutable token;
    uint40 public immutable delay;

    /// @notice The highest total that was ever signed for a channel.
    mapping(bytes32 channel => uint96) public signed;
    /// @notice The lowest time at which a running exit may end.
    mapping(bytes32 channel => uint256) public exitStarted;
    /// @notice How many actions of each kind went through.
    mapping(bytes4 => uint256) public calls;

    uint256 private time = 1_800_000_000;
    uint256 private salts;

    // Deriving an address is slow.
    address[PAYERS] private payers;
    address[SIGNERS] private signers;
    address[PAYEES] private payees;

    constructor(IChannels channels_, IDevToken token_) {
        (channels, token, delay) = (channels_, token_, channels_.EXIT_DELAY());
        for (uint256 i; i < PAYERS; ++i) {
            payers[i] = vm.addr(payerKey(i));
            if (i < SIGNERS) signers[i] = vm.addr(signerKey(i));
            payees[i] = vm.addr(payeeKey(i));
            token.mint(payerAt(i), LIMIT);
            vm.prank(payerAt(i));
            token.approve(address(channels), type(uint256).max);
        }
    }

    function within(uint256 value, uint256 low, uint256 high) private pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    // Who is who

    function payerKey(uint256 i) private pure returns (uint256) {
        return 0xAA00 + i % PAYERS;
    }

    function signerKey(uint256 i) private pure returns (uint256) {
        return 0x5500 + i % SIGNERS;
    }

    function payeeKey(uint256 i) private pure returns (uint256) {
        return i % PAYEES == 2 ? payerKey(0) : 0xEE00 + i % PAYEES;
    }

    function payerAt(uint256 i) public view returns (address) {
        return payers[i % PAYERS];
    }

    function signerAt(uint256 i) public view returns (address) {
        return signers[i % SIGNERS];
    }

    function payeeAt(uint256 i) public view returns (address) {
        return payees[i % PAYEES];
    }

    function idOf(uint256 p, uint256 s, uint256 e) public view returns (bytes32) {
        return keccak256(
            abi.encode(keccak256(abi.encode(address(token), payerAt(p), signerAt(s))), payeeAt(e))
        );
    }

    function state(uint256 p, uint256 s, uint256 e) public view returns (State memory r) {
        (r.free, r.settled, r.ceiling, r.exitAt, r.epoch) =
            channels.channelOf(address(token), payerAt(p), signerAt(s), payeeAt(e));
    }

    // Watching

    struct Before {
        State[PAYEES][SIGNERS][PAYERS] channel;
        uint256[PAYERS + PAYEES] balance;
    }

    function look() private view returns (Before memory b) {
        for (uint256 p; p < PAYERS; ++p) {
            for (uint256 s; s < SIGNERS; ++s) {
                for (uint256 e; e < PAYEES; ++e) {
                    b.channel[p][s][e] = state(p, s, e);
                }
            }
            b.balance[p] = token.balanceOf(payerAt(p));
        }
        for (uint256 e; e < PAYEES; ++e) {
            b.balance[PAYERS + e] = token.balanceOf(payeeAt(e));
        }
    }

    /// @dev What holds after every action: nothing settled falls, only `lowered` may have a lower ceiling, and only the
    /// channels of `payer` (or of all payers, where it is PAYERS) and of `payee` (likewise) may have changed at all.
    function compare(Before memory b, uint256 payer, uint256 payee, bool mayLower) private view {
        for (uint256 p; p < PAYERS; ++p) {
            for (uint256 s; s < SIGNERS; ++s) {
                for (uint256 e; e < PAYEES; ++e) {
                    State memory old = b.channel[p][s][e];
                    State memory now_ = state(p, s, e);
                    require(now_.settled >= old.settled, "settled fell");
                    require(now_.ceiling >= now_.settled, "ceiling below settled");
                    require(now_.epoch >= old.epoch, "epoch fell");
                    if (now_.ceiling < old.ceiling) {
                        require(mayLower && p == payer && e == payee, "a reserve shrank by itself");
                        require(now_.epoch == old.epoch + 1, "a reserve shrank within an epoch");
                    }
                    if ((payer != PAYERS && p != payer) || (payee != PAYEES && e != payee)) {
                        require(
                            now_.settled == old.settled && now_.ceiling == old.ceiling
                                && now_.exitAt == old.exitAt && now_.epoch == old.epoch,
                            "another channel changed"
                        );
                    }
                    if (payer != PAYERS && p != payer) require(now_.free == old.free, "another vault changed");
                }
            }
        }
    }

    function count() private {
        ++calls[msg.sig];
    }

    // Signatures

    function promise_(uint256 p, uint256 s, uint256 e, uint96 total) private returns (bytes memory) {
        bytes32 id = idOf(p, s, e);
        if (total > signed[id]) signed[id] = total;
        (uint8 v, bytes32 r, bytes32 t) =
            vm.sign(signerKey(s), channels.promiseDigest(payerAt(p), payeeAt(e), address(token), total));
        return abi.encodePacked(payerAt(p), total, r, uint256(v - 27) << 255 | uint256(t));
    }

    function rowsOf(uint256 seed, uint256 e) private returns (bytes memory rows) {
        uint256 n = seed % 5;
        for (uint256 i; i < n; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 p = seed % PAYERS;
            uint256 s = (seed >> 8) % SIGNERS;
            State memory st = state(p, s, e);
            uint96 total = st.settled + uint96((seed >> 16) % 1e20);
            bytes memory row = promise_(p, s, e, total);
            // One in eight is spoilt.
            if ((seed >> 200) % 8 == 0) row[(seed >> 204) % 96] ^= 0x01;
            rows = bytes.concat(rows, row);
        }
    }

    // Actions

    function deposit(uint256 p, uint256 s, uint256 from, uint96 amount) external {
        p %= PAYERS;
        address who = payerAt(from);
        uint256 balance = token.balanceOf(who);
        if (balance == 0) return;
        amount = uint96(within(amount, 1, balance));
        Before memory b = look();
        vm.prank(who);
        channels.deposit(address(token), payerAt(p), signerAt(s), amount);
        compare(b, p, PAYEES, false);
        require(state(p, s % SIGNERS, 0).free == b.channel[p][s % SIGNERS][0].free + amount, "credited");
        count();
    }

    function open(uint256 p, uint256 s, uint256 e, uint96 amount, uint96 more) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        uint256 balance = token.balanceOf(payerAt(p));
        State memory st = state(p, s, e);
        if (balance == 0 || st.exitAt != 0) return;
        amount = uint96(within(amount, 1, balance));
        uint96 ceiling = uint96(within(more, 0, st.ceiling + st.free + amount));
        Before memory b = look();
        vm.prank(payerAt(p));
        channels.open(address(token), signerAt(s), payeeAt(e), amount, ceiling);
        compare(b, p, e, false);
        count();
    }

    /// @dev Sometimes somebody has used the permit before.
    function openWithPermit(uint256 p, uint256 s, uint256 e, uint96 amount, uint96 more, bool used) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        uint256 balance = token.balanceOf(payerAt(p));
        State memory st = state(p, s, e);
        if (balance == 0 || st.exitAt != 0) return;
        amount = uint96(within(amount, 1, balance));
        uint96 ceiling = uint96(within(more, 0, st.ceiling + st.free + amount));
        Signature memory sig = TokenSignatures.permit(payerKey(p), address(token), address(channels), amount, time);
        if (used) token.permit(payerAt(p), address(channels), amount, time, sig.v, sig.r, sig.s);
        Before memory b = look();
        vm.prank(payerAt(p));
        channels.openWithPermit(
            address(token), signerAt(s), payeeAt(e), amount, ceiling, time, sig.v, sig.r, sig.s
        );
        compare(b, p, e, false);
        vm.prank(payerAt(p));
        token.approve(address(channels), type(uint256).max);
        count();
    }

    function openWithAuthorization(uint256 p, uint256 s, uint256 e, uint96 amount, uint96 more) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        uint256 balance = token.balanceOf(payerAt(p));
        State memory st = state(p, s, e);
        if (balance == 0 || st.exitAt != 0) return;
        amount = uint96(within(amount, 1, balance));
        uint96 ceiling = uint96(within(more, 0, st.ceiling + st.free + amount));
        Before memory b = look();
        authorized(p, s, e, amount, ceiling);
        compare(b, p, e, false);
        count();
    }

    function authorized(uint256 p, uint256 s, uint256 e, uint96 amount, uint96 ceiling) private {
        bytes32 salt = bytes32(++salts);
        bytes32 nonce = channels.authorizationNonce(
            address(token), payerAt(p), signerAt(s), payeeAt(e), amount, ceiling, 0, time + 1, salt
        );
        Signature memory sig = TokenSignatures.receiving(
            payerKey(p), address(token), Authorization(payerAt(p), address(channels), amount, 0, time + 1, nonce)
        );
        channels.openWithAuthorization(
            address(token),
            payerAt(p),
            signerAt(s),
            payeeAt(e),
            amount,
            ceiling,
            0,
            time + 1,
            salt,
            sig.v,
            sig.r,
            sig.s
        );
    }

    function reserve(uint256 p, uint256 s, uint256 e, uint96 more) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        if (st.free == 0 || st.exitAt != 0) return;
        Before memory b = look();
        vm.prank(payerAt(p));
        channels.reserve(
            address(token), signerAt(s), payeeAt(e), st.ceiling + uint96(within(more, 1, st.free))
        );
        compare(b, p, e, false);
        count();
    }

    function reserveSigned(uint256 p, uint256 s, uint256 e, uint96 more, uint24 epoch, uint40 until) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        uint96 ceiling = st.ceiling + uint96(within(more, 0, 1e20));
        epoch = uint24(within(epoch, st.epoch == 0 ? 0 : st.epoch - 1, st.epoch + 1));
        until = uint40(within(until, time - 1, time + 1));
        (uint8 v, bytes32 r, bytes32 t) = vm.sign(
            signerKey(s),
            channels.reserveDigest(payerAt(p), payeeAt(e), address(token), ceiling, epoch, until)
        );
        bytes memory row = abi.encodePacked(
            payerAt(p), ceiling, uint256(epoch) << 40 | until, r, uint256(v - 27) << 255 | uint256(t)
        );
        Before memory b = look();
        uint256 raised = channels.reserveSigned(address(token), payeeAt(e), row);
        compare(b, p, e, false);
        bool good = epoch == st.epoch && until >= time && st.exitAt == 0;
        uint96 want = ceiling - st.ceiling < st.free ? ceiling - st.ceiling : st.free;
        require(raised == (good ? want : 0), "raised");
        require(state(p, s, e).ceiling == st.ceiling + raised, "ceiling");
        count();
    }

    function claim(uint256 seed, uint256 e) external {
        e %= PAYEES;
        bytes memory rows = rowsOf(seed, e);
        Before memory b = look();
        uint256 paid = channels.claim(address(token), payeeAt(e), rows);
        compare(b, PAYERS, e, false);
        for (uint256 i; i < PAYEES; ++i) {
            require(
                token.balanceOf(payeeAt(i)) == b.balance[PAYERS + i] + (i == e ? paid : 0), "a claim paid another"
            );
        }
        count();
    }

    function claimToVault(uint256 seed, uint256 e, uint256 s) external {
        e %= PAYEES;
        bytes memory rows = rowsOf(seed, e);
        uint256 held = token.balanceOf(address(channels));
        Before memory b = look();
        vm.prank(payeeAt(e));
        channels.claimToVault(address(token), signerAt(s), rows);
        compare(b, PAYERS, e, false);
        require(token.balanceOf(address(channels)) == held, "tokens moved");
        count();
    }

    function startExit(uint256 p, uint256 s, uint256 e) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        if (st.exitAt != 0 || st.ceiling == st.settled) return;
        Before memory b = look();
        vm.prank(payerAt(p));
        channels.startExit(address(token), signerAt(s), payeeAt(e));
        compare(b, p, e, false);
        exitStarted[idOf(p, s, e)] = time;
        count();
    }

    function cancelExit(uint256 p, uint256 s, uint256 e) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        if (state(p, s, e).exitAt == 0) return;
        Before memory b = look();
        vm.prank(payerAt(p));
        channels.cancelExit(address(token), signerAt(s), payeeAt(e));
        compare(b, p, e, false);
        count();
    }

    function finishExit(uint256 p, uint256 s, uint256 e) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        if (st.exitAt == 0) return;
        if (st.exitAt > time) {
            try channels.finishExit(address(token), payerAt(p), signerAt(s), payeeAt(e)) returns (uint96) {
                revert("an exit ended early");
            } catch {}
            return;
        }
        require(time >= exitStarted[idOf(p, s, e)] + delay, "an exit was shorter than the delay");
        Before memory b = look();
        channels.finishExit(address(token), payerAt(p), signerAt(s), payeeAt(e));
        compare(b, p, e, true);
        count();
    }

    function release(uint256 p, uint256 s, uint256 e, uint96 to, bool bySignature) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        if (st.ceiling == st.settled) return;
        to = uint96(within(to, 0, st.ceiling - 1));
        Before memory b = look();
        if (bySignature) {
            channels.releaseSigned(
                address(token),
                payerAt(p),
                signerAt(s),
                payeeAt(e),
                to,
                st.epoch,
                uint40(time),
                consent(p, s, e, to, st.epoch)
            );
        } else {
            vm.prank(payeeAt(e));
            channels.release(address(token), payerAt(p), signerAt(s), to);
        }
        compare(b, p, e, true);
        count();
    }

    function consent(uint256 p, uint256 s, uint256 e, uint96 to, uint24 epoch) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 t) = vm.sign(
            payeeKey(e),
            channels.releaseDigest(
                address(token), payerAt(p), signerAt(s), payeeAt(e), to, epoch, uint40(time)
            )
        );
        return abi.encodePacked(r, t, v);
    }

    function closeAndWithdraw(uint256 p, uint256 s, uint256 e, uint96 owed) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        uint96 total = st.settled + uint96(within(owed, 0, 1e20));
        bytes memory rows = promise_(p, s, e, total);
        bytes memory signature = total < st.ceiling ? consent(p, s, e, total, st.epoch) : bytes("");
        Before memory b = look();
        vm.prank(payerAt(p));
        channels.closeAndWithdraw(
            address(token), signerAt(s), payeeAt(e), rows, total, st.epoch, uint40(time), signature, payerAt(p)
        );
        compare(b, p, e, true);
        require(state(p, s, e).free == 0, "all was withdrawn");
        count();
    }

    function withdraw(uint256 p, uint256 s, uint96 amount) external {
        (p, s) = (p % PAYERS, s % SIGNERS);
        State memory st = state(p, s, 0);
        amount = uint96(within(amount, 0, st.free));
        Before memory b = look();
        vm.prank(payerAt(p));
        channels.withdraw(address(token), signerAt(s), amount, payerAt(p));
        compare(b, p, PAYEES, false);
        count();
    }

    function wait(uint256 seconds_) external {
        time += within(seconds_, 1, delay + 1);
        vm.warp(time);
        count();
    }
}
