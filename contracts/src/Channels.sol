// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Relaying} from "./Relaying.sol";
import {IChannels} from "./interfaces/IChannels.sol";
import {IERC3009} from "./interfaces/IERC3009.sol";
import {Channel, ChannelLibrary} from "./libraries/Channel.sol";
import {Slots} from "./libraries/Slots.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Channels
/// @notice One deposit that pays many payees, each by a running total that it holds a signature of: see {IChannels}.
/// @dev The lock is held while another contract is called. What calls none only looks whether it is free.
contract Channels is IChannels, Relaying, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Slots for bytes32;

    /// @inheritdoc IChannels
    uint40 public constant MAX_EXIT_DELAY = 30 days;
    /// @inheritdoc IChannels
    uint40 public immutable EXIT_DELAY;

    uint256 private constant MAX_AMOUNT = 0xffffffffffffffffffffffff;
    uint256 private constant PROMISE_ROW = 96;
    uint256 private constant RESERVE_ROW = 128;

    // Where {_settle} puts things. A `Promise`, to be hashed:
    uint256 private constant AT_STRUCT = 0x400;
    uint256 private constant AT_STRUCT_PAYER = 0x420;
    uint256 private constant AT_STRUCT_PAYEE = 0x440;
    uint256 private constant AT_STRUCT_TOKEN = 0x460;
    uint256 private constant AT_STRUCT_CUMULATIVE = 0x480;
    // What is signed: 0x1901 in the last two bytes of a word, domain separator, struct hash.
    uint256 private constant AT_SIGNED = 0x4a0;
    uint256 private constant AT_PREFIX = 0x4be;
    uint256 private constant AT_SEPARATOR = 0x4c0;
    uint256 private constant AT_STRUCT_HASH = 0x4e0;
    // The input of ecrecover.
    uint256 private constant AT_DIGEST = 0x500;
    uint256 private constant AT_V = 0x520;
    uint256 private constant AT_R = 0x540;
    uint256 private constant AT_S = 0x560;
    // What a vault's key is the hash of: token, payer, and the signer where ecrecover puts it.
    uint256 private constant AT_VAULT = 0x580;
    uint256 private constant AT_VAULT_PAYER = 0x5a0;
    uint256 private constant AT_VAULT_SIGNER = 0x5c0;
    // What the event says: what was paid, how many rows were skipped, where the list begins, its length, the list.
    uint256 private constant AT_PAID = 0x5e0;
    uint256 private constant AT_SKIPPED = 0x600;
    uint256 private constant AT_OFFSET = 0x620;
    uint256 private constant AT_LENGTH = 0x640;
    uint256 private constant AT_SETTLED = 0x660;

    /// @param exitDelay How long an exit runs before it can be finished, in seconds: a payee that looks less often
    /// than that may lose its reserve
    constructor(uint40 exitDelay) {
        if (exitDelay == 0 || exitDelay > MAX_EXIT_DELAY) revert ExitDelayOutOfRange(exitDelay);
        EXIT_DELAY = exitDelay;
    }

    // Money in

    /// @inheritdoc IChannels
    function deposit(address token, address payer, address signer, uint96 amount)
        external
        nonReentrant
        returns (uint96 received)
    {
        received = _pull(token, msg.sender, amount);
        _credit(token, payer, signer, received);
    }

    /// @inheritdoc IChannels
    function open(address token, address signer, address payee, uint96 amount, uint96 ceiling)
        external
        nonReentrant
        returns (uint96 received)
    {
        received = _pull(token, msg.sender, amount);
        _open(token, msg.sender, signer, payee, received, ceiling, false);
    }

    /// @inheritdoc IChannels
    function openWithPermit(
        address token,
        address signer,
        address payee,
        uint96 amount,
        uint96 ceiling,
        Permit calldata permit
    ) external nonReentrant returns (uint96 received) {
        _permit(token, msg.sender, permit);
        received = _pull(token, msg.sender, amount);
        _open(token, msg.sender, signer, payee, received, ceiling, false);
    }

    /// @inheritdoc IChannels
    function openWithPermitSigned(
        Opening calldata o,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint96 received) {
        _authorize(o.payer, TypedData.open(o, relay), relay, fee, signature);
        _permit(o.token, o.payer, permit);
        received = _less(_pull(o.token, o.payer, o.amount), fee);
        _open(o.token, o.payer, o.signer, o.payee, received, o.ceiling, true);
        _payFee(o.token, o.payer, relay.nonce, fee, fee);
    }

    /// @inheritdoc IChannels
    function openWithAuthorization(Opening calldata o, Authorization calldata a, uint96 fee)
        external
        nonReentrant
        returns (uint96 received)
    {
        _checkTerms(a.relayer, a.maxFee, fee);
        bytes32 nonce = authorizationNonce(o, a);
        uint256 before = IERC20(o.token).balanceOf(address(this));
        IERC3009(o.token)
            .receiveWithAuthorization(
                o.payer, address(this), o.amount, a.validAfter, a.validBefore, nonce, a.v, a.r, a.s
            );
        received = _less(_received(o.token, before), fee);
        _open(o.token, o.payer, o.signer, o.payee, received, o.ceiling, true);
        _payFee(o.token, o.payer, uint256(nonce), fee, fee);
    }

    // Reserves

    /// @inheritdoc IChannels
    function reserve(address token, address signer, address payee, uint96 ceiling) external nonReentrantView {
        _checkRecipient(token, payee);
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, msg.sender, signer, payee);
        uint96 current = channel.ceiling();
        if (ceiling <= current) revert CeilingNotRaised(current, ceiling);
        uint96 free = uint96(vault.load());
        unchecked {
            // What is raised is never more than what is free.
            vault.store(free - _raise(key, channel, free, ceiling));
        }
        emit Reserved(token, msg.sender, payee, signer, ceiling);
    }

    /// @inheritdoc IChannels
    function reserveSigned(address token, address payee, bytes calldata rows)
        external
        nonReentrantView
        returns (uint256 reserved)
    {
        if (rows.length % RESERVE_ROW != 0) revert RowsLength(rows.length, RESERVE_ROW);
        _checkRecipient(token, payee);
        uint256 skipped;
        for (uint256 i; i < rows.length; i += RESERVE_ROW) {
            (uint256 head, uint256 terms, bytes32 r, uint256 vs) =
                abi.decode(rows[i:i + RESERVE_ROW], (uint256, uint256, bytes32, uint256));
            uint96 raise = _reserveSigned(token, payee, head, terms, r, vs);
            if (raise == 0) ++skipped;
            reserved += raise;
        }
        if (skipped != 0) emit ReservesSkipped(token, payee, skipped);
    }

    /// @inheritdoc IChannels
    function revoke(address token, address signer, address payee) external nonReentrantView returns (uint24 epoch) {
        return _revoke(token, msg.sender, signer, payee);
    }

    /// @inheritdoc IChannels
    function revokeSigned(
        address token,
        address payer,
        address signer,
        address payee,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint24 epoch) {
        bytes32 hash = TypedData.onChannel(TypedData.REVOKE_TYPEHASH, token, payer, signer, payee, relay);
        _authorize(payer, hash, relay, fee, signature);
        epoch = _revoke(token, payer, signer, payee);
        _charge(token, payer, signer, relay.nonce, fee);
    }

    // Payments

    /// @inheritdoc IChannels
    function claim(address token, address payee, bytes calldata rows) external nonReentrant returns (uint256 paid) {
        _checkRecipient(token, payee);
        paid = _settle(token, payee, rows);
        if (paid != 0) IERC20(token).safeTransfer(payee, paid);
    }

    /// @inheritdoc IChannels
    function claimSigned(
        address token,
        address payee,
        bytes calldata rows,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint256 paid) {
        _checkRecipient(token, payee);
        // Settling wants its places in memory. That it comes before the signature does not matter: anybody may settle.
        paid = _settle(token, payee, rows);
        _authorize(payee, TypedData.claim(token, payee, rows, relay), relay, fee, signature);
        uint96 covered = _atMost(fee, paid);
        if (paid != covered) IERC20(token).safeTransfer(payee, paid - covered);
        _payFee(token, payee, relay.nonce, covered, fee);
    }

    /// @inheritdoc IChannels
    function claimToVault(address token, address signer, bytes calldata rows)
        external
        nonReentrant
        returns (uint256 paid)
    {
        paid = _settle(token, msg.sender, rows);
        if (paid != 0) _credit(token, msg.sender, signer, paid);
    }

    /// @inheritdoc IChannels
    function claimToVaultSigned(
        address token,
        address payee,
        address signer,
        bytes calldata rows,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint256 paid) {
        paid = _settle(token, payee, rows);
        _authorize(payee, TypedData.claimToVault(token, payee, signer, rows, relay), relay, fee, signature);
        uint96 covered = _atMost(fee, paid);
        if (paid != covered) _credit(token, payee, signer, paid - covered);
        _payFee(token, payee, relay.nonce, covered, fee);
    }

    // Money back

    /// @inheritdoc IChannels
    function startExit(address token, address signer, address payee)
        external
        nonReentrantView
        returns (uint40 exitAt)
    {
        (, bytes32 key, Channel channel) = _load(token, msg.sender, signer, payee);
        if (channel.exitAt() != 0) revert ExitInProgress(channel.exitAt());
        if (channel.ceiling() == channel.settled()) revert NothingReserved();
        return _startExit(token, msg.sender, signer, payee, key, channel);
    }

    /// @inheritdoc IChannels
    function startExitSigned(
        address token,
        address payer,
        address signer,
        address payee,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint40 exitAt) {
        bytes32 hash = TypedData.onChannel(TypedData.START_EXIT_TYPEHASH, token, payer, signer, payee, relay);
        _authorize(payer, hash, relay, fee, signature);
        (, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        exitAt = channel.exitAt();
        // The payee may have claimed or given back everything meanwhile.
        if (exitAt == 0 && channel.ceiling() != channel.settled()) {
            exitAt = _startExit(token, payer, signer, payee, key, channel);
        }
        _charge(token, payer, signer, relay.nonce, fee);
    }

    /// @inheritdoc IChannels
    function cancelExit(address token, address signer, address payee) external nonReentrantView {
        (, bytes32 key, Channel channel) = _load(token, msg.sender, signer, payee);
        if (channel.exitAt() == 0) revert NoExit();
        _cancelExit(token, msg.sender, signer, payee, key, channel);
    }

    /// @inheritdoc IChannels
    function cancelExitSigned(
        address token,
        address payer,
        address signer,
        address payee,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (bool cancelled) {
        bytes32 hash = TypedData.onChannel(TypedData.CANCEL_EXIT_TYPEHASH, token, payer, signer, payee, relay);
        _authorize(payer, hash, relay, fee, signature);
        (, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        // Anybody may have finished it.
        cancelled = channel.exitAt() != 0;
        if (cancelled) _cancelExit(token, payer, signer, payee, key, channel);
        _charge(token, payer, signer, relay.nonce, fee);
    }

    /// @inheritdoc IChannels
    function finishExit(address token, address payer, address signer, address payee)
        external
        nonReentrantView
        returns (uint96 freed)
    {
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        if (channel.exitAt() == 0) revert NoExit();
        return _finishExit(token, payer, signer, payee, vault, key, channel);
    }

    /// @inheritdoc IChannels
    function finishExitSigned(
        address token,
        address payer,
        address signer,
        address payee,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint96 freed) {
        bytes32 hash = TypedData.onChannel(TypedData.FINISH_EXIT_TYPEHASH, token, payer, signer, payee, relay);
        _authorize(payer, hash, relay, fee, signature);
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        // Anybody may have finished it.
        if (channel.exitAt() != 0) freed = _finishExit(token, payer, signer, payee, vault, key, channel);
        _charge(token, payer, signer, relay.nonce, fee);
    }

    /// @inheritdoc IChannels
    function release(address token, address payer, address signer, uint96 ceiling)
        external
        nonReentrantView
        returns (uint96 freed)
    {
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, msg.sender);
        freed = _lower(token, payer, signer, msg.sender, key, channel, ceiling);
        vault.store(_sum(vault.load(), freed));
    }

    /// @inheritdoc IChannels
    function releaseSigned(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil,
        bytes calldata signature
    ) external nonReentrant returns (uint96 freed) {
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        _checkRelease(token, payer, signer, payee, channel, ceiling, epoch, validUntil, signature);
        freed = _lower(token, payer, signer, payee, key, channel, ceiling);
        vault.store(_sum(vault.load(), freed));
    }

    /// @inheritdoc IChannels
    function closeAndWithdraw(Closing calldata c) external nonReentrant returns (uint256 paid, uint96 withdrawn) {
        paid = _settle(c.token, c.payee, c.rows);
        (withdrawn,) = _close(c, msg.sender, paid, 0, false);
    }

    /// @inheritdoc IChannels
    function closeAndWithdrawSigned(
        Closing calldata c,
        address payer,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint256 paid, uint96 withdrawn) {
        // As in {claimSigned}.
        paid = _settle(c.token, c.payee, c.rows);
        _authorize(payer, TypedData.close(c, payer, relay), relay, fee, signature);
        uint96 covered;
        (withdrawn, covered) = _close(c, payer, paid, fee, true);
        _payFee(c.token, payer, relay.nonce, covered, fee);
    }

    /// @inheritdoc IChannels
    function withdraw(address token, address signer, uint96 amount, address to) external nonReentrant {
        _checkRecipient(token, to);
        bytes32 vault = Slots.vault(token, msg.sender, signer);
        uint96 free = uint96(vault.load());
        if (amount > free) revert InsufficientFree(free, amount);
        vault.store(free - amount);
        emit Withdrawn(token, msg.sender, signer, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc IChannels
    function withdrawSigned(
        address token,
        address payer,
        address signer,
        uint96 amount,
        address to,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint96 withdrawn) {
        _checkRecipient(token, to);
        bytes32 hash = TypedData.withdraw(token, payer, signer, amount, to, relay);
        _authorize(payer, hash, relay, fee, signature);
        bytes32 vault = Slots.vault(token, payer, signer);
        uint96 free = uint96(vault.load());
        uint96 covered = _atMost(fee, free);
        // Promises above their ceilings may have used some of it up meanwhile.
        withdrawn = _atMost(amount, free - covered);
        vault.store(free - covered - withdrawn);
        emit Withdrawn(token, payer, signer, to, withdrawn);
        if (covered != 0) emit Withdrawn(token, payer, signer, msg.sender, covered);
        if (withdrawn != 0) IERC20(token).safeTransfer(to, withdrawn);
        _payFee(token, payer, relay.nonce, covered, fee);
    }

    // Views

    /// @inheritdoc IChannels
    function vaultOf(address token, address payer, address signer) external view returns (uint96 free) {
        return uint96(Slots.vault(token, payer, signer).load());
    }

    /// @inheritdoc IChannels
    function channelOf(address token, address payer, address signer, address payee)
        external
        view
        returns (uint96 free, uint96 settled, uint96 ceiling, uint40 exitAt, uint24 epoch)
    {
        (bytes32 vault,, Channel channel) = _load(token, payer, signer, payee);
        return
            (uint96(vault.load()), channel.settled(), channel.ceiling(), channel.exitAt(), channel.epoch());
    }

    /// @inheritdoc IChannels
    function promiseDigest(address payer, address payee, address token, uint96 cumulative)
        external
        view
        returns (bytes32)
    {
        return _digest(TypedData.promise_(payer, payee, token, cumulative));
    }

    /// @inheritdoc IChannels
    function reserveDigest(
        address payer,
        address payee,
        address token,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil
    ) external view returns (bytes32) {
        return _digest(TypedData.reserve(payer, payee, token, ceiling, epoch, validUntil));
    }

    /// @inheritdoc IChannels
    function releaseDigest(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil
    ) external view returns (bytes32) {
        return _digest(TypedData.release(token, payer, signer, payee, ceiling, epoch, validUntil));
    }

    /// @inheritdoc IChannels
    function authorizationNonce(Opening calldata o, Authorization calldata a) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                block.chainid,
                address(this),
                o.token,
                o.payer,
                o.signer,
                o.payee,
                o.amount,
                o.ceiling,
                a.validAfter,
                a.validBefore,
                a.salt,
                a.relayer,
                a.maxFee
            )
        );
    }

    // Inside

    /// @inheritdoc Relaying
    function _name() internal pure override returns (string memory) {
        return TypedData.CHANNELS;
    }

    /// @dev Adds to a vault.
    function _credit(address token, address payer, address signer, uint256 amount) private {
        _checkVault(payer, signer);
        bytes32 vault = Slots.vault(token, payer, signer);
        vault.store(_sum(vault.load(), amount));
        emit Deposited(token, payer, signer, uint96(amount));
    }

    /// @dev Adds to a vault and sets aside for a payee; `asFarAsItGoes`, or else all or nothing. Where all of it is
    /// set aside the vault's word is not written.
    function _open(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 received,
        uint96 ceiling,
        bool asFarAsItGoes
    ) private {
        _checkVault(payer, signer);
        _checkRecipient(token, payee);
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        uint256 before = vault.load();
        uint96 free = _sum(before, received);
        uint96 current = channel.ceiling();
        if (ceiling > current) {
            if (asFarAsItGoes) ceiling = current + _atMost(ceiling - current, free);
            free -= _raise(key, channel, free, ceiling);
        } else {
            ceiling = current;
        }
        if (free != before) vault.store(free);
        emit Opened(token, payer, payee, signer, received, ceiling);
    }

    /// @dev Raises a ceiling by what is returned, which the caller takes from the vault. `ceiling` is not below the
    /// present one.
    function _raise(bytes32 key, Channel channel, uint96 free, uint96 ceiling) private returns (uint96 raise) {
        if (channel.exitAt() != 0) revert ExitInProgress(channel.exitAt());
        unchecked {
            raise = ceiling - channel.ceiling();
        }
        if (raise > free) revert InsufficientFree(free, raise);
        key.store(Channel.unwrap(channel.raisedBy(raise)));
    }

    /// @dev One row of {reserveSigned}; returns zero where it is skipped.
    function _reserveSigned(
        address token,
        address payee,
        uint256 head,
        uint256 terms,
        bytes32 r,
        uint256 vs
    ) private returns (uint96 raise) {
        uint40 validUntil = uint40(terms);
        uint24 epoch = uint24(terms >> 40);
        if (terms >> 64 != 0 || block.timestamp > validUntil) return 0;
        address payer = address(uint160(head >> 96));
        uint96 ceiling = uint96(head);
        address signer = TypedData.recover(
            _digest(TypedData.reserve(payer, payee, token, ceiling, epoch, validUntil)), r, vs
        );
        if (signer == address(0)) return 0;
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        if (channel.epoch() != epoch || epoch == ChannelLibrary.LAST_EPOCH) return 0;
        uint96 current = channel.ceiling();
        if (channel.exitAt() != 0 || ceiling <= current) return 0;
        uint96 free = uint96(vault.load());
        raise = ceiling - current;
        if (raise > free) raise = free;
        if (raise == 0) return 0;
        vault.store(free - raise);
        // The next epoch: this signature is spent, however far the free balance went.
        Channel next = channel.raisedBy(raise).inNextEpoch();
        key.store(Channel.unwrap(next));
        emit ReserveUsed(token, payer, payee, signer, current + raise, next.epoch());
    }

    function _revoke(address token, address payer, address signer, address payee) private returns (uint24 epoch) {
        (, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        Channel next = channel.inNextEpoch();
        key.store(Channel.unwrap(next));
        epoch = next.epoch();
        emit Revoked(token, payer, payee, signer, epoch);
    }

    function _startExit(
        address token,
        address payer,
        address signer,
        address payee,
        bytes32 key,
        Channel channel
    ) private returns (uint40 exitAt) {
        exitAt = uint40(block.timestamp) + EXIT_DELAY;
        key.store(Channel.unwrap(channel.exiting(exitAt)));
        emit ExitStarted(token, payer, payee, signer, exitAt);
    }

    function _cancelExit(
        address token,
        address payer,
        address signer,
        address payee,
        bytes32 key,
        Channel channel
    ) private {
        key.store(Channel.unwrap(channel.exiting(0)));
        emit ExitCancelled(token, payer, payee, signer);
    }

    function _finishExit(
        address token,
        address payer,
        address signer,
        address payee,
        bytes32 vault,
        bytes32 key,
        Channel channel
    ) private returns (uint96 freed) {
        uint40 exitAt = channel.exitAt();
        if (block.timestamp < exitAt) revert ExitTooEarly(exitAt);
        uint96 settled = channel.settled();
        freed = channel.ceiling() - settled;
        Channel next = channel.lowered(settled);
        key.store(Channel.unwrap(next));
        if (freed != 0) vault.store(_sum(vault.load(), freed));
        emit Released(token, payer, payee, signer, settled, next.epoch());
    }

    /// @dev Lowers a ceiling as its payee agrees to, by what is returned, which the caller gives to the vault.
    function _lower(
        address token,
        address payer,
        address signer,
        address payee,
        bytes32 key,
        Channel channel,
        uint96 ceiling
    ) private returns (uint96 freed) {
        uint96 settled = channel.settled();
        uint96 lower = ceiling < settled ? settled : ceiling;
        if (lower >= channel.ceiling()) revert CeilingNotLowered(channel.ceiling(), ceiling);
        freed = channel.ceiling() - lower;
        Channel next = channel.lowered(lower);
        key.store(Channel.unwrap(next));
        emit Released(token, payer, payee, signer, lower, next.epoch());
    }

    /// @dev Takes back what the payee has agreed to, where it has not come back already, pays the payee and empties
    /// the vault: `covered` of `fee` stays here for the sender.
    function _close(Closing calldata c, address payer, uint256 paid, uint96 fee, bool relayed)
        private
        returns (uint96 withdrawn, uint96 covered)
    {
        (address token, address signer, address payee) = (c.token, c.signer, c.payee);
        _checkRecipient(token, payee);
        _checkRecipient(token, c.to);
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        uint256 free = vault.load();
        // The last promise may have used the reserve up, or somebody the release.
        bool more = channel.ceiling() > channel.settled() && channel.ceiling() > c.ceiling;
        // The payee may have ended the epoch, which is no reason to keep the relayer from its fee.
        if (more && !(relayed && channel.epoch() > c.epoch)) {
            _checkRelease(
                token, payer, signer, payee, channel, c.ceiling, c.epoch, c.validUntil, c.signature
            );
            free += _lower(token, payer, signer, payee, key, channel, c.ceiling);
        }
        withdrawn = _sum(free, 0);
        covered = _atMost(fee, withdrawn);
        withdrawn -= covered;
        vault.store(0);
        emit Withdrawn(token, payer, signer, c.to, withdrawn);
        if (covered != 0) emit Withdrawn(token, payer, signer, msg.sender, covered);
        if (paid != 0) IERC20(token).safeTransfer(payee, paid);
        if (withdrawn != 0) IERC20(token).safeTransfer(c.to, withdrawn);
    }

    /// @dev Pays the sender of a payer's action out of the vault's free balance, as far as it goes.
    function _charge(address token, address payer, address signer, uint256 nonce, uint96 fee) private {
        bytes32 vault = Slots.vault(token, payer, signer);
        uint96 free = uint96(vault.load());
        uint96 covered = _atMost(fee, free);
        if (covered != 0) {
            vault.store(free - covered);
            emit Withdrawn(token, payer, signer, msg.sender, covered);
        }
        _payFee(token, payer, nonce, covered, fee);
    }

    function _checkRelease(
        address token,
        address payer,
        address signer,
        address payee,
        Channel channel,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil,
        bytes calldata signature
    ) private view {
        if (block.timestamp > validUntil) revert ReleaseExpired(validUntil);
        if (epoch != channel.epoch() || epoch == ChannelLibrary.LAST_EPOCH) {
            revert WrongEpoch(channel.epoch(), epoch);
        }
        bytes32 digest = _digest(TypedData.release(token, payer, signer, payee, ceiling, epoch, validUntil));
        if (!_signed(payee, digest, signature)) revert InvalidReleaseSignature();
    }

    /// @dev Settles rows of promises and returns what the payee is owed for them. This loop is the reason for the
    /// contract's gas figures. For a row that its reserve covers it touches one word of storage.
    function _settle(address token, address payee, bytes calldata rows) internal returns (uint256 paid) {
        if (rows.length % PROMISE_ROW != 0) revert RowsLength(rows.length, PROMISE_ROW);
        bytes32 separator = domainSeparator();
        bytes32 typehash = TypedData.PROMISE_TYPEHASH;
        uint256 maxS = TypedData.MAX_S;
        bytes32 topic = Claimed.selector;
        assembly ("memory-safe") {
            // The places AT_… are fixed, which saves an addition at each use, and lie in free memory.
            if gt(mload(0x40), AT_STRUCT) { revert(0, 0) }
            mstore(AT_STRUCT, typehash)
            mstore(AT_STRUCT_PAYEE, payee)
            mstore(AT_STRUCT_TOKEN, token)
            mstore(AT_SIGNED, 0x1901)
            mstore(AT_SEPARATOR, separator)
            mstore(AT_VAULT, token)
            mstore(0x20, payee)
            let out := AT_SETTLED
            let end := add(rows.offset, rows.length)
            for { let row := rows.offset } lt(row, end) { row := add(row, PROMISE_ROW) } {
                let cumulative := calldataload(row)
                let payer := shr(96, cumulative)
                cumulative := and(cumulative, MAX_AMOUNT)
                let vs := calldataload(add(row, 0x40))
                let s := and(vs, 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)
                if gt(s, maxS) { continue }

                mstore(AT_STRUCT_PAYER, payer)
                mstore(AT_STRUCT_CUMULATIVE, cumulative)
                mstore(AT_STRUCT_HASH, keccak256(AT_STRUCT, 0xa0))
                mstore(AT_DIGEST, keccak256(AT_PREFIX, 0x42))
                mstore(AT_V, add(27, shr(255, vs)))
                mstore(AT_R, calldataload(add(row, 0x20)))
                mstore(AT_S, s)
                // An invalid signature succeeds and returns nothing: the signer of the row before would stay in place.
                pop(staticcall(gas(), 1, AT_DIGEST, 0x80, AT_VAULT_SIGNER, 0x20))
                if iszero(returndatasize()) { continue }

                mstore(AT_VAULT_PAYER, payer)
                let vault := keccak256(AT_VAULT, 0x60)
                mstore(0x00, vault)
                let key := keccak256(0x00, 0x40)
                let channel := sload(key)
                let before := shr(160, channel)
                if iszero(gt(cumulative, before)) { continue }

                let owed := sub(cumulative, before)
                let reserved := sub(and(shr(64, channel), MAX_AMOUNT), before)
                if gt(owed, reserved) {
                    let free := sload(vault)
                    let taken := sub(owed, reserved)
                    if gt(taken, free) { taken := free }
                    owed := add(reserved, taken)
                    if iszero(owed) { continue }
                    if taken {
                        sstore(vault, sub(free, taken))
                        channel := add(channel, shl(64, taken))
                    }
                }
                sstore(key, add(channel, shl(160, owed)))
                paid := add(paid, owed)
                mstore(out, or(shl(96, shr(96, vault)), add(before, owed)))
                out := add(out, 0x20)
            }
            if rows.length {
                let settled := shr(5, sub(out, AT_SETTLED))
                mstore(AT_PAID, paid)
                mstore(AT_SKIPPED, sub(div(rows.length, PROMISE_ROW), settled))
                mstore(AT_OFFSET, 0x60)
                mstore(AT_LENGTH, settled)
                log3(AT_PAID, sub(out, AT_PAID), topic, token, payee)
            }
            mstore(0x40, out)
        }
    }

    function _load(address token, address payer, address signer, address payee)
        private
        view
        returns (bytes32 vault, bytes32 key, Channel channel)
    {
        vault = Slots.vault(token, payer, signer);
        key = Slots.channel(vault, payee);
        channel = Channel.wrap(key.load());
    }

    /// @dev The lesser of two.
    function _atMost(uint96 amount, uint256 most) private pure returns (uint96) {
        return amount < most ? amount : uint96(most);
    }

    /// @dev What is left of an amount after a fee.
    function _less(uint96 amount, uint96 fee) private pure returns (uint96) {
        if (fee > amount) revert InsufficientFree(amount, fee);
        return amount - fee;
    }

    /// @dev Nobody could take anything out of a vault of the payer zero; anybody's invalid signature could spend one
    /// of the signer zero.
    function _checkVault(address payer, address signer) private pure {
        if (payer == address(0)) revert ZeroPayer();
        if (signer == address(0)) revert ZeroSigner();
    }
}
