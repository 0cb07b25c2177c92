// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IRelaying} from "./interfaces/IRelaying.sol";
import {Slots} from "./libraries/Slots.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Relaying
/// @notice Who signed what, once, and what the sender gets for it: see {IRelaying}. Beside that what both contracts
/// do with tokens.
abstract contract Relaying is IRelaying {
    using SafeERC20 for IERC20;
    using Slots for bytes32;

    uint256 private immutable CHAIN_ID;
    bytes32 private immutable SEPARATOR;

    constructor() {
        CHAIN_ID = block.chainid;
        SEPARATOR = TypedData.domain(_name(), address(this));
    }

    /// @dev The name in the domain.
    function _name() internal pure virtual returns (string memory);

    /// @inheritdoc IRelaying
    function cancelNonces(uint256 word, uint256 mask) external {
        bytes32 key = Slots.nonces(msg.sender, word);
        uint256 used = key.load() | mask;
        key.store(used);
        emit NoncesCancelled(msg.sender, word, used);
    }

    /// @inheritdoc IRelaying
    function noncesOf(address account, uint256 word) external view returns (uint256 used) {
        return Slots.nonces(account, word).load();
    }

    /// @notice The domain of the typed data (ERC-5267).
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return
            (hex"0f", _name(), TypedData.VERSION, block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    /// @inheritdoc IRelaying
    function domainSeparator() public view returns (bytes32) {
        // A chain that splits gives one half a new id: signatures must not work on both.
        return block.chainid == CHAIN_ID ? SEPARATOR : TypedData.domain(_name(), address(this));
    }

    /// @dev Lets an action go on that the account has signed, for this sender, at this fee, now, and never again.
    function _authorize(
        address account,
        bytes32 structHash,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) internal {
        _checkTerms(relay.relayer, relay.maxFee, fee);
        if (block.timestamp > relay.deadline) revert SignatureExpired(relay.deadline);
        bytes32 key = Slots.nonces(account, relay.nonce >> 8);
        uint256 used = key.load();
        uint256 bit = 1 << (relay.nonce & 0xff);
        if (used & bit != 0) revert NonceUsed(account, relay.nonce);
        if (!_signed(account, _digest(structHash), signature)) revert InvalidSignature(account);
        key.store(used | bit);
    }

    /// @dev Whether this sender may send it, for this fee.
    function _checkTerms(address relayer, uint96 maxFee, uint96 fee) internal view {
        if (relayer != address(0) && relayer != msg.sender) revert WrongRelayer(relayer);
        if (fee > maxFee) revert FeeAboveCap(maxFee, fee);
    }

    /// @dev Pays the sender its fee, of which `covered` is this contract's to give and the rest is the account's own.
    function _payFee(address token, address account, uint256 nonce, uint96 covered, uint96 fee) internal {
        emit Relayed(account, msg.sender, token, nonce, fee);
        if (covered != 0) IERC20(token).safeTransfer(msg.sender, covered);
        if (fee != covered) IERC20(token).safeTransferFrom(account, msg.sender, fee - covered);
    }

    /// @dev Whether an account signed a digest: by its own key, which stays good where the account has been given
    /// code by EIP-7702, or as a wallet.
    function _signed(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && recovered == account) return true;
        return
            account.code.length != 0 && SignatureChecker.isValidERC1271SignatureNow(account, digest, signature);
    }

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domainSeparator(), structHash);
    }

    /// @dev Uses a permit; one without a signature is none. Whoever sees it can use it first and make it fail here:
    /// what counts is the allowance.
    function _permit(address token, address owner, Permit calldata permit) internal {
        if (permit.v == 0) return;
        try IERC20Permit(token)
            .permit(owner, address(this), permit.value, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
    }

    /// @dev Takes tokens from an account and says what came.
    function _pull(address token, address from, uint96 amount) internal returns (uint96) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(from, address(this), amount);
        return _received(token, before);
    }

    /// @dev What came since the balance was `before`.
    function _received(address token, uint256 before) internal view returns (uint96) {
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received == 0) revert NothingReceived();
        return _sum(received, 0);
    }

    /// @dev A sum that fits 96 bits.
    function _sum(uint256 a, uint256 b) internal pure returns (uint96) {
        uint256 sum = a + b;
        if (sum > type(uint96).max) revert AmountOverflow(sum);
        return uint96(sum);
    }

    function _checkRecipient(address token, address recipient) internal view {
        if (recipient == address(0) || recipient == address(this) || recipient == token) {
            revert InvalidRecipient(recipient);
        }
    }
}
