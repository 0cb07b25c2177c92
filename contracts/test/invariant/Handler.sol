// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Authorization, IDevToken, Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {vm} from "../Vm.sol";

/// @title Everything that three payers with two session keys each and three payees can do, in any order, and time
/// @notice The handler keeps a copy of every word that the contract may ever write. After each action it takes the list
/// of the words that were written, as the machine recorded it, and checks every change; all others are known to be as
/// they were. Vaults are numbered by owner and signer, channels by vault and payee. The third payee is the first
/// payer; the other two own vaults as well, for what they keep by `claimToVault`.
contract Handler {
    uint256 internal constant PAYERS = 3;
    uint256 internal constant SIGNERS = 2;
    uint256 internal constant PAYEES = 3;
    uint256 internal constant OWNERS = 5;
    uint256 internal constant ANY = type(uint256).max;
    uint256 internal constant NONE = type(uint256).max - 1;
    uint256 internal constant LIMIT = 1e24;
    address internal constant STRANGER = address(0x57A);

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

    enum Kind {
        None,
        Vault,
        Channel
    }

    /// @notice A word of the contract's storage, and whose it is.
    struct Word {
        uint256 value;
        Kind kind;
        uint8 owner;
        uint8 signer;
        uint8 payee;
    }

    /// @notice What an action may write: the vaults and channels of these, each a number, ANY or NONE.
    struct Scope {
        uint256 owner;
        uint256 signer;
        uint256 payee;
        /// @dev Whose vault may grow, and of which signer.
        uint256 credited;
        uint256 creditedSigner;
        /// @dev Settled may rise.
        bool pays;
        /// @dev Ceilings may rise otherwise than by paying.
        bool reserves;
        /// @dev The ceiling may fall.
        bool lowers;
        /// @dev An exit may begin or be called off.
        bool exits;
    }

    mapping(bytes32 slot => Word) private words;
    /// @notice Σ vaults + Σ (ceiling − settled), by the copies.
    uint256 public owed;
    /// @notice The highest total that was ever signed for a channel.
    mapping(bytes32 slot => uint96) public signed;
    /// @notice When a running exit was announced.
    mapping(bytes32 slot => uint256) public exitStarted;
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
        for (uint256 o; o < OWNERS; ++o) {
            for (uint256 k; k < SIGNERS; ++k) {
                words[vaultSlot(o, k)] = Word(0, Kind.Vault, uint8(o), uint8(k), 0);
                for (uint256 e; e < PAYEES && o < PAYERS; ++e) {
                    words[idOf(o, k, e)] = Word(0, Kind.Channel, uint8(o), uint8(k), uint8(e));
                }
            }
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

    /// @notice Who owns a vault: the payers, then the payees that are none.
    function ownerAt(uint256 i) public view returns (address) {
        return i < PAYERS ? payers[i] : payees[i - PAYERS];
    }

    function vaultSlot(uint256 o, uint256 s) private view returns (bytes32) {
        return keccak256(abi.encode(token, ownerAt(o), signerAt(s)));
    }

    function idOf(uint256 p, uint256 s, uint256 e) private view returns (bytes32) {
        return keccak256(abi.encode(vaultSlot(p, s), payeeAt(e)));
    }

    /// @dev As the copies have it.
    function state(uint256 p, uint256 s, uint256 e) private view returns (State memory r) {
        r = decode(words[idOf(p, s, e)].value);
        r.free = uint96(words[vaultSlot(p, s)].value);
    }

    function decode(uint256 word) private pure returns (State memory r) {
        r.settled = uint96(word >> 160);
        r.ceiling = uint96(word >> 64);
        r.exitAt = uint40(word >> 24);
        r.epoch = uint24(word);
    }

    // Watching

    /// @dev Begins to record what is written.
    function watch() private {
        vm.record();
    }

    /// @dev Ends what {watch} began: whatever was written must be in the scope, and as it may be.
    function check(Scope memory scope) private returns (uint256 paid) {
        (, bytes32[] memory writes) = vm.accesses(address(channels));
        for (uint256 i; i < writes.length; ++i) {
            bytes32 slot = writes[i];
            Word storage word = words[slot];
            (uint256 old, uint256 value) = (word.value, uint256(vm.load(address(channels), slot)));
            if (old == value) continue;
            word.value = value;
            if (word.kind == Kind.Vault) {
                checkVault(scope, word, old, value);
                owed = owed + value - old;
            } else {
                require(word.kind == Kind.Channel, "a word of nobody's changed");
                paid += checkChannel(scope, word, slot, decode(old), decode(value));
            }
        }
        require(token.balanceOf(address(channels)) == owed, "held is not what is owed");
        ++calls[msg.sig];
    }

    function among(uint256 allowed, uint256 which) private pure returns (bool) {
        return allowed == ANY || allowed == which;
    }

    function checkVault(Scope memory scope, Word storage word, uint256 old, uint256 value) private view {
        require(value <= type(uint96).max, "a vault has more than 96 bits");
        if (word.owner == scope.credited && word.signer == scope.creditedSigner) return;
        require(among(scope.owner, word.owner), "another's vault changed");
        require(among(scope.signer, word.signer), "another signer's vault changed");
        require(value < old, "a vault grew by itself");
    }

    function checkChannel(Scope memory scope, Word storage word, bytes32 slot, State memory old, State memory now_)
        private
        returns (uint256 paid)
    {
        require(among(scope.owner, word.owner), "another's channel changed");
        require(among(scope.signer, word.signer), "another signer's channel changed");
        require(among(scope.payee, word.payee), "another payee's channel changed");
        require(now_.settled >= old.settled, "settled fell");
        require(now_.settled <= now_.ceiling, "more is settled than was set aside");
        paid = now_.settled - old.settled;
        if (paid != 0) {
            require(scope.pays, "something was paid without a claim");
            require(now_.settled <= signed[slot], "more was paid than signed");
        }
        if (now_.ceiling < old.ceiling) {
            require(scope.lowers, "a reserve shrank by itself");
            require(now_.epoch == old.epoch + 1, "a reserve shrank within an epoch");
        } else {
            require(now_.epoch == old.epoch || scope.lowers, "an epoch ended by itself");
            if (now_.ceiling > old.ceiling && !scope.reserves) {
                require(scope.pays && now_.settled == now_.ceiling, "a reserve grew by itself");
            }
        }
        if (now_.exitAt != old.exitAt) {
            require(scope.exits || now_.epoch != old.epoch && now_.settled == now_.ceiling, "an exit moved by itself");
            require(old.exitAt == 0 || now_.exitAt == 0, "an exit was moved");
            if (now_.exitAt != 0) exitStarted[slot] = time;
        }
        owed = owed + now_.ceiling - now_.settled - (old.ceiling - old.settled);
    }

    /// @dev What one payer does with one channel.
    function own(uint256 p, uint256 s, uint256 e) private pure returns (Scope memory scope) {
        (scope.owner, scope.signer, scope.payee) = (p, s, e);
        (scope.credited, scope.creditedSigner) = (NONE, NONE);
    }

    /// @dev What a payer or its payee does to give some of a reserve back.
    function lowering(uint256 p, uint256 s, uint256 e) private pure returns (Scope memory scope) {
        scope = own(p, s, e);
        scope.lowers = true;
        (scope.credited, scope.creditedSigner) = (p, s);
    }

    /// @dev What opens a channel.
    function opening(uint256 p, uint256 s, uint256 e) private pure returns (Scope memory scope) {
        scope = own(p, s, e);
        scope.reserves = true;
        (scope.credited, scope.creditedSigner) = (p, s);
    }

    /// @dev What a payee's claim does, which is for nobody else.
    function claiming(uint256 e) private pure returns (Scope memory scope) {
        scope = own(ANY, ANY, e);
        scope.pays = true;
    }

    /// @notice Compares every word with what the contract's views say: the copies are right, and the sum is.
    function checkAll() external view {
        uint256 sum;
        for (uint256 o; o < OWNERS; ++o) {
            for (uint256 s; s < SIGNERS; ++s) {
                uint96 free = channels.vaultOf(address(token), ownerAt(o), signerAt(s));
                require(free == words[vaultSlot(o, s)].value, "a vault's copy is wrong");
                sum += free;
                for (uint256 e; e < PAYEES && o < PAYERS; ++e) {
                    State memory r;
                    (r.free, r.settled, r.ceiling, r.exitAt, r.epoch) =
                        channels.channelOf(address(token), ownerAt(o), signerAt(s), payeeAt(e));
                    require(
                        keccak256(abi.encode(r)) == keccak256(abi.encode(state(o, s, e))), "a channel's copy is wrong"
                    );
                    require(r.settled <= signed[idOf(o, s, e)], "more was paid than signed");
                    sum += r.ceiling - r.settled;
                }
            }
        }
        require(sum == owed && token.balanceOf(address(channels)) == sum, "held is not what is owed");
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
        (p, s) = (p % PAYERS, s % SIGNERS);
        address who = payerAt(from);
        uint256 balance = token.balanceOf(who);
        if (balance == 0) return;
        amount = uint96(within(amount, 1, balance));
        uint96 free = state(p, s, 0).free;
        Scope memory scope = own(NONE, NONE, NONE);
        (scope.credited, scope.creditedSigner) = (p, s);
        watch();
        vm.prank(who);
        channels.deposit(address(token), payerAt(p), signerAt(s), amount);
        check(scope);
        require(state(p, s, 0).free == free + amount, "credited");
    }

    /// @dev What an opening asks for: never more than there will be.
    function asked(uint256 p, uint256 s, uint256 e, uint96 amount, uint96 more)
        private
        view
        returns (uint96, uint96 ceiling)
    {
        uint256 balance = token.balanceOf(payerAt(p));
        State memory st = state(p, s, e);
        if (balance == 0 || st.exitAt != 0) return (0, 0);
        amount = uint96(within(amount, 1, balance));
        return (amount, uint96(within(more, 0, st.ceiling + st.free + amount)));
    }

    function open(uint256 p, uint256 s, uint256 e, uint96 amount, uint96 more) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        uint96 ceiling;
        (amount, ceiling) = asked(p, s, e, amount, more);
        if (amount == 0) return;
        watch();
        vm.prank(payerAt(p));
        channels.open(address(token), signerAt(s), payeeAt(e), amount, ceiling);
        check(opening(p, s, e));
    }

    /// @dev Sometimes somebody has used the permit before.
    function openWithPermit(uint256 p, uint256 s, uint256 e, uint96 amount, uint96 more, bool used) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        uint96 ceiling;
        (amount, ceiling) = asked(p, s, e, amount, more);
        if (amount == 0) return;
        Signature memory sig = TokenSignatures.permit(payerKey(p), address(token), address(channels), amount, time);
        if (used) token.permit(payerAt(p), address(channels), amount, time, sig.v, sig.r, sig.s);
        watch();
        vm.prank(payerAt(p));
        channels.openWithPermit(
            address(token), signerAt(s), payeeAt(e), amount, ceiling, time, sig.v, sig.r, sig.s
        );
        check(opening(p, s, e));
        vm.prank(payerAt(p));
        token.approve(address(channels), type(uint256).max);
    }

    function openWithAuthorization(uint256 p, uint256 s, uint256 e, uint96 amount, uint96 more) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        uint96 ceiling;
        (amount, ceiling) = asked(p, s, e, amount, more);
        if (amount == 0) return;
        watch();
        authorized(p, s, e, amount, ceiling);
        check(opening(p, s, e));
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
        Scope memory scope = own(p, s, e);
        scope.reserves = true;
        watch();
        vm.prank(payerAt(p));
        channels.reserve(
            address(token), signerAt(s), payeeAt(e), st.ceiling + uint96(within(more, 1, st.free))
        );
        check(scope);
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
        Scope memory scope = own(p, s, e);
        scope.reserves = true;
        watch();
        uint256 raised = channels.reserveSigned(address(token), payeeAt(e), row);
        check(scope);
        bool good = epoch == st.epoch && until >= time && st.exitAt == 0;
        uint96 want = ceiling - st.ceiling < st.free ? ceiling - st.ceiling : st.free;
        require(raised == (good ? want : 0), "raised");
        require(state(p, s, e).ceiling == st.ceiling + raised, "ceiling");
    }

    function balances() private view returns (uint256[OWNERS + 1] memory b) {
        for (uint256 o; o < OWNERS; ++o) {
            b[o] = token.balanceOf(ownerAt(o));
        }
        b[OWNERS] = token.balanceOf(STRANGER);
    }

    /// @dev By anybody.
    function claim(uint256 seed, uint256 e) external {
        e %= PAYEES;
        bytes memory rows = rowsOf(seed, e);
        uint256[OWNERS + 1] memory b = balances();
        watch();
        vm.prank(seed % 2 == 0 ? STRANGER : payerAt(seed >> 1));
        uint256 paid = channels.claim(address(token), payeeAt(e), rows);
        require(check(claiming(e)) == paid, "paid is not what was settled");
        uint256[OWNERS + 1] memory a = balances();
        for (uint256 o; o <= OWNERS; ++o) {
            address who = o == OWNERS ? STRANGER : ownerAt(o);
            require(a[o] == b[o] + (who == payeeAt(e) ? paid : 0), "a claim did not pay the payee alone");
        }
    }

    function claimToVault(uint256 seed, uint256 e, uint256 s) external {
        (e, s) = (e % PAYEES, s % SIGNERS);
        bytes memory rows = rowsOf(seed, e);
        uint256 held = token.balanceOf(address(channels));
        Scope memory scope = claiming(e);
        // The third payee is the first payer.
        (scope.credited, scope.creditedSigner) = (e == 2 ? 0 : PAYERS + e, s);
        watch();
        vm.prank(payeeAt(e));
        uint256 paid = channels.claimToVault(address(token), signerAt(s), rows);
        require(check(scope) == paid, "paid is not what was settled");
        require(token.balanceOf(address(channels)) == held, "tokens moved");
    }

    function startExit(uint256 p, uint256 s, uint256 e) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        if (st.exitAt != 0 || st.ceiling == st.settled) return;
        Scope memory scope = own(p, s, e);
        scope.exits = true;
        watch();
        vm.prank(payerAt(p));
        channels.startExit(address(token), signerAt(s), payeeAt(e));
        check(scope);
    }

    function cancelExit(uint256 p, uint256 s, uint256 e) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        if (state(p, s, e).exitAt == 0) return;
        Scope memory scope = own(p, s, e);
        scope.exits = true;
        watch();
        vm.prank(payerAt(p));
        channels.cancelExit(address(token), signerAt(s), payeeAt(e));
        check(scope);
    }

    /// @dev By anybody, also when it is too early.
    function finishExit(uint256 p, uint256 s, uint256 e) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        Scope memory scope = lowering(p, s, e);
        bool due = st.exitAt != 0 && time >= exitStarted[idOf(p, s, e)] + delay;
        if (!due) (scope.lowers, scope.credited) = (false, NONE);
        watch();
        vm.prank(STRANGER);
        (bool ok,) = address(channels).call(
            abi.encodeCall(IChannels.finishExit, (address(token), payerAt(p), signerAt(s), payeeAt(e)))
        );
        require(ok == due, due ? "an exit did not end" : "an exit ended before its delay");
        check(scope);
    }

    function release(uint256 p, uint256 s, uint256 e, uint96 to, bool bySignature) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        if (st.ceiling == st.settled) return;
        to = uint96(within(to, 0, st.ceiling - 1));
        bytes memory signature = bySignature ? consent(p, s, e, to, st.epoch) : bytes("");
        watch();
        if (bySignature) {
            channels.releaseSigned(
                address(token), payerAt(p), signerAt(s), payeeAt(e), to, st.epoch, uint40(time), signature
            );
        } else {
            vm.prank(payeeAt(e));
            channels.release(address(token), payerAt(p), signerAt(s), to);
        }
        check(lowering(p, s, e));
    }

    function consent(uint256 p, uint256 s, uint256 e, uint96 to, uint24 epoch) private view returns (bytes memory) {
        return consentOf(payeeKey(e), p, s, e, to, epoch);
    }

    function consentOf(uint256 key, uint256 p, uint256 s, uint256 e, uint96 to, uint24 epoch)
        private
        view
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 t) = vm.sign(
            key,
            channels.releaseDigest(
                address(token), payerAt(p), signerAt(s), payeeAt(e), to, epoch, uint40(time)
            )
        );
        return abi.encodePacked(r, t, v);
    }

    function closeAndWithdraw(uint256 p, uint256 s, uint256 e, uint96 sum) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        uint96 total = st.settled + uint96(within(sum, 0, 1e20));
        bytes memory rows = promise_(p, s, e, total);
        bytes memory signature = total < st.ceiling ? consent(p, s, e, total, st.epoch) : bytes("");
        Scope memory scope = lowering(p, s, e);
        scope.pays = true;
        watch();
        vm.prank(payerAt(p));
        (uint256 paid,) = channels.closeAndWithdraw(
            address(token), signerAt(s), payeeAt(e), rows, total, st.epoch, uint40(time), signature, payerAt(p)
        );
        require(check(scope) == paid, "paid is not what was settled");
        require(state(p, s, e).free == 0, "all was withdrawn");
    }

    function withdraw(uint256 p, uint256 s, uint96 amount) external {
        (p, s) = (p % PAYERS, s % SIGNERS);
        uint96 free = state(p, s, 0).free;
        amount = uint96(within(amount, 0, free));
        watch();
        vm.prank(payerAt(p));
        channels.withdraw(address(token), signerAt(s), amount, payerAt(p));
        check(own(p, s, NONE));
        require(state(p, s, 0).free == free - amount, "withdrawn");
    }

    /// @dev What everybody tries with what is another's: the keys of a stranger, of another payer and of the session
    /// key are worth nothing.
    function meddle(uint256 kind, uint256 p, uint256 s, uint256 e, uint96 amount) external {
        (p, s, e) = (p % PAYERS, s % SIGNERS, e % PAYEES);
        State memory st = state(p, s, e);
        address who = amount % 3 == 0 ? STRANGER : amount % 3 == 1 ? signerAt(s) : payeeAt(e == 2 ? 1 : e);
        uint256 key = amount % 2 == 0 ? payerKey(p == 0 && e == 2 ? 1 : p) : signerKey(s);
        address t = address(token);
        bytes memory call;
        kind %= 7;
        // A payee may own a vault itself.
        if ((kind == 0 || kind == 6) && amount % 3 == 2) who = STRANGER;
        if (kind == 0) {
            call = abi.encodeCall(IChannels.withdraw, (t, signerAt(s), uint96(within(amount, 1, 1e20)), who));
        } else if (kind == 1) {
            call = abi.encodeCall(IChannels.cancelExit, (t, signerAt(s), payeeAt(e)));
        } else if (kind == 2) {
            call = abi.encodeCall(IChannels.startExit, (t, signerAt(s), payeeAt(e)));
        } else if (kind == 3) {
            call = abi.encodeCall(
                IChannels.releaseSigned,
                (
                    t,
                    payerAt(p),
                    signerAt(s),
                    payeeAt(e),
                    0,
                    st.epoch,
                    uint40(time),
                    consentOf(key, p, s, e, 0, st.epoch)
                )
            );
        } else if (kind == 4) {
            // Signed by the payee, for another epoch.
            call = abi.encodeCall(
                IChannels.releaseSigned,
                (
                    t,
                    payerAt(p),
                    signerAt(s),
                    payeeAt(e),
                    0,
                    st.epoch + 1,
                    uint40(time),
                    consent(p, s, e, 0, st.epoch + 1)
                )
            );
        } else if (kind == 5) {
            if (who != STRANGER) who = signerAt(s);
            call = abi.encodeCall(IChannels.release, (t, payerAt(p), signerAt(s), 0));
        } else {
            call = abi.encodeCall(
                IChannels.closeAndWithdraw,
                (t, signerAt(s), payeeAt(e), promise_(p, s, e, 0), 0, st.epoch, uint40(time), "", who)
            );
            // Goes through where a payee that is owed nothing has nothing to release, and moves nothing.
        }
        watch();
        vm.prank(who);
        (bool ok,) = address(channels).call(call);
        require(check(own(NONE, NONE, NONE)) == 0 && (!ok || kind == 6), "somebody moved what is another's");
    }

    function wait(uint256 seconds_) external {
        time += within(seconds_, 1, delay + 1);
        vm.warp(time);
        ++calls[msg.sig];
    }
}
