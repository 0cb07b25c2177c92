// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

/// @title Actions that an account signs and somebody else sends
/// @notice An account that has tokens but none of the chain's own coin signs what it wants (EIP-712, of its own key
/// or of a wallet with ERC-1271); a *relayer* sends it and takes a fee in the same token, as much as it asks for and
/// never more than the account has signed. Every such action carries a {Relay}:
/// `Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)`.
///
/// What a relayer must know: a signature that names it can be used by nobody else, and where somebody else has
/// already done what was asked for, the action does what is left, pays the fee and does not revert. A fee comes out
/// of what the action yields (see each function), and what that does not cover out of the account's own tokens, as
/// far as it has approved the contract for them. Only what the account itself signs or sends takes an approval or
/// its tokens away: a relayer that looks for an approval of the fee before it sends, and carries one action of an
/// account at a time, is sure of it against everybody else; but for contracts that an action has to ask or pay, a
/// payee's wallet or a receiver in a token that calls receivers. A fee that can't be paid in full reverts the
/// action.
interface IRelaying is IERC5267 {
    /// @notice On what terms an account lets another send what it has signed.
    struct Relay {
        /// @dev Who may send it; zero: anybody
        address relayer;
        /// @dev The most that the sender may take, in base units of the token of the action
        uint96 maxFee;
        /// @dev Any number that this account has not used with this contract yet
        uint256 nonce;
        /// @dev The last second in which it is valid, in Unix seconds
        uint40 deadline;
    }

    /// @notice An ERC-2612 permit for this contract.
    struct Permit {
        /// @dev For how much, in base units: the allowance afterwards
        uint256 value;
        /// @dev Until when it is valid, in Unix seconds
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice A signed action went through.
    /// @param account Who signed
    /// @param relayer Who sent it and received the fee
    /// @param token The token of the fee
    /// @param nonce The number that is used now
    /// @param fee What the relayer was sent, in base units
    event Relayed(
        address indexed account, address indexed relayer, address indexed token, uint256 nonce, uint96 fee
    );
    /// @notice An account has used numbers up without doing anything.
    /// @param account Whose numbers
    /// @param word They are the numbers from 256 × `word` on
    /// @param used Which of those 256 are used now, the first in the lowest bit
    event NoncesCancelled(address indexed account, uint256 word, uint256 used);

    /// @notice The signature names another relayer.
    error WrongRelayer(address relayer);
    /// @notice The fee is more than was signed.
    error FeeAboveCap(uint96 cap, uint96 fee);
    /// @notice The signature is past its time.
    error SignatureExpired(uint40 deadline);
    /// @notice The account has used or cancelled this number.
    error NonceUsed(address account, uint256 nonce);
    /// @notice The account did not sign this.
    error InvalidSignature(address account);
    /// @notice The zero address, the token and this contract itself can't be paid.
    error InvalidRecipient(address recipient);
    /// @notice The transfer brought nothing.
    error NothingReceived();
    /// @notice A sum does not fit 96 bits.
    error AmountOverflow(uint256 amount);

    /// @notice Uses the caller's numbers up, so that what carries one of them can't be sent any more.
    /// @param word The numbers from 256 × `word` on
    /// @param mask Which of those 256, the first in the lowest bit
    function cancelNonces(uint256 word, uint256 mask) external;

    /// @notice Which numbers an account has used.
    /// @param account Whose
    /// @param word The numbers from 256 × `word` on
    /// @return used One bit for each of those 256, the first in the lowest bit
    function noncesOf(address account, uint256 word) external view returns (uint256 used);

    /// @notice The EIP-712 domain separator of this contract on this chain.
    function domainSeparator() external view returns (bytes32);
}
