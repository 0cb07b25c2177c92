// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";

/// @notice The development token's own words.
interface ITokenErrors {
    error AuthorizationSpent(address authorizer, bytes32 nonce);
    error AuthorizationNotValid(uint256 validAfter, uint256 validBefore);
    error InvalidAuthorizationSignature(address recovered);
}

/// @title The rules, said once more
/// @notice What src/interfaces says, in mappings and structs and without cryptography: who signed what it is told. The same
/// senders call it with the same words as the contract, and it answers or reverts as the contract has to, to the byte, and
/// emits the events that the contract has to. It keeps the books of one token as well: balances, and what the contract may
/// take. Where a call is wrong in two ways, nobody promises which of them is named; the model looks in the order of the
/// contract.
contract Model {
    struct Channel {
        uint96 settled;
        uint96 ceiling;
        uint40 exitAt;
        uint24 epoch;
    }

    /// @notice A promise or a signed reserve.
    struct Row {
        address payer;
        address signer;
        /// @dev The total of a promise, the ceiling of a reserve
        uint96 total;
        uint24 epoch;
        uint40 validUntil;
        /// @dev Whether it is as it was signed
        bool good;
    }

    struct Rows {
        Row[] list;
        uint256 length;
    }

    /// @notice What a relayer sends along.
    struct Terms {
        IRelaying.Relay relay;
        uint96 fee;
        /// @dev Whether the account signed exactly this
        bool signed;
    }

    struct Permit {
        uint256 value;
        uint256 nonce;
        uint256 deadline;
        bool signed;
    }

    struct Authorization {
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
        /// @dev Who signed it
        address signer;
    }

    /// @notice A payee's release.
    struct Consent {
        uint96 ceiling;
        uint24 epoch;
        uint40 validUntil;
        bool signed;
    }

    struct Closing {
        address signer;
        address payee;
        Rows rows;
        Consent consent;
        address to;
    }

    /// @dev An epoch that never ends, in which nothing that is signed for an epoch counts.
    uint24 private constant LAST_EPOCH = type(uint24).max;

    address private immutable contract_;
    address private immutable token;
    uint40 private immutable delay;

    mapping(address => uint256) public balanceOf;
    /// @notice How much the contract may take of an account.
    mapping(address => uint256) public allowance;
    mapping(address => uint256) private permits;
    mapping(address => mapping(bytes32 => bool)) private authorizations;

    mapping(address payer => mapping(address signer => uint96)) private free;
    mapping(address payer => mapping(address signer => mapping(address payee => Channel))) private channels;
    mapping(address account => mapping(uint256 nonce => bool)) public used;

    constructor(address contract__, address token_, uint40 delay_) {
        (contract_, token, delay) = (contract__, token_, delay_);
    }

    // What is so from the beginning

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function setEpoch(address payer, address signer, address payee, uint24 epoch) external {
        channels[payer][signer][payee].epoch = epoch;
    }

    // The token

    function approve(uint256 amount) external {
        allowance[msg.sender] = amount;
    }

    function permit(address owner, Permit calldata p) public {
        if (!p.signed || p.nonce != permits[owner] || block.timestamp > p.deadline) return;
        ++permits[owner];
        allowance[owner] = p.value;
    }

    function transfer(address from, address to, uint256 amount) private {
        if (balanceOf[from] < amount) {
            revert IERC20Errors.ERC20InsufficientBalance(from, balanceOf[from], amount);
        }
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        // Some tokens refuse to move nothing.
        if (amount != 0) emit IERC20.Transfer(from, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) private {
        uint256 allowed = allowance[from];
        if (allowed < amount) revert IERC20Errors.ERC20InsufficientAllowance(contract_, allowed, amount);
        if (allowed != type(uint256).max) allowance[from] = allowed - amount;
        transfer(from, to, amount);
    }

    // Money in

    function deposit(address payer, address signer, uint96 amount) external returns (uint96) {
        pull(msg.sender, amount);
        credit(payer, signer, amount);
        return amount;
    }

    function open(IChannels.Opening calldata o) external returns (uint96) {
        pull(msg.sender, o.amount);
        opens(o, o.amount, false);
        return o.amount;
    }

    function openWithPermit(IChannels.Opening calldata o, Permit calldata p) external returns (uint96) {
        permit(o.payer, p);
        pull(o.payer, o.amount);
        opens(o, o.amount, false);
        return o.amount;
    }

    function openWithPermitSigned(IChannels.Opening calldata o, Permit calldata p, Terms calldata t)
        external
        returns (uint96)
    {
        authorize(o.payer, t);
        permit(o.payer, p);
        pull(o.payer, o.amount);
        uint96 arrived = afterFee(o.amount, t.fee);
        opens(o, arrived, true);
        tip(o.payer, t.fee, t);
        return arrived;
    }

    function openWithAuthorization(IChannels.Opening calldata o, Authorization calldata a, Terms calldata t)
        external
        returns (uint96)
    {
        agreed(t);
        if (block.timestamp <= a.validAfter || block.timestamp >= a.validBefore) {
            revert ITokenErrors.AuthorizationNotValid(a.validAfter, a.validBefore);
        }
        if (a.signer != o.payer) revert ITokenErrors.InvalidAuthorizationSignature(a.signer);
        if (authorizations[o.payer][a.nonce]) revert ITokenErrors.AuthorizationSpent(o.payer, a.nonce);
        authorizations[o.payer][a.nonce] = true;
        transfer(o.payer, contract_, o.amount);
        if (o.amount == 0) revert IRelaying.NothingReceived();
        uint96 arrived = afterFee(o.amount, t.fee);
        opens(o, arrived, true);
        tip(o.payer, t.fee, t);
        return arrived;
    }

    function pull(address from, uint96 amount) private {
        transferFrom(from, contract_, amount);
        if (amount == 0) revert IRelaying.NothingReceived();
    }

    function afterFee(uint96 amount, uint96 fee) private pure returns (uint96) {
        if (fee > amount) revert IChannels.InsufficientFree(amount, fee);
        return amount - fee;
    }

    function named(address payer, address signer) private pure {
        if (payer == address(0)) revert IChannels.ZeroPayer();
        if (signer == address(0)) revert IChannels.ZeroSigner();
    }

    function credit(address payer, address signer, uint256 amount) private {
        named(payer, signer);
        free[payer][signer] += uint96(amount);
        emit IChannels.Deposited(token, payer, signer, uint96(amount));
    }

    function opens(IChannels.Opening calldata o, uint96 arrived, bool asFarAsItGoes) private {
        named(o.payer, o.signer);
        payable_(o.payee);
        free[o.payer][o.signer] += arrived;
        Channel storage c = channels[o.payer][o.signer][o.payee];
        if (o.ceiling > c.ceiling) {
            if (c.exitAt != 0) revert IChannels.ExitInProgress(c.exitAt);
            uint96 more = o.ceiling - c.ceiling;
            uint96 there = free[o.payer][o.signer];
            if (more > there) {
                if (!asFarAsItGoes) revert IChannels.InsufficientFree(there, more);
                more = there;
            }
            free[o.payer][o.signer] -= more;
            c.ceiling += more;
        }
        emit IChannels.Opened(token, o.payer, o.payee, o.signer, arrived, c.ceiling);
    }

    function payable_(address to) private view {
        if (to == address(0) || to == token || to == contract_) revert IRelaying.InvalidRecipient(to);
    }

    // Reserves

    function reserve(address signer, address payee, uint96 ceiling) external {
        payable_(payee);
        Channel storage c = channels[msg.sender][signer][payee];
        if (ceiling <= c.ceiling) revert IChannels.CeilingNotRaised(c.ceiling, ceiling);
        if (c.exitAt != 0) revert IChannels.ExitInProgress(c.exitAt);
        uint96 more = ceiling - c.ceiling;
        uint96 there = free[msg.sender][signer];
        if (more > there) revert IChannels.InsufficientFree(there, more);
        free[msg.sender][signer] -= more;
        c.ceiling = ceiling;
        emit IChannels.Reserved(token, msg.sender, payee, signer, ceiling);
    }

    function reserveSigned(address payee, Rows calldata rows) external returns (uint256 reserved) {
        if (rows.length % 128 != 0) revert IChannels.RowsLength(rows.length, 128);
        payable_(payee);
        uint256 skipped = rows.list.length;
        for (uint256 i; i < rows.list.length; ++i) {
            Row calldata r = rows.list[i];
            Channel storage c = channels[r.payer][r.signer][payee];
            if (!r.good || r.validUntil < block.timestamp) continue;
            if (r.epoch != c.epoch || c.epoch == LAST_EPOCH || c.exitAt != 0 || r.total <= c.ceiling) continue;
            uint96 more = lesser(r.total - c.ceiling, free[r.payer][r.signer]);
            if (more == 0) continue;
            free[r.payer][r.signer] -= more;
            c.ceiling += more;
            emit IChannels.ReserveUsed(token, r.payer, payee, r.signer, c.ceiling, nextEpoch(c));
            reserved += more;
            --skipped;
        }
        if (skipped != 0) emit IChannels.ReservesSkipped(token, payee, skipped);
    }

    function revoke(address signer, address payee) external returns (uint24) {
        return revokes(msg.sender, signer, payee);
    }

    function revokeSigned(address payer, address signer, address payee, Terms calldata t)
        external
        returns (uint24 epoch)
    {
        authorize(payer, t);
        epoch = revokes(payer, signer, payee);
        charge(payer, signer, t);
    }

    function revokes(address payer, address signer, address payee) private returns (uint24 epoch) {
        epoch = nextEpoch(channels[payer][signer][payee]);
        emit IChannels.Revoked(token, payer, payee, signer, epoch);
    }

    function nextEpoch(Channel storage c) private returns (uint24) {
        if (c.epoch != LAST_EPOCH) ++c.epoch;
        return c.epoch;
    }

    // Payments

    function claim(address payee, Rows calldata rows) external returns (uint256 paid) {
        payable_(payee);
        paid = settle(payee, rows);
        transfer(contract_, payee, paid);
    }

    function claimSigned(address payee, Rows calldata rows, Terms calldata t) external returns (uint256 paid) {
        payable_(payee);
        paid = settle(payee, rows);
        authorize(payee, t);
        uint96 covered = lesser(t.fee, paid);
        transfer(contract_, payee, paid - covered);
        tip(payee, covered, t);
    }

    function claimToVault(address signer, Rows calldata rows) external returns (uint256 paid) {
        paid = settle(msg.sender, rows);
        if (paid != 0) credit(msg.sender, signer, paid);
    }

    function claimToVaultSigned(address payee, address signer, Rows calldata rows, Terms calldata t)
        external
        returns (uint256 paid)
    {
        paid = settle(payee, rows);
        authorize(payee, t);
        uint96 covered = lesser(t.fee, paid);
        if (paid != covered) credit(payee, signer, paid - covered);
        tip(payee, covered, t);
    }

    function settle(address payee, Rows calldata rows) private returns (uint256 paid) {
        if (rows.length % 96 != 0) revert IChannels.RowsLength(rows.length, 96);
        bytes32[] memory words = new bytes32[](rows.list.length);
        uint256 n;
        for (uint256 i; i < rows.list.length; ++i) {
            Row calldata r = rows.list[i];
            Channel storage c = channels[r.payer][r.signer][payee];
            if (!r.good || r.total <= c.settled) continue;
            uint96 owed = r.total - c.settled;
            uint96 aside = c.ceiling - c.settled;
            if (owed > aside) {
                uint96 drawn = lesser(owed - aside, free[r.payer][r.signer]);
                free[r.payer][r.signer] -= drawn;
                c.ceiling += drawn;
                owed = aside + drawn;
                if (owed == 0) continue;
            }
            c.settled += owed;
            paid += owed;
            bytes20 vault = bytes20(keccak256(abi.encode(token, r.payer, r.signer)));
            words[n++] = bytes32(abi.encodePacked(vault, c.settled));
        }
        if (rows.list.length == 0) return 0;
        uint256 skipped = rows.list.length - n;
        assembly {
            mstore(words, n)
        }
        emit IChannels.Claimed(token, payee, paid, skipped, words);
    }

    // Money back

    function startExit(address signer, address payee) external returns (uint40) {
        Channel storage c = channels[msg.sender][signer][payee];
        if (c.exitAt != 0) revert IChannels.ExitInProgress(c.exitAt);
        if (c.ceiling == c.settled) revert IChannels.NothingReserved();
        starts(msg.sender, signer, payee);
        return c.exitAt;
    }

    function startExitSigned(address payer, address signer, address payee, Terms calldata t) external returns (uint40) {
        authorize(payer, t);
        Channel storage c = channels[payer][signer][payee];
        if (c.exitAt == 0 && c.ceiling != c.settled) starts(payer, signer, payee);
        charge(payer, signer, t);
        return c.exitAt;
    }

    function starts(address payer, address signer, address payee) private {
        uint40 exitAt = uint40(block.timestamp) + delay;
        channels[payer][signer][payee].exitAt = exitAt;
        emit IChannels.ExitStarted(token, payer, payee, signer, exitAt);
    }

    function cancelExit(address signer, address payee) external {
        Channel storage c = channels[msg.sender][signer][payee];
        if (c.exitAt == 0) revert IChannels.NoExit();
        c.exitAt = 0;
        emit IChannels.ExitCancelled(token, msg.sender, payee, signer);
    }

    function cancelExitSigned(address payer, address signer, address payee, Terms calldata t)
        external
        returns (bool cancelled)
    {
        authorize(payer, t);
        Channel storage c = channels[payer][signer][payee];
        cancelled = c.exitAt != 0;
        c.exitAt = 0;
        if (cancelled) emit IChannels.ExitCancelled(token, payer, payee, signer);
        charge(payer, signer, t);
    }

    function finishExit(address payer, address signer, address payee) external returns (uint96) {
        if (channels[payer][signer][payee].exitAt == 0) revert IChannels.NoExit();
        return finish(payer, signer, payee);
    }

    function finishExitSigned(address payer, address signer, address payee, Terms calldata t)
        external
        returns (uint96 freed)
    {
        authorize(payer, t);
        if (channels[payer][signer][payee].exitAt != 0) freed = finish(payer, signer, payee);
        charge(payer, signer, t);
    }

    function finish(address payer, address signer, address payee) private returns (uint96 freed) {
        Channel storage c = channels[payer][signer][payee];
        if (block.timestamp < c.exitAt) revert IChannels.ExitTooEarly(c.exitAt);
        freed = c.ceiling - c.settled;
        c.ceiling = c.settled;
        c.exitAt = 0;
        free[payer][signer] += freed;
        emit IChannels.Released(token, payer, payee, signer, c.settled, nextEpoch(c));
    }

    function release(address payer, address signer, uint96 ceiling) external returns (uint96) {
        return lower(payer, signer, msg.sender, ceiling);
    }

    function releaseSigned(address payer, address signer, address payee, Consent calldata consent)
        external
        returns (uint96)
    {
        consents(channels[payer][signer][payee], consent);
        return lower(payer, signer, payee, consent.ceiling);
    }

    function consents(Channel storage c, Consent calldata consent) private view {
        if (block.timestamp > consent.validUntil) revert IChannels.ReleaseExpired(consent.validUntil);
        if (consent.epoch != c.epoch || c.epoch == LAST_EPOCH) revert IChannels.WrongEpoch(c.epoch, consent.epoch);
        if (!consent.signed) revert IChannels.InvalidReleaseSignature();
    }

    function lower(address payer, address signer, address payee, uint96 ceiling) private returns (uint96 freed) {
        Channel storage c = channels[payer][signer][payee];
        uint96 stays = ceiling < c.settled ? c.settled : ceiling;
        if (stays >= c.ceiling) revert IChannels.CeilingNotLowered(c.ceiling, ceiling);
        freed = c.ceiling - stays;
        c.ceiling = stays;
        if (stays == c.settled) c.exitAt = 0;
        free[payer][signer] += freed;
        emit IChannels.Released(token, payer, payee, signer, stays, nextEpoch(c));
    }

    function closeAndWithdraw(Closing calldata c) external returns (uint256 paid, uint96 withdrawn) {
        paid = settle(c.payee, c.rows);
        takeBack(c, msg.sender, false);
        transfer(contract_, c.payee, paid);
        withdrawn = free[msg.sender][c.signer];
        leaves(msg.sender, c.signer, c.to, withdrawn);
    }

    function closeAndWithdrawSigned(Closing calldata c, address payer, Terms calldata t)
        external
        returns (uint256 paid, uint96 withdrawn)
    {
        paid = settle(c.payee, c.rows);
        authorize(payer, t);
        takeBack(c, payer, true);
        transfer(contract_, c.payee, paid);
        uint96 covered = lesser(t.fee, free[payer][c.signer]);
        withdrawn = free[payer][c.signer] - covered;
        leaves(payer, c.signer, c.to, withdrawn);
        spends(payer, c.signer, covered);
        tip(payer, covered, t);
    }

    function takeBack(Closing calldata c, address payer, bool relayed) private {
        payable_(c.payee);
        payable_(c.to);
        Channel storage channel = channels[payer][c.signer][c.payee];
        // It is back already, or as low as was agreed.
        if (channel.ceiling == channel.settled || channel.ceiling <= c.consent.ceiling) return;
        // The payee has ended the epoch.
        if (relayed && channel.epoch > c.consent.epoch) return;
        consents(channel, c.consent);
        lower(payer, c.signer, c.payee, c.consent.ceiling);
    }

    function withdraw(address signer, uint96 amount, address to) external {
        payable_(to);
        uint96 there = free[msg.sender][signer];
        if (amount > there) revert IChannels.InsufficientFree(there, amount);
        leaves(msg.sender, signer, to, amount);
        // What is asked for is sent, be it nothing.
        if (amount == 0) emit IERC20.Transfer(contract_, to, 0);
    }

    function withdrawSigned(address payer, address signer, uint96 amount, address to, Terms calldata t)
        external
        returns (uint96 withdrawn)
    {
        payable_(to);
        authorize(payer, t);
        uint96 covered = lesser(t.fee, free[payer][signer]);
        withdrawn = lesser(amount, free[payer][signer] - covered);
        leaves(payer, signer, to, withdrawn);
        spends(payer, signer, covered);
        tip(payer, covered, t);
    }

    function leaves(address payer, address signer, address to, uint96 amount) private {
        free[payer][signer] -= amount;
        transfer(contract_, to, amount);
        emit IChannels.Withdrawn(token, payer, signer, to, amount);
    }

    /// @dev A fee leaves a vault: what {tip} sends.
    function spends(address payer, address signer, uint96 covered) private {
        free[payer][signer] -= covered;
        if (covered != 0) emit IChannels.Withdrawn(token, payer, signer, msg.sender, covered);
    }

    // What is signed for a relayer

    function cancelNonces(uint256 word, uint256 mask) external {
        for (uint256 i; i < 256; ++i) {
            if ((mask >> i) % 2 == 1) used[msg.sender][word * 256 + i] = true;
        }
        emit IRelaying.NoncesCancelled(msg.sender, word, noncesOf(msg.sender, word));
    }

    function agreed(Terms calldata t) private view {
        if (t.relay.relayer != address(0) && t.relay.relayer != msg.sender) {
            revert IRelaying.WrongRelayer(t.relay.relayer);
        }
        if (t.fee > t.relay.maxFee) revert IRelaying.FeeAboveCap(t.relay.maxFee, t.fee);
    }

    function authorize(address account, Terms calldata t) private {
        agreed(t);
        if (block.timestamp > t.relay.deadline) revert IRelaying.SignatureExpired(t.relay.deadline);
        if (used[account][t.relay.nonce]) revert IRelaying.NonceUsed(account, t.relay.nonce);
        if (!t.signed) revert IRelaying.InvalidSignature(account);
        used[account][t.relay.nonce] = true;
    }

    /// @dev A fee out of a vault.
    function charge(address payer, address signer, Terms calldata t) private {
        uint96 covered = lesser(t.fee, free[payer][signer]);
        spends(payer, signer, covered);
        tip(payer, covered, t);
    }

    /// @dev A fee of which the contract has a part; the rest are the account's own tokens.
    function tip(address account, uint96 covered, Terms calldata t) private {
        emit IRelaying.Relayed(account, msg.sender, token, t.relay.nonce, t.fee);
        transfer(contract_, msg.sender, covered);
        if (t.fee != covered) transferFrom(account, msg.sender, t.fee - covered);
    }

    function lesser(uint256 a, uint256 b) private pure returns (uint96) {
        return uint96(a < b ? a : b);
    }

    // Views, as the contract has them

    function vaultOf(address, address payer, address signer) external view returns (uint96) {
        return free[payer][signer];
    }

    function channelOf(address, address payer, address signer, address payee)
        external
        view
        returns (uint96, uint96, uint96, uint40, uint24)
    {
        Channel storage c = channels[payer][signer][payee];
        return (free[payer][signer], c.settled, c.ceiling, c.exitAt, c.epoch);
    }

    function noncesOf(address account, uint256 word) public view returns (uint256 all) {
        for (uint256 i; i < 256; ++i) {
            if (used[account][word * 256 + i]) all += 2 ** i;
        }
    }
}
