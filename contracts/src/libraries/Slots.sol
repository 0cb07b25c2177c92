// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Storage by key
/// @notice A vault or a channel lies in the slot that its key names, without a mapping in between: the keys are hashes
/// of 96 and of 64 bytes that begin with an address or a hash, so that no two can meet, and nothing else is stored.
library Slots {
    /// @notice The key of a vault.
    function vault(address token, address payer, address signer) internal pure returns (bytes32) {
        return keccak256(abi.encode(token, payer, signer));
    }

    /// @notice The key of the channel of a vault and a payee.
    function channel(bytes32 vaultKey, address payee) internal pure returns (bytes32) {
        return keccak256(abi.encode(vaultKey, payee));
    }

    /// @notice Reads the word of a key.
    function load(bytes32 key) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(key)
        }
    }

    /// @notice Writes the word of a key.
    function store(bytes32 key, uint256 word) internal {
        assembly ("memory-safe") {
            sstore(key, word)
        }
    }
}
