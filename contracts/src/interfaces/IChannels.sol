// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRelaying} from "./IRelaying.sol";

/// @title One deposit that pays many, for a running total that each of them holds a signature of
/// @notice A payer puts ERC-20 tokens into a *vault*, which belongs to one token, one payer and one session key, the
/// *signer*. The signer's signature over a lifetime total, a *promise*, lets a payee take what is still owed of that
/// total out of the vault. The pair of a vault and a payee is a *channel*; it exists for ever, and its totals never
/// start again, so that no old promise ever pays twice.
///
/// A channel's *ceiling* is the lifetime total that is guaranteed: the difference to what is *settled* already is set
/// aside for this payee, and only the payee's consent or an exit that runs for {EXIT_DELAY} takes it back. A promise
/// above the ceiling draws on the vault's *free* balance, first come, first served.
///
/// There is no owner, no proxy and no pause, and no fee but what an account signs for a relayer: see {IRelaying}.
/// Tokens whose balances change by themselves (rebasing) are not supported: what they take away is missing for all
/// holders of that token here, and for nobody else.
///
/// Storage: the slot with the key `vault = keccak256(abi.encode(token, payer, signer))` holds a vault's free balance,
/// the slot with the key `channel = keccak256(abi.encode(vault, payee))` holds
/// `settled:96 | ceiling:96 | exitAt:40 | epoch:24`, the first in the highest bits. A storage proof needs no more.
///
/// Everything that an event says is in its fields; only {Claimed} is packed, one word for each row, and names the
/// vault by the first 20 bytes of its key: every vault that ever paid has been named in full by a {Deposited} or an
/// {Opened}.
///
/// Signatures in rows are compact (EIP-2098): `r`, then `yParity << 255 | s` with `s` in the lower half of the order.
interface IChannels is IRelaying {
    /// @notice What an opening is to do.
    struct Opening {
        /// @dev The ERC-20 token
        address token;
        /// @dev Whose vault it is and who pays, not zero
        address payer;
        /// @dev The session key that may spend the vault, not zero
        address signer;
        /// @dev For whom to set aside
        address payee;
        /// @dev How much the payer sends, in base units
        uint96 amount;
        /// @dev The lifetime total to guarantee, in base units
        uint96 ceiling;
    }

    /// @notice An ERC-3009 authorization, and on what terms another may use it.
    struct Authorization {
        /// @dev Its first second, exclusive
        uint256 validAfter;
        /// @dev Its last second, exclusive
        uint256 validBefore;
        /// @dev Anything that makes the nonce a new one
        bytes32 salt;
        /// @dev Who may send it; zero: anybody
        address relayer;
        /// @dev The most that the sender may take, in base units
        uint96 maxFee;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice What a cooperative end is to do, and what the payee has signed for it.
    struct Closing {
        /// @dev The ERC-20 token
        address token;
        /// @dev The session key of the vault
        address signer;
        /// @dev Who is paid, and signed the release
        address payee;
        /// @dev The payer's promises to this payee as {claim} takes them, or nothing
        bytes rows;
        /// @dev The lifetime total that stays guaranteed, in base units
        uint96 ceiling;
        /// @dev The channel's epoch when the release was signed
        uint24 epoch;
        /// @dev The last second in which the release is valid, in Unix seconds
        uint40 validUntil;
        /// @dev The payee's signature of the release
        bytes signature;
        /// @dev Who receives the free balance
        address to;
    }

    /// @notice A vault's free balance grew, by {deposit} or by {claimToVault}.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param signer The session key that may spend it
    /// @param amount What arrived, in base units: for a token that takes a fee this is less than what was sent
    event Deposited(address indexed token, address indexed payer, address indexed signer, uint96 amount);

    /// @notice A payer deposited, and set aside for a payee at once.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param payee For whom it is set aside
    /// @param signer The session key of the vault
    /// @param amount What arrived in the vault, in base units, before anything was set aside
    /// @param ceiling The lifetime total that is guaranteed from now on, in base units
    event Opened(
        address indexed token,
        address indexed payer,
        address indexed payee,
        address signer,
        uint96 amount,
        uint96 ceiling
    );

    /// @notice A channel's ceiling rose, out of what was in the vault already.
    /// @param token The ERC-20 token
    /// @param payer Whose vault guarantees it
    /// @param payee For whom it is set aside
    /// @param signer The session key of the vault
    /// @param ceiling The lifetime total that is guaranteed from now on, in base units
    event Reserved(
        address indexed token, address indexed payer, address indexed payee, address signer, uint96 ceiling
    );

    /// @notice A channel's ceiling rose by a signed reserve, which is spent now.
    /// @param token The ERC-20 token
    /// @param payer Whose vault guarantees it
    /// @param payee For whom it is set aside
    /// @param signer The session key of the vault, who signed
    /// @param ceiling The lifetime total that is guaranteed from now on, in base units
    /// @param epoch The channel's new epoch: signatures that name an earlier one are worth nothing now
    event ReserveUsed(
        address indexed token,
        address indexed payer,
        address indexed payee,
        address signer,
        uint96 ceiling,
        uint24 epoch
    );

    /// @notice Signed reserves of a batch raised nothing.
    /// @param token The ERC-20 token
    /// @param payee For whom they were
    /// @param rows How many
    event ReservesSkipped(address indexed token, address indexed payee, uint256 rows);

    /// @notice A payer has taken back whatever reserves were signed for a channel and not used yet.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param payee For whom they were
    /// @param signer The session key of the vault
    /// @param epoch The channel's new epoch: signatures that name an earlier one are worth nothing now
    event Revoked(
        address indexed token, address indexed payer, address indexed payee, address signer, uint24 epoch
    );

    /// @notice A batch of promises was settled, or nothing of it: somebody may have claimed it before.
    /// @param token The ERC-20 token
    /// @param payee Who was paid
    /// @param paid How much, in base units: by {claimToVault} it became free balance
    /// @param skipped How many rows paid nothing
    /// @param settled One word for each row that paid anything, in the order of the claim: the first 20 bytes of the
    /// vault's key, then the channel's new settled total in 12 bytes
    event Claimed(
        address indexed token, address indexed payee, uint256 paid, uint256 skipped, bytes32[] settled
    );

    /// @notice A payer wants a channel's reserve back.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param payee Who should claim before `exitAt`
    /// @param signer The session key of the vault
    /// @param exitAt The time in Unix seconds from which on the exit can be finished
    event ExitStarted(
        address indexed token, address indexed payer, address indexed payee, address signer, uint40 exitAt
    );

    /// @notice A payer changed its mind: the reserve stays.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param payee For whom the reserve stays
    /// @param signer The session key of the vault
    event ExitCancelled(address indexed token, address indexed payer, address indexed payee, address signer);

    /// @notice A channel's ceiling fell, after an exit or with the payee's consent.
    /// @param token The ERC-20 token
    /// @param payer Whose vault took the difference back
    /// @param payee For whom less is set aside now
    /// @param signer The session key of the vault
    /// @param ceiling The lifetime total that is still guaranteed, in base units
    /// @param epoch The channel's new epoch: signatures that name an earlier one are worth nothing now
    event Released(
        address indexed token,
        address indexed payer,
        address indexed payee,
        address signer,
        uint96 ceiling,
        uint24 epoch
    );

    /// @notice Free balance left a vault, to whom its owner named or as a relayer's fee.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it was
    /// @param signer The session key of the vault
    /// @param to Who received it
    /// @param amount How much, in base units
    event Withdrawn(
        address indexed token, address indexed payer, address indexed signer, address to, uint96 amount
    );

    /// @notice The exit delay is zero or above {MAX_EXIT_DELAY}.
    error ExitDelayOutOfRange(uint256 delay);
    /// @notice A vault for the signer zero could be spent by anybody's invalid signature.
    error ZeroSigner();
    /// @notice Nobody could ever withdraw from a vault of the payer zero.
    error ZeroPayer();
    /// @notice The length of the rows is not a whole number of rows.
    /// @param length The length that was given, in bytes
    /// @param row The length of one row, in bytes
    error RowsLength(uint256 length, uint256 row);
    /// @notice The vault's free balance, or what arrives for it, is smaller than what is asked of it.
    error InsufficientFree(uint96 free, uint96 wanted);
    /// @notice A reserve can't be raised to where it is already.
    error CeilingNotRaised(uint96 current, uint96 wanted);
    /// @notice A release must lower the ceiling, and there is nothing left to lower.
    error CeilingNotLowered(uint96 current, uint96 wanted);
    /// @notice Nothing is reserved on this channel.
    error NothingReserved();
    /// @notice The exit of this channel has been started already; starting it again does not move its time.
    error ExitInProgress(uint40 exitAt);
    /// @notice No exit of this channel has been started.
    error NoExit();
    /// @notice The exit can't be finished yet.
    error ExitTooEarly(uint40 exitAt);
    /// @notice A signed release is past its time.
    error ReleaseExpired(uint40 validUntil);
    /// @notice A signed release names another epoch than the channel's, or the channel takes no signed ones any more.
    error WrongEpoch(uint24 current, uint24 signed);
    /// @notice The payee did not sign this release.
    error InvalidReleaseSignature();

    /// @notice The longest exit delay that a deployment can be given, in seconds: 30 days.
    function MAX_EXIT_DELAY() external view returns (uint40);

    /// @notice How long an exit runs before it can be finished, in seconds.
    function EXIT_DELAY() external view returns (uint40);

    /// @notice Puts tokens into anybody's vault; the caller pays.
    /// @param token The ERC-20 token, for which the caller has approved this contract
    /// @param payer Whose vault it is
    /// @param signer The session key that may spend it, not zero
    /// @param amount How much to send, in base units; credited is what arrives
    /// @return received What arrived, in base units
    function deposit(address token, address payer, address signer, uint96 amount) external returns (uint96 received);

    /// @notice Deposits into the caller's vault and raises the ceiling of one of its channels.
    /// @param token The ERC-20 token, for which the caller has approved this contract
    /// @param signer The session key, not zero
    /// @param payee For whom to set aside
    /// @param amount How much to send, in base units
    /// @param ceiling The lifetime total to guarantee, in base units. Where it is that high already nothing is set
    /// aside
    /// @return received What arrived, in base units
    function open(address token, address signer, address payee, uint96 amount, uint96 ceiling)
        external
        returns (uint96 received);

    /// @notice {open} with an ERC-2612 permit in the same transaction. A permit that fails, since somebody used it
    /// first for instance, does not matter where the allowance is there.
    /// @param token The ERC-20 token
    /// @param signer The session key, not zero
    /// @param payee For whom to set aside
    /// @param amount How much to send, in base units
    /// @param ceiling The lifetime total to guarantee, in base units
    /// @param permit The caller's permit; it may be for more than the amount
    /// @return received What arrived, in base units
    function openWithPermit(
        address token,
        address signer,
        address payee,
        uint96 amount,
        uint96 ceiling,
        Permit calldata permit
    ) external returns (uint96 received);

    /// @notice {openWithPermit} by the payer's signature of
    /// `Open(address token,address payer,address signer,address payee,uint96 amount,uint96 ceiling,Relay relay)`. The
    /// fee comes out of what arrives, and the ceiling is raised as far as the free balance goes.
    /// @param opening What to do
    /// @param permit The payer's permit, or an empty one where the allowance is there
    /// @param relay The payer's terms
    /// @param fee What the caller takes, in base units
    /// @param signature The payer's, 65 bytes or what its wallet takes
    /// @return received What arrived in the vault, in base units
    function openWithPermitSigned(
        Opening calldata opening,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint96 received);

    /// @notice {open} in the payer's name by anybody, with the payer's ERC-3009 `ReceiveWithAuthorization` signature.
    /// The authorization's nonce is {authorizationNonce}, so that the signature is worth nothing with any parameter
    /// changed. The fee comes out of what arrives, and the ceiling is raised as far as the free balance goes.
    /// @param opening What to do, with a token that has ERC-3009
    /// @param authorization The payer's signature and its terms
    /// @param fee What the caller takes, in base units
    /// @return received What arrived in the vault, in base units
    function openWithAuthorization(Opening calldata opening, Authorization calldata authorization, uint96 fee)
        external
        returns (uint96 received);

    /// @notice Raises the ceiling of one of the caller's channels out of the vault's free balance, all or nothing.
    /// @param token The ERC-20 token
    /// @param signer The session key of the vault
    /// @param payee For whom to set aside
    /// @param ceiling The lifetime total to guarantee, in base units
    function reserve(address token, address signer, address payee, uint96 ceiling) external;

    /// @notice Raises the ceilings of many payers' channels with one payee, as far as the free balances go, by their
    /// signers' `Reserve` signatures. Anybody may call. A row that is not valid, not current or raises nothing is
    /// skipped. One that raises anything is spent, however far it went: the channel is in a new epoch then.
    /// @param token The ERC-20 token
    /// @param payee For whom to set aside
    /// @param rows Rows of 128 bytes: `payer:160 | ceiling:96`, `0:192 | epoch:24 | validUntil:40`, `r`,
    /// `yParity | s`
    /// @return reserved By how much the ceilings rose together, in base units
    function reserveSigned(address token, address payee, bytes calldata rows) external returns (uint256 reserved);

    /// @notice Takes back every reserve that was signed for one of the caller's channels and not used yet, also where
    /// nothing was ever reserved, by a new epoch. The payee's unused releases end with it.
    /// @param token The ERC-20 token
    /// @param signer The session key of the vault
    /// @param payee For whom they were
    /// @return epoch The channel's new epoch
    function revoke(address token, address signer, address payee) external returns (uint24 epoch);

    /// @notice {revoke} by the payer's signature of
    /// `Revoke(address token,address payer,address signer,address payee,Relay relay)`. The fee comes out of the
    /// vault's free balance.
    function revokeSigned(
        address token,
        address payer,
        address signer,
        address payee,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint24 epoch);

    /// @notice Pays a payee what many payers' promises owe it, in one transfer. Anybody may call: the money goes to
    /// the payee. A row that is not valid or owes nothing is skipped; one that owes more than is there pays what is
    /// there.
    /// @param token The ERC-20 token
    /// @param payee Who is paid
    /// @param rows Rows of 96 bytes: `payer:160 | cumulative:96`, `r`, `yParity | s`
    /// @return paid What was paid, in base units
    function claim(address token, address payee, bytes calldata rows) external returns (uint256 paid);

    /// @notice {claim} with a tip to the sender, by the payee's signature of
    /// `Claim(address token,address payee,bytes rows,Relay relay)`. The tip comes out of what is paid.
    function claimSigned(
        address token,
        address payee,
        bytes calldata rows,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint256 paid);

    /// @notice Claims for the caller without moving a token: what is owed becomes free balance of a vault of the
    /// caller's.
    /// @param token The ERC-20 token
    /// @param signer The session key of the caller's vault, not zero
    /// @param rows Rows as {claim} takes them
    /// @return paid What was credited, in base units
    function claimToVault(address token, address signer, bytes calldata rows) external returns (uint256 paid);

    /// @notice {claimToVault} by the payee's signature of
    /// `ClaimToVault(address token,address payee,address signer,bytes rows,Relay relay)`. The tip comes out of what
    /// is paid.
    function claimToVaultSigned(
        address token,
        address payee,
        address signer,
        bytes calldata rows,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint256 paid);

    /// @notice Announces that the caller wants a channel's reserve back. The payee can go on claiming until the exit
    /// is finished; the reserve can't be raised meanwhile.
    /// @param token The ERC-20 token
    /// @param signer The session key of the vault
    /// @param payee For whom it is set aside
    /// @return exitAt The time from which on {finishExit} works, in Unix seconds
    function startExit(address token, address signer, address payee) external returns (uint40 exitAt);

    /// @notice {startExit} by the payer's signature of
    /// `StartExit(address token,address payer,address signer,address payee,Relay relay)`. The fee comes out of the
    /// vault's free balance. Where an exit runs already, or nothing is reserved any more, nothing is announced.
    /// @return exitAt When the exit can be finished, in Unix seconds; zero where nothing is reserved
    function startExitSigned(
        address token,
        address payer,
        address signer,
        address payee,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint40 exitAt);

    /// @notice Takes the caller's own announcement back.
    /// @param token The ERC-20 token
    /// @param signer The session key of the vault
    /// @param payee For whom it is set aside
    function cancelExit(address token, address signer, address payee) external;

    /// @notice {cancelExit} by the payer's signature of
    /// `CancelExit(address token,address payer,address signer,address payee,Relay relay)`. The fee comes out of the
    /// vault's free balance.
    /// @return cancelled False where no exit was running any more
    function cancelExitSigned(
        address token,
        address payer,
        address signer,
        address payee,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (bool cancelled);

    /// @notice Gives what is left of a channel's reserve back to its vault, once the announced time has come. Anybody
    /// may call: the payer asked for it, and the money goes nowhere but into the payer's vault.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param signer The session key of the vault
    /// @param payee For whom it was set aside
    /// @return freed What went back, in base units
    function finishExit(address token, address payer, address signer, address payee) external returns (uint96 freed);

    /// @notice {finishExit} by the payer's signature of
    /// `FinishExit(address token,address payer,address signer,address payee,Relay relay)`. The fee comes out of the
    /// vault's free balance, what went back included.
    /// @return freed What went back, in base units; zero where somebody else has finished it
    function finishExitSigned(
        address token,
        address payer,
        address signer,
        address payee,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint96 freed);

    /// @notice Gives reserve back to a payer at once; the caller is the payee. Ends a running exit where nothing is
    /// left.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param signer The session key of the vault
    /// @param ceiling The lifetime total that stays guaranteed, in base units; never less than what is settled
    /// @return freed What went back, in base units
    function release(address token, address payer, address signer, uint96 ceiling) external returns (uint96 freed);

    /// @notice {release} by anybody with the payee's `Release` signature, of a plain key or of a wallet (ERC-1271).
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param signer The session key of the vault
    /// @param payee Who signed
    /// @param ceiling The lifetime total that stays guaranteed, in base units
    /// @param epoch The channel's epoch when it was signed
    /// @param validUntil The last second in which it is valid, in Unix seconds
    /// @param signature 65 bytes, or what the payee's wallet takes
    /// @return freed What went back, in base units
    function releaseSigned(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil,
        bytes calldata signature
    ) external returns (uint96 freed);

    /// @notice A cooperative end in one transaction: pays the payee's last promise, takes the rest of the reserve
    /// back with the payee's `Release` signature, unless it is back already, and withdraws the caller's whole free
    /// balance.
    /// @param closing What to do
    /// @return paid What the payee was paid, in base units
    /// @return withdrawn What `to` was sent, in base units
    function closeAndWithdraw(Closing calldata closing) external returns (uint256 paid, uint96 withdrawn);

    /// @notice {closeAndWithdraw} by the payer's signature of `CloseAndWithdraw(address token,address payer,
    /// address signer,address payee,uint96 ceiling,uint24 epoch,address to,Relay relay)`, without the space. The fee
    /// comes out of the free balance. Where the payee has ended the epoch meanwhile, what it still has set aside
    /// stays.
    function closeAndWithdrawSigned(
        Closing calldata closing,
        address payer,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint256 paid, uint96 withdrawn);

    /// @notice Takes free balance out of the caller's vault.
    /// @param token The ERC-20 token
    /// @param signer The session key of the vault
    /// @param amount How much, in base units
    /// @param to Who receives it
    function withdraw(address token, address signer, uint96 amount, address to) external;

    /// @notice {withdraw} by the payer's signature of
    /// `Withdraw(address token,address payer,address signer,uint96 amount,address to,Relay relay)`. The fee comes out
    /// of the free balance first, and then as much of the amount as is there goes to `to`.
    /// @return withdrawn What `to` was sent, in base units
    function withdrawSigned(
        address token,
        address payer,
        address signer,
        uint96 amount,
        address to,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint96 withdrawn);

    /// @notice A vault's free balance, in base units.
    function vaultOf(address token, address payer, address signer) external view returns (uint96 free);

    /// @notice Everything that decides what a promise is worth, of one block.
    /// @param token The ERC-20 token
    /// @param payer Whose vault it is
    /// @param signer The session key of the vault
    /// @param payee The other end
    /// @return free The vault's free balance, in base units, which all its channels share
    /// @return settled What has been paid, ever, in base units
    /// @return ceiling The lifetime total that is guaranteed, in base units; never below `settled`
    /// @return exitAt When the announced exit can be finished, in Unix seconds; zero where none is running
    /// @return epoch How many times the ceiling has been lowered, a signed reserve been used or all been revoked; a
    /// signed reserve or release names it
    function channelOf(address token, address payer, address signer, address payee)
        external
        view
        returns (uint96 free, uint96 settled, uint96 ceiling, uint40 exitAt, uint24 epoch);

    /// @notice What a signer signs to owe a lifetime total:
    /// `Promise(address payer,address payee,address token,uint96 cumulative)`.
    function promiseDigest(address payer, address payee, address token, uint96 cumulative)
        external
        view
        returns (bytes32);

    /// @notice What a signer signs to let a payee raise its ceiling:
    /// `Reserve(address payer,address payee,address token,uint96 ceiling,uint24 epoch,uint40 validUntil)`.
    function reserveDigest(
        address payer,
        address payee,
        address token,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil
    ) external view returns (bytes32);

    /// @notice What a payee signs to give reserve back: `Release(address token,address payer,address signer,
    /// address payee,uint96 ceiling,uint24 epoch,uint40 validUntil)`, without the space.
    function releaseDigest(
        address token,
        address payer,
        address signer,
        address payee,
        uint96 ceiling,
        uint24 epoch,
        uint40 validUntil
    ) external view returns (bytes32);

    /// @notice The nonce that an ERC-3009 authorization must carry for {openWithAuthorization}: the hash of every
    /// parameter, this contract's address and the chain id.
    function authorizationNonce(Opening calldata opening, Authorization calldata authorization)
        external
        view
        returns (bytes32);
}
