// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Transfers by signature with a nonce of the signer's choice (ERC-3009)
/// @notice The part of the standard that {IChannels-openWithAuthorization} asks of a token.
interface IERC3009 {
    /// @notice Moves tokens to the caller with the holder's signature.
    /// @param from The holder, who signed
    /// @param to Who receives, the caller
    /// @param value How much, in base units
    /// @param validAfter The signature is valid after this second
    /// @param validBefore The signature is valid before this second
    /// @param nonce A number that the holder has not used yet
    /// @param v The signature
    /// @param r The signature
    /// @param s The signature
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;
}
