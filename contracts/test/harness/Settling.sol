// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Channels} from "src/Channels.sol";

/// @notice {Channels} with its settling of rows in the open, in a memory that is in use up to any place.
contract Settling is Channels {
    constructor(uint40 exitDelay) Channels(exitDelay) {}

    /// @return paid What {_settle} returns
    /// @return behind From where on memory is free after it
    function settle(address token, address payee, bytes calldata rows, uint256 used)
        external
        returns (uint256 paid, uint256 behind)
    {
        assembly ("memory-safe") {
            mstore(0x40, used)
        }
        paid = _settle(token, payee, rows);
        assembly ("memory-safe") {
            behind := mload(0x40)
        }
    }
}
