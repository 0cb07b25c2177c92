// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {RedBlackTreeLib} from "solady/src/utils/RedBlackTreeLib.sol";

import {IRegistry} from "./interfaces/IRegistry.sol";
import {Relaying} from "./Relaying.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Registry
/// @notice Which provider sells by which offer: see {IRegistry}.
contract Registry is IRegistry, Relaying, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using RedBlackTreeLib for RedBlackTreeLib.Tree;
    using RedBlackTreeLib for bytes32;

    /// @dev Two words for each provider. `position` counts from one; zero: not registered. `order` says who
    /// registered before whom.
    struct Entry {
        bytes32 digest;
        uint96 stake;
        uint48 sequence;
        uint40 since;
        uint32 position;
        uint40 order;
    }

    /// @dev One word for each provider: what had waited long enough when more was added, and what waits until
    /// `releaseAt`.
    struct Unbonding {
        uint96 matured;
        uint96 amount;
        uint64 releaseAt;
    }

    /// @inheritdoc IRegistry
    uint64 public constant MAX_UNBOND_DELAY = 365 days;
    /// @inheritdoc IRegistry
    uint256 public constant MAX_PAGE = 500;
    /// @inheritdoc IRegistry
    address public immutable STAKE_TOKEN;
    /// @inheritdoc IRegistry
    uint64 public immutable UNBOND_DELAY;
    /// @inheritdoc IRegistry
    uint96 public immutable MIN_STAKE;

    /// @dev One value for each registered provider, the largest stake highest: see {_rank}. Its size is their number.
    RedBlackTreeLib.Tree private _ranks;
    /// @dev How many registrations there have been: the order of the latest one.
    uint40 private _orders;
    mapping(uint256 position => address provider) private _providers;
    mapping(uint256 order => address provider) private _registrants;
    mapping(address provider => Entry) private _entries;
    mapping(address provider => Unbonding) private _unbonding;

    /// @param stakeToken The ERC-20 token that stakes are held in; zero where only stakes of zero are taken
    /// @param unbondDelay How long after leaving a stake can be withdrawn, in seconds
    /// @param minStake The least stake that a provider registers with, in base units
    constructor(address stakeToken, uint64 unbondDelay, uint96 minStake) {
        if (unbondDelay > MAX_UNBOND_DELAY) revert UnbondDelayOutOfRange(unbondDelay);
        if (minStake != 0 && stakeToken == address(0)) revert NoStakeToken();
        STAKE_TOKEN = stakeToken;
        UNBOND_DELAY = unbondDelay;
        MIN_STAKE = minStake;
    }

    // By the provider itself

    /// @inheritdoc IRegistry
    function register(bytes32 digest, uint96 stake) external nonReentrant returns (uint64 sequence) {
        return _register(msg.sender, digest, stake);
    }

    /// @inheritdoc IRegistry
    function update(bytes32 digest) external nonReentrant returns (uint64 sequence) {
        return _update(msg.sender, digest);
    }

    /// @inheritdoc IRegistry
    function addStake(uint96 amount) external nonReentrant returns (uint96 stake) {
        return _addStake(msg.sender, amount);
    }

    /// @inheritdoc IRegistry
    function leave() external nonReentrant {
        _leave(msg.sender);
    }

    /// @inheritdoc IRegistry
    function withdrawStake(address to) external nonReentrant returns (uint96 amount) {
        (amount,) = _withdrawStake(msg.sender, to, 0);
    }

    // Signed by the provider

    /// @inheritdoc IRegistry
    function registerSigned(
        address provider,
        bytes32 digest,
        uint96 stake,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint64 sequence) {
        _accept(provider, _registerHash(provider, digest, stake, relay), relay, fee, signature);
        _approve(provider, permit);
        sequence = _register(provider, digest, stake);
        _payFee(STAKE_TOKEN, provider, relay.nonce, 0, fee);
    }

    /// @inheritdoc IRegistry
    function updateSigned(
        address provider,
        bytes32 digest,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint64 sequence) {
        _accept(provider, _updateHash(provider, digest, relay), relay, fee, signature);
        _approve(provider, permit);
        sequence = _update(provider, digest);
        _payFee(STAKE_TOKEN, provider, relay.nonce, 0, fee);
    }

    /// @inheritdoc IRegistry
    function addStakeSigned(
        address provider,
        uint96 amount,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint96 stake) {
        _accept(provider, _addStakeHash(provider, amount, relay), relay, fee, signature);
        _approve(provider, permit);
        stake = _addStake(provider, amount);
        _payFee(STAKE_TOKEN, provider, relay.nonce, 0, fee);
    }

    /// @inheritdoc IRegistry
    function leaveSigned(
        address provider,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant {
        _accept(provider, _leaveHash(provider, relay), relay, fee, signature);
        _approve(provider, permit);
        _leave(provider);
        // Not out of the stake: a provider that paid itself would not have to wait for it.
        _payFee(STAKE_TOKEN, provider, relay.nonce, 0, fee);
    }

    /// @inheritdoc IRegistry
    function withdrawStakeSigned(
        address provider,
        address to,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external nonReentrant returns (uint96 amount) {
        _accept(provider, _withdrawStakeHash(provider, to, relay), relay, fee, signature);
        uint96 covered;
        (amount, covered) = _withdrawStake(provider, to, fee);
        _payFee(STAKE_TOKEN, provider, relay.nonce, covered, fee);
    }

    // Views

    /// @inheritdoc IRegistry
    function count() external view returns (uint256) {
        return _ranks.size();
    }

    /// @inheritdoc IRegistry
    function providers(uint256 from, uint256 limit) external view returns (Registration[] memory page) {
        uint256 length = _ranks.size();
        if (from >= length) return page;
        uint256 size = _min(_min(limit, MAX_PAGE), length - from);
        page = new Registration[](size);
        for (uint256 i; i < size; ++i) {
            page[i] = _registration(_providers[from + i + 1]);
        }
    }

    /// @inheritdoc IRegistry
    function providersByStake(address previous, uint256 limit) external view returns (Registration[] memory page) {
        bytes32 node;
        if (previous == address(0)) {
            node = _ranks.last();
        } else {
            Entry storage entry = _registered(previous);
            node = _ranks.find(_rank(entry.stake, entry.order)).prev();
        }
        page = new Registration[](_min(_min(limit, MAX_PAGE), _ranks.size()));
        uint256 size;
        for (; size < page.length && !node.isEmpty(); ++size) {
            page[size] = _registration(_registrants[_orderOf(node.value())]);
            node = node.prev();
        }
        assembly ("memory-safe") {
            mstore(page, size)
        }
    }

    /// @inheritdoc IRegistry
    function providerOf(address provider) external view returns (Registration memory) {
        return _registration(provider);
    }

    /// @inheritdoc IRegistry
    function unbondingOf(address provider)
        external
        view
        returns (uint96 withdrawable, uint96 locked, uint64 releaseAt)
    {
        return _picture(_unbonding[provider]);
    }

    /// @inheritdoc IRegistry
    function registerDigest(address provider, bytes32 digest, uint96 stake, Relay calldata relay)
        external
        view
        returns (bytes32)
    {
        return _digest(_registerHash(provider, digest, stake, relay));
    }

    /// @inheritdoc IRegistry
    function updateDigest(address provider, bytes32 digest, Relay calldata relay) external view returns (bytes32) {
        return _digest(_updateHash(provider, digest, relay));
    }

    /// @inheritdoc IRegistry
    function addStakeDigest(address provider, uint96 amount, Relay calldata relay) external view returns (bytes32) {
        return _digest(_addStakeHash(provider, amount, relay));
    }

    /// @inheritdoc IRegistry
    function leaveDigest(address provider, Relay calldata relay) external view returns (bytes32) {
        return _digest(_leaveHash(provider, relay));
    }

    /// @inheritdoc IRegistry
    function withdrawStakeDigest(address provider, address to, Relay calldata relay)
        external
        view
        returns (bytes32)
    {
        return _digest(_withdrawStakeHash(provider, to, relay));
    }

    // What each action does, whoever sends it

    function _register(address provider, bytes32 digest, uint96 stake) private returns (uint64 sequence) {
        if (digest == 0) revert ZeroDigest();
        Entry storage entry = _entries[provider];
        if (entry.position != 0) revert AlreadyRegistered(provider);
        uint96 staked = stake == 0 ? 0 : _take(provider, stake);
        if (staked < MIN_STAKE) revert StakeBelowMinimum(MIN_STAKE, staked);
        // The first order is one, and there is none above 40 bits. The last rank of all, 2^40 − 1 registrations from
        // now and without a stake, would be zero, which the tree refuses.
        uint40 order = ++_orders;
        uint32 position = uint32(_ranks.size() + 1);
        _ranks.insert(_rank(staked, order));
        _registrants[order] = provider;
        _providers[position] = provider;
        uint48 number = entry.sequence + 1;
        entry.digest = digest;
        entry.stake = staked;
        entry.sequence = number;
        entry.since = uint40(block.timestamp);
        entry.position = position;
        entry.order = order;
        emit Registered(provider, digest, number, staked);
        return number;
    }

    function _update(address provider, bytes32 digest) private returns (uint64 sequence) {
        if (digest == 0) revert ZeroDigest();
        Entry storage entry = _registered(provider);
        if (entry.digest == digest) revert SameDigest(digest);
        uint48 number = entry.sequence + 1;
        entry.digest = digest;
        entry.sequence = number;
        emit Updated(provider, digest, number);
        return number;
    }

    function _addStake(address provider, uint96 amount) private returns (uint96 stake) {
        Entry storage entry = _registered(provider);
        uint96 before = entry.stake;
        uint40 order = entry.order;
        stake = _sum(before, _take(provider, amount));
        _ranks.remove(_rank(before, order));
        _ranks.insert(_rank(stake, order));
        entry.stake = stake;
        emit Staked(provider, stake);
    }

    function _leave(address provider) private {
        Entry storage entry = _registered(provider);
        uint96 stake = entry.stake;
        uint40 order = entry.order;
        uint256 gap = entry.position;
        uint256 end = _ranks.size();
        if (gap != end) {
            address last = _providers[end];
            _providers[gap] = last;
            _entries[last].position = uint32(gap);
        }
        delete _providers[end];
        delete _registrants[order];
        _ranks.remove(_rank(stake, order));
        entry.digest = 0;
        entry.stake = 0;
        entry.since = 0;
        entry.position = 0;
        entry.order = 0;

        Unbonding memory unbonding = _unbonding[provider];
        if (stake != 0) {
            if (block.timestamp >= unbonding.releaseAt) {
                unbonding.matured += unbonding.amount;
                unbonding.amount = 0;
            }
            uint256 waiting = uint256(unbonding.amount) + stake;
            // All of it fits 96 bits, so that it can be withdrawn at once.
            _sum(unbonding.matured, waiting);
            unbonding.amount = uint96(waiting);
            unbonding.releaseAt = uint64(block.timestamp) + UNBOND_DELAY;
            _unbonding[provider] = unbonding;
        }
        (uint96 withdrawable, uint96 locked, uint64 releaseAt) = _picture(unbonding);
        emit Left(provider, stake, withdrawable, locked, releaseAt);
    }

    /// @dev What can be withdrawn pays the fee; the rest of it is sent.
    function _withdrawStake(address provider, address to, uint96 fee) private returns (uint96 amount, uint96 covered) {
        _checkRecipient(STAKE_TOKEN, to);
        (uint96 withdrawable, uint96 locked, uint64 releaseAt) = _picture(_unbonding[provider]);
        if (withdrawable == 0) {
            if (locked == 0) revert NothingUnbonding();
            revert UnbondingTooEarly(releaseAt);
        }
        _unbonding[provider] = Unbonding(0, locked, releaseAt);
        covered = uint96(_min(withdrawable, fee));
        amount = withdrawable - covered;
        emit StakeWithdrawn(provider, to, amount);
        if (amount != 0) IERC20(STAKE_TOKEN).safeTransfer(to, amount);
    }

    // Helpers

    /// @dev Lets a signed action go on, and no fee be asked where there is no token to pay it in.
    function _accept(
        address provider,
        bytes32 structHash,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) private {
        if (fee != 0 && STAKE_TOKEN == address(0)) revert NoStakeToken();
        _authorize(provider, structHash, relay, fee, signature);
    }

    function _approve(address provider, Permit calldata permit) private {
        if (STAKE_TOKEN != address(0)) _permit(STAKE_TOKEN, provider, permit);
    }

    function _take(address provider, uint96 amount) private returns (uint96) {
        if (STAKE_TOKEN == address(0)) revert NoStakeToken();
        return _pull(STAKE_TOKEN, provider, amount);
    }

    function _registered(address provider) private view returns (Entry storage entry) {
        entry = _entries[provider];
        if (entry.position == 0) revert NotRegistered(provider);
    }

    function _registration(address provider) private view returns (Registration memory) {
        Entry memory entry = _entries[provider];
        return Registration(provider, entry.digest, entry.sequence, entry.stake, entry.since);
    }

    /// @dev What there is now of an unbonding: when the time has come nothing is locked, and the time is zero.
    function _picture(Unbonding memory unbonding) private view returns (uint96, uint96, uint64) {
        if (block.timestamp < unbonding.releaseAt) return (unbonding.matured, unbonding.amount, unbonding.releaseAt);
        return (unbonding.matured + unbonding.amount, 0, 0);
    }

    /// @dev The tree's value for a provider: by stake, and among equal stakes the older registration above.
    function _rank(uint96 stake, uint40 order) private pure returns (uint256) {
        return uint256(stake) << 40 | type(uint40).max - order;
    }

    /// @dev The order in a rank.
    function _orderOf(uint256 rank) private pure returns (uint256) {
        return type(uint40).max - uint40(rank);
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function _name() internal pure override returns (string memory) {
        return TypedData.REGISTRY;
    }

    // What is signed

    function _registerHash(address provider, bytes32 digest, uint96 stake, Relay calldata relay)
        private
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(TypedData.REGISTER_TYPEHASH, provider, digest, stake, TypedData.relay(relay))
        );
    }

    function _updateHash(address provider, bytes32 digest, Relay calldata relay) private pure returns (bytes32) {
        return keccak256(abi.encode(TypedData.UPDATE_TYPEHASH, provider, digest, TypedData.relay(relay)));
    }

    function _addStakeHash(address provider, uint96 amount, Relay calldata relay) private pure returns (bytes32) {
        return keccak256(abi.encode(TypedData.ADD_STAKE_TYPEHASH, provider, amount, TypedData.relay(relay)));
    }

    function _leaveHash(address provider, Relay calldata relay) private pure returns (bytes32) {
        return keccak256(abi.encode(TypedData.LEAVE_TYPEHASH, provider, TypedData.relay(relay)));
    }

    function _withdrawStakeHash(address provider, address to, Relay calldata relay) private pure returns (bytes32) {
        return keccak256(abi.encode(TypedData.WITHDRAW_STAKE_TYPEHASH, provider, to, TypedData.relay(relay)));
    }
}
