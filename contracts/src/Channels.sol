// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IChannels} from "./interfaces/IChannels.sol";
import {IERC3009} from "./interfaces/IERC3009.sol";
import {Channel, ChannelLibrary} from "./libraries/Channel.sol";
import {Slots} from "./libraries/Slots.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Channels
/// @notice One deposit that pays many payees, each by a running total that it holds a signature of: see {IChannels}.
contract Channels is IChannels, ReentrancyGuardTransient {
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
    // The rows of the event.
    uint256 private constant AT_SETTLED = 0x5e0;

    uint256 private immutable CHAIN_ID;
    bytes32 private immutable SEPARATOR;

    /// @param exitDelay How long an exit runs before it can be finished, in seconds: a payee that looks less often
    /// than that may lose its reserve
    constructor(uint40 exitDelay) {
        if (exitDelay == 0 || exitDelay > MAX_EXIT_DELAY) revert ExitDelayOutOfRange(exitDelay);
        EXIT_DELAY = exitDelay;
        CHAIN_ID = block.chainid;
        SEPARATOR = TypedData.domain(address(this));
    }

    // Money in

    /// @inheritdoc IChannels
    function deposit(address token, address payer, address signer, uint96 amount)
        external
        nonReentrant
        returns (uint96 received)
    {
        received = _pull(token, amount);
        _credit(token, payer, signer, received);
    }

    /// @inheritdoc IChannels
    function open(address token, address signer, address payee, uint96 amount, uint96 ceiling)
        external
        nonReentrant
        returns (uint96 received)
    {
        received = _pull(token, amount);
        _open(token, msg.sender, signer, payee, received, ceiling);
    }

    /// @inheritdoc IChannels
    function openWithPermit(
        address token,
        address signer,
        address payee,
        uint96 amount,
        uint96 ceiling,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant returns (uint96 received) {
        // Whoever sees the permit can use it first and make it fail here. What counts is the allowance.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        received = _pull(token, amount);
        _open(token, msg.sender, signer, payee, received, ceiling);
    }

    /// @inheritdoc IChannels
    function openWithAuthorization(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 amount,
        uint96 ceiling,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant returns (uint96 received) {
        bytes32 nonce =
            authorizationNonce(token, payer, signer, payee, amount, ceiling, validAfter, validBefore, salt);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC3009(token).receiveWithAuthorization(
            payer, address(this), amount, validAfter, validBefore, nonce, v, r, s
        );
        received = _received(token, before);
        _open(token, payer, signer, payee, received, ceiling);
    }

    // Reserves

    /// @inheritdoc IChannels
    function reserve(address token, address signer, address payee, uint96 ceiling) external nonReentrant {
        _checkRecipient(payee);
        bytes32 vault = Slots.vault(token, msg.sender, signer);
        bytes32 key = Slots.channel(vault, payee);
        Channel channel = Channel.wrap(key.load());
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
        nonReentrant
        returns (uint256 reserved)
    {
        if (rows.length % RESERVE_ROW != 0) revert RowsLength(rows.length, RESERVE_ROW);
        _checkRecipient(payee);
        for (uint256 i; i < rows.length; i += RESERVE_ROW) {
            (uint256 head, uint256 terms, bytes32 r, uint256 vs) =
                abi.decode(rows[i:i + RESERVE_ROW], (uint256, uint256, bytes32, uint256));
            reserved += _reserveSigned(token, payee, head, terms, r, vs);
        }
    }

    // Payments

    /// @inheritdoc IChannels
    function claim(address token, address payee, bytes calldata rows) external nonReentrant returns (uint256 paid) {
        _checkRecipient(payee);
        paid = _settle(token, payee, rows);
        if (paid != 0) IERC20(token).safeTransfer(payee, paid);
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

    // Money back

    /// @inheritdoc IChannels
    function startExit(address token, address signer, address payee)
        external
        nonReentrant
        returns (uint40 exitAt)
    {
        (, bytes32 key, Channel channel) = _load(token, msg.sender, signer, payee);
        if (channel.exitAt() != 0) revert ExitInProgress(channel.exitAt());
        if (channel.ceiling() == channel.settled()) revert NothingReserved();
        exitAt = uint40(block.timestamp) + EXIT_DELAY;
        key.store(Channel.unwrap(channel.exiting(exitAt)));
        emit ExitStarted(token, msg.sender, payee, signer, exitAt);
    }

    /// @inheritdoc IChannels
    function cancelExit(address token, address signer, address payee) external nonReentrant {
        (, bytes32 key, Channel channel) = _load(token, msg.sender, signer, payee);
        if (channel.exitAt() == 0) revert NoExit();
        key.store(Channel.unwrap(channel.exiting(0)));
        emit ExitCancelled(token, msg.sender, payee, signer);
    }

    /// @inheritdoc IChannels
    function finishExit(address token, address payer, address signer, address payee)
        external
        nonReentrant
        returns (uint96 freed)
    {
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        uint40 exitAt = channel.exitAt();
        if (exitAt == 0) revert NoExit();
        if (block.timestamp < exitAt) revert ExitTooEarly(exitAt);
        uint96 settled = channel.settled();
        freed = channel.ceiling() - settled;
        Channel next = channel.lowered(settled);
        key.store(Channel.unwrap(next));
        if (freed != 0) vault.store(_sum(vault.load(), freed));
        emit Released(token, payer, payee, signer, settled, next.epoch());
    }

    /// @inheritdoc IChannels
    function release(address token, address payer, address signer, uint96 ceiling)
        external
        nonReentrant
        returns (uint96 freed)
    {
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, msg.sender);
        (Channel next, uint96 lower) = _lowered(channel, ceiling);
        freed = channel.ceiling() - lower;
        key.store(Channel.unwrap(next));
        vault.store(_sum(vault.load(), freed));
        emit Released(token, payer, msg.sender, signer, lower, next.epoch());
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
        (Channel next, uint96 lower) = _lowered(channel, ceiling);
        freed = channel.ceiling() - lower;
        key.store(Channel.unwrap(next));
        vault.store(_sum(vault.load(), freed));
        emit Released(token, payer, payee, signer, lower, next.epoch());
    }

    /// @inheritdoc IChannels
    function closeAndWithdraw(
        address token,
        address signer,
        address payee,
        bytes calldata rows,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil,
        bytes calldata signature,
        address to
    ) external nonReentrant returns (uint256 paid, uint96 withdrawn) {
        _checkRecipient(payee);
        _checkRecipient(to);
        paid = _settle(token, payee, rows);
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, msg.sender, signer, payee);
        uint256 free = vault.load();
        // The last promise may have used the reserve up, and then there is nothing that the payee has to give back.
        if (channel.ceiling() > channel.settled()) {
            _checkRelease(token, msg.sender, signer, payee, channel, ceiling, epoch, validUntil, signature);
            (Channel next, uint96 lower) = _lowered(channel, ceiling);
            free += channel.ceiling() - lower;
            key.store(Channel.unwrap(next));
            emit Released(token, msg.sender, payee, signer, lower, next.epoch());
        }
        withdrawn = uint96(_sum(free, 0));
        vault.store(0);
        emit Withdrawn(token, msg.sender, signer, to, withdrawn);
        if (paid != 0) IERC20(token).safeTransfer(payee, paid);
        if (withdrawn != 0) IERC20(token).safeTransfer(to, withdrawn);
    }

    /// @inheritdoc IChannels
    function withdraw(address token, address signer, uint96 amount, address to) external nonReentrant {
        _checkRecipient(to);
        bytes32 vault = Slots.vault(token, msg.sender, signer);
        uint96 free = uint96(vault.load());
        if (amount > free) revert InsufficientFree(free, amount);
        vault.store(free - amount);
        emit Withdrawn(token, msg.sender, signer, to, amount);
        IERC20(token).safeTransfer(to, amount);
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
    function authorizationNonce(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 amount,
        uint96 ceiling,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                block.chainid,
                address(this),
                token,
                payer,
                signer,
                payee,
                amount,
                ceiling,
                validAfter,
                validBefore,
                salt
            )
        );
    }

    /// @notice The domain of the typed data (ERC-5267).
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (
            hex"0f", TypedData.NAME, TypedData.VERSION, block.chainid, address(this), bytes32(0), new uint256[](0)
        );
    }

    /// @inheritdoc IChannels
    function domainSeparator() public view returns (bytes32) {
        // A chain that splits gives one half a new id: signatures must not work on both.
        return block.chainid == CHAIN_ID ? SEPARATOR : TypedData.domain(address(this));
    }

    // Inside

    /// @dev Takes tokens from the caller and says what came.
    function _pull(address token, uint96 amount) private returns (uint96) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        return _received(token, before);
    }

    function _received(address token, uint256 before) private view returns (uint96) {
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received == 0) revert NothingReceived();
        if (received > MAX_AMOUNT) revert AmountOverflow(received);
        return uint96(received);
    }

    /// @dev Adds to a vault.
    function _credit(address token, address payer, address signer, uint256 amount) private {
        if (signer == address(0)) revert ZeroSigner();
        bytes32 vault = Slots.vault(token, payer, signer);
        vault.store(_sum(vault.load(), amount));
        emit Deposited(token, payer, signer, uint96(amount));
    }

    /// @dev Adds to a vault and sets aside for a payee. Where all of it is set aside the vault's word is not written.
    function _open(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 received,
        uint96 ceiling
    ) private {
        if (signer == address(0)) revert ZeroSigner();
        _checkRecipient(payee);
        (bytes32 vault, bytes32 key, Channel channel) = _load(token, payer, signer, payee);
        uint256 before = vault.load();
        uint96 free = uint96(_sum(before, received));
        uint96 current = channel.ceiling();
        if (ceiling > current) free -= _raise(key, channel, free, ceiling);
        else ceiling = current;
        if (free != before) vault.store(free);
        emit Opened(token, payer, payee, signer, received, ceiling);
    }

    /// @dev Raises a ceiling by what is returned, which the caller takes from the vault. `ceiling` is above the
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
        key.store(Channel.unwrap(channel.raisedBy(raise)));
        emit Reserved(token, payer, payee, signer, current + raise);
    }

    /// @dev Where a channel goes when its payee agrees to a lower ceiling.
    function _lowered(Channel channel, uint96 ceiling) private pure returns (Channel, uint96 lower) {
        uint96 settled = channel.settled();
        lower = ceiling < settled ? settled : ceiling;
        if (lower >= channel.ceiling()) revert CeilingNotLowered(channel.ceiling(), ceiling);
        return (channel.lowered(lower), lower);
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
        // The account's own key first: it stays good where the account has been given code by EIP-7702.
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && recovered == payee) return;
        if (payee.code.length != 0 && SignatureChecker.isValidERC1271SignatureNow(payee, digest, signature)) return;
        revert InvalidReleaseSignature();
    }

    /// @dev Settles rows of promises and returns what the payee is owed for them. This loop is the reason for the
    /// contract's gas figures. For a row that its reserve covers it touches one word of storage.
    function _settle(address token, address payee, bytes calldata rows) internal returns (uint256 paid) {
        if (rows.length % PROMISE_ROW != 0) revert RowsLength(rows.length, PROMISE_ROW);
        bytes32 separator = domainSeparator();
        bytes32 typehash = TypedData.PROMISE_TYPEHASH;
        uint256 maxS = TypedData.MAX_S;
        bytes memory settled;
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
            settled := AT_SETTLED
            let out := add(AT_SETTLED, 0x20)
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
            mstore(AT_SETTLED, sub(out, add(AT_SETTLED, 0x20)))
            mstore(0x40, out)
        }
        if (paid != 0) emit Claimed(token, payee, settled);
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

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domainSeparator(), structHash);
    }

    /// @dev A sum that fits a vault.
    function _sum(uint256 a, uint256 b) private pure returns (uint256 sum) {
        sum = a + b;
        if (sum > MAX_AMOUNT) revert AmountOverflow(sum);
    }

    function _checkRecipient(address recipient) private view {
        if (recipient == address(0) || recipient == address(this)) revert InvalidRecipient(recipient);
    }
}
