// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @notice A wallet that takes the signature of its owner's key with one byte before it.
contract Wallet {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (uint8 mark, bytes32 r, bytes32 s, uint8 v) =
            (uint8(signature[0]), bytes32(signature[1:33]), bytes32(signature[33:65]), uint8(signature[65]));
        return mark == 7 && ecrecover(digest, v, r, s) == OWNER ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
