// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Storage by key
/// @notice A vault, a channel or a word of used numbers lies in the slot that its key names, without a mapping in
/// between: the keys are hashes of 96 bytes that begin with an address, of 64 bytes, and of 96 bytes that begin with
/// a hash, so that no two can meet.
library Slots {
    /// @dev Where no address can be.
    bytes32 private constant NONCES = keccak256("byway.nonces");

    /// @notice The key of a vault.
    function vault(address token, address payer, address signer) internal pure returns (bytes32 key) {
        // What `keccak256(abi.encode(token, payer, signer))` is, without keeping the memory.
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, shr(96, shl(96, token)))
            mstore(add(at, 0x20), shr(96, shl(96, payer)))
            mstore(add(at, 0x40), shr(96, shl(96, signer)))
            key := keccak256(at, 0x60)
        }
    }

    /// @notice The key of the channel of a vault and a payee.
    function channel(bytes32 vaultKey, address payee) internal pure returns (bytes32 key) {
        assembly ("memory-safe") {
            mstore(0x00, vaultKey)
            mstore(0x20, shr(96, shl(96, payee)))
            key := keccak256(0x00, 0x40)
        }
    }

    /// @notice The key of the word that says which of 256 numbers an account has used.
    function nonces(address account, uint256 word) internal pure returns (bytes32) {
        return keccak256(abi.encode(NONCES, account, word));
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
