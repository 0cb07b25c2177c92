// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRegistry} from "src/interfaces/IRegistry.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {PlainToken} from "../tokens/Tokens.sol";
import {Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {Wallet} from "../Wallet.sol";
import {Vm, vm} from "../Vm.sol";
import {Events} from "./Events.sol";
import {Action, Kind, RegistryModel} from "./RegistryModel.sol";

/// @title Everything that six providers, two relayers and a stranger can do, in any order, and time
/// @notice Each action is done by the model and by the registry, and both must say the same: what is returned and which
/// events are emitted, or every byte of the error. Then the views are compared: of who acted and of one other each time, of all every sixteenth time
/// and at the end. The last of the providers is a wallet with code.
contract RegistryHandler {
    uint256 internal constant PROVIDERS = 6;
    /// @dev The providers, the stranger and the relayers.
    uint256 internal constant ACTORS = 9;
    uint256 internal constant STRANGER = 6;
    uint256 internal constant RELAYERS = 7;
    uint256 internal constant WALLET = 5;
    address internal constant SINK = address(0x51);

    IRegistry public immutable registry;
    PlainToken public immutable token;
    RegistryModel public immutable model;
    uint256 public immutable delay;
    uint96 public immutable least;

    address[] private actors;
    uint256 private time = 1_800_000_000;
    uint256 private round;
    uint256 private mixes;
    /// @dev Numbers from 8 on are used one after the other; those below again and again.
    uint256[ACTORS] private fresh;

    /// @dev What the registry said last, so that nothing due is ever locked again, and no number goes down.
    mapping(address account => uint96) private withdrawable;
    mapping(address account => uint64) private sequences;
    mapping(address account => mapping(uint256 nonce => bool)) private spent;

    /// @notice How many actions of each kind went through, plain and signed, and how many did not.
    mapping(Kind kind => uint256) public plain;
    mapping(Kind kind => uint256) public signed;
    mapping(bytes4 selector => uint256) public refused;

    constructor(IRegistry registry_, PlainToken token_) {
        (registry, token) = (registry_, token_);
        (delay, least) = (registry_.UNBOND_DELAY(), registry_.MIN_STAKE());
        for (uint256 i; i < ACTORS; ++i) {
            address actor = vm.addr(keyOf(i));
            actors.push(i == WALLET ? address(new Wallet(actor)) : actor);
            fresh[i] = 8;
        }
        model = new RegistryModel(address(registry_), address(token_), delay, least, actors);
        for (uint256 i; i < PROVIDERS; ++i) {
            give(actors[i], i == 0 ? 1 << 100 : 4 * uint256(least));
            allow(actors[i], type(uint256).max);
        }
    }

    function keyOf(uint256 i) private pure returns (uint256) {
        return 0xAA00 + i;
    }

    /// @dev What the fuzzer gives is often small: all bits shall be anything.
    function mixed(uint256 seed) private returns (uint256) {
        return uint256(keccak256(abi.encode(seed, ++mixes)));
    }

    // The token

    function give(address account, uint256 amount) private {
        token.mint(account, amount);
        model.mint(account, amount);
    }

    function allow(address account, uint256 amount) private {
        vm.prank(account);
        token.approve(address(registry), amount);
        model.approve(account, amount);
    }

    function mint(uint256 i, uint256 amount) external {
        amount = mixed(amount);
        give(actors[i % ACTORS], amount % (4 * uint256(least)));
    }

    function approve(uint256 i, uint256 amount) external {
        amount = mixed(amount);
        allow(actors[i % ACTORS], amount % 4 != 0 ? type(uint256).max : (amount >> 8) % (2 * uint256(least)));
    }

    // Actions

    function registers(uint256 i, uint256 seed) external {
        plainly(Kind.Register, i, seed);
    }

    function updates(uint256 i, uint256 seed) external {
        plainly(Kind.Update, i, seed);
    }

    function addsStake(uint256 i, uint256 seed) external {
        plainly(Kind.AddStake, i, seed);
    }

    function leaves(uint256 i, uint256 seed) external {
        plainly(Kind.Leave, i, seed);
    }

    function withdrawsStake(uint256 i, uint256 seed) external {
        plainly(Kind.WithdrawStake, i, seed);
    }

    function plainly(Kind kind, uint256 i, uint256 seed) private {
        seed = mixed(seed);
        // The relayers and the stranger seldom try for themselves.
        Action memory a = choose(kind, seed >> 8 & 7 == 0 ? i % ACTORS : fitting(kind, i, seed), seed);
        a.sender = a.provider;
        bytes memory data;
        if (kind == Kind.Register) data = abi.encodeCall(IRegistry.register, (a.digest, a.amount));
        else if (kind == Kind.Update) data = abi.encodeCall(IRegistry.update, (a.digest));
        else if (kind == Kind.AddStake) data = abi.encodeCall(IRegistry.addStake, (a.amount));
        else if (kind == Kind.Leave) data = abi.encodeCall(IRegistry.leave, ());
        else data = abi.encodeCall(IRegistry.withdrawStake, (a.to));
        act(a, data, seed);
    }

    function registersSigned(uint256 i, uint256 seed) external {
        bySignature(Kind.Register, i, seed);
    }

    function updatesSigned(uint256 i, uint256 seed) external {
        bySignature(Kind.Update, i, seed);
    }

    function addsStakeSigned(uint256 i, uint256 seed) external {
        bySignature(Kind.AddStake, i, seed);
    }

    function leavesSigned(uint256 i, uint256 seed) external {
        bySignature(Kind.Leave, i, seed);
    }

    function withdrawsStakeSigned(uint256 i, uint256 seed) external {
        bySignature(Kind.WithdrawStake, i, seed);
    }

    function bySignature(Kind kind, uint256 i, uint256 seed) private {
        seed = mixed(seed);
        i = fitting(kind, i, seed);
        Action memory a = choose(kind, i, seed);
        a.isSigned = true;
        uint256 s = seed >> 64;
        // Mostly a relayer, at times the provider itself or somebody else.
        a.sender = actors[s & 3 != 0 ? RELAYERS + (s >> 2 & 1) : (s >> 2) % ACTORS];
        a.relay.relayer = s >> 8 & 1 == 0 ? address(0) : s >> 9 & 15 == 0 ? actors[STRANGER] : a.sender;
        a.fee = feeOf(a, s >> 16);
        a.relay.maxFee = s >> 24 & 15 == 0 && a.fee != 0 ? a.fee - 1 : a.fee + uint96(s >> 28 & 3);
        a.relay.nonce = s >> 32 & 7 == 0 ? s >> 35 & 7 : fresh[i]++;
        a.relay.deadline = uint40(s >> 40 & 15 == 0 ? time - 1 : time + (s >> 44 & 3));
        bytes memory signature;
        (signature, a.genuine) = sign(a, i, s >> 48);
        IRelaying.Permit memory permit;
        if (uint256(kind) <= uint256(Kind.Leave) && s >> 64 & 3 == 0) permit = permitOf(a, i, s >> 66);
        act(a, callOf(a, permit, signature), seed);
    }

    /// @dev A provider that can do it, in three of four cases, if there is one.
    function fitting(Kind kind, uint256 i, uint256 seed) private view returns (uint256) {
        i %= PROVIDERS;
        if (seed >> 254 == 0) return i;
        for (uint256 n; n < PROVIDERS && !fits(kind, actors[i]); ++n) {
            i = (i + 1) % PROVIDERS;
        }
        return i;
    }

    function fits(Kind kind, address account) private view returns (bool) {
        if (kind == Kind.WithdrawStake) {
            (uint96 due,,) = model.unbondingOf(account);
            return due != 0;
        }
        return (model.providerOf(account).digest == 0) == (kind == Kind.Register);
    }

    /// @dev Amounts that are often equal, often at an edge, and at times more than anybody has.
    function choose(Kind kind, uint256 i, uint256 seed) private view returns (Action memory a) {
        a.kind = kind;
        a.provider = actors[i];
        uint256 s = seed >> 16;
        if (s & 15 != 0) a.digest = bytes32(1 + (s >> 4) % 3);
        s >>= 8;
        uint96 some = uint96(s >> 4 & 3);
        if (kind == Kind.Register) a.amount = s & 15 == 0 ? (some & 1) * (least - 1) : least + some;
        else if (kind == Kind.AddStake) a.amount = some;
        if (s >> 8 & 31 == 0) a.amount = type(uint96).max - uint96(s >> 13 & 3);
        s >>= 16;
        if (kind == Kind.WithdrawStake) {
            if (s & 15 == 0) a.to = [address(0), address(registry), address(token)][(s >> 4) % 3];
            else a.to = s & 16 == 0 ? SINK : actors[(s >> 5) % ACTORS];
        }
    }

    /// @dev Nothing, a little, or about as much as the action yields: one less, so much, or up to two more.
    function feeOf(Action memory a, uint256 s) private view returns (uint96) {
        if (s & 3 == 0) return 0;
        if (s & 3 != 1) return uint96(1 + (s >> 2 & 3));
        uint256 fee = least;
        if (a.kind == Kind.WithdrawStake) (fee,,) = model.unbondingOf(a.provider);
        fee += s >> 2 & 3;
        return fee == 0 ? 0 : uint96(fee - 1 < type(uint96).max - 3 ? fee - 1 : type(uint96).max - 3);
    }

    /// @dev The provider's signature of an action; or one in eight times something else.
    function sign(Action memory a, uint256 i, uint256 s) private view returns (bytes memory signature, bool genuine) {
        uint256 key = keyOf(i);
        bytes32 digest;
        genuine = s & 7 != 0;
        if (genuine) {
            digest = digestOf(a, a.kind, a.relay);
        } else if (s >> 3 & 3 == 0) {
            digest = digestOf(a, Kind((uint256(a.kind) + 1 + (s >> 5 & 3)) % 5), a.relay);
        } else if (s >> 3 & 3 == 1) {
            digest = digestOf(a, a.kind, IRelaying.Relay(a.relay.relayer, a.relay.maxFee, 7777, a.relay.deadline));
        } else {
            digest = digestOf(a, a.kind, a.relay);
            if (s >> 3 & 1 == 0) key = keyOf((i + 1) % PROVIDERS);
            else digest = keccak256(abi.encode(digest));
        }
        (uint8 v, bytes32 r, bytes32 t) = vm.sign(key, digest);
        signature = abi.encodePacked(r, t, v);
        if (i == WALLET) signature = bytes.concat(hex"07", signature);
    }

    function digestOf(Action memory a, Kind kind, IRelaying.Relay memory relay) private view returns (bytes32) {
        if (kind == Kind.Register) return registry.registerDigest(a.provider, a.digest, a.amount, relay);
        if (kind == Kind.Update) return registry.updateDigest(a.provider, a.digest, relay);
        if (kind == Kind.AddStake) return registry.addStakeDigest(a.provider, a.amount, relay);
        if (kind == Kind.Leave) return registry.leaveDigest(a.provider, relay);
        return registry.withdrawStakeDigest(a.provider, a.to, relay);
    }

    /// @dev A permit for what the action costs, or somewhat else; a wallet with code can't make one.
    function permitOf(Action memory a, uint256 i, uint256 s) private view returns (IRelaying.Permit memory permit) {
        permit.value = s & 7 == 0 ? s >> 3 & 7 : s & 7 == 1 ? uint256(a.amount) + a.fee : type(uint256).max;
        permit.deadline = s >> 6 & 7 == 0 ? time - 1 : time + (s >> 9 & 1);
        Signature memory p = TokenSignatures.permit(
            keyOf(i), address(token), address(registry), permit.value, permit.deadline
        );
        (permit.v, permit.r, permit.s) = (p.v, p.r, p.s);
        a.permitted = permit.deadline >= time && i != WALLET;
        a.permitValue = permit.value;
    }

    function callOf(Action memory a, IRelaying.Permit memory permit, bytes memory signature)
        private
        pure
        returns (bytes memory)
    {
        if (a.kind == Kind.Register) {
            return abi.encodeCall(
                IRegistry.registerSigned, (a.provider, a.digest, a.amount, permit, a.relay, a.fee, signature)
            );
        }
        if (a.kind == Kind.Update) {
            return abi.encodeCall(IRegistry.updateSigned, (a.provider, a.digest, permit, a.relay, a.fee, signature));
        }
        if (a.kind == Kind.AddStake) {
            return abi.encodeCall(IRegistry.addStakeSigned, (a.provider, a.amount, permit, a.relay, a.fee, signature));
        }
        if (a.kind == Kind.Leave) {
            return abi.encodeCall(IRegistry.leaveSigned, (a.provider, permit, a.relay, a.fee, signature));
        }
        return abi.encodeCall(IRegistry.withdrawStakeSigned, (a.provider, a.to, a.relay, a.fee, signature));
    }

    /// @notice An account uses some of its low numbers up.
    function cancels(uint256 i, uint256 seed) external {
        seed = mixed(seed);
        address account = actors[i % ACTORS];
        uint256 mask = seed & seed >> 8 & seed >> 16 & 0xff;
        vm.recordLogs();
        model.cancel(account, mask);
        Vm.Log[] memory events = vm.getRecordedLogs();
        vm.recordLogs();
        vm.prank(account);
        registry.cancelNonces(0, mask);
        Events.same(address(registry), address(token), events, vm.getRecordedLogs());
        checkNonces(account);
    }

    /// @notice Time passes: somewhat, or up to a second around the time that somebody waits for.
    function waits(uint256 i, uint256 seed) external {
        seed = mixed(seed);
        (,, uint64 releaseAt) = model.unbondingOf(actors[i % PROVIDERS]);
        uint256 to = time + 1 + seed % (delay / 2);
        if (seed >> 128 & 1 == 0 && releaseAt != 0) to = releaseAt - 1 + (seed >> 130) % 3;
        if (to <= time) return;
        time = to;
        vm.warp(time);
        model.tick();
        check(actors[i % PROVIDERS]);
    }

    // Both do it

    function act(Action memory a, bytes memory data, uint256 seed) private {
        vm.recordLogs();
        (bool may, bytes memory want) = address(model).call(abi.encodeCall(RegistryModel.play, (a)));
        Vm.Log[] memory events = vm.getRecordedLogs();
        vm.recordLogs();
        vm.prank(a.sender);
        (bool ok, bytes memory got) = address(registry).call(data);
        Vm.Log[] memory emitted = vm.getRecordedLogs();
        require(ok == may, may ? "what is right was refused" : "what is wrong went through");
        if (ok && a.kind == Kind.Leave) require(got.length == 0, "leaving returned something");
        else require(keccak256(got) == keccak256(want), ok ? "it returned something else" : "it failed otherwise");

        bool withdrew = ok && a.kind == Kind.WithdrawStake;
        if (withdrew) withdrawable[a.provider] = 0;
        if (ok && a.isSigned) {
            require(!spent[a.provider][a.relay.nonce], "a number was used twice");
            spent[a.provider][a.relay.nonce] = true;
        }
        if (ok) a.isSigned ? ++signed[a.kind] : ++plain[a.kind];
        else ++refused[bytes4(got)];

        if (ok && (a.kind == Kind.Register || a.kind == Kind.Update)) ++sequences[a.provider];
        check(a.provider);
        address other = actors[(seed >> 4) % ACTORS];
        if (other != a.provider) check(other);
        if (a.sender != a.provider && a.sender != other) checkWallet(a.sender);
        checkWallet(address(registry));
        require(registry.count() == model.count(), "count");
        if (ok) Events.same(address(registry), address(token), events, emitted);
        if (++round % 16 == 0) checkAll(seed);
    }

    // What is said must be what the model says

    function check(address account) private {
        IRegistry.Registration memory r = registry.providerOf(account);
        require(keccak256(abi.encode(r)) == keccak256(abi.encode(model.providerOf(account))), "a registration");
        require(r.sequence == sequences[account], "a sequence did not rise by one");
        (uint96 due, uint96 locked, uint64 releaseAt) = registry.unbondingOf(account);
        (uint96 due_, uint96 locked_, uint64 releaseAt_) = model.unbondingOf(account);
        require(due == due_ && locked == locked_ && releaseAt == releaseAt_, "what unbonds");
        if (due != withdrawable[account]) {
            require(due > withdrawable[account], "what was due is locked again");
            withdrawable[account] = due;
        }
        checkWallet(account);
    }

    function checkWallet(address account) private view {
        require(token.balanceOf(account) == model.balanceOf(account), "a wallet");
    }

    function checkNonces(address account) private view {
        uint256 word = registry.noncesOf(account, 0);
        for (uint256 n; n < 12; ++n) {
            require((word >> n & 1 == 1) == model.used(account, n), "a number");
        }
    }

    function same(IRegistry.Registration[] memory a, IRegistry.Registration[] memory b) private pure returns (bool) {
        return keccak256(abi.encode(a)) == keccak256(abi.encode(b));
    }

    /// @notice Compares everything.
    function checkAll(uint256 seed) public {
        for (uint256 i; i < ACTORS; ++i) {
            check(actors[i]);
            checkNonces(actors[i]);
            require(token.allowance(actors[i], address(registry)) == model.allowanceOf(actors[i]), "an allowance");
        }
        checkWallet(SINK);
        require(token.balanceOf(address(registry)) == model.held(), "held is not stakes and what unbonds");

        IRegistry.Registration[] memory all = model.providers();
        require(same(registry.providers(0, type(uint256).max), all), "the list");
        IRegistry.Registration[] memory sorted = model.providersByStake(0, type(uint256).max);
        require(same(registry.providersByStake(address(0), type(uint256).max), sorted), "the list by stake");
        if (all.length == 0) return;
        uint256 from = seed % all.length;
        uint256 limit = (seed >> 8) % (all.length + 2);
        IRegistry.Registration[] memory page = registry.providers(from, limit);
        require(page.length == (all.length - from < limit ? all.length - from : limit), "a page's length");
        for (uint256 i; i < page.length; ++i) {
            require(page[i].provider == all[from + i].provider, "a page");
        }
        // What a provider asks about itself is no other answer.
        if (seed >> 250 & 1 == 1) vm.prank(sorted[from].provider);
        page = registry.providersByStake(sorted[from].provider, limit);
        require(same(page, model.providersByStake(from + 1, limit)), "a page by stake");
    }
}
