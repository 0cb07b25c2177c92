// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IRegistry} from "./interfaces/IRegistry.sol";

/// @title Registry
/// @notice Which provider sells by which offer: see {IRegistry}.
contract Registry is IRegistry, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Two words for each provider. `position` counts from one; zero: not registered.
    struct Entry {
        bytes32 digest;
        uint96 stake;
        uint64 sequence;
        uint40 since;
        uint40 position;
    }

    struct Unbonding {
        uint96 amount;
        uint64 releaseAt;
    }

    /// @inheritdoc IRegistry
    uint64 public constant MAX_UNBOND_DELAY = 365 days;
    /// @inheritdoc IRegistry
    address public immutable STAKE_TOKEN;
    /// @inheritdoc IRegistry
    uint64 public immutable UNBOND_DELAY;

    address[] private _providers;
    mapping(address provider => Entry) private _entries;
    mapping(address provider => Unbonding) private _unbonding;

    /// @param stakeToken The ERC-20 token that stakes are held in; zero where only stakes of zero are taken
    /// @param unbondDelay How long after leaving a stake can be withdrawn, in seconds
    constructor(address stakeToken, uint64 unbondDelay) {
        if (unbondDelay > MAX_UNBOND_DELAY) revert UnbondDelayOutOfRange(unbondDelay);
        STAKE_TOKEN = stakeToken;
        UNBOND_DELAY = unbondDelay;
    }

    /// @inheritdoc IRegistry
    function register(bytes32 digest, uint96 stake) external nonReentrant returns (uint64 sequence) {
        if (digest == 0) revert ZeroDigest();
        Entry storage entry = _entries[msg.sender];
        if (entry.position != 0) revert AlreadyRegistered(msg.sender);
        uint96 staked = stake == 0 ? 0 : _pull(stake);
        _providers.push(msg.sender);
        sequence = entry.sequence + 1;
        entry.digest = digest;
        entry.stake = staked;
        entry.sequence = sequence;
        entry.since = uint40(block.timestamp);
        entry.position = uint40(_providers.length);
        emit Registered(msg.sender, digest, sequence, staked);
    }

    /// @inheritdoc IRegistry
    function update(bytes32 digest) external nonReentrant returns (uint64 sequence) {
        if (digest == 0) revert ZeroDigest();
        Entry storage entry = _registered();
        if (entry.digest == digest) revert SameDigest(digest);
        sequence = entry.sequence + 1;
        entry.digest = digest;
        entry.sequence = sequence;
        emit Updated(msg.sender, digest, sequence);
    }

    /// @inheritdoc IRegistry
    function addStake(uint96 amount) external nonReentrant returns (uint96 stake) {
        Entry storage entry = _registered();
        uint256 sum = uint256(_pull(amount)) + entry.stake;
        if (sum > type(uint96).max) revert AmountOverflow(sum);
        stake = uint96(sum);
        entry.stake = stake;
        emit Staked(msg.sender, stake);
    }

    /// @inheritdoc IRegistry
    function leave() external nonReentrant {
        Entry storage entry = _registered();
        uint256 gap = entry.position - 1;
        address last = _providers[_providers.length - 1];
        if (last != msg.sender) {
            _providers[gap] = last;
            _entries[last].position = uint40(gap + 1);
        }
        _providers.pop();

        uint96 stake = entry.stake;
        entry.digest = 0;
        entry.stake = 0;
        entry.since = 0;
        entry.position = 0;

        Unbonding memory unbonding = _unbonding[msg.sender];
        if (stake != 0) {
            uint256 sum = uint256(unbonding.amount) + stake;
            if (sum > type(uint96).max) revert AmountOverflow(sum);
            unbonding = Unbonding(uint96(sum), uint64(block.timestamp) + UNBOND_DELAY);
            _unbonding[msg.sender] = unbonding;
        }
        emit Left(msg.sender, unbonding.amount, unbonding.releaseAt);
    }

    /// @inheritdoc IRegistry
    function withdrawStake(address to) external nonReentrant returns (uint96 amount) {
        Unbonding memory unbonding = _unbonding[msg.sender];
        amount = unbonding.amount;
        if (amount == 0) revert NothingUnbonding();
        if (block.timestamp < unbonding.releaseAt) revert UnbondingTooEarly(unbonding.releaseAt);
        delete _unbonding[msg.sender];
        emit StakeWithdrawn(msg.sender, to, amount);
        IERC20(STAKE_TOKEN).safeTransfer(to, amount);
    }

    /// @inheritdoc IRegistry
    function count() external view returns (uint256) {
        return _providers.length;
    }

    /// @inheritdoc IRegistry
    function providers(uint256 from, uint256 limit) external view returns (Registration[] memory page) {
        uint256 length = _providers.length;
        if (from >= length) return page;
        uint256 size = length - from < limit ? length - from : limit;
        page = new Registration[](size);
        for (uint256 i; i < size; ++i) {
            page[i] = _registration(_providers[from + i]);
        }
    }

    /// @inheritdoc IRegistry
    function providerOf(address provider) external view returns (Registration memory) {
        return _registration(provider);
    }

    /// @inheritdoc IRegistry
    function unbondingOf(address provider) external view returns (uint96 amount, uint64 releaseAt) {
        Unbonding memory unbonding = _unbonding[provider];
        return (unbonding.amount, unbonding.releaseAt);
    }

    function _registration(address provider) private view returns (Registration memory) {
        Entry memory entry = _entries[provider];
        return Registration(provider, entry.digest, entry.sequence, entry.stake, entry.since);
    }

    function _registered() private view returns (Entry storage entry) {
        entry = _entries[msg.sender];
        if (entry.position == 0) revert NotRegistered(msg.sender);
    }

    /// @dev Takes tokens from the caller and says what came.
    function _pull(uint96 amount) private returns (uint96) {
        IERC20 token = IERC20(STAKE_TOKEN);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received == 0) revert NothingReceived();
        if (received > type(uint96).max) revert AmountOverflow(received);
        return uint96(received);
    }
}
