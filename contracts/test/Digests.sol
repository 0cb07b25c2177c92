// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {TypedData} from "src/libraries/TypedData.sol";

/// @title What is signed for the relayed actions of a contract
contract Digests {
    function _digest(IRelaying c, bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", c.domainSeparator(), structHash));
    }

    function openDigest(IRelaying c, IChannels.Opening calldata o, IRelaying.Relay calldata relay)
        external
        view
        returns (bytes32)
    {
        return _digest(c, TypedData.open(o, relay));
    }

    /// @dev The actions on one channel that have no other terms.
    function channelDigest(
        IRelaying c,
        bytes32 typehash,
        address token,
        address payer,
        address signer,
        address payee,
        IRelaying.Relay calldata relay
    ) external view returns (bytes32) {
        return _digest(c, TypedData.onChannel(typehash, token, payer, signer, payee, relay));
    }

    function claimDigest(
        IRelaying c,
        address token,
        address payee,
        bytes calldata rows,
        IRelaying.Relay calldata relay
    ) external view returns (bytes32) {
        return _digest(c, TypedData.claim(token, payee, rows, relay));
    }

    function claimToVaultDigest(
        IRelaying c,
        address token,
        address payee,
        address signer,
        bytes calldata rows,
        IRelaying.Relay calldata relay
    ) external view returns (bytes32) {
        return _digest(c, TypedData.claimToVault(token, payee, signer, rows, relay));
    }

    function closeDigest(
        IRelaying c,
        IChannels.Closing calldata closing,
        address payer,
        IRelaying.Relay calldata relay
    ) external view returns (bytes32) {
        return _digest(c, TypedData.close(closing, payer, relay));
    }

    function withdrawDigest(
        IRelaying c,
        address token,
        address payer,
        address signer,
        uint96 amount,
        address to,
        IRelaying.Relay calldata relay
    ) external view returns (bytes32) {
        return _digest(c, TypedData.withdraw(token, payer, signer, amount, to, relay));
    }
}
