// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IRegistry} from "src/interfaces/IRegistry.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";

/// @notice What somebody asks the registry for.
struct Action {
    Kind kind;
    address sender;
    address provider;
    bytes32 digest;
    uint96 amount;
    address to;
    /// @dev By the provider, and sent by another.
    bool isSigned;
    /// @dev The signature is what the provider's key makes of all this.
    bool genuine;
    /// @dev There is a permit and the token takes it.
    bool permitted;
    uint256 permitValue;
    IRelaying.Relay relay;
    uint96 fee;
}

enum Kind {
    Register,
    Update,
    AddStake,
    Leave,
    WithdrawStake
}

/// @title The registry and its token as one would write them down: lists, sums and names, no trees, no packing
/// @notice It answers as the registry must, or reverts with what the registry must revert with. What is due is counted
/// as such when its time comes, by {tick}, and not when somebody looks. It emits the events that the registry must.
contract RegistryModel {
    struct Provider {
        bool listed;
        bytes32 digest;
        uint256 stake;
        uint256 sequence;
        uint256 since;
        uint256 born;
        uint256 due;
        uint256 waiting;
        uint256 releaseAt;
    }

    uint256 private constant MAX = type(uint96).max;

    address private immutable REGISTRY;
    address private immutable TOKEN;
    uint256 private immutable DELAY;
    uint256 private immutable LEAST;

    mapping(address account => Provider) private _providers;
    address[] private _actors;
    address[] private _listed;
    uint256 private _births;
    mapping(address account => uint256) public balanceOf;
    mapping(address account => uint256) public allowanceOf;
    mapping(address account => mapping(uint256 nonce => bool)) public used;

    constructor(address registry, address token, uint256 delay, uint256 least, address[] memory actors) {
        (REGISTRY, TOKEN, DELAY, LEAST) = (registry, token, delay, least);
        _actors = actors;
    }

    // What changes beside the registry's actions

    function mint(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    function approve(address account, uint256 amount) external {
        allowanceOf[account] = amount;
    }

    /// @notice An account uses some of its first 256 numbers up.
    function cancel(address account, uint256 mask) external {
        uint256 all;
        for (uint256 n; n < 256; ++n) {
            if (mask >> n & 1 == 1) used[account][n] = true;
            if (used[account][n]) all += 2 ** n;
        }
        emit IRelaying.NoncesCancelled(account, 0, all);
    }

    /// @notice Time has passed.
    function tick() external {
        for (uint256 i; i < _actors.length; ++i) {
            settle(_providers[_actors[i]]);
        }
    }

    function settle(Provider storage p) private {
        if (p.waiting != 0 && block.timestamp >= p.releaseAt) {
            p.due += p.waiting;
            p.waiting = 0;
            p.releaseAt = 0;
        }
    }

    // Actions

    function play(Action calldata a) external returns (uint256 result) {
        address who = a.isSigned ? a.provider : a.sender;
        if (a.isSigned) {
            authorize(a);
            if (a.permitted) allowanceOf[who] = a.permitValue;
        }
        Provider storage p = _providers[who];
        uint256 covered;
        if (a.kind == Kind.Register) result = register(p, who, a);
        else if (a.kind == Kind.Update) result = update(p, who, a);
        else if (a.kind == Kind.AddStake) result = addStake(p, who, a);
        else if (a.kind == Kind.Leave) leave(p, who);
        else (result, covered) = withdrawStake(p, a);
        if (a.isSigned) {
            move(REGISTRY, a.sender, covered);
            if (a.fee > covered) spend(who, a.sender, a.fee - covered);
            emit IRelaying.Relayed(who, a.sender, TOKEN, a.relay.nonce, a.fee);
        }
    }

    function authorize(Action calldata a) private {
        IRelaying.Relay calldata r = a.relay;
        if (r.relayer != address(0) && r.relayer != a.sender) revert IRelaying.WrongRelayer(r.relayer);
        if (a.fee > r.maxFee) revert IRelaying.FeeAboveCap(r.maxFee, a.fee);
        if (block.timestamp > r.deadline) revert IRelaying.SignatureExpired(r.deadline);
        if (used[a.provider][r.nonce]) revert IRelaying.NonceUsed(a.provider, r.nonce);
        if (!a.genuine) revert IRelaying.InvalidSignature(a.provider);
        used[a.provider][r.nonce] = true;
    }

    function register(Provider storage p, address who, Action calldata a) private returns (uint256) {
        if (a.digest == 0) revert IRegistry.ZeroDigest();
        if (p.listed) revert IRegistry.AlreadyRegistered(who);
        if (a.amount != 0) spend(who, REGISTRY, a.amount);
        if (a.amount < LEAST) revert IRegistry.StakeBelowMinimum(uint96(LEAST), a.amount);
        p.listed = true;
        p.digest = a.digest;
        p.stake = a.amount;
        p.since = block.timestamp;
        p.born = ++_births;
        _listed.push(who);
        emit IRegistry.Registered(who, a.digest, uint64(++p.sequence), a.amount);
        return p.sequence;
    }

    function update(Provider storage p, address who, Action calldata a) private returns (uint256) {
        if (a.digest == 0) revert IRegistry.ZeroDigest();
        if (!p.listed) revert IRegistry.NotRegistered(who);
        if (a.digest == p.digest) revert IRegistry.SameDigest(a.digest);
        p.digest = a.digest;
        emit IRegistry.Updated(who, a.digest, uint64(++p.sequence));
        return p.sequence;
    }

    function addStake(Provider storage p, address who, Action calldata a) private returns (uint256) {
        if (!p.listed) revert IRegistry.NotRegistered(who);
        spend(who, REGISTRY, a.amount);
        if (a.amount == 0) revert IRelaying.NothingReceived();
        p.stake += a.amount;
        if (p.stake > MAX) revert IRelaying.AmountOverflow(p.stake);
        emit IRegistry.Staked(who, uint96(p.stake));
        return p.stake;
    }

    function leave(Provider storage p, address who) private {
        if (!p.listed) revert IRegistry.NotRegistered(who);
        if (p.stake > 0) {
            p.waiting += p.stake;
            p.releaseAt = block.timestamp + DELAY;
            if (p.due + p.waiting > MAX) revert IRelaying.AmountOverflow(p.due + p.waiting);
            settle(p);
        }
        emit IRegistry.Left(who, uint96(p.stake), uint96(p.due), uint96(p.waiting), uint64(p.releaseAt));
        p.listed = false;
        p.digest = 0;
        p.stake = 0;
        p.since = 0;
        p.born = 0;
        uint256 i;
        while (_listed[i] != who) ++i;
        _listed[i] = _listed[_listed.length - 1];
        _listed.pop();
    }

    function withdrawStake(Provider storage p, Action calldata a) private returns (uint256 sent, uint256 covered) {
        if (a.to == address(0) || a.to == REGISTRY || a.to == TOKEN) revert IRelaying.InvalidRecipient(a.to);
        if (p.due == 0) {
            if (p.waiting == 0) revert IRegistry.NothingUnbonding();
            revert IRegistry.UnbondingTooEarly(uint64(p.releaseAt));
        }
        covered = a.fee > p.due ? p.due : a.fee;
        sent = p.due - covered;
        p.due = 0;
        move(REGISTRY, a.to, sent);
        emit IRegistry.StakeWithdrawn(a.provider, a.to, uint96(sent));
    }

    // The token

    function spend(address from, address to, uint256 amount) private {
        uint256 allowance = allowanceOf[from];
        if (allowance < amount) revert IERC20Errors.ERC20InsufficientAllowance(REGISTRY, allowance, amount);
        if (allowance != type(uint256).max) allowanceOf[from] = allowance - amount;
        move(from, to, amount);
    }

    function move(address from, address to, uint256 amount) private {
        uint256 balance = balanceOf[from];
        if (balance < amount) revert IERC20Errors.ERC20InsufficientBalance(from, balance, amount);
        balanceOf[from] = balance - amount;
        balanceOf[to] += amount;
        // Some tokens refuse to move nothing.
        if (amount != 0) emit IERC20.Transfer(from, to, amount);
    }

    // What the registry's views must say

    function count() external view returns (uint256) {
        return _listed.length;
    }

    function providerOf(address account) public view returns (IRegistry.Registration memory) {
        Provider storage p = _providers[account];
        return IRegistry.Registration(account, p.digest, uint64(p.sequence), uint96(p.stake), uint64(p.since));
    }

    function unbondingOf(address account) external view returns (uint96, uint96, uint64) {
        Provider storage p = _providers[account];
        return (uint96(p.due), uint96(p.waiting), uint64(p.releaseAt));
    }

    /// @notice All that are registered, as the list has them.
    function providers() external view returns (IRegistry.Registration[] memory all) {
        all = new IRegistry.Registration[](_listed.length);
        for (uint256 i; i < all.length; ++i) {
            all[i] = providerOf(_listed[i]);
        }
    }

    /// @notice At most `limit` of those that come after the first `skip` by stake and age.
    function providersByStake(uint256 skip, uint256 limit)
        external
        view
        returns (IRegistry.Registration[] memory page)
    {
        address[] memory sorted = byStake();
        if (skip >= sorted.length) return page;
        page = new IRegistry.Registration[](sorted.length - skip < limit ? sorted.length - skip : limit);
        for (uint256 i; i < page.length; ++i) {
            page[i] = providerOf(sorted[skip + i]);
        }
    }

    function byStake() public view returns (address[] memory sorted) {
        sorted = _listed;
        for (uint256 i = 1; i < sorted.length; ++i) {
            for (uint256 j = i; j != 0 && before(sorted[j], sorted[j - 1]); --j) {
                (sorted[j], sorted[j - 1]) = (sorted[j - 1], sorted[j]);
            }
        }
    }

    function before(address a, address b) private view returns (bool) {
        Provider storage p = _providers[a];
        Provider storage q = _providers[b];
        return p.stake > q.stake || p.stake == q.stake && p.born < q.born;
    }

    /// @notice What the registry must hold: all stakes, and all that unbonds.
    function held() external view returns (uint256 sum) {
        for (uint256 i; i < _actors.length; ++i) {
            Provider storage p = _providers[_actors[i]];
            sum += p.stake + p.due + p.waiting;
        }
    }
}
