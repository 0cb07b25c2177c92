// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract ConstructorTest is Fixture {
    function create(uint40 delay) private returns (address made, bytes memory answer) {
        bytes memory code = bytes.concat(vm.getCode(artifact("Channels")), abi.encode(delay));
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        if (made == address(0)) {
            answer = new bytes(36);
            assembly ("memory-safe") {
                returndatacopy(add(answer, 0x20), 0, 36)
            }
        }
    }

    function test_RevertWhen_TheDelayIsZero() external {
        (, bytes memory answer) = create(0);
        vm.assertEq(answer, abi.encodeWithSelector(IChannels.ExitDelayOutOfRange.selector, 0), "answer");
    }

    function test_RevertWhen_TheDelayIsLongerThanTheLongest() external {
        (, bytes memory answer) = create(30 days + 1);
        vm.assertEq(answer, abi.encodeWithSelector(IChannels.ExitDelayOutOfRange.selector, 30 days + 1), "answer");
        // Longer than the time since 1970, too.
        uint40 longest = type(uint40).max;
        (, answer) = create(longest);
        vm.assertEq(answer, abi.encodeWithSelector(IChannels.ExitDelayOutOfRange.selector, longest), "answer");
    }

    function test_WhenTheDelayIsTheShortest() external {
        (address made,) = create(1);
        eq(IChannels(made).EXIT_DELAY(), 1, "delay");
    }

    function test_WhenTheDelayIsTheLongest() external {
        (address made,) = create(30 days);
        eq(IChannels(made).EXIT_DELAY(), 30 days, "delay");
        eq(IChannels(made).MAX_EXIT_DELAY(), 30 days, "longest");
    }
}
