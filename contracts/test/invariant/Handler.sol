// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {TypedData} from "src/libraries/TypedData.sol";
import {Authorization, IDevToken, Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {Vm, vm} from "../Vm.sol";
import {Digests} from "../Digests.sol";
import {Wallet} from "../Wallet.sol";
import {Events} from "./Events.sol";
import {Model} from "./Model.sol";

/// @title Everything that three payers with two session keys each, three payees and two relayers can do, in any order,
/// and time
/// @notice The handler keeps a copy of every word that the contract may ever write. After each action it takes the list
/// of the words that were written, as the machine recorded it, and checks every change; all others are known to be as
/// they were. Then it compares with the {Model}, which was asked before: what the call answered and which events it
/// emitted, or why it was refused, what the views say now and who has which tokens. Vaults are numbered by owner and
/// signer, channels by vault and payee, used numbers by account and word. The third payee is the first payer; the other
/// two own vaults as well, for what they keep by `claimToVault`, and the second of them is a wallet with code. The second
/// session key is the first payer's own.
contract Handler {
    uint256 internal constant PAYERS = 3;
    uint256 internal constant SIGNERS = 2;
    uint256 internal constant PAYEES = 3;
    uint256 internal constant OWNERS = 5;
    uint256 internal constant PEOPLE = 7;
    uint256 internal constant WALLET = 4;
    uint256 internal constant WORDS = 3;
    uint256 internal constant KEPT = 8;
    uint8 internal constant ANY = type(uint8).max;
    uint8 internal constant NONE = type(uint8).max - 1;
    uint256 internal constant LIMIT = 1e24;
    uint96 internal constant USUAL = 1e20;
    uint24 internal constant LAST_EPOCH = type(uint24).max;
    address internal constant RELAYER = address(0x4e1a);
    address internal constant STRANGER = address(0x57A);

    struct State {
        uint96 free;
        uint96 settled;
        uint96 ceiling;
        uint40 exitAt;
        uint24 epoch;
    }

    enum Kind {
        None,
        Vault,
        Channel,
        Nonces
    }

    /// @notice A word of the contract's storage, and whose it is.
    struct Word {
        uint256 value;
        Kind kind;
        uint8 owner;
        /// @dev Of used numbers, which word.
        uint8 signer;
        uint8 payee;
    }

    /// @notice What an action may write: the vaults and channels of these, each a number, ANY or NONE.
    struct Scope {
        uint8 owner;
        uint8 signer;
        uint8 payee;
        /// @dev Whose vault may grow, and of which signer.
        uint8 credited;
        uint8 creditedSigner;
        /// @dev Settled may rise.
        bool pays;
        /// @dev Ceilings may rise otherwise than by paying.
        bool reserves;
        /// @dev They rise by signatures.
        bool bySigner;
        /// @dev The ceiling may fall.
        bool lowers;
        /// @dev An epoch may end without that.
        bool revokes;
        /// @dev An exit may begin or be called off.
        bool exits;
        /// @dev An exit may end.
        bool finishes;
        /// @dev Whose numbers may be used up, in which word and which of them.
        uint8 account;
        uint8 word;
        uint256 bits;
    }

    /// @notice A call, and all that is known of it.
    struct Step {
        address sender;
        bytes data;
        /// @dev The same for the model.
        bytes rule;
        Scope scope;
        uint8 p;
        uint8 s;
        uint8 e;
        /// @dev The vaults that the rows name, as payer × SIGNERS + signer.
        uint256[] named;
        /// @dev A claim for `e`, and whether to a vault.
        bool claims;
        bool toVault;
        /// @dev Somebody else may send it: `account` signed, or another in its place.
        bool relayed;
        bool signed;
        uint8 account;
        IRelaying.Relay relay;
        uint96 fee;
        /// @dev Which word of the call says the fee.
        uint256 feeAt;
        /// @dev What the account's own tokens may fall by.
        uint256 most;
    }

    /// @notice A signed reserve.
    struct Kept {
        bytes row;
        Model.Row fact;
        uint8 p;
        uint8 s;
        uint8 e;
    }

    Digests private immutable digests;
    IChannels public immutable channels;
    IDevToken public immutable token;
    uint40 public immutable delay;
    Model public immutable model;
    /// @dev The token again, as calls name it.
    address private immutable asset;

    mapping(bytes32 slot => Word) private words;
    /// @notice Σ vaults + Σ (ceiling − settled), by the copies.
    uint256 public owed;
    /// @notice The highest total that was ever signed for a channel.
    mapping(bytes32 slot => uint96) public signed;
    /// @notice When a running exit was announced.
    mapping(bytes32 slot => uint256) public exitStarted;
    /// @notice How many actions of each kind went through.
    mapping(bytes4 => uint256) public calls;
    /// @notice Numbers that went through with an action.
    mapping(address account => mapping(uint256 nonce => bool)) private spent;
    /// @notice The signed reserve that is tried on a channel, and which of them have raised a ceiling.
    mapping(bytes32 slot => bytes32) private tried;
    mapping(bytes32 reserve => bool) private raised;
    /// @notice What everybody holds.
    uint256[PEOPLE] private purses;

    // What was signed, to be tried again.
    mapping(uint256 => Step) private kept;
    uint256 private keptSteps;
    mapping(uint256 => Kept) private keptReserves;
    uint256 private reservesKept;

    uint256 private time = 1_800_000_000;
    uint256 private salts;
    uint256 private dice;
    mapping(uint256 account => uint256) private numbers;

    // Hashing is slow, and deriving an address more so.
    bytes32[SIGNERS][OWNERS] private vaultSlots;
    bytes32[PAYERS * SIGNERS * PAYEES] private ids;
    address[PAYERS] private payers;
    address[SIGNERS] private signers;
    address[PAYEES] private payees;
    /// @dev Who owns vaults, then the relayers.
    address[PEOPLE] private people;

    constructor(IChannels channels_, IDevToken token_) {
        digests = new Digests();
        (channels, token, delay, asset) = (channels_, token_, channels_.EXIT_DELAY(), address(token_));
        model = new Model(address(channels_), address(token_), channels_.EXIT_DELAY());
        for (uint256 i; i < PAYERS; ++i) {
            payers[i] = people[i] = vm.addr(payerKey(i));
            if (i < SIGNERS) signers[i] = vm.addr(signerKey(i));
            payees[i] = vm.addr(payeeKey(i));
        }
        payees[1] = address(new Wallet(payees[1]));
        (people[3], people[4], people[5], people[6]) = (payees[0], payees[1], RELAYER, STRANGER);
        for (uint256 o; o < OWNERS; ++o) {
            if (o < PAYERS) {
                token.mint(people[o], LIMIT);
                model.mint(people[o], LIMIT);
                purses[o] = LIMIT;
            }
            approve(o, type(uint256).max);
            for (uint256 k; k < SIGNERS; ++k) {
                vaultSlots[o][k] = keccak256(abi.encode(token, people[o], signers[k]));
                words[vaultSlot(o, k)] = Word(0, Kind.Vault, uint8(o), uint8(k), 0);
                for (uint256 e; e < PAYEES && o < PAYERS; ++e) {
                    ids[(o * SIGNERS + k) * PAYEES + e] = keccak256(abi.encode(vaultSlot(o, k), payees[e]));
                    words[idOf(o, k, e)] = Word(0, Kind.Channel, uint8(o), uint8(k), uint8(e));
                }
            }
            for (uint256 w; w < WORDS; ++w) {
                words[noncesSlot(o, w)] = Word(0, Kind.Nonces, uint8(o), uint8(w), 0);
            }
        }
        // Three channels have come to the end of their epochs, or nearly.
        setEpoch(0, 0, 0, LAST_EPOCH - 2);
        setEpoch(1, 1, 2, LAST_EPOCH - 1);
        setEpoch(2, 0, 1, LAST_EPOCH);
    }

    function setEpoch(uint256 p, uint256 s, uint256 e, uint24 epoch) private {
        vm.store(address(channels), idOf(p, s, e), bytes32(uint256(epoch)));
        words[idOf(p, s, e)].value = epoch;
        model.setEpoch(payers[p], signers[s], payees[e], epoch);
    }

    function within(uint256 value, uint256 low, uint256 high) private pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    /// @dev One of so many.
    function roll(uint256 sides) private returns (uint256) {
        return (dice = uint256(keccak256(abi.encode(dice)))) % sides;
    }

    /// @dev Mostly of the size that claims have, sometimes up to a limit.
    function some(uint256 limit) private returns (uint96) {
        return uint96(roll((roll(4) == 0 ? limit : limit < USUAL ? limit : USUAL) + 1));
    }

    // Who is who

    function payerKey(uint256 i) private pure returns (uint256) {
        return 0xAA00 + i;
    }

    function signerKey(uint256 i) private pure returns (uint256) {
        return i == 1 ? payerKey(0) : 0x5500 + i;
    }

    function payeeKey(uint256 i) private pure returns (uint256) {
        return i == 2 ? payerKey(0) : 0xEE00 + i;
    }

    /// @dev The payers, then the payees that are none.
    function ownerKey(uint256 o) private pure returns (uint256) {
        return o < PAYERS ? payerKey(o) : payeeKey(o - PAYERS);
    }

    function ownerOf(uint256 e) private pure returns (uint8) {
        return e == 2 ? 0 : uint8(PAYERS + e);
    }

    /// @dev Seldom somebody that can't be paid.
    function payable_(address who) private returns (address) {
        if (roll(24) != 0) return who;
        return [address(0), address(channels), asset][roll(3)];
    }

    function vaultSlot(uint256 o, uint256 s) private view returns (bytes32) {
        return vaultSlots[o][s];
    }

    function idOf(uint256 p, uint256 s, uint256 e) private view returns (bytes32) {
        return ids[(p * SIGNERS + s) * PAYEES + e];
    }

    function noncesSlot(uint256 o, uint256 w) private view returns (bytes32) {
        return keccak256(abi.encode(keccak256("byway.nonces"), people[o], wordAt(w)));
    }

    /// @dev The first two words and the last.
    function wordAt(uint256 w) private pure returns (uint256) {
        return w < WORDS - 1 ? w : type(uint256).max >> 8;
    }

    /// @dev As the copies have it.
    function state(uint256 p, uint256 s, uint256 e) private view returns (State memory r) {
        r = decode(words[idOf(p, s, e)].value);
        r.free = uint96(words[vaultSlot(p, s)].value);
    }

    function decode(uint256 word) private pure returns (State memory r) {
        r.settled = uint96(word >> 160);
        r.ceiling = uint96(word >> 64);
        r.exitAt = uint40(word >> 24);
        r.epoch = uint24(word);
    }

    // Acting

    function act(Step memory t) private {
        (bool ok, bytes32[] memory writes) = run(t);
        if (ok) compare(t, writes);
    }

    /// @dev Asks the model, makes the call and checks what came of it.
    function run(Step memory t) private returns (bool ok, bytes32[] memory writes) {
        vm.recordLogs();
        vm.prank(t.sender);
        (bool allowed, bytes memory want) = address(model).call(t.rule);
        Vm.Log[] memory events = vm.getRecordedLogs();
        if (allowed && t.relayed) askForMore(t);
        vm.record();
        vm.recordLogs();
        vm.prank(t.sender);
        bytes memory answer;
        (ok, answer) = address(channels).call(t.data);
        Vm.Log[] memory emitted = vm.getRecordedLogs();
        if (ok && t.relayed) checkTerms(t);
        uint256 paid;
        (paid, writes) = check(t.scope);
        if (ok) {
            checkPurses(t, paid);
            if (t.scope.pays) require(abi.decode(answer, (uint256)) == paid, "paid is not what was settled");
            ++calls[msg.sig];
        }
        require(ok || !allowed, "the contract refuses what the rules allow");
        require(!ok || allowed, "the contract does what the rules forbid");
        require(
            keccak256(answer) == keccak256(want),
            ok ? "another answer than by the rules" : "another error than by the rules"
        );
        if (ok) Events.same(address(channels), asset, events, emitted);
    }

    /// @dev Tries what would go through for a fee that is one more than was signed.
    function askForMore(Step memory t) private {
        (bytes memory data, uint256 at, uint96 fee) = (t.data, 0x24 + 0x20 * t.feeAt, t.relay.maxFee + 1);
        assembly {
            mstore(add(data, at), fee)
        }
        vm.prank(t.sender);
        (bool ok, bytes memory answer) = address(channels).call(data);
        require(!ok, "a relayer took more than was signed");
        require(
            keccak256(answer) == keccak256(abi.encodeWithSelector(IRelaying.FeeAboveCap.selector, t.relay.maxFee, fee)),
            "another error than by the rules"
        );
        fee = t.fee;
        assembly {
            mstore(add(data, at), fee)
        }
    }

    /// @dev What went through must be signed for this sender, now and once.
    function checkTerms(Step memory t) private {
        require(t.signed, "what nobody signed went through");
        require(t.relay.relayer == address(0) || t.relay.relayer == t.sender, "another relayer sent it");
        require(time <= t.relay.deadline, "a signature was used after its time");
        require(!spent[people[t.account]][t.relay.nonce], "a signature was used twice");
        spent[people[t.account]][t.relay.nonce] = true;
        // At once again.
        vm.prank(t.sender);
        (bool twice,) = address(channels).call(t.data);
        require(!twice, "a signature was used twice");
    }

    /// @dev Whatever was written must be in the scope, and as it may be.
    function check(Scope memory scope) private returns (uint256 paid, bytes32[] memory writes) {
        (, writes) = vm.accesses(address(channels));
        for (uint256 i; i < writes.length; ++i) {
            bytes32 slot = writes[i];
            Word storage word = words[slot];
            (uint256 old, uint256 value) = (word.value, uint256(vm.load(address(channels), slot)));
            if (old == value) continue;
            word.value = value;
            if (word.kind == Kind.Vault) {
                checkVault(scope, word, old, value);
                owed = owed + value - old;
            } else if (word.kind == Kind.Nonces) {
                checkNonces(scope, word, old, value);
            } else {
                require(word.kind == Kind.Channel, "a word of nobody's changed");
                paid += checkChannel(scope, word, slot, decode(old), decode(value));
            }
        }
        require(token.balanceOf(address(channels)) == owed, "held is not what is owed");
    }

    function among(uint8 allowed, uint8 which) private pure returns (bool) {
        return allowed == ANY || allowed == which;
    }

    function checkVault(Scope memory scope, Word storage word, uint256 old, uint256 value) private view {
        require(value <= type(uint96).max, "a vault has more than 96 bits");
        if (word.owner == scope.credited && word.signer == scope.creditedSigner) return;
        require(among(scope.owner, word.owner), "another's vault changed");
        require(among(scope.signer, word.signer), "another signer's vault changed");
        require(value < old, "a vault grew by itself");
    }

    function checkNonces(Scope memory scope, Word storage word, uint256 old, uint256 value) private view {
        require(value & old == old, "a used number came back");
        require(word.owner == scope.account, "another's number was used");
        require(word.signer == scope.word && (value ^ old) & ~scope.bits == 0, "another number was used");
    }

    function checkChannel(Scope memory scope, Word storage word, bytes32 slot, State memory old, State memory now_)
        private
        returns (uint256 paid)
    {
        require(among(scope.owner, word.owner), "another's channel changed");
        require(among(scope.signer, word.signer), "another signer's channel changed");
        require(among(scope.payee, word.payee), "another payee's channel changed");
        require(now_.settled >= old.settled, "settled fell");
        require(now_.settled <= now_.ceiling, "more is settled than was set aside");
        paid = now_.settled - old.settled;
        if (paid != 0) {
            require(scope.pays, "something was paid without a claim");
            require(now_.settled <= signed[slot], "more was paid than signed");
        }
        if (now_.exitAt != old.exitAt) checkExit(scope, slot, old, now_);
        bool rose = now_.ceiling > old.ceiling;
        if (now_.ceiling < old.ceiling) {
            require(scope.lowers, "a reserve shrank by itself");
            require(now_.epoch == next(old.epoch), "a reserve shrank within an epoch");
        } else if (rose && scope.bySigner) {
            require(!raised[tried[slot]], "a reserve was used twice");
            raised[tried[slot]] = true;
        } else if (rose && !scope.reserves) {
            require(scope.pays && now_.settled == now_.ceiling, "a reserve grew by itself");
        }
        if (now_.epoch != old.epoch) {
            require(now_.epoch == next(old.epoch), "an epoch was skipped");
            require(scope.lowers || scope.revokes || scope.bySigner && rose, "an epoch ended by itself");
        }
        owed = owed + now_.ceiling - now_.settled - (old.ceiling - old.settled);
    }

    function next(uint24 epoch) private pure returns (uint24) {
        return epoch == LAST_EPOCH ? epoch : epoch + 1;
    }

    function checkExit(Scope memory scope, bytes32 slot, State memory old, State memory now_) private {
        require(old.exitAt == 0 || now_.exitAt == 0, "an exit was moved");
        if (now_.exitAt != 0) {
            require(scope.exits, "an exit began by itself");
            exitStarted[slot] = time;
        } else if (scope.finishes) {
            require(time >= exitStarted[slot] + delay, "an exit ended before its delay");
        } else {
            require(scope.exits || scope.lowers && now_.settled == now_.ceiling, "an exit ended by itself");
        }
    }

    /// @dev Takes a new copy of what everybody holds.
    function checkPurses(Step memory t, uint256 paid) private {
        for (uint256 i; i < PEOPLE; ++i) {
            address who = people[i];
            (uint256 old, uint256 value) = (purses[i], token.balanceOf(who));
            if (t.relayed) {
                // Relayers are sent nothing else here.
                require(i < OWNERS || value <= old + t.relay.maxFee, "a relayer took more than was signed");
                require(i != t.account || value + t.most >= old, "more was taken of an account than it signed");
            }
            if (t.claims) {
                uint256 want = old;
                bool payee = i == ownerOf(t.e);
                if (payee) want += t.toVault ? (t.fee < paid ? t.fee : paid) : paid;
                if (who == t.sender) want += t.fee;
                require(value + (payee ? t.fee : 0) == want, "a claim did not pay the payee alone");
            }
            if (value != old) purses[i] = value;
        }
    }

    /// @dev All that the call names and all that was written must be as the model has it.
    function compare(Step memory t, bytes32[] memory writes) private view {
        if (t.claims) {
            for (uint256 i; i < t.named.length; ++i) {
                agreeOnChannel(t.named[i] / SIGNERS, t.named[i] % SIGNERS, t.e);
            }
        } else if (t.p != NONE) {
            agreeOnChannel(t.p, t.s, t.e);
        }
        if (t.scope.credited != NONE) agreeOnVault(t.scope.credited, t.scope.creditedSigner);
        if (t.relayed && t.scope.account != NONE) {
            uint256 used = channels.noncesOf(people[t.account], t.relay.nonce >> 8);
            require(used >> (t.relay.nonce & 0xff) & 1 == 1, "noncesOf differs from the rules");
        }
        for (uint256 i; i < writes.length; ++i) {
            Word storage word = words[writes[i]];
            if (word.kind == Kind.Vault) agreeOnVault(word.owner, word.signer);
            if (word.kind == Kind.Channel) agreeOnChannel(word.owner, word.signer, word.payee);
        }
        for (uint256 i; i < PEOPLE; ++i) {
            require(model.balanceOf(people[i]) == purses[i], "a balance differs from the rules");
        }
    }

    function agreeOnVault(uint256 o, uint256 s) private view {
        agree(abi.encodeCall(IChannels.vaultOf, (asset, people[o], signers[s])), "vaultOf differs from the rules");
    }

    function agreeOnChannel(uint256 p, uint256 s, uint256 e) private view {
        agree(
            abi.encodeCall(IChannels.channelOf, (asset, payers[p], signers[s], payees[e])),
            "channelOf differs from the rules"
        );
    }

    function agree(bytes memory view_, string memory what) private view {
        (, bytes memory answer) = address(channels).staticcall(view_);
        (, bytes memory want) = address(model).staticcall(view_);
        require(keccak256(answer) == keccak256(want), what);
    }

    /// @notice Compares every word with what the contract's views say, and those with the model's: the copies are right,
    /// and the sum is.
    function checkAll() external view {
        uint256 sum;
        for (uint256 o; o < OWNERS; ++o) {
            for (uint256 s; s < SIGNERS; ++s) {
                uint96 free = channels.vaultOf(asset, people[o], signers[s]);
                require(free == words[vaultSlot(o, s)].value, "a vault's copy is wrong");
                agreeOnVault(o, s);
                sum += free;
                for (uint256 e; e < PAYEES && o < PAYERS; ++e) {
                    State memory r;
                    (r.free, r.settled, r.ceiling, r.exitAt, r.epoch) =
                        channels.channelOf(asset, people[o], signers[s], payees[e]);
                    require(
                        keccak256(abi.encode(r)) == keccak256(abi.encode(state(o, s, e))), "a channel's copy is wrong"
                    );
                    agreeOnChannel(o, s, e);
                    require(r.settled <= signed[idOf(o, s, e)], "more was paid than signed");
                    sum += r.ceiling - r.settled;
                }
            }
            for (uint256 w; w < WORDS; ++w) {
                uint256 used = channels.noncesOf(people[o], wordAt(w));
                require(used == words[noncesSlot(o, w)].value, "a copy of used numbers is wrong");
                require(used == model.noncesOf(people[o], wordAt(w)), "noncesOf differs from the rules");
            }
            require(
                token.allowance(people[o], address(channels)) == model.allowance(people[o]),
                "an allowance differs from the rules"
            );
        }
        require(sum == owed && token.balanceOf(address(channels)) == sum, "held is not what is owed");
    }

    // What actions begin with

    /// @dev What one payer does with one channel.
    function step(uint256 p, uint256 s, uint256 e, uint256 seed) private returns (Step memory t) {
        dice = seed;
        (t.p, t.s, t.e) = (uint8(p % PAYERS), uint8(s % SIGNERS), uint8(e % PAYEES));
        t.sender = payers[t.p];
        t.scope = own(t.p, t.s, t.e);
    }

    enum Aim {
        Reserve,
        Exit,
        Free
    }

    /// @dev Mostly the next channel that has something of the kind: an action on all others would seldom do anything.
    function stepAt(Aim aim, uint256 p, uint256 s, uint256 e, uint256 seed) private returns (Step memory t) {
        if (seed % 8 != 0) {
            uint256 first = p % PAYERS * SIGNERS * PAYEES + s % SIGNERS * PAYEES + e % PAYEES;
            for (uint256 i; i < PAYERS * SIGNERS * PAYEES; ++i) {
                uint256 at = (first + i) % (PAYERS * SIGNERS * PAYEES);
                (uint256 p_, uint256 s_, uint256 e_) = (at / PAYEES / SIGNERS, at / PAYEES % SIGNERS, at % PAYEES);
                if (!found(aim, ids[at], p_, s_)) continue;
                (p, s, e) = (p_, s_, e_);
                break;
            }
        }
        return step(p, s, e, seed);
    }

    function found(Aim aim, bytes32 id, uint256 p, uint256 s) private view returns (bool) {
        if (aim == Aim.Free) return words[vaultSlots[p][s]].value != 0;
        uint256 word = words[id].value;
        return aim == Aim.Exit ? uint40(word >> 24) != 0 : word >> 160 != uint96(word >> 64);
    }

    function own(uint8 p, uint8 s, uint8 e) private pure returns (Scope memory scope) {
        (scope.owner, scope.signer, scope.payee) = (p, s, e);
        (scope.credited, scope.creditedSigner, scope.account) = (NONE, NONE, NONE);
    }

    /// @dev What a payer or its payee does to give some of a reserve back.
    function lowering(Step memory t) private pure {
        t.scope.lowers = true;
        (t.scope.credited, t.scope.creditedSigner) = (t.p, t.s);
    }

    /// @dev What a payee's claim does, which is for nobody else.
    function claiming(Step memory t) private pure {
        t.scope = own(ANY, ANY, t.e);
        (t.claims, t.scope.pays) = (true, true);
    }

    // Signatures

    /// @dev For an account, by its key or another.
    function sign(uint256 account, uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 t) = vm.sign(key, digest);
        return account == WALLET ? abi.encodePacked(hex"07", r, t, v) : abi.encodePacked(r, t, v);
    }

    function compact(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 t) = vm.sign(key, digest);
        return abi.encodePacked(r, uint256(v - 27) << 255 | uint256(t));
    }

    function promise_(Step memory t, uint256 p, uint256 s, uint96 total) private returns (bytes memory) {
        bytes32 id = idOf(p, s, t.e);
        if (total > signed[id]) signed[id] = total;
        bytes memory signature = compact(signerKey(s), channels.promiseDigest(payers[p], payees[t.e], asset, total));
        return abi.encodePacked(payers[p], total, signature);
    }

    /// @dev Some rows for a step's payee.
    function rowsOf(Step memory t, uint256 n) private returns (bytes memory rows, Model.Rows memory facts) {
        facts.list = new Model.Row[](n);
        t.named = new uint256[](n);
        for (uint256 i; i < n; ++i) {
            (uint256 p, uint256 s) = (roll(PAYERS), roll(SIGNERS));
            uint96 settled = state(p, s, t.e).settled;
            // Some are old.
            uint96 total = uint96(roll(8) == 0 ? roll(uint256(settled) + 1) : settled + roll(USUAL));
            (bytes memory row, Model.Row memory fact) = rowOf(t, p, s, total);
            (facts.list[i], t.named[i]) = (fact, p * SIGNERS + s);
            rows = bytes.concat(rows, row);
        }
        // Seldom there is too much.
        if (n != 0 && roll(24) == 0) rows = bytes.concat(rows, tooMany());
        facts.length = rows.length;
    }

    /// @dev No whole row, but often some words.
    function tooMany() private returns (bytes memory) {
        return new bytes(roll(2) == 0 ? 1 + roll(95) : [uint256(32), 48, 64][roll(3)]);
    }

    function rowOf(Step memory t, uint256 p, uint256 s, uint96 total)
        private
        returns (bytes memory row, Model.Row memory fact)
    {
        row = promise_(t, p, s, total);
        (fact.payer, fact.signer, fact.total, fact.good) = (payers[p], signers[s], total, true);
        // One in eight is spoilt.
        if (roll(8) == 0) {
            row[roll(96)] ^= bytes1(uint8(1 << roll(8)));
            fact.good = false;
        }
    }

    /// @dev Lets another send what an account signs: who, for how much, by when; and says with which key to sign. One in
    /// four has something wrong.
    function terms(Step memory t, uint8 account, uint256 feeAt) private returns (uint256 key) {
        (t.relayed, t.account, t.feeAt) = (true, account, feeAt);
        uint256 wrong = roll(4) == 0 ? 1 + roll(4) : 0;
        if (roll(2) == 0 || wrong == 1) t.relay.relayer = RELAYER;
        t.sender = wrong == 1
            ? roll(2) == 0 ? STRANGER : people[account]
            : t.relay.relayer == RELAYER ? RELAYER : roll(2) == 0 ? STRANGER : people[roll(PEOPLE)];
        t.relay.maxFee = roll(4) == 0 ? 0 : uint96(roll(USUAL / 8));
        t.fee = roll(4) == 0 ? t.relay.maxFee : uint96(roll(uint256(t.relay.maxFee) + 1));
        t.most = t.relay.maxFee;
        t.relay.deadline = uint40(wrong == 2 ? time - 1 : roll(4) == 0 ? time : time + roll(3 * delay));
        t.signed = wrong != 3;
        key = t.signed ? ownerKey(account) : anotherKey(account);
        // Numbers are used in turn, in all words, or once more.
        uint256 number = wrong == 4 ? roll(numbers[account] + 1) : numbers[account]++;
        t.scope.account = account;
        t.scope.word = uint8(number % WORDS);
        t.scope.bits = 1 << (number / WORDS & 0xff);
        t.relay.nonce = wordAt(number % WORDS) << 8 | (number / WORDS & 0xff);
    }

    function anotherKey(uint256 account) private returns (uint256) {
        uint256 next_ = ownerKey((account + 1 + roll(OWNERS - 1)) % OWNERS);
        uint256 key = signerKey(roll(SIGNERS));
        return roll(2) == 0 || key == ownerKey(account) ? next_ : key;
    }

    function termsOf(Step memory t) private pure returns (Model.Terms memory) {
        return Model.Terms(t.relay, t.fee, t.signed);
    }

    /// @dev Sends what is signed now, or later, and keeps it to be tried again.
    function send(Step memory t) private {
        uint256 at = keptSteps++ % KEPT;
        kept[at] = t;
        if (roll(6) != 0) act(t);
    }

    // Actions

    function deposit(uint256 p, uint256 s, uint256 from, uint256 seed) external {
        Step memory t = step(p, s, 0, seed);
        from %= OWNERS;
        address signer = roll(32) == 0 ? address(0) : signers[t.s];
        address payer = roll(32) == 0 ? address(0) : payers[t.p];
        act(depositing(t, from, payer, signer, some(purses[from])));
    }

    function depositing(Step memory t, uint256 from, address payer, address signer, uint96 amount)
        private
        view
        returns (Step memory)
    {
        t.sender = people[from];
        t.scope = own(NONE, NONE, NONE);
        if (payer != address(0) && signer != address(0)) {
            (t.scope.credited, t.scope.creditedSigner) = (t.p, t.s);
        }
        t.data = abi.encodeCall(IChannels.deposit, (asset, payer, signer, amount));
        t.rule = abi.encodeCall(Model.deposit, (payer, signer, amount));
        return t;
    }

    /// @dev What to open, often as much as there will be.
    function openingOf(Step memory t) private returns (IChannels.Opening memory o) {
        t.scope.reserves = true;
        (t.scope.credited, t.scope.creditedSigner) = (t.p, t.s);
        (o.token, o.payer, o.signer, o.payee) = (asset, payers[t.p], signers[t.s], payable_(payees[t.e]));
        o.amount = roll(32) == 0 ? 0 : some(purses[t.p]);
        State memory st = state(t.p, t.s, t.e);
        uint256 there = uint256(st.ceiling) + st.free + o.amount;
        o.ceiling = uint96(roll(3) == 0 ? there : roll(there + there / 8 + 1));
        t.most = o.amount;
    }

    function open(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = step(p, s, e, seed);
        IChannels.Opening memory o = openingOf(t);
        t.data = abi.encodeCall(IChannels.open, (asset, o.signer, o.payee, o.amount, o.ceiling));
        t.rule = abi.encodeCall(Model.open, (o));
        act(t);
    }

    /// @dev By the payer or a relayer, with a permit, with another's or with none. Sometimes somebody has used the permit
    /// before.
    function openWithPermit(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = step(p, s, e, seed);
        IChannels.Opening memory o = openingOf(t);
        bool relayed = roll(4) != 0;
        bytes memory signature;
        if (relayed) {
            uint256 key = terms(t, t.p, 15);
            t.most = o.amount;
            signature = sign(t.account, key, digests.openDigest(channels, o, t.relay));
        }
        (IRelaying.Permit memory permit, Model.Permit memory fact) = permitOf(t.p, o.amount);
        if (relayed) {
            t.data = abi.encodeCall(IChannels.openWithPermitSigned, (o, permit, t.relay, t.fee, signature));
            t.rule = abi.encodeCall(Model.openWithPermitSigned, (o, fact, termsOf(t)));
            return send(t);
        }
        t.data = abi.encodeCall(
            IChannels.openWithPermit, (asset, o.signer, o.payee, o.amount, o.ceiling, permit)
        );
        t.rule = abi.encodeCall(Model.openWithPermit, (o, fact));
        act(t);
    }

    function permitOf(uint256 p, uint256 amount)
        private
        returns (IRelaying.Permit memory permit, Model.Permit memory fact)
    {
        uint256 kind = roll(8);
        if (kind == 0) return (permit, fact);
        permit.value = kind < 4 ? type(uint256).max : amount + roll(USUAL);
        permit.deadline = roll(2) == 0 ? type(uint256).max : time - (kind == 7 ? 1 : 0);
        fact = Model.Permit(permit.value, token.nonces(payers[p]), permit.deadline, kind != 1);
        Signature memory sig = TokenSignatures.permit(
            kind == 1 ? payerKey(p) + 1 : payerKey(p), asset, address(channels), permit.value, permit.deadline
        );
        (permit.v, permit.r, permit.s) = (sig.v, sig.r, sig.s);
        if (kind == 2) {
            token.permit(payers[p], address(channels), permit.value, permit.deadline, sig.v, sig.r, sig.s);
            model.permit(payers[p], fact);
        }
    }

    function openWithAuthorization(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = step(p, s, e, seed);
        IChannels.Opening memory o = openingOf(t);
        uint256 key = terms(t, t.p, 14);
        t.most = o.amount;
        // Its number is the token's.
        t.scope.account = NONE;
        IChannels.Authorization memory a;
        (a.validAfter, a.validBefore) = (roll(12) == 0 ? time : 0, uint256(t.relay.deadline) + 1);
        (a.salt, a.relayer, a.maxFee) = (bytes32(++salts), t.relay.relayer, t.relay.maxFee);
        bytes32 nonce = channels.authorizationNonce(o, a);
        t.relay.nonce = uint256(nonce);
        Signature memory sig = TokenSignatures.receiving(
            key, asset, Authorization(o.payer, address(channels), o.amount, a.validAfter, a.validBefore, nonce)
        );
        (a.v, a.r, a.s) = (sig.v, sig.r, sig.s);
        t.data = abi.encodeCall(IChannels.openWithAuthorization, (o, a, t.fee));
        t.rule = abi.encodeCall(
            Model.openWithAuthorization,
            (o, Model.Authorization(a.validAfter, a.validBefore, nonce, vm.addr(key)), termsOf(t))
        );
        send(t);
    }

    function reserve(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = stepAt(Aim.Free, p, s, e, seed);
        State memory st = state(t.p, t.s, t.e);
        t.scope.reserves = true;
        address payee = payable_(payees[t.e]);
        if (payee == asset && roll(2) == 0) t.sender = asset;
        uint96 ceiling =
            roll(8) == 0 ? uint96(roll(uint256(st.ceiling) + 1)) : st.ceiling + uint96(roll(uint256(st.free) + st.free / 8 + 1));
        t.data = abi.encodeCall(IChannels.reserve, (asset, signers[t.s], payee, ceiling));
        t.rule = abi.encodeCall(Model.reserve, (signers[t.s], payee, ceiling));
        act(t);
    }

    /// @dev By anybody: a new one, between others that were signed before. What did not go all the way is tried again when
    /// there is more.
    function reserveSigned(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = step(p, s, e, seed);
        uint256 mine = reservesKept % KEPT;
        keep(t, mine);
        reservesOf(t, roll(2 ** KEPT) | 1 << mine);
        (bool ok, bytes32[] memory writes) = run(t);
        bool more;
        for (uint256 i; i < writes.length; ++i) {
            Word storage word = words[writes[i]];
            if (word.kind != Kind.Vault || word.value != 0) continue;
            fill(word.owner, word.signer);
            more = true;
        }
        if (more) run(t);
        if (ok) compare(t, writes);
    }

    /// @dev Puts something into a vault, also where its payer has nothing left.
    function fill(uint8 p, uint8 s) private {
        token.mint(payers[p], USUAL);
        model.mint(payers[p], USUAL);
        purses[p] += USUAL;
        approve(p, type(uint256).max);
        Step memory t;
        (t.p, t.s) = (p, s);
        run(depositing(t, p, payers[p], signers[s], USUAL));
    }

    /// @dev Signs a reserve and keeps it.
    function keep(Step memory t, uint256 at) private {
        State memory st = state(t.p, t.s, t.e);
        Kept memory k;
        Model.Row memory fact = k.fact;
        (k.p, k.s, k.e) = (t.p, t.s, t.e);
        (fact.payer, fact.signer) = (payers[t.p], signers[t.s]);
        fact.total = st.ceiling + uint96(roll(USUAL));
        fact.epoch = roll(8) != 0 ? st.epoch : roll(2) == 0 ? next(st.epoch) : st.epoch == 0 ? 0 : st.epoch - 1;
        fact.validUntil = uint40(roll(12) == 0 ? time - 1 : roll(4) == 0 ? time : time + roll(6 * delay));
        fact.good = roll(12) != 0;
        k.row = abi.encodePacked(
            fact.payer,
            fact.total,
            uint256(fact.epoch) << 40 | fact.validUntil,
            compact(
                signerKey(t.s),
                channels.reserveDigest(fact.payer, payees[t.e], asset, fact.total, fact.epoch, fact.validUntil)
            )
        );
        if (!fact.good) k.row[roll(128)] ^= bytes1(uint8(1 << roll(8)));
        keptReserves[at] = k;
        ++reservesKept;
    }

    /// @dev Sends those of the reserves kept that are for the step's payee, one of a channel.
    function reservesOf(Step memory t, uint256 which) private {
        bytes memory rows;
        Model.Rows memory facts;
        facts.list = new Model.Row[](KEPT);
        uint256 n;
        uint256 seen;
        for (uint256 i; i < KEPT; ++i) {
            Kept storage k = keptReserves[i];
            if (which >> i & 1 == 0 || k.row.length == 0 || k.e != t.e) continue;
            uint256 bit = 1 << k.p * SIGNERS + k.s;
            if (seen & bit != 0) continue;
            seen |= bit;
            rows = bytes.concat(rows, k.row);
            facts.list[n++] = k.fact;
            tried[idOf(k.p, k.s, k.e)] = keccak256(k.row);
        }
        // The first one again in the same call.
        if (n != 0 && n < KEPT && roll(4) == 0) {
            Kept storage k = keptReserves[which & 1 == 1 && keptReserves[0].e == t.e ? 0 : (reservesKept - 1) % KEPT];
            if (tried[idOf(k.p, k.s, k.e)] == keccak256(k.row)) {
                rows = bytes.concat(rows, k.row);
                facts.list[n++] = k.fact;
            }
        }
        if (roll(24) == 0) rows = bytes.concat(rows, tooMany());
        Model.Row[] memory list = facts.list;
        assembly {
            mstore(list, n)
        }
        facts.length = rows.length;
        t.sender = people[roll(PEOPLE)];
        t.scope = own(ANY, ANY, t.e);
        (t.scope.reserves, t.scope.bySigner) = (true, true);
        address payee = roll(32) == 0 ? asset : payees[t.e];
        t.data = abi.encodeCall(IChannels.reserveSigned, (asset, payee, rows));
        t.rule = abi.encodeCall(Model.reserveSigned, (payee, facts));
    }

    /// @dev The four actions on one channel that have no other terms.
    function signedOnChannel(Step memory t, bytes32 typehash, bytes4 action, bytes4 rule) private {
        uint256 key = terms(t, t.p, 8);
        (address payer, address signer, address payee) = (payers[t.p], signers[t.s], payees[t.e]);
        bytes memory signature =
            sign(t.account, key, digests.channelDigest(channels, typehash, asset, payer, signer, payee, t.relay));
        t.data = abi.encodeWithSelector(action, asset, payer, signer, payee, t.relay, t.fee, signature);
        t.rule = abi.encodeWithSelector(rule, payer, signer, payee, termsOf(t));
        send(t);
    }

    function revoke(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = step(p, s, e, seed);
        t.scope.revokes = true;
        if (roll(2) == 0) {
            return signedOnChannel(
                t, TypedData.REVOKE_TYPEHASH, IChannels.revokeSigned.selector, Model.revokeSigned.selector
            );
        }
        t.data = abi.encodeCall(IChannels.revoke, (asset, signers[t.s], payees[t.e]));
        t.rule = abi.encodeCall(Model.revoke, (signers[t.s], payees[t.e]));
        act(t);
    }

    /// @dev By anybody, or with the payee's signature and a tip.
    function claim(uint256 e, uint256 seed) external {
        Step memory t = step(0, 0, e, seed);
        claiming(t);
        (bytes memory rows, Model.Rows memory facts) = rowsOf(t, roll(5));
        address payee = payable_(payees[t.e]);
        if (roll(2) == 0) {
            t.sender = people[roll(PEOPLE)];
            t.data = abi.encodeCall(IChannels.claim, (asset, payee, rows));
            t.rule = abi.encodeCall(Model.claim, (payee, facts));
            return act(t);
        }
        uint256 key = terms(t, ownerOf(t.e), 7);
        bytes memory signature = sign(t.account, key, digests.claimDigest(channels, asset, payee, rows, t.relay));
        t.data = abi.encodeCall(IChannels.claimSigned, (asset, payee, rows, t.relay, t.fee, signature));
        t.rule = abi.encodeCall(Model.claimSigned, (payee, facts, termsOf(t)));
        send(t);
    }

    function claimToVault(uint256 e, uint256 s, uint256 seed) external {
        Step memory t = step(0, s, e, seed);
        claiming(t);
        t.toVault = true;
        (t.scope.credited, t.scope.creditedSigner) = (ownerOf(t.e), t.s);
        (bytes memory rows, Model.Rows memory facts) = rowsOf(t, roll(5));
        address signer = roll(24) == 0 ? address(0) : signers[t.s];
        address payee = payees[t.e];
        if (roll(2) == 0) {
            t.sender = payee;
            t.data = abi.encodeCall(IChannels.claimToVault, (asset, signer, rows));
            t.rule = abi.encodeCall(Model.claimToVault, (signer, facts));
            return act(t);
        }
        uint256 key = terms(t, ownerOf(t.e), 8);
        bytes memory signature = sign(t.account, key, digests.claimToVaultDigest(channels, asset, payee, signer, rows, t.relay));
        t.data =
            abi.encodeCall(IChannels.claimToVaultSigned, (asset, payee, signer, rows, t.relay, t.fee, signature));
        t.rule = abi.encodeCall(Model.claimToVaultSigned, (payee, signer, facts, termsOf(t)));
        send(t);
    }

    function startExit(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = stepAt(Aim.Reserve, p, s, e, seed);
        t.scope.exits = true;
        if (roll(2) == 0) {
            return signedOnChannel(
                t,
                TypedData.START_EXIT_TYPEHASH,
                IChannels.startExitSigned.selector,
                Model.startExitSigned.selector
            );
        }
        t.data = abi.encodeCall(IChannels.startExit, (asset, signers[t.s], payees[t.e]));
        t.rule = abi.encodeCall(Model.startExit, (signers[t.s], payees[t.e]));
        act(t);
    }

    function cancelExit(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = stepAt(Aim.Exit, p, s, e, seed);
        t.scope.exits = true;
        if (roll(2) == 0) {
            return signedOnChannel(
                t,
                TypedData.CANCEL_EXIT_TYPEHASH,
                IChannels.cancelExitSigned.selector,
                Model.cancelExitSigned.selector
            );
        }
        t.data = abi.encodeCall(IChannels.cancelExit, (asset, signers[t.s], payees[t.e]));
        t.rule = abi.encodeCall(Model.cancelExit, (signers[t.s], payees[t.e]));
        act(t);
    }

    /// @dev By anybody, also when it is too early; sometimes in the first second in which it is not, or the last before.
    function finishExit(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = stepAt(Aim.Exit, p, s, e, seed);
        lowering(t);
        t.scope.finishes = true;
        uint256 exitAt = state(t.p, t.s, t.e).exitAt;
        if (exitAt > time && roll(2) == 0) warp(exitAt - roll(2));
        if (roll(2) == 0) {
            return signedOnChannel(
                t,
                TypedData.FINISH_EXIT_TYPEHASH,
                IChannels.finishExitSigned.selector,
                Model.finishExitSigned.selector
            );
        }
        t.sender = people[roll(PEOPLE)];
        t.data = abi.encodeCall(IChannels.finishExit, (asset, payers[t.p], signers[t.s], payees[t.e]));
        t.rule = abi.encodeCall(Model.finishExit, (payers[t.p], signers[t.s], payees[t.e]));
        act(t);
    }

    function release(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = stepAt(Aim.Reserve, p, s, e, seed);
        t.sender = payees[t.e];
        uint96 to = uint96(roll(uint256(state(t.p, t.s, t.e).ceiling) + 1));
        lowering(t);
        t.data = abi.encodeCall(IChannels.release, (asset, payers[t.p], signers[t.s], to));
        t.rule = abi.encodeCall(Model.release, (payers[t.p], signers[t.s], to));
        act(t);
    }

    /// @dev By anybody.
    function releaseSigned(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = stepAt(Aim.Reserve, p, s, e, seed);
        t.sender = people[roll(PEOPLE)];
        uint96 ceiling = state(t.p, t.s, t.e).ceiling;
        lowering(t);
        (bytes memory signature, Model.Consent memory c) = consentOf(t, uint96(roll(uint256(ceiling) + 1)));
        t.data = abi.encodeCall(
            IChannels.releaseSigned,
            (asset, payers[t.p], signers[t.s], payees[t.e], c.ceiling, c.epoch, c.validUntil, signature)
        );
        t.rule = abi.encodeCall(Model.releaseSigned, (payers[t.p], signers[t.s], payees[t.e], c));
        act(t);
    }

    /// @dev A payee's release. Where there is something to give back, one in four is late, of another epoch or signed by
    /// somebody else: a stranger, another payer, the session key. Those give nothing back.
    function consentOf(Step memory t, uint96 to) private returns (bytes memory signature, Model.Consent memory c) {
        State memory st = state(t.p, t.s, t.e);
        uint256 wrong = roll(4) == 0 && to < st.ceiling && st.settled < st.ceiling ? 1 + roll(3) : 0;
        c.ceiling = to;
        c.epoch = st.epoch;
        if (wrong == 1) {
            c.epoch = st.epoch == 0 || st.epoch != LAST_EPOCH && roll(2) == 0 ? st.epoch + 1 : st.epoch - 1;
        }
        c.validUntil = uint40(wrong == 2 ? time - 1 : roll(2) == 0 ? time : time + roll(delay));
        c.signed = wrong != 3;
        // What names a later epoch may be good when it is tried again.
        if (wrong > 1 || c.epoch < st.epoch || st.epoch == LAST_EPOCH) (t.scope.lowers, t.scope.credited) = (false, NONE);
        uint256 key = c.signed ? payeeKey(t.e) : anotherKey(ownerOf(t.e));
        bytes32 digest =
            channels.releaseDigest(asset, payers[t.p], signers[t.s], payees[t.e], to, c.epoch, c.validUntil);
        signature = sign(ownerOf(t.e), key, digest);
    }

    function closeAndWithdraw(uint256 p, uint256 s, uint256 e, uint256 seed) external {
        Step memory t = stepAt(Aim.Reserve, p, s, e, seed);
        State memory st = state(t.p, t.s, t.e);
        lowering(t);
        t.scope.pays = true;
        uint96 total = st.settled + uint96(roll(roll(2) == 0 ? USUAL : st.ceiling - st.settled + 1));
        IChannels.Closing memory c;
        Model.Closing memory rule;
        (c.token, c.signer, c.payee) = (asset, signers[t.s], payees[t.e]);
        rule.rows.list = new Model.Row[](roll(4) == 0 ? 0 : 1);
        if (rule.rows.list.length != 0) (c.rows, rule.rows.list[0]) = rowOf(t, t.p, t.s, total);
        if (roll(24) == 0) c.rows = bytes.concat(c.rows, tooMany());
        (c.signature, rule.consent) = consentOf(t, roll(4) == 0 ? uint96(roll(uint256(st.ceiling) + 1)) : total);
        (c.ceiling, c.epoch, c.validUntil) = (rule.consent.ceiling, rule.consent.epoch, rule.consent.validUntil);
        c.to = payable_(people[roll(OWNERS)]);
        (rule.signer, rule.payee, rule.rows.length, rule.to) = (c.signer, c.payee, c.rows.length, c.to);
        if (roll(2) == 0) {
            t.data = abi.encodeCall(IChannels.closeAndWithdraw, (c));
            t.rule = abi.encodeCall(Model.closeAndWithdraw, (rule));
            return act(t);
        }
        uint256 key = terms(t, t.p, 6);
        bytes memory signature = sign(t.account, key, digests.closeDigest(channels, c, payers[t.p], t.relay));
        t.data = abi.encodeCall(IChannels.closeAndWithdrawSigned, (c, payers[t.p], t.relay, t.fee, signature));
        t.rule = abi.encodeCall(Model.closeAndWithdrawSigned, (rule, payers[t.p], termsOf(t)));
        send(t);
    }

    function withdraw(uint256 p, uint256 s, uint256 seed) external {
        Step memory t = stepAt(Aim.Free, p, s, 0, seed);
        t.scope.payee = NONE;
        uint96 free = state(t.p, t.s, 0).free;
        uint96 amount = uint96(roll(uint256(free) + free / 8 + 1));
        address to = payable_(people[roll(OWNERS)]);
        if (roll(2) == 0) {
            t.data = abi.encodeCall(IChannels.withdraw, (asset, signers[t.s], amount, to));
            t.rule = abi.encodeCall(Model.withdraw, (signers[t.s], amount, to));
            return act(t);
        }
        uint256 key = terms(t, t.p, 9);
        bytes memory signature =
            sign(t.account, key, digests.withdrawDigest(channels, asset, payers[t.p], signers[t.s], amount, to, t.relay));
        t.data = abi.encodeCall(
            IChannels.withdrawSigned, (asset, payers[t.p], signers[t.s], amount, to, t.relay, t.fee, signature)
        );
        t.rule = abi.encodeCall(Model.withdrawSigned, (payers[t.p], signers[t.s], amount, to, termsOf(t)));
        send(t);
    }

    /// @dev What was signed before, by the same sender or another, whatever has happened since.
    function sendAgain(uint256 which, uint256 seed) external {
        if (keptSteps == 0) return;
        Step memory t = kept[which % (keptSteps < KEPT ? keptSteps : KEPT)];
        dice = seed;
        if (roll(3) == 0) t.sender = people[PAYERS + roll(PEOPLE - PAYERS)];
        act(t);
    }

    /// @dev Numbers that were given, and such that will be.
    function cancelNonces(uint256 account, uint256 seed) external {
        dice = seed;
        Step memory t;
        t.scope = own(NONE, NONE, NONE);
        t.p = NONE;
        account %= OWNERS;
        t.sender = people[account];
        uint256 number = numbers[account] + roll(8);
        (t.scope.account, t.scope.word) = (uint8(account), uint8(number % WORDS));
        t.scope.bits = (1 | roll(4)) << (number / WORDS & 0xff);
        t.data = abi.encodeCall(IRelaying.cancelNonces, (wordAt(number % WORDS), t.scope.bits));
        t.rule = abi.encodeCall(Model.cancelNonces, (wordAt(number % WORDS), t.scope.bits));
        act(t);
    }

    /// @dev How much the contract may take of an account: nearly always enough.
    function allow(uint256 account, uint256 seed) external {
        dice = seed;
        approve(account % OWNERS, roll(4) != 0 ? type(uint256).max : roll(2) == 0 ? 0 : roll(USUAL));
    }

    function approve(uint256 o, uint256 amount) private {
        vm.prank(people[o]);
        token.approve(address(channels), amount);
        vm.prank(people[o]);
        model.approve(amount);
    }

    function wait(uint256 seconds_) external {
        warp(time + within(seconds_, 1, delay + 1));
        ++calls[msg.sig];
    }

    function warp(uint256 to) private {
        time = to;
        vm.warp(to);
    }
}
