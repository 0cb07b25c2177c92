// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRegistry} from "src/interfaces/IRegistry.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {RegistryFixture} from "./RegistryFixture.sol";
import {EmptyToken, FeeToken, HugeToken, ReentrantToken} from "../tokens/Tokens.sol";
import {vm} from "../Vm.sol";

contract RegistryTest is RegistryFixture {
    // constructor

    function create(address stakeToken, uint64 delay, uint96 minStake)
        private
        returns (address made, bytes memory answer)
    {
        bytes memory code =
            bytes.concat(vm.getCode(artifact("Registry")), abi.encode(stakeToken, delay, minStake));
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        if (made != address(0)) return (made, "");
        assembly ("memory-safe") {
            answer := mload(0x40)
            mstore(answer, returndatasize())
            returndatacopy(add(answer, 0x20), 0, returndatasize())
            mstore(0x40, add(add(answer, 0x20), and(add(returndatasize(), 31), not(31))))
        }
    }

    function test_Constructor_RevertWhen_TheDelayIsLongerThanTheLongest() external {
        uint64[2] memory delays = [365 days + 1, type(uint64).max];
        for (uint256 i; i < 4; ++i) {
            (, bytes memory answer) = create(i < 2 ? token : address(0), delays[i % 2], 0);
            vm.assertEq(
                answer, abi.encodeWithSelector(IRegistry.UnbondDelayOutOfRange.selector, delays[i % 2]), "answer"
            );
        }
    }

    function test_Constructor_WhenTheDelayIsTheLongest() external {
        (address made,) = create(token, 365 days, 5);
        eq(IRegistry(made).UNBOND_DELAY(), 365 days, "delay");
        eq(IRegistry(made).MAX_UNBOND_DELAY(), 365 days, "longest");
        eq(IRegistry(made).MIN_STAKE(), 5, "least stake");
        eq(IRegistry(made).MAX_PAGE(), 500, "page");
        vm.assertEq(IRegistry(made).STAKE_TOKEN(), token, "token");
    }

    function test_Constructor_WhenTheDelayIsZero() external {
        registry = newRegistry(token, 0, 0);
        register(ann, "a", 5);
        leave(ann);
        expectUnbonding(ann, 5, 0, 0);
        vm.prank(ann);
        eq(registry.withdrawStake(ann), 5, "withdrawn at once");
    }

    function test_Constructor_RevertWhen_ThereIsALeastStakeAndNoToken() external {
        (, bytes memory answer) = create(address(0), UNBOND, 1);
        vm.assertEq(answer, abi.encodeWithSelector(IRegistry.NoStakeToken.selector), "answer");
        // Also on a chain whose clock has hardly begun.
        vm.warp(1);
        (, answer) = create(address(0), UNBOND, 1);
        vm.assertEq(answer, abi.encodeWithSelector(IRegistry.NoStakeToken.selector), "answer");
    }

    function test_Constructor_WhenTheTokenItselfCreatesIt() external {
        (address made,) = create(address(this), UNBOND, 5);
        eq(IRegistry(made).UNBOND_DELAY(), UNBOND, "delay");
        eq(IRegistry(made).MIN_STAKE(), 5, "least stake");
        vm.assertEq(IRegistry(made).STAKE_TOKEN(), address(this), "token");
    }

    function test_Constructor_WhenThereIsNoToken() external {
        (address made,) = create(address(0), UNBOND, 0);
        vm.assertEq(IRegistry(made).STAKE_TOKEN(), address(0), "token");
        eq(IRegistry(made).MIN_STAKE(), 0, "least stake");
    }

    function test_Constructor_WhenTheDomainIsAsked() external {
        vm.assertEq(registry.domainSeparator(), separator(address(registry), block.chainid), "separator");
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        ) = registry.eip712Domain();
        vm.assertEq(fields, hex"0f", "fields");
        vm.assertEq(name, "Byway Registry", "name");
        vm.assertEq(version, "1", "version");
        eq(chainId, block.chainid, "chain");
        vm.assertEq(verifyingContract, address(registry), "contract");
        vm.assertEq(salt, 0, "salt");
        eq(extensions.length, 0, "extensions");
        uint256[4] memory others = [uint256(7), 31336, 31338, 15668];
        for (uint256 i; i < 4; ++i) {
            vm.chainId(others[i]);
            vm.assertEq(registry.domainSeparator(), separator(address(registry), others[i]), "of another chain");
        }
    }

    // register

    function test_Register_RevertWhen_TheDigestIsZero() external {
        refuse(IRegistry.ZeroDigest.selector);
        registry.register(0, 0);
    }

    function test_Register_RevertWhen_ItIsRegistered() external {
        register(ann, "a", 0);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.AlreadyRegistered.selector, ann));
        registry.register("b", 0);
    }

    function test_Register_RevertWhen_NothingArrives() external {
        use(address(new EmptyToken()));
        refuse(IRelaying.NothingReceived.selector);
        registry.register("a", 5);
    }

    function test_Register_RevertWhen_MoreThan96BitsArrive() external {
        use(address(new HugeToken()));
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96 + 5));
        registry.register("a", 5);
    }

    function test_Register_RevertWhen_TheRegistryTakesNoStakes() external {
        registry = newRegistry(address(0), UNBOND, 0);
        refuse(IRegistry.NoStakeToken.selector);
        registry.register("a", 1);
    }

    function test_Register_WhenItStakesNothing() external {
        registry = newRegistry(address(0), UNBOND, 0);
        vm.expectEmit(address(registry));
        emit IRegistry.Registered(ann, "a", 1, 0);
        eq(register(ann, "a", 0), 1, "sequence");
        expectRegistration(ann, "a", 1, 0, uint64(START));
        expectProviders(list(ann));
    }

    function test_Register_WhenItStakes() external {
        give(ann, MAX);
        vm.expectEmit(address(registry));
        emit IRegistry.Registered(ann, "a", 1, MAX);
        vm.prank(ann);
        registry.register("a", MAX);
        expectRegistration(ann, "a", 1, MAX, uint64(START));
        eq(plain.balanceOf(address(registry)), MAX, "held");
    }

    function test_Register_WhenTheTokenTakesAFee_WhatArrivesCounts() external {
        use(address(new FeeToken()));
        give(ann, 100);
        vm.expectEmit(address(registry));
        emit IRegistry.Registered(ann, "a", 1, 90);
        vm.prank(ann);
        registry.register("a", 100);
        expectRegistration(ann, "a", 1, 90, uint64(START));
    }

    function test_Register_WhenItComesBack_TheSequenceGoesOn() external {
        register(ann, "a", 0);
        leave(ann);
        vm.warp(START + 9);
        eq(register(ann, "a", 0), 2, "sequence");
        expectRegistration(ann, "a", 2, 0, uint64(START) + 9);
    }

    function test_Register_RevertWhen_TheStakeIsOneBelowTheLeast() external {
        registry = newRegistry(token, UNBOND, 100);
        give(ann, 99);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.StakeBelowMinimum.selector, 100, 99));
        registry.register("a", 99);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.StakeBelowMinimum.selector, 100, 0));
        registry.register("a", 0);
    }

    function test_Register_RevertWhen_LessThanTheLeastArrives() external {
        token = address(new FeeToken());
        registry = newRegistry(token, UNBOND, 100);
        give(ann, 110);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.StakeBelowMinimum.selector, 100, 99));
        registry.register("a", 110);
    }

    function test_Register_WhenTheStakeIsTheLeast() external {
        registry = newRegistry(token, UNBOND, 100);
        register(ann, "a", 100);
        expectRegistration(ann, "a", 1, 100, uint64(START));
    }

    function test_Register_WhenItsWordsAreRead() external {
        register(ben, "b", 3);
        vm.warp(START + 9);
        register(ann, "a", 5);
        // digest; then from the highest bits order:40, position:32, since:40, sequence:48, stake:96
        bytes32 slot = keccak256(abi.encode(ann, 4));
        vm.assertEq(vm.load(address(registry), slot), "a", "first word");
        eq(
            uint256(vm.load(address(registry), bytes32(uint256(slot) + 1))),
            uint256(2) << 216 | uint256(2) << 184 | (START + 9) << 144 | uint256(1) << 96 | 5,
            "second word"
        );
        eq(uint256(vm.load(address(registry), bytes32(uint256(slot) + 2))), 0, "no third word");
    }

    function test_Register_RevertWhen_TheSequenceIsAtItsEnd() external {
        bytes32 slot = bytes32(uint256(keccak256(abi.encode(ann, 4))) + 1);
        vm.store(address(registry), slot, bytes32(uint256(type(uint48).max) << 96));
        vm.prank(ann);
        refuse(abi.encodeWithSignature("Panic(uint256)", 0x11));
        registry.register("a", 0);
    }

    function test_Register_RevertWhen_TheOrdersAreAtTheirEnd() external {
        vm.store(address(registry), bytes32(uint256(1)), bytes32(uint256(type(uint40).max - 2)));
        register(ann, "a", 0);
        vm.prank(ben);
        refuse(bytes4(keccak256("ValueIsEmpty()")));
        registry.register("b", 0);
        register(ben, "b", 1);
        vm.prank(cat);
        refuse(abi.encodeWithSignature("Panic(uint256)", 0x11));
        registry.register("c", 0);
        expectByStake(list(ben, ann));
    }

    // update

    function test_Update_RevertWhen_TheDigestIsZero() external {
        register(ann, "a", 0);
        vm.prank(ann);
        refuse(IRegistry.ZeroDigest.selector);
        registry.update(0);
    }

    function test_Update_RevertWhen_ItIsNotRegistered() external {
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ann));
        registry.update("a");
    }

    function test_Update_RevertWhen_TheDigestIsThePresentOne() external {
        register(ann, "a", 0);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.SameDigest.selector, bytes32("a")));
        registry.update("a");
    }

    function test_Update_WhenTheDigestIsNew() external {
        register(ann, "a", 5);
        vm.warp(START + 9);
        vm.expectEmit(address(registry));
        emit IRegistry.Updated(ann, "b", 2);
        vm.prank(ann);
        eq(registry.update("b"), 2, "sequence");
        expectRegistration(ann, "b", 2, 5, uint64(START));
    }

    // addStake

    function test_AddStake_RevertWhen_ItIsNotRegistered() external {
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ann));
        registry.addStake(1);
    }

    function test_AddStake_RevertWhen_TheSumIsMoreThan96Bits() external {
        register(ann, "a", MAX);
        give(ann, 1);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        registry.addStake(1);
    }

    function test_AddStake_WhenItIsRegistered() external {
        register(ann, "a", 5);
        give(ann, MAX);
        vm.warp(START + 1);
        vm.expectEmit(address(registry));
        emit IRegistry.Staked(ann, MAX);
        vm.prank(ann);
        eq(registry.addStake(MAX - 5), MAX, "stake");
        expectRegistration(ann, "a", 1, MAX, uint64(START));
    }

    function test_AddStake_RevertWhen_NothingArrives() external {
        // Also where more is held than seconds have passed since 1970.
        register(ann, "a", uint96(2 * START));
        vm.prank(ann);
        refuse(IRelaying.NothingReceived.selector);
        registry.addStake(0);
        use(address(new EmptyToken()));
        register(ann, "a", 0);
        vm.prank(ann);
        refuse(IRelaying.NothingReceived.selector);
        registry.addStake(5);
    }

    function test_AddStake_RevertWhen_TheRegistryTakesNoStakes() external {
        registry = newRegistry(address(0), UNBOND, 0);
        register(ann, "a", 0);
        vm.prank(ann);
        refuse(IRegistry.NoStakeToken.selector);
        registry.addStake(0);
    }

    function test_AddStake_WhenTheTokenTakesAFee_WhatArrivesCounts() external {
        use(address(new FeeToken()));
        register(ann, "a", 100);
        give(ann, 10);
        vm.expectEmit(address(registry));
        emit IRegistry.Staked(ann, 99);
        vm.prank(ann);
        eq(registry.addStake(10), 99, "stake");
    }

    function test_AddStake_WhenOthersAreInBetween_ItMovesUp() external {
        register(ann, "a", 1);
        register(ben, "b", 2);
        register(cat, "c", 3);
        expectByStake(list(cat, ben, ann));
        // Among equal stakes the older registration is first, whenever they became equal.
        addStake(ann, 1);
        expectByStake(list(cat, ann, ben));
        addStake(ben, 1);
        expectByStake(list(ben, cat, ann));
        addStake(ann, MAX - 2);
        expectByStake(list(ann, ben, cat));
        expectProviders(list(ann, ben, cat));
    }

    // leave

    function test_Leave_RevertWhen_ItIsNotRegistered() external {
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ann));
        registry.leave();
    }

    function test_Leave_WhenItHasNoStake() external {
        register(ann, "a", 0);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ann, 0, 0, 0, 0);
        leave(ann);
        expectRegistration(ann, 0, 1, 0, 0);
        expectUnbonding(ann, 0, 0, 0);
        expectProviders(list());
        expectByStake(list());
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ann));
        registry.leave();
    }

    function test_Leave_WhenItHasAStake_ItUnbonds() external {
        register(ann, "a", 5);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ann, 5, 0, 5, uint64(START) + UNBOND);
        leave(ann);
        expectRegistration(ann, 0, 1, 0, 0);
        expectUnbonding(ann, 0, 5, uint64(START) + UNBOND);
        vm.warp(START + UNBOND - 1);
        expectUnbonding(ann, 0, 5, uint64(START) + UNBOND);
        vm.warp(START + UNBOND);
        expectUnbonding(ann, 5, 0, 0);
    }

    function test_Leave_WhenAnEarlierStakeIsLocked_TheSumWaits() external {
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + UNBOND - 1);
        register(ann, "a", 7);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ann, 7, 0, 12, uint64(START) + 2 * UNBOND - 1);
        leave(ann);
        expectUnbonding(ann, 0, 12, uint64(START) + 2 * UNBOND - 1);
        vm.warp(START + UNBOND);
        expectUnbonding(ann, 0, 12, uint64(START) + 2 * UNBOND - 1);
    }

    function test_Leave_WhenAnEarlierStakeIsDue_ItIsSetApart() external {
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + UNBOND);
        register(ann, "a", 7);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ann, 7, 5, 7, uint64(START) + 2 * UNBOND);
        leave(ann);
        expectUnbonding(ann, 5, 7, uint64(START) + 2 * UNBOND);
        // And again, before and after the second is due.
        vm.warp(START + 2 * UNBOND - 1);
        register(ann, "a", 11);
        leave(ann);
        expectUnbonding(ann, 5, 18, uint64(START) + 3 * UNBOND - 1);
        vm.warp(START + 3 * UNBOND - 1);
        expectUnbonding(ann, 23, 0, 0);
        register(ann, "a", 13);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ann, 13, 23, 13, uint64(START) + 4 * UNBOND - 1);
        leave(ann);
        expectUnbonding(ann, 23, 13, uint64(START) + 4 * UNBOND - 1);
        vm.prank(ann);
        eq(registry.withdrawStake(ann), 23, "withdrawn");
        expectUnbonding(ann, 0, 13, uint64(START) + 4 * UNBOND - 1);
    }

    function test_Leave_WhenItHasNoStakeAndAnEarlierOneUnbonds_ThatStays() external {
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + 100);
        register(ann, "a", 0);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ann, 0, 0, 5, uint64(START) + UNBOND);
        leave(ann);
        expectUnbonding(ann, 0, 5, uint64(START) + UNBOND);
        vm.warp(START + UNBOND);
        register(ann, "a", 0);
        vm.expectEmit(address(registry));
        emit IRegistry.Left(ann, 0, 5, 0, 0);
        leave(ann);
        expectUnbonding(ann, 5, 0, 0);
    }

    function test_Leave_RevertWhen_TheSumIsMoreThan96Bits() external {
        register(ann, "a", MAX);
        leave(ann);
        expectUnbonding(ann, 0, MAX, uint64(START) + UNBOND);
        register(ann, "a", 1);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        registry.leave();
    }

    function test_Leave_RevertWhen_TheSumWithWhatIsDueIsMoreThan96Bits() external {
        register(ann, "a", MAX);
        leave(ann);
        vm.warp(START + UNBOND);
        register(ann, "a", 1);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        registry.leave();
        vm.prank(ann);
        registry.withdrawStake(ben);
        leave(ann);
        expectUnbonding(ann, 0, 1, uint64(START) + 2 * UNBOND);
    }

    function test_Leave_WhenItsUnbondingIsAtTheEdge() external {
        register(ann, "a", MAX - 2);
        leave(ann);
        register(ann, "a", 1);
        leave(ann);
        expectUnbonding(ann, 0, MAX - 1, uint64(START) + UNBOND);
        vm.warp(START + UNBOND);
        register(ann, "a", 1);
        leave(ann);
        expectUnbonding(ann, MAX - 1, 1, uint64(START) + 2 * UNBOND);
        vm.warp(START + 2 * UNBOND);
        expectUnbonding(ann, MAX, 0, 0);
        vm.prank(ann);
        eq(registry.withdrawStake(ben), MAX, "withdrawn");
    }

    function test_Leave_WhenItIsNotTheLast_TheLastTakesItsPlace() external {
        register(ann, "a", 0);
        register(ben, "b", 0);
        register(cat, "c", 0);
        leave(ann);
        expectProviders(list(cat, ben));
        leave(cat);
        expectProviders(list(ben));
        leave(ben);
        expectProviders(list());
        register(cat, "c", 0);
        expectProviders(list(cat));
    }

    function test_Leave_WhenItIsInTheMiddle_AllPlacesAreRight() external {
        address dan = address(0xDA);
        register(ann, "a", 0);
        register(ben, "b", 0);
        register(cat, "c", 0);
        register(dan, "d", 0);
        leave(ben);
        expectProviders(list(ann, dan, cat));
        // Each one's place is what its own leave goes by.
        leave(dan);
        expectProviders(list(ann, cat));
        register(ben, "b", 0);
        register(dan, "d", 0);
        expectProviders(list(ann, cat, ben, dan));
        leave(cat);
        expectProviders(list(ann, dan, ben));
        leave(ben);
        expectProviders(list(ann, dan));
        leave(ann);
        expectProviders(list(dan));
        leave(dan);
        expectProviders(list());
    }

    function test_Leave_WhenItIsTheLast_TheOthersStay() external {
        register(ann, "a", 0);
        register(ben, "b", 0);
        register(cat, "c", 0);
        vm.record();
        leave(cat);
        (, bytes32[] memory writes) = vm.accesses(address(registry));
        uint256 times;
        for (uint256 i; i < writes.length; ++i) {
            if (writes[i] == keccak256(abi.encode(3, 2))) ++times;
        }
        eq(times, 1, "its place is written once, to clear it");
        expectProviders(list(ann, ben));
        vm.prank(cat);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, cat));
        registry.update("d");
    }

    function test_Leave_WhenAllHaveLeft_OnlySequencesStay() external {
        register(ann, "a", 5);
        register(ben, "b", 6);
        leave(ann);
        leave(ben);
        for (uint256 i = 1; i <= 2; ++i) {
            eq(uint256(vm.load(address(registry), keccak256(abi.encode(i, 2)))), 0, "place");
            eq(uint256(vm.load(address(registry), keccak256(abi.encode(i, 3)))), 0, "order");
        }
        uint256 slot = uint256(keccak256(abi.encode(ann, 4)));
        eq(uint256(vm.load(address(registry), bytes32(slot))), 0, "digest");
        eq(uint256(vm.load(address(registry), bytes32(slot + 1))), 1 << 96, "sequence alone");
    }

    function test_Leave_WhenItComesBack_ItIsTheYoungest() external {
        register(ann, "a", 5);
        register(ben, "b", 5);
        expectByStake(list(ann, ben));
        leave(ann);
        expectByStake(list(ben));
        register(ann, "a", 5);
        expectByStake(list(ben, ann));
    }

    // withdrawStake

    function test_WithdrawStake_RevertWhen_NothingIsUnbonding() external {
        register(ann, "a", 5);
        vm.prank(ann);
        refuse(IRegistry.NothingUnbonding.selector);
        registry.withdrawStake(ann);
    }

    function test_WithdrawStake_RevertWhen_ItIsTooEarly() external {
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + UNBOND - 1);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.UnbondingTooEarly.selector, uint64(START) + UNBOND));
        registry.withdrawStake(ann);
    }

    function test_WithdrawStake_RevertWhen_TheRecipientCannotBePaid() external {
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + UNBOND);
        address[] memory bad = list(address(0), address(registry), token);
        for (uint256 i; i < bad.length; ++i) {
            for (uint256 j; j < 2; ++j) {
                vm.prank(j == 0 ? ann : bad[i]);
                refuse(abi.encodeWithSelector(IRelaying.InvalidRecipient.selector, bad[i]));
                registry.withdrawStake(bad[i]);
            }
        }
    }

    function test_WithdrawStake_WhenItIsTime() external {
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + UNBOND);
        vm.expectEmit(address(registry));
        emit IRegistry.StakeWithdrawn(ann, ben, 5);
        vm.prank(ann);
        eq(registry.withdrawStake(ben), 5, "amount");
        eq(plain.balanceOf(ben), 5, "receiver");
        expectUnbonding(ann, 0, 0, 0);
        eq(uint256(vm.load(address(registry), keccak256(abi.encode(ann, 5)))), 0, "word");
        vm.prank(ann);
        refuse(IRegistry.NothingUnbonding.selector);
        registry.withdrawStake(ben);
    }

    function test_WithdrawStake_WhenAPartIsLocked_ThatStays() external {
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + UNBOND);
        register(ann, "a", 7);
        leave(ann);
        vm.expectEmit(address(registry));
        emit IRegistry.StakeWithdrawn(ann, ben, 5);
        vm.warp(START + UNBOND + 1);
        vm.prank(ann);
        eq(registry.withdrawStake(ben), 5, "amount");
        expectUnbonding(ann, 0, 7, uint64(START) + 2 * UNBOND);
        vm.prank(ann);
        refuse(abi.encodeWithSelector(IRegistry.UnbondingTooEarly.selector, uint64(START) + 2 * UNBOND));
        registry.withdrawStake(ben);
        vm.warp(START + 2 * UNBOND);
        vm.prank(ann);
        eq(registry.withdrawStake(ben), 7, "the rest");
        eq(plain.balanceOf(ben), 12, "receiver");
        eq(plain.balanceOf(address(registry)), 0, "held");
    }

    function test_WithdrawStake_WhenBothPartsAreDue_AllIsSent() external {
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + UNBOND);
        register(ann, "a", 7);
        leave(ann);
        vm.warp(START + 2 * UNBOND);
        vm.prank(ann);
        eq(registry.withdrawStake(ben), 12, "amount");
        expectUnbonding(ann, 0, 0, 0);
    }

    function test_WithdrawStake_WhenItIsRegisteredAgain_TheStakeStays() external {
        register(ann, "a", 5);
        register(ben, "b", 9);
        leave(ann);
        register(ann, "a", 7);
        vm.warp(START + UNBOND);
        vm.prank(ann);
        eq(registry.withdrawStake(ann), 5, "amount");
        expectRegistration(ann, "a", 2, 7, uint64(START));
        expectRegistration(ben, "b", 1, 9, uint64(START));
        eq(plain.balanceOf(address(registry)), 16, "held");
    }

    // views

    function test_Providers_WhenAPageIsAsked() external {
        register(ann, "a", 1);
        register(ben, "b", 2);
        register(cat, "c", 3);
        eq(registry.providers(0, 0).length, 0, "none asked");
        eq(registry.providers(3, 1).length, 0, "past the end");
        eq(registry.providers(4, 1).length, 0, "far past the end");
        eq(registry.providers(4, 0).length, 0, "none asked, far past the end");
        eq(registry.providers(type(uint256).max, type(uint256).max).length, 0, "as far as can be");
        eq(registry.providers(0, 2).length, 2, "a full page");
        eq(registry.providers(1, 2).length, 2, "up to the end");
        eq(registry.providers(1, 3).length, 2, "one more than there is");
        IRegistry.Registration[] memory page = registry.providers(1, type(uint256).max);
        eq(page.length, 2, "all the rest");
        same(page[0], ben, "b", 1, 2, uint64(START));
        same(page[1], cat, "c", 1, 3, uint64(START));
    }

    function test_Providers_WhenMoreThanAFullPageIsAsked() external {
        many(501);
        eq(registry.providers(0, 501).length, 500, "one more");
        eq(registry.providers(1, type(uint256).max).length, 500, "all the rest");
        eq(registry.providers(2, 500).length, 499, "up to the end");
        eq(registry.providers(0, 499).length, 499, "one less");
    }

    /// @dev Registers so many with stakes of nothing.
    function many(uint256 n) private {
        for (uint256 i; i < n; ++i) {
            vm.prank(address(uint160(0x10000 + i)));
            registry.register("x", 0);
        }
    }

    function test_ProvidersByStake_WhenNobodyAsks() external {
        register(ann, "a", 1);
        register(ben, "b", 2);
        // As calls that read do by default.
        vm.prank(address(0));
        expectPage(registry.providersByStake(address(0), 2), list(ben, ann));
    }

    function test_ProvidersByStake_WhenNobodyIsRegistered() external view {
        eq(registry.providersByStake(address(0), 10).length, 0, "page");
    }

    function test_ProvidersByStake_WhenStakesDiffer_TheLargestIsFirst() external {
        register(ann, "a", 0);
        register(ben, "b", MAX);
        vm.warp(START + 9);
        register(cat, "c", 1);
        IRegistry.Registration[] memory page = registry.providersByStake(address(0), 10);
        eq(page.length, 3, "all");
        same(page[0], ben, "b", 1, MAX, uint64(START));
        same(page[1], cat, "c", 1, 1, uint64(START) + 9);
        same(page[2], ann, "a", 1, 0, uint64(START));
    }

    function test_ProvidersByStake_WhenStakesAreEqual_TheOldestIsFirst() external {
        register(cat, "c", 1);
        register(ann, "a", 1);
        register(ben, "b", 1);
        expectByStake(list(cat, ann, ben));
    }

    function test_ProvidersByStake_WhenAPageIsAsked() external {
        register(ann, "a", 1);
        register(ben, "b", 2);
        register(cat, "c", 3);
        eq(registry.providersByStake(address(0), 0).length, 0, "none asked");
        expectPage(registry.providersByStake(address(0), 1), list(cat));
        expectPage(registry.providersByStake(address(0), 3), list(cat, ben, ann));
        expectPage(registry.providersByStake(address(0), 4), list(cat, ben, ann));
        expectPage(registry.providersByStake(cat, 1), list(ben));
        expectPage(registry.providersByStake(cat, 2), list(ben, ann));
        expectPage(registry.providersByStake(cat, type(uint256).max), list(ben, ann));
        expectPage(registry.providersByStake(ben, 5), list(ann));
        expectPage(registry.providersByStake(ann, 5), list());
        expectPage(registry.providersByStake(cat, 0), list());
    }

    function test_ProvidersByStake_RevertWhen_ThePreviousOneIsNotRegistered() external {
        register(ann, "a", 1);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ben));
        registry.providersByStake(ben, 1);
        leave(ann);
        refuse(abi.encodeWithSelector(IRegistry.NotRegistered.selector, ann));
        registry.providersByStake(ann, 1);
    }

    function test_ProvidersByStake_WhenMoreThanAFullPageIsAsked() external {
        many(501);
        IRegistry.Registration[] memory page = registry.providersByStake(address(0), 501);
        eq(page.length, 500, "one more");
        vm.assertEq(page[0].provider, address(uint160(0x10000)), "first");
        vm.assertEq(page[499].provider, address(uint160(0x10000 + 499)), "last");
        page = registry.providersByStake(page[499].provider, type(uint256).max);
        eq(page.length, 1, "the rest");
        vm.assertEq(page[0].provider, address(uint160(0x10000 + 500)), "very last");
    }

    function test_ProvidersByStake_WhenThereIsMuchJunk_ItReadsNoMore() external {
        register(ann, "a", 1);
        register(ben, "b", 2);
        many(1000);
        register(cat, "c", 3);
        vm.record();
        expectPage(registry.providersByStake(address(0), 3), list(cat, ben, ann));
        (bytes32[] memory reads,) = vm.accesses(address(registry));
        vm.assertLe(reads.length, 60, "words read from the top");
        vm.record();
        expectPage(registry.providersByStake(cat, 2), list(ben, ann));
        (reads,) = vm.accesses(address(registry));
        vm.assertLe(reads.length, 70, "words read from the middle");
    }

    // Effects come first

    function test_Reentry_WhenAViewIsAsked_TheStakeIsGoneAlready() external {
        ReentrantToken reentrant = new ReentrantToken();
        use(address(reentrant));
        register(ann, "a", 5);
        leave(ann);
        vm.warp(START + UNBOND);
        reentrant.arm(address(registry), abi.encodeCall(IRegistry.unbondingOf, (ann)), true);
        vm.prank(ann);
        registry.withdrawStake(ann);
        (uint96 withdrawable, uint96 locked,) = abi.decode(reentrant.answer(), (uint96, uint96, uint64));
        eq(withdrawable, 0, "withdrawable during the transfer");
        eq(locked, 0, "locked during the transfer");
    }
}
