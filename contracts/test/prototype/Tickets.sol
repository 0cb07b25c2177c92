// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Tickets: a prototype, for figures alone
/// @notice Payment by lot. A ticket is a payer's signature for a face value that is due with a probability: the payee
/// has committed to a secret before, and whether the ticket wins follows from secret and ticket, so that neither can
/// choose. A payer's balance pays whichever winner comes first, of any payee. Where it doesn't suffice, the payer's
/// penalty is burnt.
///
/// An escrow is named as a vault of Channels is, by token, payer and signer, and the loop is made like that of Channels,
/// so that the figures compare.
contract Tickets is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice A redemption: the first 20 bytes of each escrow's key, and what it paid.
    event Redeemed(address indexed token, address indexed payee, bytes rows);

    error RowsLength(uint256 length);
    error AmountOverflow(uint256 amount);
    error NotUnlocked(uint40 at);

    /// @notice How long an escrow stays after its payer has announced that it leaves.
    uint40 public constant EXIT_DELAY = 1 days;

    bytes32 public constant TICKET_TYPEHASH = keccak256(
        "Ticket(address payer,address payee,address token,uint96 face,uint64 odds,uint64 nonce,bytes32 commit,uint40 validUntil)"
    );

    // payer:160 face:96 | secret:256 | nonce:64 odds:64 validUntil:40 | r:256 | vs:256
    uint256 private constant ROW = 149;
    uint256 private constant MAX_AMOUNT = 0xffffffffffffffffffffffff;
    uint256 private constant MAX_64 = 0xffffffffffffffff;
    uint256 private constant MAX_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    // Where {_redeem} puts things. A ticket, to be hashed:
    uint256 private constant AT_STRUCT = 0x400;
    uint256 private constant AT_PAYER = 0x420;
    uint256 private constant AT_PAYEE = 0x440;
    uint256 private constant AT_TOKEN = 0x460;
    uint256 private constant AT_FACE = 0x480;
    uint256 private constant AT_ODDS = 0x4a0;
    uint256 private constant AT_NONCE = 0x4c0;
    uint256 private constant AT_COMMIT = 0x4e0;
    uint256 private constant AT_UNTIL = 0x500;
    // What is signed:
    uint256 private constant AT_SIGNED = 0x520;
    uint256 private constant AT_PREFIX = 0x53e;
    uint256 private constant AT_SEPARATOR = 0x540;
    uint256 private constant AT_STRUCT_HASH = 0x560;
    // The input of ecrecover:
    uint256 private constant AT_DIGEST = 0x580;
    uint256 private constant AT_V = 0x5a0;
    uint256 private constant AT_R = 0x5c0;
    uint256 private constant AT_S = 0x5e0;
    // What an escrow's key is the hash of:
    uint256 private constant AT_ESCROW = 0x600;
    uint256 private constant AT_ESCROW_PAYER = 0x620;
    uint256 private constant AT_ESCROW_SIGNER = 0x640;
    // What the key of a word of marks is the hash of:
    uint256 private constant AT_MARK = 0x660;
    uint256 private constant AT_MARK_PAYEE = 0x680;
    uint256 private constant AT_MARK_INDEX = 0x6a0;
    uint256 private constant AT_REDEEMED = 0x6c0;

    bytes32 private immutable SEPARATOR = keccak256(
        abi.encode(
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak256("Byway Tickets"),
            keccak256("1"),
            block.chainid,
            address(this)
        )
    );

    /// @notice Adds to an escrow: what pays winners, and what is burnt where that doesn't suffice.
    function deposit(address token, address payer, address signer, uint96 amount, uint96 penalty)
        external
        nonReentrant
    {
        bytes32 key = keccak256(abi.encode(token, payer, signer));
        uint256 word = _load(key);
        uint256 balance = (word >> 160) + amount;
        uint256 fine = (word >> 64 & MAX_AMOUNT) + penalty;
        if (balance > MAX_AMOUNT) revert AmountOverflow(balance);
        if (fine > MAX_AMOUNT) revert AmountOverflow(fine);
        _store(key, balance << 160 | fine << 64 | word & MAX_64);
        IERC20(token).safeTransferFrom(msg.sender, address(this), uint256(amount) + penalty);
    }

    /// @notice Announces that the caller takes its escrow back.
    function startExit(address token, address signer) external {
        bytes32 key = keccak256(abi.encode(token, msg.sender, signer));
        _store(key, _load(key) & ~MAX_64 | block.timestamp + EXIT_DELAY);
    }

    /// @notice Takes what is left once the delay is over.
    function finishExit(address token, address signer) external nonReentrant {
        bytes32 key = keccak256(abi.encode(token, msg.sender, signer));
        uint256 word = _load(key);
        uint40 at = uint40(word);
        if (at == 0 || block.timestamp < at) revert NotUnlocked(at);
        _store(key, 0);
        IERC20(token).safeTransfer(msg.sender, (word >> 160) + (word >> 64 & MAX_AMOUNT));
    }

    /// @notice Pays winning tickets to their payee, in any order: a bit is set for each. Bad rows are skipped.
    function redeem(address token, address payee, bytes calldata rows) external nonReentrant returns (uint256) {
        return _redeem(token, payee, rows, false);
    }

    /// @notice The same with one mark for each payer and payee, above which nonces must be: cheaper, but a winner that is
    /// passed over is lost.
    function redeemInOrder(address token, address payee, bytes calldata rows) external nonReentrant returns (uint256) {
        return _redeem(token, payee, rows, true);
    }

    /// @notice What pays winners, what is burnt, and when the payer can take both; zero: it has not said so.
    function escrowOf(address token, address payer, address signer)
        external
        view
        returns (uint96 balance, uint96 penalty, uint40 exitAt)
    {
        uint256 word = _load(keccak256(abi.encode(token, payer, signer)));
        return (uint96(word >> 160), uint96(word >> 64), uint40(word));
    }

    function _redeem(address token, address payee, bytes calldata rows, bool inOrder) private returns (uint256 paid) {
        if (rows.length % ROW != 0) revert RowsLength(rows.length);
        bytes memory redeemed;
        bytes32 separator = SEPARATOR;
        bytes32 typehash = TICKET_TYPEHASH;
        assembly ("memory-safe") {
            if gt(mload(0x40), AT_STRUCT) { revert(0, 0) }
            mstore(AT_STRUCT, typehash)
            mstore(AT_PAYEE, payee)
            mstore(AT_TOKEN, token)
            mstore(AT_SIGNED, 0x1901)
            mstore(AT_SEPARATOR, separator)
            mstore(AT_ESCROW, token)
            mstore(AT_MARK_PAYEE, payee)
            redeemed := AT_REDEEMED
            let out := add(AT_REDEEMED, 0x20)
            let end := add(rows.offset, rows.length)
            for { let row := rows.offset } lt(row, end) { row := add(row, ROW) } {
                {
                    let head := calldataload(row)
                    mstore(AT_PAYER, shr(96, head))
                    mstore(AT_ESCROW_PAYER, shr(96, head))
                    mstore(AT_FACE, and(head, MAX_AMOUNT))
                }
                {
                    let terms := calldataload(add(row, 64))
                    mstore(AT_NONCE, shr(192, terms))
                    mstore(AT_ODDS, and(shr(128, terms), MAX_64))
                    mstore(AT_UNTIL, and(shr(88, terms), 0xffffffffff))
                }
                if gt(timestamp(), mload(AT_UNTIL)) { continue }
                mstore(0x00, calldataload(add(row, 32)))
                mstore(AT_COMMIT, keccak256(0x00, 0x20))
                mstore(AT_STRUCT_HASH, keccak256(AT_STRUCT, 0x120))
                mstore(AT_DIGEST, keccak256(AT_PREFIX, 0x42))
                // The lot: neither of the two knew both halves when it gave its own.
                mstore(0x20, mload(AT_DIGEST))
                if iszero(lt(and(keccak256(0x00, 0x40), MAX_64), mload(AT_ODDS))) { continue }
                {
                    let vs := calldataload(add(row, 117))
                    let s := and(vs, 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)
                    if gt(s, MAX_S) { continue }
                    mstore(AT_V, add(27, shr(255, vs)))
                    mstore(AT_R, calldataload(add(row, 85)))
                    mstore(AT_S, s)
                }
                pop(staticcall(gas(), 1, AT_DIGEST, 0x80, AT_ESCROW_SIGNER, 0x20))
                if iszero(returndatasize()) { continue }

                let key := keccak256(AT_ESCROW, 0x60)
                let word := sload(key)
                if iszero(shr(64, word)) { continue }
                // The mark against a second redemption.
                mstore(AT_MARK, key)
                mstore(AT_MARK_INDEX, not(0))
                if iszero(inOrder) { mstore(AT_MARK_INDEX, shr(8, mload(AT_NONCE))) }
                {
                    let at := keccak256(AT_MARK, 0x60)
                    let mark := sload(at)
                    switch inOrder
                    case 0 {
                        let bit := shl(and(mload(AT_NONCE), 0xff), 1)
                        if and(mark, bit) { continue }
                        mark := or(mark, bit)
                    }
                    default {
                        if iszero(gt(mload(AT_NONCE), mark)) { continue }
                        mark := mload(AT_NONCE)
                    }
                    sstore(at, mark)
                }
                let face := mload(AT_FACE)
                if gt(face, shr(160, word)) {
                    face := shr(160, word)
                    // The balance is spent, and the penalty with it.
                    word := or(shl(160, face), and(word, MAX_64))
                }
                sstore(key, sub(word, shl(160, face)))
                paid := add(paid, face)
                mstore(out, or(shl(96, shr(96, key)), face))
                out := add(out, 0x20)
            }
            mstore(AT_REDEEMED, sub(out, add(AT_REDEEMED, 0x20)))
            mstore(0x40, out)
        }
        if (redeemed.length != 0) emit Redeemed(token, payee, redeemed);
        if (paid != 0) IERC20(token).safeTransfer(payee, paid);
    }

    function _load(bytes32 key) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(key)
        }
    }

    function _store(bytes32 key, uint256 word) private {
        assembly ("memory-safe") {
            sstore(key, word)
        }
    }
}
