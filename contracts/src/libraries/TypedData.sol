// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The typed data that payers, signers and payees sign (EIP-712)
library TypedData {
    string internal constant NAME = "Byway Channels";
    string internal constant VERSION = "1";

    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant PROMISE_TYPEHASH =
        keccak256("Promise(address payer,address payee,address token,uint96 cumulative)");
    bytes32 internal constant RESERVE_TYPEHASH = keccak256(
        "Reserve(address payer,address payee,address token,uint96 ceiling,uint24 epoch,uint40 validUntil)"
    );
    bytes32 internal constant RELEASE_TYPEHASH = keccak256(
        "Release(address token,address payer,address signer,address payee,"
        "uint96 ceiling,uint24 epoch,uint40 validUntil)"
    );

    /// @notice The highest `s` that a signature may have, half of the curve's order: with the other half every
    /// signature would have a twin.
    uint256 internal constant MAX_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The domain separator of a contract on the present chain.
    function domain(address contract_) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256(bytes(NAME)), keccak256(bytes(VERSION)), block.chainid, contract_
            )
        );
    }

    /// @notice Who signed a digest with a compact signature (EIP-2098); zero where nobody did.
    function recover(bytes32 digest_, bytes32 r, uint256 vs) internal pure returns (address) {
        uint256 s = vs & (1 << 255) - 1;
        if (s > MAX_S) return address(0);
        return ecrecover(digest_, uint8(27 + (vs >> 255)), r, bytes32(s));
    }

    /// @notice The struct hash of a `Promise`.
    function promise_(address payer, address payee, address token, uint96 cumulative)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(PROMISE_TYPEHASH, payer, payee, token, cumulative));
    }

    /// @notice The struct hash of a `Reserve`.
    function reserve(
        address payer,
        address payee,
        address token,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESERVE_TYPEHASH, payer, payee, token, ceiling, epoch, validUntil));
    }

    /// @notice The struct hash of a `Release`.
    function release(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(RELEASE_TYPEHASH, token, payer, signer, payee, ceiling, epoch, validUntil));
    }
}
