// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC3009} from "src/interfaces/IERC3009.sol";
import {vm} from "../Vm.sol";

/// @notice The development token's face.
interface IDevToken is IERC20, IERC20Permit, IERC3009 {
    function mint(address to, uint256 amount) external;
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
    function transferWithAuthorization(
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
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
}

struct Signature {
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice An ERC-3009 message.
struct Authorization {
    address from;
    address to;
    uint256 value;
    uint256 validAfter;
    uint256 validBefore;
    bytes32 nonce;
}

/// @title What holders of tokens sign, hashed as the standards say and not as any contract here does
library TokenSignatures {
    function sign(uint256 key, address token, bytes32 structHash) internal view returns (Signature memory sig) {
        bytes32 digest =
            keccak256(abi.encodePacked(hex"1901", IERC20Permit(token).DOMAIN_SEPARATOR(), structHash));
        (sig.v, sig.r, sig.s) = vm.sign(key, digest);
    }

    /// @notice Signs a permit (ERC-2612) with the holder's next nonce.
    function permit(uint256 key, address token, address spender, uint256 value, uint256 deadline)
        internal
        view
        returns (Signature memory)
    {
        address owner = vm.addr(key);
        bytes32 typehash = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        uint256 nonce = IERC20Permit(token).nonces(owner);
        return sign(key, token, keccak256(abi.encode(typehash, owner, spender, value, nonce, deadline)));
    }

    /// @notice Signs a transfer that the receiver has to carry out.
    function receiving(uint256 key, address token, Authorization memory a) internal view returns (Signature memory) {
        return authorize(
            key,
            token,
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)",
            a
        );
    }

    /// @notice Signs a transfer that anybody can carry out.
    function transferring(uint256 key, address token, Authorization memory a)
        internal
        view
        returns (Signature memory)
    {
        return authorize(
            key,
            token,
            "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)",
            a
        );
    }

    function authorize(uint256 key, address token, string memory kind, Authorization memory a)
        private
        view
        returns (Signature memory)
    {
        return sign(
            key,
            token,
            keccak256(
                abi.encode(keccak256(bytes(kind)), a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce)
            )
        );
    }

    /// @notice Signs that a nonce shall never be used.
    function cancelling(uint256 key, address token, bytes32 nonce) internal view returns (Signature memory) {
        bytes32 typehash = keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
        return sign(key, token, keccak256(abi.encode(typehash, vm.addr(key), nonce)));
    }
}
