// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice A channel's one word of storage: `settled:96 | ceiling:96 | exitAt:40 | epoch:24`, the first in the
/// highest bits, so that settling out of the reserve is one addition. `settled <= ceiling` always.
type Channel is uint256;

using ChannelLibrary for Channel global;

/// @title What a channel's word says
library ChannelLibrary {
    /// @notice The epoch that never ends: a channel that has come this far takes no signed reserves or releases any
    /// more, so that the count can't start again and revive old ones.
    uint24 internal constant LAST_EPOCH = type(uint24).max;

    /// @notice Packs a word.
    function pack(uint96 settled_, uint96 ceiling_, uint40 exitAt_, uint24 epoch_) internal pure returns (Channel) {
        return Channel.wrap(uint256(settled_) << 160 | uint256(ceiling_) << 64 | uint256(exitAt_) << 24 | epoch_);
    }

    /// @notice What has been paid, ever.
    function settled(Channel c) internal pure returns (uint96) {
        return uint96(Channel.unwrap(c) >> 160);
    }

    /// @notice The lifetime total that is guaranteed.
    function ceiling(Channel c) internal pure returns (uint96) {
        return uint96(Channel.unwrap(c) >> 64);
    }

    /// @notice When the exit can be finished; zero: none is running.
    function exitAt(Channel c) internal pure returns (uint40) {
        return uint40(Channel.unwrap(c) >> 24);
    }

    /// @notice How many times the ceiling has been lowered, a signed reserve been used or all of them been revoked.
    function epoch(Channel c) internal pure returns (uint24) {
        return uint24(Channel.unwrap(c));
    }

    /// @notice The same channel with a ceiling that is higher by so much. The sum must fit 96 bits, as that of a
    /// ceiling that somebody asked for does.
    function raisedBy(Channel c, uint96 amount) internal pure returns (Channel) {
        unchecked {
            return Channel.wrap(Channel.unwrap(c) + (uint256(amount) << 64));
        }
    }

    /// @notice The same channel with an exit at that time, or none.
    function exiting(Channel c, uint40 exitAt_) internal pure returns (Channel) {
        return pack(c.settled(), c.ceiling(), exitAt_, c.epoch());
    }

    /// @notice The same channel in its next epoch with a ceiling that is lower, but not below what is settled. An
    /// exit that is running goes on only where something is still reserved.
    function lowered(Channel c, uint96 ceiling_) internal pure returns (Channel) {
        uint96 paid = c.settled();
        return pack(paid, ceiling_, ceiling_ == paid ? 0 : c.exitAt(), c.epoch()).inNextEpoch();
    }

    /// @notice The same channel in its next epoch, so that what was signed for this one is worth nothing any more.
    function inNextEpoch(Channel c) internal pure returns (Channel) {
        unchecked {
            return c.epoch() == LAST_EPOCH ? c : Channel.wrap(Channel.unwrap(c) + 1);
        }
    }
}
