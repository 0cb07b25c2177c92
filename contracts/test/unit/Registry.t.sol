// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IRegistry} from "src/interfaces/IRegistry.sol";
import {Fixture} from "../Fixture.sol";
import {EmptyToken, FeeToken, HugeToken, PlainToken, ReentrantToken} from "../tokens/Tokens.sol";
import {vm} from "../Vm.sol";

contract RegistryTest is Fixture {
    uint64 private constant UNBOND = 7 days;
    address private constant ANN = address(0xA1);
    address private constant BEN = address(0xA2);
    address private constant CAT = address(0xA3);

    IRegistry private registry;

    function setUp() public override {
        super.setUp();
        use(token);
    }

    /// @dev A registry with stakes of another token.
    function use(address stakeToken) private {
        token = stakeToken;
        registry = newRegistry(stakeToken, UNBOND);
    }

    function newRegistry(address stakeToken, uint64 delay) private returns (IRegistry) {
        return IRegistry(vm.deployCode(artifact("Registry"), abi.encode(stakeToken, delay)));
    }

    function stake(address account, uint256 amount) private {
        PlainToken(token).mint(account, amount);
        vm.prank(account);
        PlainToken(token).approve(address(registry), type(uint256).max);
    }

    function register(address account, bytes32 digest, uint96 amount) private returns (uint64) {
        if (amount != 0) stake(account, amount);
        vm.prank(account);
        return registry.register(digest, amount);
    }

    function leave(address account) private {
        vm.prank(account);
        registry.leave();
    }

    function expectRegistration(address account, bytes32 digest, uint64 sequence, uint96 amount, uint64 since)
        private
        view
    {
        same(registry.providerOf(account), account, digest, sequence, amount, since);
    }

    function same(
        IRegistry.Registration memory r,
        address account,
        bytes32 digest,
        uint64 sequence,
        uint96 amount,
        uint64 since
    ) private pure {
        vm.assertEq(r.provider, account, "provider");
        vm.assertEq(r.digest, digest, "digest");
        eq(r.sequence, sequence, "sequence");
        eq(r.stake, amount, "stake");
        eq(r.since, since, "since");
    }

    function expectUnbonding(address account, uint96 amount, uint64 releaseAt) private view {
        (uint96 a, uint64 at) = registry.unbondingOf(account);
        eq(a, amount, "unbonding");
        eq(at, releaseAt, "releaseAt");
    }

    function expectProviders(address[] memory want) private view {
        IRegistry.Registration[] memory page = registry.providers(0, 100);
        eq(registry.count(), want.length, "count");
        eq(page.length, want.length, "page");
        for (uint256 i; i < want.length; ++i) {
            vm.assertEq(page[i].provider, want[i], "provider on the page");
        }
    }

    function list(address a, address b) private pure returns (address[] memory all) {
        all = new address[](b == address(0) ? 1 : 2);
        all[0] = a;
        if (b != address(0)) all[1] = b;
    }

    // constructor

    function create(uint64 delay) private returns (address made, bytes memory answer) {
        bytes memory code = bytes.concat(vm.getCode(artifact("Registry")), abi.encode(token, delay));
        answer = new bytes(36);
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
            if iszero(made) { returndatacopy(add(answer, 0x20), 0, 36) }
        }
    }

    function test_Constructor_RevertWhen_TheDelayIsLongerThanTheLongest() external {
        (, bytes memory answer) = create(365 days + 1);
        vm.assertEq(
            answer, abi.encodeWithSelector(IRegistry.UnbondDelayOutOfRange.selector, 365 days + 1), "answer"
        );
    }

    function test_Constructor_WhenTheDelayIsTheLongest() external {
        (address made,) = create(365 days);
        eq(IRegistry(made).UNBOND_DELAY(), 365 days, "delay");
        eq(IRegistry(made).MAX_UNBOND_DELAY(), 365 days, "longest");
        vm.assertEq(IRegistry(made).STAKE_TOKEN(), token, "token");
    }

    function test_Constructor_WhenTheDelayIsZero() external {
        token = address(plain);
        registry = newRegistry(token, 0);
        register(ANN, "a", 5);
        leave(ANN);
        vm.prank(ANN);
        eq(registry.withdrawStake(ANN), 5, "withdrawn at once");
    }

    // register

    function test_Register_RevertWhen_TheDigestIsZero() external {
        refuse(IRegistry.ZeroDigest.selector);
        registry.register(0, 0);
    }

    function test_Register_RevertWhen_ItIsRegistered() external {
        register(ANN, "a", 0);
        vm.prank(ANN);
        refuse(abi.encodeWithSelector(IRegistry.AlreadyRegistered.selector, ANN));
        registry.register("b", 0);
    }

    function test_Register_RevertWhen_NothingArrives() external {
        use(address(new EmptyToken()));
        refuse(IRegistry.NothingReceived.selector);
        registry.register("a", 5);
    }

    function test_Register_RevertWhen_MoreThan96BitsArrive() external {
        use(address(new HugeToken()));
        refuse(abi.encodeWithSelector(IRegistry.AmountOverflow.selector, 2 ** 96 + 5));
        registry.register("a", 5);
    }

    function test_Register_RevertWhen_TheRegistryTakesNoStakes() external {
        registry = newRegistry(address(0), UNBOND);
        vm.expectRevert();
        registry.register("a", 1);
    }

    function test_Register_WhenItStakesNothing() external {
        registry = newRegistry(address(0), UNBOND);
        vm.expectEmit(address(registry));
        emit IRegistry.Registered(ANN, "a", 1, 0);
        eq(register(ANN, "a", 0), 1, "sequence");
        expectRegistration(ANN, "a", 1, 0, uint64(START));
        expectProviders(list(ANN, address(0)));
    }

    function test_Register_WhenItStakes() external {
        stake(ANN, MAX);
        vm.expectEmit(address(registry));
        emit IRegistry.Registered(ANN, "a", 1, MAX);
        vm.prank(ANN);
        registry.register("a", MAX);
        expectRegistration(ANN, "a", 1, MAX, uint64(START));
        eq(plain.balanceOf(address(registry)), MAX, "held");
    }

    function test_Register_WhenTheTokenTakesAFee_WhatArrivesCounts() external {
        use(address(new FeeToken()));
        register(ANN, "a", 100);
        expectRegistration(ANN, "a", 1, 90, uint64(START));
    }

    function test_Register_WhenItComesBack_TheSequenceGoesOn() external {
        register(ANN, "a", 0);
        leave(ANN);
        vm.warp(START + 9);
        eq(register(ANN, "a", 0), 2, "sequence");
        expectRegistration(ANN, "a", 2, 0, uint64(START) + 9);
    }

    // update

    function test_Update_RevertWhen_TheDigestIsZero() external {
        register(ANN, "a", 0);
        vm.prank(ANN);
        refuse(IRegistry.ZeroDigest.selector);
        registry.update(0);
    }

    function test_Update_RevertWhen_ItIsNotRegistered() external {
        vm.prank(ANN);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ANN));
        registry.update("a");
    }

    function test_Update_RevertWhen_TheDigestIsThePresentOne() external {
        register(ANN, "a", 0);
        vm.prank(ANN);
        refuse(abi.encodeWithSelector(IRegistry.SameDigest.selector, bytes32("a")));
        registry.update("a");
    }

    function test_Update_WhenTheDigestIsNew() external {
        register(ANN, "a", 5);
        vm.warp(START + 9);
        vm.expectEmit(address(registry));
        emit IRegistry.Updated(ANN, "b", 2);
        vm.prank(ANN);
        eq(registry.update("b"), 2, "sequence");
        expectRegistration(ANN, "b", 2, 5, uint64(START));
    }

    // addStake

    function test_AddStake_RevertWhen_ItIsNotRegistered() external {
        vm.prank(ANN);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ANN));
        registry.addStake(1);
    }

    function test_AddStake_RevertWhen_TheSumIsMoreThan96Bits() external {
        register(ANN, "a", MAX);
        stake(ANN, 1);
        vm.prank(ANN);
        refuse(abi.encodeWithSelector(IRegistry.AmountOverflow.selector, 2 ** 96));
        registry.addStake(1);
    }

    function test_AddStake_WhenItIsRegistered() external {
        register(ANN, "a", 5);
        stake(ANN, MAX);
        vm.expectEmit(address(registry));
        emit IRegistry.Staked(ANN, MAX);
        vm.prank(ANN);
        eq(registry.addStake(MAX - 5), MAX, "stake");
        expectRegistration(ANN, "a", 1, MAX, uint64(START));
    }

    // leave

    function test_Leave_RevertWhen_ItIsNotRegistered() external {
        vm.prank(ANN);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ANN));
        registry.leave();
    }

    function test_Leave_WhenItHasNoStake() external {
        register(ANN, "a", 0);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ANN, 0, 0);
        leave(ANN);
        expectRegistration(ANN, 0, 1, 0, 0);
        expectUnbonding(ANN, 0, 0);
        expectProviders(new address[](0));
        vm.prank(ANN);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ANN));
        registry.leave();
    }

    function test_Leave_WhenItHasAStake_ItUnbonds() external {
        register(ANN, "a", 5);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ANN, 5, uint64(START) + UNBOND);
        leave(ANN);
        expectRegistration(ANN, 0, 1, 0, 0);
        expectUnbonding(ANN, 5, uint64(START) + UNBOND);
    }

    function test_Leave_WhenAnEarlierStakeIsUnbonding_TheSumWaits() external {
        register(ANN, "a", 5);
        leave(ANN);
        vm.warp(START + 100);
        register(ANN, "a", 7);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ANN, 12, uint64(START) + 100 + UNBOND);
        leave(ANN);
        expectUnbonding(ANN, 12, uint64(START) + 100 + UNBOND);
        // Without a stake the time stays.
        vm.warp(START + 200);
        register(ANN, "a", 0);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ANN, 12, uint64(START) + 100 + UNBOND);
        leave(ANN);
    }

    function test_Leave_RevertWhen_TheSumIsMoreThan96Bits() external {
        register(ANN, "a", MAX);
        leave(ANN);
        expectUnbonding(ANN, MAX, uint64(START) + UNBOND);
        register(ANN, "a", 1);
        refuse(abi.encodeWithSelector(IRegistry.AmountOverflow.selector, 2 ** 96));
        leave(ANN);
    }

    function test_Leave_WhenItsUnbondingIsAtTheEdge() external {
        register(ANN, "a", MAX - 1);
        leave(ANN);
        register(ANN, "a", 1);
        leave(ANN);
        expectUnbonding(ANN, MAX, uint64(START) + UNBOND);
    }

    function test_Leave_WhenItIsNotTheLast_TheLastTakesItsPlace() external {
        register(ANN, "a", 0);
        register(BEN, "b", 0);
        register(CAT, "c", 0);
        leave(ANN);
        expectProviders(list(CAT, BEN));
        leave(CAT);
        expectProviders(list(BEN, address(0)));
        leave(BEN);
        expectProviders(new address[](0));
        register(CAT, "c", 0);
        expectProviders(list(CAT, address(0)));
    }

    function test_Leave_WhenItIsTheLast_TheOthersStay() external {
        register(ANN, "a", 0);
        register(BEN, "b", 0);
        register(CAT, "c", 0);
        vm.record();
        leave(CAT);
        (, bytes32[] memory writes) = vm.accesses(address(registry));
        // The list has slot 0: its length, its last place, and the three words of the one that leaves.
        uint256 times;
        for (uint256 i; i < writes.length; ++i) {
            if (uint256(writes[i]) == uint256(keccak256(abi.encode(0))) + 2) ++times;
        }
        eq(times, 1, "its place is written once, to clear it");
        expectProviders(list(ANN, BEN));
        vm.prank(CAT);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, CAT));
        registry.update("d");
    }

    // withdrawStake

    function test_WithdrawStake_RevertWhen_NothingIsUnbonding() external {
        register(ANN, "a", 5);
        vm.prank(ANN);
        refuse(IRegistry.NothingUnbonding.selector);
        registry.withdrawStake(ANN);
    }

    function test_WithdrawStake_RevertWhen_ItIsTooEarly() external {
        register(ANN, "a", 5);
        leave(ANN);
        vm.warp(START + UNBOND - 1);
        vm.prank(ANN);
        refuse(abi.encodeWithSelector(IRegistry.UnbondingTooEarly.selector, uint64(START) + UNBOND));
        registry.withdrawStake(ANN);
    }

    function test_WithdrawStake_WhenItIsTime() external {
        register(ANN, "a", 5);
        leave(ANN);
        vm.warp(START + UNBOND);
        vm.expectEmit(address(registry));
        emit IRegistry.StakeWithdrawn(ANN, BEN, 5);
        vm.prank(ANN);
        eq(registry.withdrawStake(BEN), 5, "amount");
        eq(plain.balanceOf(BEN), 5, "receiver");
        expectUnbonding(ANN, 0, 0);
        vm.prank(ANN);
        refuse(IRegistry.NothingUnbonding.selector);
        registry.withdrawStake(BEN);
    }

    // views

    function test_Providers_WhenAPageIsAsked() external {
        register(ANN, "a", 1);
        register(BEN, "b", 2);
        register(CAT, "c", 3);
        eq(registry.providers(0, 0).length, 0, "none asked");
        eq(registry.providers(3, 1).length, 0, "past the end");
        eq(registry.providers(4, 1).length, 0, "far past the end");
        eq(registry.providers(type(uint256).max, type(uint256).max).length, 0, "as far as can be");
        eq(registry.providers(0, 2).length, 2, "a full page");
        eq(registry.providers(1, 2).length, 2, "up to the end");
        eq(registry.providers(1, 3).length, 2, "one more than there is");
        IRegistry.Registration[] memory page = registry.providers(1, type(uint256).max);
        eq(page.length, 2, "all the rest");
        same(page[0], BEN, "b", 1, 2, uint64(START));
        same(page[1], CAT, "c", 1, 3, uint64(START));
    }

    // Every function is locked

    function test_Reentry_WhenTheTokenCallsBack_EveryFunctionIsLocked() external {
        bytes[5] memory calls = [
            abi.encodeCall(IRegistry.register, ("b", 0)),
            abi.encodeCall(IRegistry.update, ("b")),
            abi.encodeCall(IRegistry.addStake, (0)),
            abi.encodeCall(IRegistry.leave, ()),
            abi.encodeCall(IRegistry.withdrawStake, (ANN))
        ];
        for (uint256 outer; outer < 3; ++outer) {
            for (uint256 i; i < calls.length; ++i) {
                ReentrantToken reentrant = new ReentrantToken();
                use(address(reentrant));
                if (outer != 0) register(ANN, "a", 5);
                stake(ANN, 5);
                if (outer == 2) {
                    leave(ANN);
                    vm.warp(vm.getBlockTimestamp() + UNBOND);
                }
                reentrant.arm(address(registry), calls[i], true);
                vm.startPrank(ANN);
                if (outer == 0) registry.register("a", 5);
                else if (outer == 1) registry.addStake(5);
                else registry.withdrawStake(ANN);
                vm.stopPrank();
                vm.assertEq(
                    reentrant.answer(),
                    abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
                    "answer"
                );
            }
        }
    }

    function test_Reentry_WhenAViewIsAsked_TheStakeIsGoneAlready() external {
        ReentrantToken reentrant = new ReentrantToken();
        use(address(reentrant));
        register(ANN, "a", 5);
        leave(ANN);
        vm.warp(START + UNBOND);
        reentrant.arm(address(registry), abi.encodeCall(IRegistry.unbondingOf, (ANN)), true);
        vm.prank(ANN);
        registry.withdrawStake(ANN);
        (uint96 amount,) = abi.decode(reentrant.answer(), (uint96, uint64));
        eq(amount, 0, "unbonding during the transfer");
    }
}
