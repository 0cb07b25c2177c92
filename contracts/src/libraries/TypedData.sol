// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "../interfaces/IChannels.sol";
import {IRelaying} from "../interfaces/IRelaying.sol";

/// @title The typed data that payers, signers, payees and providers sign (EIP-712)
/// @notice A struct that ends with a `Relay` is an action that its account lets another send: see {IRelaying}.
library TypedData {
    string internal constant CHANNELS = "Byway Channels";
    string internal constant REGISTRY = "Byway Registry";
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

    bytes32 internal constant RELAY_TYPEHASH =
        keccak256("Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)");
    // Each with the struct that it ends with, as the standard wants it.
    bytes32 internal constant OPEN_TYPEHASH = keccak256(
        "Open(address token,address payer,address signer,address payee,"
        "uint96 amount,uint96 ceiling,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant REVOKE_TYPEHASH = keccak256(
        "Revoke(address token,address payer,address signer,address payee,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant CLAIM_TYPEHASH = keccak256(
        "Claim(address token,address payee,bytes rows,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant CLAIM_TO_VAULT_TYPEHASH = keccak256(
        "ClaimToVault(address token,address payee,address signer,bytes rows,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant START_EXIT_TYPEHASH = keccak256(
        "StartExit(address token,address payer,address signer,address payee,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant CANCEL_EXIT_TYPEHASH = keccak256(
        "CancelExit(address token,address payer,address signer,address payee,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant FINISH_EXIT_TYPEHASH = keccak256(
        "FinishExit(address token,address payer,address signer,address payee,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant CLOSE_TYPEHASH = keccak256(
        "CloseAndWithdraw(address token,address payer,address signer,address payee,"
        "uint96 ceiling,uint24 epoch,address to,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant WITHDRAW_TYPEHASH = keccak256(
        "Withdraw(address token,address payer,address signer,uint96 amount,address to,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant REGISTER_TYPEHASH = keccak256(
        "Register(address provider,bytes32 digest,uint96 stake,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant UPDATE_TYPEHASH = keccak256(
        "Update(address provider,bytes32 digest,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant ADD_STAKE_TYPEHASH = keccak256(
        "AddStake(address provider,uint96 amount,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant LEAVE_TYPEHASH = keccak256(
        "Leave(address provider,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant WITHDRAW_STAKE_TYPEHASH = keccak256(
        "WithdrawStake(address provider,address to,Relay relay)"
        "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"
    );

    /// @notice The highest `s` that a signature may have, half of the curve's order: with the other half every
    /// signature would have a twin.
    uint256 internal constant MAX_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The domain separator of a contract of that name on the present chain.
    function domain(string memory name, address contract_) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256(bytes(VERSION)), block.chainid, contract_
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

    /// @notice The struct hash of a `Relay`.
    function relay(IRelaying.Relay calldata relay_) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(RELAY_TYPEHASH, relay_.relayer, relay_.maxFee, relay_.nonce, relay_.deadline)
        );
    }

    /// @notice The struct hash of an action on one channel that has no other terms.
    function onChannel(
        bytes32 typehash,
        address token,
        address payer,
        address signer,
        address payee,
        IRelaying.Relay calldata relay_
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(typehash, token, payer, signer, payee, relay(relay_)));
    }

    /// @notice The struct hash of an `Open`.
    function open(IChannels.Opening calldata o, IRelaying.Relay calldata relay_) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                OPEN_TYPEHASH, o.token, o.payer, o.signer, o.payee, o.amount, o.ceiling, relay(relay_)
            )
        );
    }

    /// @notice The struct hash of a `Claim`.
    function claim(address token, address payee, bytes calldata rows, IRelaying.Relay calldata relay_)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(CLAIM_TYPEHASH, token, payee, keccak256(rows), relay(relay_)));
    }

    /// @notice The struct hash of a `ClaimToVault`.
    function claimToVault(
        address token,
        address payee,
        address signer,
        bytes calldata rows,
        IRelaying.Relay calldata relay_
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(CLAIM_TO_VAULT_TYPEHASH, token, payee, signer, keccak256(rows), relay(relay_))
        );
    }

    /// @notice The struct hash of a `CloseAndWithdraw`.
    function close(IChannels.Closing calldata c, address payer, IRelaying.Relay calldata relay_)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                CLOSE_TYPEHASH, c.token, payer, c.signer, c.payee, c.ceiling, c.epoch, c.to, relay(relay_)
            )
        );
    }

    /// @notice The struct hash of a `Withdraw`.
    function withdraw(
        address token,
        address payer,
        address signer,
        uint96 amount,
        address to,
        IRelaying.Relay calldata relay_
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(WITHDRAW_TYPEHASH, token, payer, signer, amount, to, relay(relay_)));
    }
}
