// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {TypedData} from "src/libraries/TypedData.sol";
import {Fixture} from "../Fixture.sol";
import {Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {Vm, vm} from "../Vm.sol";

/// @notice A wallet that takes one signature for one digest.
contract OneSignatureWallet {
    bytes32 private immutable DIGEST;
    bytes32 private immutable SIGNATURE;

    constructor(bytes32 digest, bytes memory signature) {
        (DIGEST, SIGNATURE) = (digest, keccak256(signature));
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return digest == DIGEST && keccak256(signature) == SIGNATURE ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}

/// @title All actions that somebody else may send, each case for every one of them
contract RelayedTest is Fixture {
    enum Action {
        Open,
        Revoke,
        Claim,
        ClaimToVault,
        StartExit,
        CancelExit,
        FinishExit,
        Close,
        Withdraw
    }

    uint256 private constant ACTIONS = 9;
    uint96 private constant FEE = 7;
    uint256 private constant NONCE = 3 << 8 | 5;

    address private relayer = address(0x4e1a);
    bytes private rows;
    bytes private consent;
    IRelaying.Permit private permit;
    IChannels private elsewhere;
    /// @dev Kept, since the compiler asks for it anew wherever it is used.
    uint256 private chain = block.chainid;

    function setUp() public override {
        super.setUp();
        elsewhere = newChannels(DELAY);
        plain.mint(payee, 1000);
        vm.prank(payee);
        plain.approve(address(channels), 1000);
        open(200, 100);
        deposit(otherPayer, otherSigner, 500);
        rows = promised(60);
        consent = released(60, 0, uint40(START) + DELAY);
        Signature memory sig = TokenSignatures.permit(PAYER_KEY, token, address(channels), 50, START + DELAY);
        permit = IRelaying.Permit(50, START + DELAY, sig.v, sig.r, sig.s);
    }

    /// @dev Puts the channel into the state that an action needs.
    function prepare(Action a) private {
        if (a != Action.CancelExit && a != Action.FinishExit) return;
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY);
    }

    function each(function(Action) internal f) private {
        uint256 state = vm.snapshotState();
        for (uint256 i; i < ACTIONS; ++i) {
            prepare(Action(i));
            f(Action(i));
            vm.revertToState(state);
        }
    }

    function byPayee(Action a) private pure returns (bool) {
        return a == Action.Claim || a == Action.ClaimToVault;
    }

    function accountOf(Action a) private view returns (address) {
        return byPayee(a) ? payee : payer;
    }

    function keyOf(Action a) private pure returns (uint256) {
        return byPayee(a) ? PAYEE_KEY : PAYER_KEY;
    }

    function end() private view returns (IChannels.Closing memory) {
        return closing(rows, 60, 0, uint40(START) + DELAY, consent, stranger);
    }

    function onChannel(bytes32 typehash, IRelaying.Relay memory relay) private view returns (bytes32) {
        return digests.channelDigest(channels, typehash, token, payer, signer, payee, relay);
    }

    function digestOf(Action a, IRelaying.Relay memory relay) private view returns (bytes32) {
        if (a == Action.Open) return digests.openDigest(channels, opening(40, 130), relay);
        if (a == Action.Revoke) return onChannel(TypedData.REVOKE_TYPEHASH, relay);
        if (a == Action.Claim) return digests.claimDigest(channels, token, payee, rows, relay);
        if (a == Action.ClaimToVault) return digests.claimToVaultDigest(channels, token, payee, otherSigner, rows, relay);
        if (a == Action.StartExit) return onChannel(TypedData.START_EXIT_TYPEHASH, relay);
        if (a == Action.CancelExit) return onChannel(TypedData.CANCEL_EXIT_TYPEHASH, relay);
        if (a == Action.FinishExit) return onChannel(TypedData.FINISH_EXIT_TYPEHASH, relay);
        if (a == Action.Close) return digests.closeDigest(channels, end(), payer, relay);
        return digests.withdrawDigest(channels, token, payer, signer, 30, stranger, relay);
    }

    function callOf(Action a, IRelaying.Relay memory relay, uint96 fee, bytes memory signature)
        private
        view
        returns (bytes memory)
    {
        if (a == Action.Open) {
            return abi.encodeCall(IChannels.openWithPermitSigned, (opening(40, 130), permit, relay, fee, signature));
        }
        if (a == Action.Claim) {
            return abi.encodeCall(IChannels.claimSigned, (token, payee, rows, relay, fee, signature));
        }
        if (a == Action.ClaimToVault) {
            return abi.encodeCall(
                IChannels.claimToVaultSigned, (token, payee, otherSigner, rows, relay, fee, signature)
            );
        }
        if (a == Action.Close) {
            return abi.encodeCall(IChannels.closeAndWithdrawSigned, (end(), payer, relay, fee, signature));
        }
        if (a == Action.Withdraw) {
            return abi.encodeCall(
                IChannels.withdrawSigned, (token, payer, signer, 30, stranger, relay, fee, signature)
            );
        }
        return abi.encodeWithSelector(
            a == Action.Revoke
                ? IChannels.revokeSigned.selector
                : a == Action.StartExit
                    ? IChannels.startExitSigned.selector
                    : a == Action.CancelExit
                        ? IChannels.cancelExitSigned.selector
                        : IChannels.finishExitSigned.selector,
            token,
            payer,
            signer,
            payee,
            relay,
            fee,
            signature
        );
    }

    function send(address from, bytes memory call) private returns (bool ok, bytes memory answer) {
        vm.prank(from);
        return address(channels).call(call);
    }

    function expectSent(address from, bytes memory call, string memory what) private {
        (bool ok,) = send(from, call);
        vm.assertTrue(ok, what);
    }

    function expectRefused(address from, bytes memory call, bytes memory want, string memory what) private {
        (bool ok, bytes memory answer) = send(from, call);
        vm.assertTrue(!ok, what);
        vm.assertEq(answer, want, what);
    }

    function signedCall(Action a, IRelaying.Relay memory relay, uint96 fee) private view returns (bytes memory) {
        return callOf(a, relay, fee, sign(keyOf(a), digestOf(a, relay)));
    }

    function used(Action a) private view returns (bool) {
        return channels.noncesOf(accountOf(a), NONCE >> 8) != 0;
    }

    /// @dev Vaults and reserves of all who hold anything here.
    function owed() private view returns (uint256) {
        (uint96 f, uint96 settled, uint96 ceiling,,) = channels.channelOf(token, payer, signer, payee);
        return uint256(f) + ceiling - settled + channels.vaultOf(token, payee, otherSigner)
            + channels.vaultOf(token, otherPayer, otherSigner);
    }

    // Cases

    function fees(Action a) private {
        uint256 held = plain.balanceOf(address(channels));
        uint256 sum = plain.balanceOf(payer) + plain.balanceOf(payee) + plain.balanceOf(stranger);
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        bytes memory call = signedCall(a, relay, FEE);
        vm.expectEmit(address(channels));
        emit IRelaying.Relayed(accountOf(a), relayer, token, NONCE, FEE);
        expectSent(relayer, call, "sent");
        eq(plain.balanceOf(relayer), FEE, "fee");
        eq(plain.balanceOf(address(channels)), owed(), "held is what is owed");
        eq(
            plain.balanceOf(payer) + plain.balanceOf(payee) + plain.balanceOf(stranger)
                + plain.balanceOf(address(channels)) + FEE,
            held + sum,
            "nothing is lost"
        );
        eq(channels.vaultOf(token, otherPayer, otherSigner), 500, "another's vault");
        eq(channels.noncesOf(accountOf(a), NONCE >> 8), 1 << 5, "the number is used, and no other");
    }

    /// @dev Accounts with code that did not sign by it.
    function feesOfContracts(Action a) private {
        address[7] memory all = [payer, otherPayer, signer, otherSigner, payee, relayer, stranger];
        for (uint256 i; i < all.length; ++i) {
            vm.etch(all[i], hex"00");
        }
        fees(a);
    }

    function test_WhenItIsSigned_ItsRelayerIsPaidToTheUnit() external {
        each(fees);
        each(feesOfContracts);
    }

    function free_(Action a) private {
        bytes memory call = signedCall(a, relayFor(address(0), FEE, NONCE), 0);
        uint256 before = plain.balanceOf(relayer);
        expectSent(relayer, call, "sent for nothing");
        eq(plain.balanceOf(relayer), before, "fee");
        eq(plain.balanceOf(address(channels)), owed(), "held is what is owed");
    }

    function test_WhenNoRelayerIsNamed_AnybodySendsIt_AlsoForNothing() external {
        each(free_);
    }

    function named(Action a) private {
        bytes memory call = signedCall(a, relayFor(relayer, FEE, NONCE), FEE);
        bytes memory wrong = abi.encodeWithSelector(IRelaying.WrongRelayer.selector, relayer);
        expectRefused(stranger, call, wrong, "a stranger sends it");
        expectRefused(accountOf(a) == payer ? payee : payer, call, wrong, "the other side sends it");
        bytes memory free = signedCall(a, relayFor(relayer, FEE, NONCE), 0);
        expectRefused(stranger, free, wrong, "a stranger sends it for nothing");
        expectSent(relayer, call, "its relayer");
    }

    function test_RevertWhen_AnotherRelayerSendsIt() external {
        each(named);
    }

    function capped(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        bytes memory call = signedCall(a, relay, FEE + 1);
        expectRefused(
            relayer, call, abi.encodeWithSelector(IRelaying.FeeAboveCap.selector, FEE, FEE + 1), "one too many"
        );
        vm.assertTrue(!used(a), "the number is not used");
    }

    function test_RevertWhen_TheFeeIsAboveItsCap() external {
        each(capped);
    }

    function late(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        relay.deadline = uint40(block.timestamp) - 1;
        expectRefused(
            relayer,
            signedCall(a, relay, FEE),
            abi.encodeWithSelector(IRelaying.SignatureExpired.selector, relay.deadline),
            "a second late"
        );
        relay.deadline = 0;
        expectRefused(
            relayer, signedCall(a, relay, FEE), abi.encodeWithSelector(IRelaying.SignatureExpired.selector, 0), "no time"
        );
    }

    function test_RevertWhen_ItIsLate() external {
        each(late);
    }

    function twice(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        relay.deadline += 100;
        bytes memory call = signedCall(a, relay, FEE);
        expectSent(relayer, call, "once");
        expectRefused(
            relayer, call, abi.encodeWithSelector(IRelaying.NonceUsed.selector, accountOf(a), NONCE), "twice"
        );
        // One number for all actions: another one of the same account can't have it either.
        Action other = byPayee(a) ? Action.Claim : Action.Revoke;
        expectRefused(
            relayer,
            signedCall(other, relayFor(relayer, FEE, NONCE), FEE),
            abi.encodeWithSelector(IRelaying.NonceUsed.selector, accountOf(a), NONCE),
            "another action"
        );
        bytes memory first = call;
        call = signedCall(other, relayFor(relayer, 0, NONCE + 1), 0);
        expectSent(relayer, call, "the next number");
        expectRefused(
            relayer, first, abi.encodeWithSelector(IRelaying.NonceUsed.selector, accountOf(a), NONCE), "the first again"
        );
        expectRefused(
            relayer,
            call,
            abi.encodeWithSelector(IRelaying.NonceUsed.selector, accountOf(a), NONCE + 1),
            "what is for nothing, twice"
        );
    }

    function test_RevertWhen_ItsNumberIsUsed() external {
        each(twice);
    }

    function cancelled(Action a) private {
        address account = accountOf(a);
        vm.prank(account == payer ? payee : payer);
        channels.cancelNonces(NONCE >> 8, type(uint256).max);
        vm.prank(account);
        channels.cancelNonces(NONCE >> 8, 1 << 6);
        uint256 state = vm.snapshotState();
        expectSent(relayer, signedCall(a, relayFor(relayer, FEE, NONCE), FEE), "others were cancelled");
        vm.revertToState(state);
        vm.expectEmit(address(channels));
        emit IRelaying.NoncesCancelled(account, NONCE >> 8, 1 << 6 | 1 << 5);
        vm.prank(account);
        channels.cancelNonces(NONCE >> 8, 1 << 5);
        expectRefused(
            relayer,
            signedCall(a, relayFor(relayer, FEE, NONCE), FEE),
            abi.encodeWithSelector(IRelaying.NonceUsed.selector, account, NONCE),
            "cancelled"
        );
        vm.prank(account);
        channels.cancelNonces(NONCE >> 8, 1 << 5);
        eq(channels.noncesOf(account, NONCE >> 8), 1 << 6 | 1 << 5, "cancelled twice");
        bytes32 slot = keccak256(abi.encode(keccak256("byway.nonces"), account, NONCE >> 8));
        eq(uint256(vm.load(address(channels), slot)), 1 << 6 | 1 << 5, "the word where it is said to be");
    }

    function test_RevertWhen_ItsNumberIsCancelled() external {
        each(cancelled);
    }

    function unsigned(Action a) private view returns (bytes memory) {
        return abi.encodeWithSelector(IRelaying.InvalidSignature.selector, accountOf(a));
    }

    function otherChain(Action a) private {
        bytes memory call = signedCall(a, relayFor(relayer, FEE, NONCE), FEE);
        vm.chainId(chain + 1);
        expectRefused(relayer, call, unsigned(a), "another chain");
        vm.chainId(chain);
        expectSent(relayer, call, "this chain");
    }

    function test_RevertWhen_ItWasSignedForAnotherChain() external {
        each(otherChain);
    }

    function otherContract(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        IChannels here = channels;
        channels = elsewhere;
        bytes memory call = signedCall(a, relay, FEE);
        channels = here;
        expectRefused(relayer, call, unsigned(a), "another contract");
    }

    function test_RevertWhen_ItWasSignedForAnotherContract() external {
        each(otherContract);
    }

    function otherAction(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        for (uint256 i; i < ACTIONS; ++i) {
            Action other = Action(i);
            if (other == a) continue;
            bytes memory signature = sign(keyOf(a), digestOf(other, relay));
            expectRefused(relayer, callOf(a, relay, FEE, signature), unsigned(a), "another action's signature");
        }
    }

    function test_RevertWhen_ItWasSignedForAnotherAction() external {
        each(otherAction);
    }

    function otherKey(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        bytes32 digest = digestOf(a, relay);
        uint256[5] memory keys = [OTHER_PAYER_KEY, SIGNER_KEY, OTHER_SIGNER_KEY, OTHER_PAYEE_KEY, uint256(1)];
        for (uint256 i; i < 5; ++i) {
            expectRefused(relayer, callOf(a, relay, FEE, sign(keys[i], digest)), unsigned(a), "another key");
        }
        vm.etch(otherPayer, hex"00");
        expectRefused(
            relayer, callOf(a, relay, FEE, sign(OTHER_PAYER_KEY, digest)), unsigned(a), "another key, whose account has code"
        );
        uint256 opposite = byPayee(a) ? PAYER_KEY : PAYEE_KEY;
        expectRefused(relayer, callOf(a, relay, FEE, sign(opposite, digest)), unsigned(a), "the other side");
        expectRefused(relayer, callOf(a, relay, FEE, ""), unsigned(a), "nobody");
        relay = relayFor(address(0), FEE, NONCE);
        expectRefused(accountOf(a), callOf(a, relay, 0, ""), unsigned(a), "the account itself, which did not sign");
    }

    function test_RevertWhen_AnotherSigned() external {
        each(otherKey);
    }

    function otherTerms(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        bytes memory signature = sign(keyOf(a), digestOf(a, relay));
        relay.relayer = address(0);
        expectRefused(relayer, callOf(a, relay, FEE, signature), unsigned(a), "another relayer");
        relay = relayFor(relayer, FEE + 1, NONCE);
        expectRefused(relayer, callOf(a, relay, FEE, signature), unsigned(a), "a higher cap");
        relay = relayFor(relayer, FEE, NONCE + 1);
        expectRefused(relayer, callOf(a, relay, FEE, signature), unsigned(a), "another number");
        relay = relayFor(relayer, FEE, NONCE);
        ++relay.deadline;
        expectRefused(relayer, callOf(a, relay, FEE, signature), unsigned(a), "a later deadline");
    }

    function test_RevertWhen_ATermIsAnother() external {
        each(otherTerms);
    }

    /// @dev Everything that the account decides: as it would be called with one thing changed after signing.
    function otherWords(Action a) private {
        bytes memory call = signedCall(a, relayFor(relayer, FEE, NONCE), FEE);
        (address t, address p, address s, address e) = (token, payer, signer, payee);
        uint256 changes;
        for (uint256 i; i < 7; ++i) {
            bytes memory other = call;
            address[4] memory was = [t, p, s, e];
            if (i < 4) {
                // The word of a party is exchanged for another's wherever it stands.
                address now_ = [address(elsewhere), otherPayer, otherSigner, otherPayee][i];
                if (a == Action.ClaimToVault && i == 2) (was[2], now_) = (otherSigner, signer);
                if (byPayee(a) && (i == 1 || i == 3)) continue;
                other = exchanged(call, bytes32(uint256(uint160(was[i]))), bytes32(uint256(uint160(now_))));
            } else if (i == 4) {
                other = exchanged(call, bytes32(uint256(uint160(stranger))), bytes32(uint256(uint160(relayer))));
            } else if (i == 5) {
                other = exchanged(call, bytes32(amountOf(a)), bytes32(uint256(amountOf(a)) + 1));
            } else {
                if (!byPayee(a)) continue;
                other = exchanged(call, bytes32(uint256(rows.length)), bytes32(uint256(0)));
            }
            if (keccak256(other) == keccak256(call)) continue;
            ++changes;
            (bool ok, bytes memory answer) = send(relayer, other);
            vm.assertTrue(!ok, "another word");
            vm.assertTrue(bytes4(answer) == IRelaying.InvalidSignature.selector, "answer");
        }
        // Open, Revoke, Claim, ClaimToVault, the three of exits, Close, Withdraw
        eq(changes, [5, 4, 2, 3, 4, 4, 4, 6, 5][uint256(a)], "words that were changed");
        expectSent(relayer, call, "as it was signed");
    }

    function amountOf(Action a) private pure returns (uint256) {
        if (a == Action.Open) return 130;
        if (a == Action.Withdraw) return 30;
        return a == Action.Close ? 60 : 1 << 200;
    }

    /// @dev Every word of a call's arguments that is the one, turned into the other.
    function exchanged(bytes memory sent, bytes32 one, bytes32 other) private pure returns (bytes memory out) {
        out = bytes.concat(sent);
        for (uint256 at = 4; at + 32 <= sent.length; at += 32) {
            bytes32 word;
            assembly {
                word := mload(add(add(sent, 0x20), at))
            }
            if (word != one) continue;
            assembly {
                mstore(add(add(out, 0x20), at), other)
            }
        }
    }

    function test_RevertWhen_AnythingElseIsAskedForThanWasSigned() external {
        each(otherWords);
    }

    function wallet(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        bytes32 digest = digestOf(a, relay);
        vm.etch(accountOf(a), address(new OneSignatureWallet(digest, "as the wallet likes it")).code);
        expectRefused(relayer, callOf(a, relay, FEE, "otherwise"), unsigned(a), "what it refuses");
        expectRefused(
            relayer,
            callOf(a, relayFor(relayer, FEE, NONCE + 1), FEE, "as the wallet likes it"),
            unsigned(a),
            "for another number"
        );
        expectSent(relayer, callOf(a, relay, FEE, "as the wallet likes it"), "what it takes");
    }

    /// @dev Most wallets take what looks like the signature of a key, which is not the account's.
    function walletOfAKey(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        bytes memory signature = sign(0x0123, digestOf(a, relay));
        vm.etch(accountOf(a), address(new OneSignatureWallet(digestOf(a, relay), signature)).code);
        expectSent(relayer, callOf(a, relay, FEE, signature), "its key's signature");
    }

    function test_WhenTheAccountIsAWallet_ItsAnswerCounts() external {
        each(wallet);
        each(walletOfAKey);
    }

    /// @dev The other side being a wallet that takes everything changes nothing.
    function othersWallet(Action a) private {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        bytes32 digest = digestOf(a, relay);
        address other = byPayee(a) ? payer : payee;
        vm.etch(other, address(new OneSignatureWallet(digest, "yes")).code);
        vm.etch(signer, other.code);
        vm.etch(relayer, other.code);
        expectRefused(relayer, callOf(a, relay, FEE, "yes"), unsigned(a), "another's wallet");
    }

    function test_RevertWhen_OnlyAnothersWalletTakesIt() external {
        each(othersWallet);
    }

    function delegated(Action a) private {
        bytes memory call = signedCall(a, relayFor(relayer, FEE, NONCE), FEE);
        vm.signAndAttachDelegation(address(new OneSignatureWallet(0, "")), keyOf(a));
        expectSent(relayer, call, "its own key");
    }

    function test_WhenTheAccountDelegatesByEip7702_ItsOwnKeyStaysGood() external {
        each(delegated);
    }

    // What others do before

    /// @dev What anybody but the account can do to spoil an action, in turn; false past the last.
    function spoil(Action a, uint256 i) private returns (bool) {
        if (i == 0) {
            channels.claim(token, payee, rows);
        } else if (i == 1) {
            // Promises above the ceiling use the free balance up.
            channels.claim(token, payee, promised(1000));
        } else if (i == 2) {
            vm.prank(payee);
            channels.release(token, payer, signer, 0);
        } else if (i == 3) {
            vm.prank(payee);
            channels.release(token, payer, signer, 80);
        } else if (i == 4) {
            if (a != Action.Close) return true;
            channels.releaseSigned(token, payer, signer, payee, 60, 0, uint40(START) + DELAY, consent);
        } else if (i == 5) {
            if (a != Action.CancelExit && a != Action.FinishExit) return true;
            channels.finishExit(token, payer, signer, payee);
        } else if (i == 6) {
            if (a != Action.Open) return true;
            plain.permit(payer, address(channels), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        } else if (i == 7) {
            if (a == Action.CancelExit || a == Action.FinishExit) return true;
            channels.reserveSigned(token, payee, reserved(200, 0));
        } else if (i == 8) {
            vm.prank(otherPayer);
            channels.deposit(token, payer, signer, 1);
        } else {
            return false;
        }
        return true;
    }

    function spoiled(Action a) private {
        bytes memory call = signedCall(a, relayFor(relayer, FEE, NONCE), FEE);
        uint256 state = vm.snapshotState();
        for (uint256 i;; ++i) {
            if (!spoil(a, i)) break;
            (bool ok, bytes memory answer) = send(relayer, call);
            if (!ok) {
                assembly {
                    revert(add(answer, 0x20), mload(answer))
                }
            }
            eq(plain.balanceOf(relayer), FEE, "the relayer has its fee");
            eq(plain.balanceOf(address(channels)), owed(), "held is what is owed");
            vm.revertToState(state);
        }
    }

    function test_WhenOthersWereFaster_TheRelayerIsPaidAllTheSame() external {
        each(spoiled);
    }

    function poor(Action a) private {
        // The account has approved nothing, and the vault is used up.
        vm.prank(payer);
        plain.approve(address(channels), 0);
        vm.prank(payee);
        plain.approve(address(channels), 0);
        IRelaying.Relay memory relay = relayFor(relayer, 1000, NONCE);
        bytes memory call = signedCall(a, relay, 1000);
        (bool ok,) = send(relayer, call);
        vm.assertTrue(!ok, "a fee that nobody pays");
        vm.assertTrue(!used(a), "the number is not used");
    }

    function test_RevertWhen_TheFeeIsNotCovered() external {
        each(poor);
    }

    // One by one

    function relayed(Action a, uint96 fee) private returns (bytes memory) {
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        (bool ok, bytes memory answer) = send(relayer, signedCall(a, relay, fee));
        vm.assertTrue(ok, "sent");
        return answer;
    }

    function test_WhenItOpens_TheFeeComesOutOfWhatArrives() external {
        vm.prank(payer);
        plain.approve(address(channels), 0);
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 33, 130);
        eq(abi.decode(relayed(Action.Open, FEE), (uint96)), 33, "received");
        expectChannel(103, 0, 130, 0, 0);
        eq(plain.allowance(payer, address(channels)), 10, "the rest of the permit");
    }

    function test_WhenItOpens_AndLessIsFreeThanAskedFor_ItSetsAsideWhatIs() external {
        channels.claim(token, payee, promised(200));
        relayed(Action.Open, FEE);
        expectChannel(33, 200, 200, 0, 0);
        vm.prank(payer);
        plain.approve(address(channels), 40);
        vm.prank(payer);
        channels.withdraw(token, signer, 33, payer);
        vm.prank(otherPayer);
        channels.deposit(token, payer, signer, 5);
        IChannels.Opening memory o = opening(40, 300);
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE + 1);
        bytes memory signature = sign(PAYER_KEY, digests.openDigest(channels, o, relay));
        vm.prank(relayer);
        channels.openWithPermitSigned(o, permit, relay, FEE, signature);
        expectChannel(0, 200, 238, 0, 0);
    }

    /// @dev What a vault gave its relayer, by the events of what is done now: one of them at most.
    function givenBy(Action a) private returns (bool any, uint96 amount) {
        vm.recordLogs();
        relayed(a, FEE);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IChannels.Withdrawn.selector) continue;
            (address to, uint96 given) = abi.decode(logs[i].data, (address, uint96));
            if (to != relayer) continue;
            vm.assertTrue(!any, "one event");
            (any, amount) = (true, given);
        }
    }

    function test_WhenTheVaultHasPartOfTheFee_TheEventSaysHowMuch() external {
        uint256 state = vm.snapshotState();
        for (uint256 left; left < FEE; ++left) {
            for (uint256 code; code < 2; ++code) {
                if (code == 1) vm.etch(payer, hex"00");
                vm.prank(payer);
                channels.withdraw(token, signer, uint96(100 - left), payer);
                (bool any, uint96 amount) = givenBy(code == 0 ? Action.Withdraw : Action.Revoke);
                vm.assertTrue(any == (left != 0), "said");
                eq(amount, left, "given");
                eq(plain.balanceOf(relayer), FEE, "fee");
                vm.revertToState(state);
                rows = promised(uint96(200 - left));
                (any, amount) = givenBy(Action.Close);
                vm.assertTrue(any == (left != 0), "said at the end");
                eq(amount, left, "given at the end");
                vm.revertToState(state);
            }
        }
    }

    function test_WhenItRevokes_TheEpochEnds() external {
        bytes memory row = reserved(150, 0);
        vm.expectEmit(address(channels));
        emit IChannels.Revoked(token, payer, payee, signer, 1);
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, relayer, FEE);
        eq(abi.decode(relayed(Action.Revoke, FEE), (uint24)), 1, "epoch");
        expectChannel(93, 0, 100, 0, 1);
        eq(channels.reserveSigned(token, payee, row), 0, "reserved");
        // A fee that uses the vault up.
        vm.prank(payer);
        channels.withdraw(token, signer, 93 - FEE, payer);
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE + 1);
        bytes memory call = signedCall(Action.Revoke, relay, FEE);
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, relayer, FEE);
        expectSent(relayer, call, "again");
        expectChannel(0, 0, 100, 0, 2);
        // And one of which it has nothing.
        relay = relayFor(relayer, FEE, NONCE + 2);
        call = signedCall(Action.Revoke, relay, FEE);
        vm.recordLogs();
        expectSent(relayer, call, "once more");
        eq(vm.getRecordedLogs().length, 3, "events: revoked, relayed and a transfer");
    }

    function test_WhenItClaims_TheTipComesOutOfWhatIsPaid() external {
        vm.prank(payee);
        plain.approve(address(channels), 0);
        eq(abi.decode(relayed(Action.Claim, FEE), (uint256)), 60, "paid");
        eq(plain.balanceOf(payee), 1053, "payee");
        expectChannel(100, 60, 100, 0, 0);
    }

    function test_WhenItClaims_AndLessIsPaidThanTheTip_TheRestIsThePayeesOwn() external {
        rows = promised(4);
        vm.expectEmit(address(channels));
        emit IRelaying.Relayed(payee, relayer, token, NONCE, FEE);
        eq(abi.decode(relayed(Action.Claim, FEE), (uint256)), 4, "paid");
        eq(plain.balanceOf(payee), 997, "payee");
        eq(plain.allowance(payee, address(channels)), 997, "what was taken of its own");
    }

    function test_WhenItClaims_AndAllOfItIsTheTip_NothingElseMoves() external {
        rows = promised(FEE);
        vm.expectCall(token, abi.encodeCall(plain.transfer, (payee, 0)), 0);
        relayed(Action.Claim, FEE);
        eq(plain.balanceOf(payee), 1000, "payee");
    }

    function test_WhenItClaimsToAVault_TheTipComesOutOfWhatIsPaid() external {
        vm.expectEmit(address(channels));
        emit IChannels.Deposited(token, payee, otherSigner, 53);
        eq(abi.decode(relayed(Action.ClaimToVault, FEE), (uint256)), 60, "paid");
        eq(channels.vaultOf(token, payee, otherSigner), 53, "the payee's vault");
        eq(plain.balanceOf(payee), 1000, "payee");
    }

    function test_WhenItClaimsToAVault_AndAllOfItIsTheTip_NothingIsCredited() external {
        rows = promised(FEE);
        vm.recordLogs();
        relayed(Action.ClaimToVault, FEE);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 3, "events: claimed, relayed and a transfer");
        vm.assertEq(logs[2].emitter, token, "the transfer comes last");
        eq(channels.vaultOf(token, payee, otherSigner), 0, "the payee's vault");
    }

    function test_WhenItStartsAnExit_TheFeeIsFreeBalance() external {
        vm.expectEmit(address(channels));
        emit IChannels.ExitStarted(token, payer, payee, signer, uint40(START) + DELAY);
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, relayer, FEE);
        eq(abi.decode(relayed(Action.StartExit, FEE), (uint40)), START + DELAY, "exitAt");
        expectChannel(93, 0, 100, uint40(START) + DELAY, 0);
    }

    function test_WhenItStartsAnExitThatRuns_ItsTimeStays() external {
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY + 9);
        eq(abi.decode(relayed(Action.StartExit, 0), (uint40)), START + DELAY, "exitAt");
        expectChannel(100, 0, 100, uint40(START) + DELAY, 0);
    }

    function test_WhenItStartsAnExitOfNothing_NoneIsAnnounced() external {
        vm.prank(payee);
        channels.release(token, payer, signer, 0);
        eq(abi.decode(relayed(Action.StartExit, FEE), (uint40)), 0, "exitAt");
        expectChannel(193, 0, 0, 0, 1);
    }

    function test_WhenItCancelsAnExit() external {
        prepare(Action.CancelExit);
        vm.expectEmit(address(channels));
        emit IChannels.ExitCancelled(token, payer, payee, signer);
        vm.assertTrue(abi.decode(relayed(Action.CancelExit, FEE), (bool)), "cancelled");
        expectChannel(93, 0, 100, 0, 0);
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE + 1);
        (, bytes memory answer) = send(relayer, signedCall(Action.CancelExit, relay, FEE));
        vm.assertTrue(!abi.decode(answer, (bool)), "cancelled again");
        expectChannel(86, 0, 100, 0, 0);
    }

    function test_WhenItFinishesAnExit_WhatCameBackCanPay() external {
        channels.claim(token, payee, promised(60));
        vm.prank(payer);
        channels.withdraw(token, signer, 100, payer);
        prepare(Action.FinishExit);
        vm.warp(START + DELAY - 1);
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        expectRefused(
            relayer,
            signedCall(Action.FinishExit, relay, FEE),
            abi.encodeWithSelector(IChannels.ExitTooEarly.selector, START + DELAY),
            "a second early"
        );
        vm.warp(START + DELAY);
        eq(abi.decode(relayed(Action.FinishExit, FEE), (uint96)), 40, "freed");
        expectChannel(33, 60, 60, 0, 1);
    }

    function test_WhenItFinishesAnExitThatIsFinished_NothingIsFreed() external {
        prepare(Action.FinishExit);
        channels.finishExit(token, payer, signer, payee);
        eq(abi.decode(relayed(Action.FinishExit, FEE), (uint96)), 0, "freed");
        expectChannel(193, 0, 0, 0, 1);
    }

    function test_WhenItCloses_TheFeeComesOutOfTheFreeBalance() external {
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, stranger, 133);
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, relayer, FEE);
        (uint256 paid, uint96 withdrawn) = abi.decode(relayed(Action.Close, FEE), (uint256, uint96));
        eq(paid, 60, "paid");
        eq(withdrawn, 133, "withdrawn");
        eq(plain.balanceOf(stranger), 133, "receiver");
        expectChannel(0, 60, 60, 0, 1);
    }

    function test_WhenItCloses_AndThePayeeHasEndedTheEpoch_ItsReserveStays() external {
        vm.prank(payee);
        channels.release(token, payer, signer, 80);
        (, uint96 withdrawn) = abi.decode(relayed(Action.Close, FEE), (uint256, uint96));
        eq(withdrawn, 113, "withdrawn");
        expectChannel(0, 60, 80, 0, 1);
    }

    function test_RevertWhen_ItCloses_AndThePayeeDidNotSign() external {
        consent = "";
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
        expectRefused(
            relayer,
            signedCall(Action.Close, relay, FEE),
            abi.encodeWithSelector(IChannels.InvalidReleaseSignature.selector),
            "without consent"
        );
        // Nor with consent for an epoch that has not begun.
        consent = released(60, 1, uint40(START) + DELAY);
        IChannels.Closing memory c = closing(rows, 60, 1, uint40(START) + DELAY, consent, stranger);
        bytes memory signature = sign(PAYER_KEY, digests.closeDigest(channels, c, payer, relay));
        expectRefused(
            relayer,
            abi.encodeCall(IChannels.closeAndWithdrawSigned, (c, payer, relay, FEE, signature)),
            abi.encodeWithSelector(IChannels.WrongEpoch.selector, 0, 1),
            "of a later epoch"
        );
    }

    function test_WhenItWithdraws_AsMuchAsIsThereGoesOut() external {
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, stranger, 30);
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, relayer, FEE);
        eq(abi.decode(relayed(Action.Withdraw, FEE), (uint96)), 30, "withdrawn");
        expectChannel(63, 0, 100, 0, 0);
        eq(plain.balanceOf(stranger), 30, "receiver");
        channels.claim(token, payee, promised(140));
        IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE + 1);
        (, bytes memory answer) = send(relayer, signedCall(Action.Withdraw, relay, FEE));
        eq(abi.decode(answer, (uint96)), 16, "withdrawn of 23");
        expectChannel(0, 140, 140, 0, 0);
        relay = relayFor(relayer, FEE, NONCE + 2);
        vm.expectCall(token, abi.encodeCall(plain.transfer, (stranger, 0)), 0);
        (, answer) = send(relayer, signedCall(Action.Withdraw, relay, FEE));
        eq(abi.decode(answer, (uint96)), 0, "withdrawn of nothing");
        eq(plain.balanceOf(relayer), 3 * FEE, "fees");
    }

    function test_RevertWhen_ItWithdrawsToNobody() external {
        address[3] memory nobody = [address(0), address(channels), token];
        for (uint256 i; i < 3; ++i) {
            IRelaying.Relay memory relay = relayFor(relayer, FEE, NONCE);
            bytes memory signature =
                sign(PAYER_KEY, digests.withdrawDigest(channels, token, payer, signer, 30, nobody[i], relay));
            refuseRecipient(nobody[i]);
            vm.prank(relayer);
            channels.withdrawSigned(token, payer, signer, 30, nobody[i], relay, FEE, signature);
            refuseRecipient(nobody[i]);
            channels.withdrawSigned(token, nobody[i], signer, 30, nobody[i], relay, 0, signature);
        }
    }

    function test_RevertWhen_ItClaimsForNobody() external {
        refuseRecipient(address(0));
        channels.claimSigned(token, address(0), "", noRelay(), 0, "");
    }
}
