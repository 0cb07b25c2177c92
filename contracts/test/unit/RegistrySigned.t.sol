// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IRegistry} from "src/interfaces/IRegistry.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {RegistryFixture} from "./RegistryFixture.sol";
import {Wallet} from "../Wallet.sol";
import {FeeToken, PlainToken, ReentrantToken} from "../tokens/Tokens.sol";
import {Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {Vm, vm} from "../Vm.sol";

/// @notice A wallet whose signatures are those of its owner's key.
contract KeysWallet {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        address by = ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
        return by == OWNER ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}

/// @title What a provider signs and a relayer sends
contract RegistrySignedTest is RegistryFixture {
    uint256 private constant ACTIONS = 5;
    uint256 private constant REGISTER = 0;
    uint256 private constant UPDATE = 1;
    uint256 private constant ADD_STAKE = 2;
    uint256 private constant LEAVE = 3;
    uint256 private constant WITHDRAW_STAKE = 4;

    address private constant RELAYER = address(0x4E1A);
    address private constant OTHER_RELAYER = address(0x4E1B);
    uint256 private constant NONCE = 0x1234;
    uint256 private constant HERE = 31337;
    uint256 private constant THERE = 31338;

    /// @dev What all five actions are signed with, unless a test says otherwise.
    bytes32 private digest = "b";
    uint96 private amount = 5;
    address private to = cat;

    // One action after the other, each in a registry in which it can be done

    function terms(address relayer, uint96 maxFee) private view returns (IRelaying.Relay memory) {
        return IRelaying.Relay(relayer, maxFee, NONCE, uint40(vm.getBlockTimestamp()));
    }

    function terms() private view returns (IRelaying.Relay memory) {
        return terms(address(0), 3);
    }

    /// @dev A new registry and a new token, in which an account can do an action: it has 1,000 in its wallet, and 50
    /// are staked or can be withdrawn.
    function prepare(uint256 action, address account) private {
        vm.warp(START);
        use(address(new PlainToken()));
        ready(action, account);
    }

    function ready(uint256 action, address account) private {
        if (action != REGISTER) register(account, "a", 50);
        if (action == WITHDRAW_STAKE) {
            leave(account);
            vm.warp(START + UNBOND);
        }
        give(account, 1000);
    }

    function hashOf(uint256 action, address account, IRelaying.Relay memory relay) private view returns (bytes32) {
        bytes32 r = relayHash(relay);
        if (action == REGISTER) {
            return keccak256(
                abi.encode(
                    typed("Register(address provider,bytes32 digest,uint96 stake,Relay relay)"),
                    account,
                    digest,
                    amount,
                    r
                )
            );
        }
        if (action == UPDATE) {
            return keccak256(
                abi.encode(typed("Update(address provider,bytes32 digest,Relay relay)"), account, digest, r)
            );
        }
        if (action == ADD_STAKE) {
            return keccak256(
                abi.encode(typed("AddStake(address provider,uint96 amount,Relay relay)"), account, amount, r)
            );
        }
        if (action == LEAVE) {
            return keccak256(abi.encode(typed("Leave(address provider,Relay relay)"), account, r));
        }
        return keccak256(
            abi.encode(typed("WithdrawStake(address provider,address to,Relay relay)"), account, to, r)
        );
    }

    function callOf(
        uint256 action,
        address account,
        IRelaying.Permit memory permit,
        IRelaying.Relay memory relay,
        uint96 fee,
        bytes memory signature
    ) private view returns (bytes memory) {
        if (action == REGISTER) {
            return abi.encodeCall(
                IRegistry.registerSigned, (account, digest, amount, permit, relay, fee, signature)
            );
        }
        if (action == UPDATE) {
            return abi.encodeCall(IRegistry.updateSigned, (account, digest, permit, relay, fee, signature));
        }
        if (action == ADD_STAKE) {
            return abi.encodeCall(IRegistry.addStakeSigned, (account, amount, permit, relay, fee, signature));
        }
        if (action == LEAVE) return abi.encodeCall(IRegistry.leaveSigned, (account, permit, relay, fee, signature));
        return abi.encodeCall(IRegistry.withdrawStakeSigned, (account, to, relay, fee, signature));
    }

    /// @dev Signed by a provider's key for the present registry and chain.
    function sign(uint256 action, uint256 key, IRelaying.Relay memory relay) private view returns (bytes memory) {
        return sign(key, digestOf(hashOf(action, vm.addr(key), relay)));
    }

    function send(address sender, bytes memory data) private returns (bool ok, bytes memory answer) {
        vm.prank(sender);
        return address(registry).call(data);
    }

    function send(
        uint256 action,
        address account,
        IRelaying.Relay memory relay,
        uint96 fee,
        bytes memory signature
    ) private returns (bool ok, bytes memory answer) {
        return send(RELAYER, callOf(action, account, noPermit(), relay, fee, signature));
    }

    function goes(uint256 action, address account, IRelaying.Relay memory relay, uint96 fee, bytes memory signature)
        private
    {
        (bool ok, bytes memory answer) = send(action, account, relay, fee, signature);
        vm.assertEq(ok ? bytes("") : answer, "", "goes through");
    }

    function fails(
        uint256 action,
        address account,
        IRelaying.Relay memory relay,
        uint96 fee,
        bytes memory signature,
        bytes memory want
    ) private {
        (bool ok, bytes memory answer) = send(action, account, relay, fee, signature);
        vm.assertTrue(!ok, "goes through");
        vm.assertEq(answer, want, "answer");
    }

    function failsSigned(uint256 action, IRelaying.Relay memory relay, uint96 fee, bytes memory want) private {
        fails(action, ann, relay, fee, sign(action, ANN_KEY, relay), want);
    }

    function invalid(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IRelaying.InvalidSignature.selector, account);
    }

    function used(address account, uint256 nonce) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IRelaying.NonceUsed.selector, account, nonce);
    }

    // Who may send what was signed, when, and how often

    function test_Authorize_WhenDigestsAreAsked_TheyAreThoseOfTheStandard() external view {
        IRelaying.Relay memory r = IRelaying.Relay(RELAYER, MAX, type(uint256).max, type(uint40).max);
        vm.assertEq(registry.registerDigest(ann, digest, amount, r), digestOf(hashOf(REGISTER, ann, r)), "register");
        vm.assertEq(registry.updateDigest(ann, digest, r), digestOf(hashOf(UPDATE, ann, r)), "update");
        vm.assertEq(registry.addStakeDigest(ann, amount, r), digestOf(hashOf(ADD_STAKE, ann, r)), "add stake");
        vm.assertEq(registry.leaveDigest(ann, r), digestOf(hashOf(LEAVE, ann, r)), "leave");
        vm.assertEq(registry.withdrawStakeDigest(ann, to, r), digestOf(hashOf(WITHDRAW_STAKE, ann, r)), "withdraw");
    }

    function test_Authorize_RevertWhen_AnotherRelayerSendsIt() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            bytes memory want = abi.encodeWithSelector(IRelaying.WrongRelayer.selector, OTHER_RELAYER);
            for (uint256 i; i < 4; ++i) {
                vm.etch(OTHER_RELAYER, i / 2 == 0 ? bytes("") : bytes(hex"00"));
                failsSigned(a, terms(OTHER_RELAYER, i % 2 == 0 ? 0 : 3), 0, want);
            }
            vm.etch(OTHER_RELAYER, "");
        }
    }

    function test_Authorize_WhenTheNamedRelayerSendsIt() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            IRelaying.Relay memory relay = terms(RELAYER, 3);
            goes(a, ann, relay, 1, sign(a, ANN_KEY, relay));
            eq(balance(RELAYER), 1, "fee");
            fails(a, ann, relay, 1, sign(a, ANN_KEY, relay), used(ann, NONCE));
            // A contract can be one.
            prepare(a, ann);
            vm.etch(RELAYER, hex"00");
            goes(a, ann, relay, 1, sign(a, ANN_KEY, relay));
            vm.etch(RELAYER, "");
        }
    }

    function test_Authorize_WhenNoRelayerIsNamed_AnybodySendsIt() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            goes(a, ann, terms(), 0, sign(a, ANN_KEY, terms()));
            eq(balance(RELAYER), 0, "no fee");
        }
    }

    function test_Authorize_WhenTheProviderSendsItItself() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            (bool ok, bytes memory answer) = send(ann, callOf(a, ann, noPermit(), terms(), 3, ""));
            vm.assertTrue(!ok, "goes through unsigned");
            vm.assertEq(answer, invalid(ann), "answer");
            (ok,) = send(ann, callOf(a, ann, noPermit(), terms(), 3, sign(a, ANN_KEY, terms())));
            vm.assertTrue(ok, "goes through");
        }
    }

    function test_Authorize_RevertWhen_TheFeeIsOneAboveTheCap() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            failsSigned(a, terms(), 4, abi.encodeWithSelector(IRelaying.FeeAboveCap.selector, 3, 4));
            bytes memory want = abi.encodeWithSelector(IRelaying.FeeAboveCap.selector, 3, 4);
            failsSigned(a, terms(RELAYER, 3), 4, want);
            vm.etch(RELAYER, hex"00");
            failsSigned(a, terms(RELAYER, 3), 4, want);
            vm.etch(RELAYER, "");
        }
    }

    function test_Authorize_WhenTheFeeIsTheCap() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            vm.recordLogs();
            goes(a, ann, terms(), 3, sign(a, ANN_KEY, terms()));
            eq(balance(RELAYER), 3, "fee");
            Vm.Log[] memory logs = vm.getRecordedLogs();
            vm.assertEq(logs[logs.length - 1].emitter, token, "the fee goes last");
            // The number zero is as good.
            prepare(a, ann);
            IRelaying.Relay memory relay = terms();
            relay.nonce = 0;
            goes(a, ann, relay, 3, sign(a, ANN_KEY, relay));
            eq(balance(RELAYER), 3, "fee");
        }
    }

    function test_Authorize_RevertWhen_ItIsOneSecondLate() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            IRelaying.Relay memory relay = terms();
            vm.warp(relay.deadline + 1);
            failsSigned(
                a, relay, 0, abi.encodeWithSelector(IRelaying.SignatureExpired.selector, relay.deadline)
            );
            relay.deadline = 0;
            failsSigned(a, relay, 0, abi.encodeWithSelector(IRelaying.SignatureExpired.selector, 0));
        }
    }

    function test_Authorize_WhenItIsTheLastSecond() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            IRelaying.Relay memory relay = terms();
            relay.deadline += 10;
            vm.warp(relay.deadline);
            goes(a, ann, relay, 0, sign(a, ANN_KEY, relay));
        }
    }

    function test_Authorize_RevertWhen_ItWasSentBefore() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            IRelaying.Relay memory relay = terms();
            relay.deadline += 10;
            bytes memory signature = sign(a, ANN_KEY, relay);
            goes(a, ann, relay, 1, signature);
            eq(registry.noncesOf(ann, NONCE >> 8), 1 << (NONCE & 0xff), "word of numbers");
            fails(a, ann, relay, 1, signature, used(ann, NONCE));
            fails(a, ann, relay, 0, signature, used(ann, NONCE));
            eq(balance(RELAYER), 1, "one fee");
            // What may cost nothing is spent as well.
            prepare(a, ann);
            relay.maxFee = 0;
            goes(a, ann, relay, 0, sign(a, ANN_KEY, relay));
            failsSigned(a, relay, 0, used(ann, NONCE));
        }
    }

    function test_Authorize_RevertWhen_TheNumberWasUsedForAnotherAction() external {
        for (uint256 a; a < ACTIONS; ++a) {
            for (uint256 b; b < ACTIONS; ++b) {
                if (a == b) continue;
                prepare(a, ann);
                goes(a, ann, terms(), 0, sign(a, ANN_KEY, terms()));
                failsSigned(b, terms(), 0, used(ann, NONCE));
            }
        }
    }

    function test_Authorize_WhenAnotherAccountUsedTheNumber() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            goes(a, ann, terms(), 0, sign(a, ANN_KEY, terms()));
            vm.warp(START);
            ready(a, ben);
            goes(a, ben, terms(), 0, sign(a, BEN_KEY, terms()));
        }
    }

    function test_Authorize_WhenTheNumberBesideIsUsed() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            vm.prank(ann);
            registry.cancelNonces(NONCE >> 8, ~(1 << (NONCE & 0xff)));
            vm.prank(ann);
            registry.cancelNonces((NONCE >> 8) + 1, type(uint256).max);
            goes(a, ann, terms(), 0, sign(a, ANN_KEY, terms()));
            eq(registry.noncesOf(ann, NONCE >> 8), type(uint256).max, "all of the word");
        }
    }

    function test_Authorize_RevertWhen_TheNumberIsCancelled() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            vm.expectEmit(address(registry));
            emit IRelaying.NoncesCancelled(ann, NONCE >> 8, 1 << (NONCE & 0xff));
            vm.prank(ann);
            registry.cancelNonces(NONCE >> 8, 1 << (NONCE & 0xff));
            failsSigned(a, terms(), 0, used(ann, NONCE));
            bytes32 slot = keccak256(abi.encode(keccak256("byway.nonces"), ann, NONCE >> 8));
            eq(uint256(vm.load(address(registry), slot)), 1 << (NONCE & 0xff), "the word where it is said to be");
            // Once for all: neither again nor another one after it gives it back.
            vm.startPrank(ann);
            registry.cancelNonces(NONCE >> 8, 1 << (NONCE & 0xff));
            registry.cancelNonces(NONCE >> 8, 1);
            vm.stopPrank();
            failsSigned(a, terms(), 0, used(ann, NONCE));
        }
    }

    function test_Authorize_WhenAnotherCancelledTheNumber() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            vm.prank(ben);
            registry.cancelNonces(NONCE >> 8, type(uint256).max);
            goes(a, ann, terms(), 0, sign(a, ANN_KEY, terms()));
        }
    }

    function test_Authorize_RevertWhen_AnotherSignedIt() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            fails(
                a, ann, terms(), 0, sign(BEN_KEY, digestOf(hashOf(a, ann, terms()))), invalid(ann)
            );
            fails(a, ann, terms(), 0, sign(a, BEN_KEY, terms()), invalid(ann));
            fails(a, ben, terms(), 0, sign(a, ANN_KEY, terms()), invalid(ben));
            fails(a, address(0), terms(), 0, sign(a, ANN_KEY, terms()), invalid(address(0)));
            fails(a, address(0), terms(), 0, "", invalid(address(0)));
            vm.etch(ben, hex"00");
            fails(a, ann, terms(), 0, sign(BEN_KEY, digestOf(hashOf(a, ann, terms()))), invalid(ann));
            vm.etch(ben, "");
            // Nor is the sender asked.
            vm.etch(RELAYER, address(new Wallet(ben)).code);
            bytes memory bens = sign(BEN_KEY, digestOf(hashOf(a, ann, terms())));
            fails(a, ann, terms(), 0, bytes.concat(hex"07", bens), invalid(ann));
            vm.etch(RELAYER, "");
        }
    }

    function test_Authorize_RevertWhen_ItIsSignedForAnotherAction() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            for (uint256 b; b < ACTIONS; ++b) {
                if (a != b) fails(a, ann, terms(), 0, sign(b, ANN_KEY, terms()), invalid(ann));
            }
        }
    }

    function test_Authorize_RevertWhen_ItIsSignedForAnotherChain() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            bytes memory signature = sign(a, ANN_KEY, terms());
            vm.chainId(THERE);
            fails(a, ann, terms(), 0, signature, invalid(ann));
            // A chain that splits has its own signatures from then on.
            bytes memory there = sign(a, ANN_KEY, terms());
            vm.chainId(HERE);
            fails(a, ann, terms(), 0, there, invalid(ann));
            vm.chainId(THERE);
            goes(a, ann, terms(), 0, there);
            vm.chainId(HERE);
        }
    }

    function test_Authorize_RevertWhen_ItIsSignedForAnotherContract() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            bytes memory signature = sign(a, ANN_KEY, terms());
            prepare(a, ann);
            fails(a, ann, terms(), 0, signature, invalid(ann));
        }
    }

    function test_Authorize_RevertWhen_AnyPartDiffersFromWhatWasSigned() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            bytes memory signature = sign(a, ANN_KEY, terms());
            IRelaying.Relay memory relay = terms();
            relay.relayer = RELAYER;
            fails(a, ann, relay, 0, signature, invalid(ann));
            relay = terms();
            relay.maxFee = 4;
            fails(a, ann, relay, 4, signature, invalid(ann));
            relay = terms();
            relay.nonce += 1;
            fails(a, ann, relay, 0, signature, invalid(ann));
            relay = terms();
            relay.deadline += 1;
            fails(a, ann, relay, 0, signature, invalid(ann));
            if (a == REGISTER || a == UPDATE) {
                digest = "c";
                fails(a, ann, terms(), 0, signature, invalid(ann));
                digest = "b";
            }
            if (a == REGISTER || a == ADD_STAKE) {
                amount = 6;
                fails(a, ann, terms(), 0, signature, invalid(ann));
                amount = 5;
            }
            if (a == WITHDRAW_STAKE) {
                to = RELAYER;
                fails(a, ann, terms(), 0, signature, invalid(ann));
                to = cat;
            }
            goes(a, ann, terms(), 0, signature);
        }
    }

    function test_Authorize_RevertWhen_TheSignatureHasAnotherForm() external {
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, ann);
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANN_KEY, digestOf(hashOf(a, ann, terms())));
            bytes32 twin = bytes32(ORDER - uint256(s));
            bytes[5] memory forms = [
                abi.encodePacked(r, twin, v == 27 ? uint8(28) : uint8(27)),
                abi.encodePacked(r, uint256(v - 27) << 255 | uint256(s)),
                abi.encodePacked(r, s, v, uint8(0)),
                abi.encodePacked(r, s, v - 27),
                bytes("")
            ];
            for (uint256 i; i < forms.length; ++i) {
                fails(a, ann, terms(), 0, forms[i], invalid(ann));
            }
        }
    }

    function test_Authorize_WhenAWalletSigned() external {
        address wallet = address(new Wallet(ann));
        address keys = address(new KeysWallet(ann));
        for (uint256 a; a < ACTIONS; ++a) {
            prepare(a, wallet);
            bytes32 d = digestOf(hashOf(a, wallet, terms()));
            fails(a, wallet, terms(), 3, bytes.concat(hex"07", sign(BEN_KEY, d)), invalid(wallet));
            fails(a, wallet, terms(), 3, bytes.concat(hex"08", sign(ANN_KEY, d)), invalid(wallet));
            fails(a, wallet, terms(), 3, sign(ANN_KEY, d), invalid(wallet));
            goes(a, wallet, terms(), 3, bytes.concat(hex"07", sign(ANN_KEY, d)));
            eq(balance(RELAYER), 3, "fee");
            // One that takes a signature as its owner's key makes it.
            prepare(a, keys);
            d = digestOf(hashOf(a, keys, terms()));
            fails(a, keys, terms(), 3, sign(BEN_KEY, d), invalid(keys));
            goes(a, keys, terms(), 3, sign(ANN_KEY, d));
        }
    }

    function test_Authorize_WhenAnAccountWithCodeSigned() external {
        address code = address(new Wallet(ben));
        vm.etch(ann, bytes.concat(hex"ef0100", bytes20(code)));
        for (uint256 a; a < ACTIONS; ++a) {
            // By its own key, which the code does not take away.
            prepare(a, ann);
            goes(a, ann, terms(), 3, sign(a, ANN_KEY, terms()));
            // By what the code takes.
            prepare(a, ann);
            bytes32 d = digestOf(hashOf(a, ann, terms()));
            goes(a, ann, terms(), 3, bytes.concat(hex"07", sign(BEN_KEY, d)));
        }
    }

    function test_Authorize_WhenTheActionFails_TheNumberStays() external {
        for (uint256 a; a < ACTIONS; ++a) {
            vm.warp(START);
            use(address(new PlainToken()));
            // What can't be done: register twice, everything else before.
            if (a == REGISTER) register(ann, "a", 0);
            give(ann, 1000);
            (bool ok,) = send(a, ann, terms(), 0, sign(a, ANN_KEY, terms()));
            vm.assertTrue(!ok, "goes through");
            eq(registry.noncesOf(ann, NONCE >> 8), 0, "word of numbers");
        }
    }

    function test_Authorize_RevertWhen_AFeeIsAskedWithoutAToken() external {
        for (uint256 a; a < ACTIONS; ++a) {
            registry = newRegistry(address(0), UNBOND, 0);
            IRelaying.Relay memory relay = terms();
            failsSigned(a, relay, 1, abi.encodeWithSelector(IRegistry.NoStakeToken.selector));
            (relay.nonce, relay.deadline) = (0, relay.deadline + 1);
            failsSigned(a, relay, 1, abi.encodeWithSelector(IRegistry.NoStakeToken.selector));
        }
    }

    function test_Authorize_WhenThereIsNoTokenAndNoFee() external {
        registry = newRegistry(address(0), UNBOND, 0);
        amount = 0;
        // A permit is nothing there.
        IRelaying.Permit memory permit = IRelaying.Permit(1, 1, 27, "r", "s");
        IRelaying.Relay memory relay = terms();
        for (uint256 a; a < ACTIONS; ++a) {
            if (a == ADD_STAKE || a == WITHDRAW_STAKE) continue;
            relay.nonce = a;
            if (a == UPDATE) digest = "c";
            vm.expectEmit(address(registry));
            emit IRelaying.Relayed(ann, RELAYER, address(0), a, 0);
            (bool ok,) = send(RELAYER, callOf(a, ann, permit, relay, 0, sign(a, ANN_KEY, relay)));
            vm.assertTrue(ok, "goes through");
        }
        expectRegistration(ann, 0, 2, 0, 0);
        relay.nonce = 7;
        failsSigned(ADD_STAKE, relay, 0, abi.encodeWithSelector(IRegistry.NotRegistered.selector, ann));
        failsSigned(WITHDRAW_STAKE, relay, 0, abi.encodeWithSelector(IRegistry.NothingUnbonding.selector));
        register(ann, "a", 0);
        failsSigned(ADD_STAKE, relay, 0, abi.encodeWithSelector(IRegistry.NoStakeToken.selector));
    }

    // What each does

    function expectRelayed(uint96 fee) private {
        vm.expectEmit(address(registry));
        emit IRelaying.Relayed(ann, RELAYER, token, NONCE, fee);
    }

    function test_RegisterSigned_WhenItStakes_TheFeeComesOnTop() external {
        prepare(REGISTER, ann);
        vm.expectEmit(address(registry));
        emit IRegistry.Registered(ann, "b", 1, 5);
        expectRelayed(3);
        bytes memory signature = sign(REGISTER, ANN_KEY, terms());
        vm.prank(RELAYER);
        eq(registry.registerSigned(ann, "b", 5, noPermit(), terms(), 3, signature), 1, "sequence");
        expectRegistration(ann, "b", 1, 5, uint64(START));
        eq(balance(ann), 992, "wallet");
        eq(balance(RELAYER), 3, "fee");
        eq(balance(address(registry)), 5, "held");
        expectProviders(list(ann));
        expectByStake(list(ann));
    }

    function test_RegisterSigned_RevertWhen_OneTokenOfTheFeeIsMissing() external {
        prepare(REGISTER, ann);
        approve(ann, 7);
        failsSigned(
            REGISTER,
            terms(),
            3,
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, registry, 2, 3)
        );
        approve(ann, 8);
        goes(REGISTER, ann, terms(), 3, sign(REGISTER, ANN_KEY, terms()));
    }

    function test_RegisterSigned_RevertWhen_TheStakeIsBelowTheLeast() external {
        registry = newRegistry(token, UNBOND, 6);
        give(ann, 1000);
        failsSigned(REGISTER, terms(), 3, abi.encodeWithSelector(IRegistry.StakeBelowMinimum.selector, 6, 5));
    }

    function test_RegisterSigned_RevertWhen_ItIsRegistered() external {
        prepare(UPDATE, ann);
        failsSigned(REGISTER, terms(), 3, abi.encodeWithSelector(IRegistry.AlreadyRegistered.selector, ann));
    }

    function test_RegisterSigned_RevertWhen_TheDigestIsZero() external {
        prepare(REGISTER, ann);
        digest = 0;
        failsSigned(REGISTER, terms(), 3, abi.encodeWithSelector(IRegistry.ZeroDigest.selector));
        prepare(UPDATE, ann);
        failsSigned(UPDATE, terms(), 3, abi.encodeWithSelector(IRegistry.ZeroDigest.selector));
    }

    function permitFor(uint256 key, uint256 value) private view returns (IRelaying.Permit memory) {
        return permitFor(key, value, vm.getBlockTimestamp());
    }

    function permitFor(uint256 key, uint256 value, uint256 until) private view returns (IRelaying.Permit memory) {
        Signature memory s = TokenSignatures.permit(key, token, address(registry), value, until);
        return IRelaying.Permit(value, until, s.v, s.r, s.s);
    }

    /// @dev What the wallet pays for an action with a permit: the fee of three and what is staked.
    function costOf(uint256 action) private pure returns (uint256) {
        return action == UPDATE || action == LEAVE ? 3 : 8;
    }

    function test_Permit_WhenThereIsNone_TheTokenIsAskedForNone() external {
        for (uint256 a = REGISTER; a <= LEAVE; ++a) {
            for (uint256 i; i < 5; ++i) {
                prepare(a, ann);
                IRelaying.Permit memory permit = IRelaying.Permit(i % 2, START + i / 2, 0, 0, 0);
                if (i == 4) permit = noPermit();
                vm.expectCall(token, abi.encodePacked(IERC20Permit.permit.selector), 0);
                (bool ok,) = send(RELAYER, callOf(a, ann, permit, terms(), 3, sign(a, ANN_KEY, terms())));
                vm.assertTrue(ok, "goes through");
            }
        }
    }

    function test_Permit_WhenItIsGiven() external {
        for (uint256 a = REGISTER; a <= LEAVE; ++a) {
            prepare(a, ann);
            approve(ann, 0);
            IRelaying.Permit memory permit = permitFor(ANN_KEY, costOf(a), START + 1);
            bytes memory data = callOf(a, ann, permit, terms(), 3, sign(a, ANN_KEY, terms()));
            (bool ok,) = send(RELAYER, data);
            vm.assertTrue(ok, "goes through");
            eq(balance(ann), 1000 - costOf(a), "wallet");
            eq(balance(RELAYER), 3, "fee");
            eq(PlainToken(token).allowance(ann, address(registry)), 0, "allowance");
            // Code at the account changes nothing.
            prepare(a, ann);
            approve(ann, 0);
            vm.etch(ann, hex"00");
            data = callOf(a, ann, permitFor(ANN_KEY, costOf(a)), terms(), 3, sign(a, ANN_KEY, terms()));
            (ok,) = send(RELAYER, data);
            vm.assertTrue(ok, "goes through with code");
            vm.etch(ann, "");
        }
    }

    function test_Permit_WhenSomebodyElseUsedItFirst() external {
        for (uint256 a = REGISTER; a <= ADD_STAKE; ++a) {
            prepare(a, ann);
            approve(ann, 0);
            IRelaying.Permit memory permit = permitFor(ANN_KEY, costOf(a));
            bytes memory data = callOf(a, ann, permit, terms(), 3, sign(a, ANN_KEY, terms()));
            vm.prank(stranger);
            IERC20Permit(token)
                .permit(ann, address(registry), permit.value, permit.deadline, permit.v, permit.r, permit.s);
            (bool ok,) = send(RELAYER, data);
            vm.assertTrue(ok, "goes through");
            eq(balance(RELAYER), 3, "fee");
        }
    }

    function test_Permit_RevertWhen_ItIsOneTokenShort() external {
        for (uint256 a = REGISTER; a <= ADD_STAKE; ++a) {
            prepare(a, ann);
            approve(ann, 0);
            bytes memory data =
                callOf(a, ann, permitFor(ANN_KEY, costOf(a) - 1), terms(), 3, sign(a, ANN_KEY, terms()));
            (bool ok, bytes memory answer) = send(RELAYER, data);
            vm.assertTrue(!ok, "goes through");
            vm.assertEq(
                answer,
                abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, registry, 2, 3),
                "answer"
            );
        }
    }

    function test_Permit_WhenItIsBadAndTheAllowanceIsThere() external {
        for (uint256 a = REGISTER; a <= ADD_STAKE; ++a) {
            prepare(a, ann);
            bytes memory data =
                callOf(a, ann, permitFor(BEN_KEY, costOf(a)), terms(), 3, sign(a, ANN_KEY, terms()));
            (bool ok,) = send(RELAYER, data);
            vm.assertTrue(ok, "goes through");
        }
    }

    function test_UpdateSigned_WhenTheDigestIsNew() external {
        prepare(UPDATE, ann);
        vm.expectEmit(address(registry));
        emit IRegistry.Updated(ann, "b", 2);
        expectRelayed(3);
        bytes memory signature = sign(UPDATE, ANN_KEY, terms());
        vm.prank(RELAYER);
        eq(registry.updateSigned(ann, "b", noPermit(), terms(), 3, signature), 2, "sequence");
        expectRegistration(ann, "b", 2, 50, uint64(START));
        eq(balance(ann), 997, "wallet");
        eq(balance(RELAYER), 3, "fee");
        eq(balance(address(registry)), 50, "held");
    }

    function test_UpdateSigned_RevertWhen_TheWalletHasOneTokenLessThanTheFee() external {
        register(ann, "a", 50);
        give(ann, 2);
        failsSigned(
            UPDATE, terms(), 3, abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ann, 2, 3)
        );
        eq(balance(address(registry)), 50, "held");
    }

    function test_UpdateSigned_RevertWhen_TheDigestIsThePresentOne() external {
        prepare(UPDATE, ann);
        digest = "a";
        failsSigned(UPDATE, terms(), 3, abi.encodeWithSelector(IRegistry.SameDigest.selector, bytes32("a")));
    }

    function test_UpdateSigned_RevertWhen_ItIsNotRegistered() external {
        bytes memory want = abi.encodeWithSelector(IRegistry.NotRegistered.selector, ann);
        failsSigned(UPDATE, terms(), 3, want);
        failsSigned(ADD_STAKE, terms(), 3, want);
        failsSigned(LEAVE, terms(), 3, want);
    }

    function test_AddStakeSigned_WhenItIsRegistered() external {
        prepare(ADD_STAKE, ann);
        register(ben, "b", 52);
        vm.expectEmit(address(registry));
        emit IRegistry.Staked(ann, 55);
        expectRelayed(3);
        bytes memory signature = sign(ADD_STAKE, ANN_KEY, terms());
        vm.prank(RELAYER);
        eq(registry.addStakeSigned(ann, 5, noPermit(), terms(), 3, signature), 55, "stake");
        expectRegistration(ann, "a", 1, 55, uint64(START));
        eq(balance(ann), 992, "wallet");
        eq(balance(RELAYER), 3, "fee");
        eq(balance(address(registry)), 107, "held");
        expectByStake(list(ann, ben));
    }

    // The fee of leaving is the wallet's: all of the stake has to wait

    function leaves(uint96 stake, uint96 fee) private {
        vm.warp(START);
        use(address(new PlainToken()));
        register(ben, "b", 9);
        register(ann, "a", stake);
        give(ann, 1000);
        uint64 releaseAt = stake == 0 ? 0 : uint64(START) + UNBOND;
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ann, stake, 0, stake, releaseAt);
        expectRelayed(fee);
        IRelaying.Relay memory relay = terms(RELAYER, fee);
        goes(LEAVE, ann, relay, fee, sign(LEAVE, ANN_KEY, relay));
        expectUnbonding(ann, 0, stake, releaseAt);
        expectRegistration(ann, 0, 1, 0, 0);
        expectProviders(list(ben));
        eq(balance(ann), 1000 - fee, "wallet");
        eq(balance(RELAYER), fee, "fee");
        eq(balance(address(registry)), 9 + stake, "held");
    }

    function test_LeaveSigned_WhenThereIsAStake_AllOfItUnbonds() external {
        leaves(50, 49);
        leaves(50, 50);
        leaves(50, 1000);
        leaves(50, 0);
    }

    function test_LeaveSigned_WhenThereIsNoStake() external {
        leaves(0, 7);
        leaves(0, 0);
    }

    function test_LeaveSigned_RevertWhen_TheProviderPaysItselfWithItsStake() external {
        prepare(LEAVE, ann);
        vm.prank(ann);
        PlainToken(token).transfer(cat, 1000);
        IRelaying.Relay memory relay = terms(ann, 50);
        bytes memory call = callOf(LEAVE, ann, noPermit(), relay, 50, sign(LEAVE, ANN_KEY, relay));
        (bool ok, bytes memory answer) = send(ann, call);
        vm.assertTrue(!ok, "paid out of the stake");
        vm.assertEq(
            answer,
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ann, 0, 50),
            "answer"
        );
        expectRegistration(ann, "a", 1, 50, uint64(START));
    }

    function test_LeaveSigned_RevertWhen_OneTokenOfTheFeeIsMissing() external {
        prepare(LEAVE, ann);
        IRelaying.Relay memory relay = terms(RELAYER, 1001);
        failsSigned(
            LEAVE,
            relay,
            1001,
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ann, 1000, 1001)
        );
        approve(ann, 49);
        failsSigned(
            LEAVE,
            relay,
            50,
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, registry, 49, 50)
        );
        goes(LEAVE, ann, relay, 49, sign(LEAVE, ANN_KEY, relay));
    }

    function test_LeaveSigned_WhenTheFeeWouldBringTheSumDownTo96Bits_ItDoesNot() external {
        register(ann, "a", MAX - 2);
        leave(ann);
        register(ann, "a", 3);
        give(ann, 1000);
        failsSigned(LEAVE, terms(), 3, abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
    }

    // The fee of withdrawing comes out of what is withdrawn first, then out of the wallet

    function withdraws(uint96 fee, uint96 sent, uint256 wallet) private {
        prepare(WITHDRAW_STAKE, ann);
        register(ann, "a", 9);
        leave(ann);
        uint64 releaseAt = uint64(START) + 2 * UNBOND;
        expectUnbonding(ann, 50, 9, releaseAt);
        vm.expectEmit(address(registry));
        emit IRegistry.StakeWithdrawn(ann, cat, sent);
        expectRelayed(fee);
        IRelaying.Relay memory relay = terms(RELAYER, fee);
        bytes memory signature = sign(WITHDRAW_STAKE, ANN_KEY, relay);
        // There are tokens that refuse to move nothing.
        if (sent == 0) vm.expectCall(token, abi.encodeCall(IERC20.transfer, (cat, 0)), 0);
        vm.prank(RELAYER);
        eq(registry.withdrawStakeSigned(ann, cat, relay, fee, signature), sent, "amount");
        expectUnbonding(ann, 0, 9, releaseAt);
        eq(balance(cat), sent, "receiver");
        eq(balance(ann), wallet, "wallet");
        eq(balance(RELAYER), fee, "fee");
        eq(balance(address(registry)), 9, "held");
    }

    function test_WithdrawStakeSigned_WhenTheFeeIsLessThanWhatIsWithdrawn() external {
        withdraws(49, 1, 1000);
        withdraws(0, 50, 1000);
    }

    function test_WithdrawStakeSigned_WhenTheFeeIsAllThatIsWithdrawn() external {
        withdraws(50, 0, 1000);
        // Nor is nothing sent to the provider itself: some tokens refuse that.
        prepare(WITHDRAW_STAKE, ann);
        to = ann;
        vm.expectCall(token, abi.encodeCall(IERC20.transfer, (ann, 0)), 0);
        IRelaying.Relay memory relay = terms(RELAYER, 50);
        goes(WITHDRAW_STAKE, ann, relay, 50, sign(WITHDRAW_STAKE, ANN_KEY, relay));
        eq(balance(RELAYER), 50, "fee");
    }

    function test_WithdrawStakeSigned_WhenTheFeeIsMore_TheWalletPaysTheRest() external {
        withdraws(51, 0, 999);
    }

    function test_WithdrawStakeSigned_RevertWhen_OneTokenOfTheFeeIsMissing() external {
        prepare(WITHDRAW_STAKE, ann);
        IRelaying.Relay memory relay = terms(RELAYER, 1051);
        failsSigned(
            WITHDRAW_STAKE,
            relay,
            1051,
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ann, 1000, 1001)
        );
        expectUnbonding(ann, 50, 0, 0);
    }

    function test_WithdrawStakeSigned_RevertWhen_ItIsTooEarly() external {
        prepare(WITHDRAW_STAKE, ann);
        vm.warp(START + UNBOND - 1);
        failsSigned(
            WITHDRAW_STAKE,
            terms(),
            0,
            abi.encodeWithSelector(IRegistry.UnbondingTooEarly.selector, uint64(START) + UNBOND)
        );
    }

    function test_WithdrawStakeSigned_RevertWhen_NothingIsUnbonding() external {
        prepare(LEAVE, ann);
        failsSigned(WITHDRAW_STAKE, terms(), 0, abi.encodeWithSelector(IRegistry.NothingUnbonding.selector));
    }

    function test_WithdrawStakeSigned_RevertWhen_TheRecipientCannotBePaid() external {
        prepare(WITHDRAW_STAKE, ann);
        address[] memory bad = list(address(0), address(registry), token);
        for (uint256 i; i < bad.length; ++i) {
            to = bad[i];
            failsSigned(
                WITHDRAW_STAKE, terms(), 0, abi.encodeWithSelector(IRelaying.InvalidRecipient.selector, bad[i])
            );
        }
    }

    // Tokens with ways of their own

    function test_Token_WhenItTakesAFee_TheProviderPaysWhatItSigned() external {
        use(address(new FeeToken()));
        give(ann, 1000);
        IRelaying.Relay memory relay = terms(RELAYER, 20);
        amount = 100;
        goes(REGISTER, ann, relay, 20, sign(REGISTER, ANN_KEY, relay));
        expectRegistration(ann, "b", 1, 90, uint64(START));
        eq(balance(ann), 880, "wallet");
        eq(balance(RELAYER), 18, "fee, less the token's");
        relay.nonce = 1;
        goes(ADD_STAKE, ann, relay, 20, sign(ADD_STAKE, ANN_KEY, relay));
        expectRegistration(ann, "b", 1, 180, uint64(START));
        eq(balance(ann), 760, "wallet");
        relay.nonce = 2;
        goes(LEAVE, ann, relay, 20, sign(LEAVE, ANN_KEY, relay));
        expectUnbonding(ann, 0, 180, uint64(START) + UNBOND);
        eq(balance(ann), 740, "wallet");
        vm.warp(START + UNBOND);
        relay.nonce = 3;
        relay.deadline = uint40(START + UNBOND);
        goes(WITHDRAW_STAKE, ann, relay, 20, sign(WITHDRAW_STAKE, ANN_KEY, relay));
        eq(balance(cat), 144, "receiver: nine tenths of 160");
        eq(balance(RELAYER), 72, "fees, less the token's");
        eq(balance(ann), 740, "wallet");
        eq(balance(address(registry)), 0, "held");
    }

    /// @dev All that writes, plain and signed; what is signed need not be, for the lock comes first.
    function everything() private view returns (bytes[10] memory calls) {
        for (uint256 a; a < ACTIONS; ++a) {
            calls[a] = callOf(a, ann, noPermit(), terms(), 0, "");
        }
        calls[5] = abi.encodeCall(IRegistry.register, ("b", 0));
        calls[6] = abi.encodeCall(IRegistry.update, ("b"));
        calls[7] = abi.encodeCall(IRegistry.addStake, (0));
        calls[8] = abi.encodeCall(IRegistry.leave, ());
        calls[9] = abi.encodeCall(IRegistry.withdrawStake, (ann));
    }

    function test_Token_WhenItCallsBack_EveryFunctionIsLocked() external {
        bytes[10] memory calls = everything();
        for (uint256 outer; outer < 10; ++outer) {
            // Plain updates and leaves call no token.
            if (outer == 6 || outer == 8) continue;
            for (uint256 i; i < calls.length; ++i) {
                vm.warp(START);
                ReentrantToken reentrant = new ReentrantToken();
                use(address(reentrant));
                ready(outer % 5, ann);
                bytes memory signature = outer < 5 ? sign(outer, ANN_KEY, terms()) : bytes("");
                reentrant.arm(address(registry), calls[i], true);
                bool ok;
                if (outer < 5) (ok,) = send(outer, ann, terms(), 3, signature);
                else (ok,) = send(ann, plainly(outer));
                vm.assertTrue(ok, "goes through");
                vm.assertEq(
                    reentrant.answer(),
                    abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
                    "answer"
                );
            }
        }
    }

    function plainly(uint256 which) private view returns (bytes memory) {
        if (which == 5) return abi.encodeCall(IRegistry.register, ("b", 5));
        if (which == 7) return abi.encodeCall(IRegistry.addStake, (5));
        return abi.encodeCall(IRegistry.withdrawStake, (cat));
    }

    function test_Token_WhenItCallsBackAtTheFee_AllIsWrittenAlready() external {
        ReentrantToken reentrant = new ReentrantToken();
        use(address(reentrant));
        register(ann, "a", 50);
        give(ann, 1000);
        reentrant.arm(address(registry), abi.encodeCall(IRegistry.providerOf, (ann)), true);
        goes(UPDATE, ann, terms(), 3, sign(UPDATE, ANN_KEY, terms()));
        same(abi.decode(reentrant.answer(), (IRegistry.Registration)), ann, "b", 2, 50, uint64(START));
        IRelaying.Relay memory relay = terms();
        relay.nonce = 1;
        reentrant.arm(address(registry), abi.encodeCall(IRegistry.unbondingOf, (ann)), true);
        goes(LEAVE, ann, relay, 3, sign(LEAVE, ANN_KEY, relay));
        (uint96 withdrawable, uint96 locked, uint64 releaseAt) =
            abi.decode(reentrant.answer(), (uint96, uint96, uint64));
        eq(withdrawable, 0, "withdrawable");
        eq(locked, 50, "locked");
        eq(releaseAt, START + UNBOND, "releaseAt");
        vm.warp(START + UNBOND);
        relay.nonce = 2;
        relay.deadline = uint40(START + UNBOND);
        reentrant.arm(address(registry), abi.encodeCall(IRegistry.unbondingOf, (ann)), true);
        goes(WITHDRAW_STAKE, ann, relay, 3, sign(WITHDRAW_STAKE, ANN_KEY, relay));
        (withdrawable,,) = abi.decode(reentrant.answer(), (uint96, uint96, uint64));
        eq(withdrawable, 0, "withdrawable while it is sent");
        // The number is used before anything is paid.
        relay.nonce = 3;
        digest = "c";
        reentrant.arm(address(registry), abi.encodeCall(IRelaying.noncesOf, (ann, 0)), true);
        goes(REGISTER, ann, relay, 3, sign(REGISTER, ANN_KEY, relay));
        eq(abi.decode(reentrant.answer(), (uint256)), 14, "numbers");
    }
}
