// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Vm} from "../Vm.sol";

/// @title What a contract and its token say of an action, and what the model says, which is both of them
library Events {
    /// @notice Fails unless the contract emitted the model's events in the same order, and the token its transfers.
    /// @param emitter The contract
    /// @param token Its token
    /// @param want What the model emitted
    /// @param got What was emitted by all
    function same(address emitter, address token, Vm.Log[] memory want, Vm.Log[] memory got) internal pure {
        require(hash(want, address(0), false) == hash(got, emitter, false), "other events than by the rules");
        require(hash(want, address(0), true) == hash(got, token, true), "tokens moved otherwise than by the rules");
    }

    /// @dev Of all that one has emitted, or everybody, transfers alone or what is none.
    function hash(Vm.Log[] memory logs, address emitter, bool transfers) private pure returns (bytes32 all) {
        for (uint256 i; i < logs.length; ++i) {
            if (emitter != address(0) && logs[i].emitter != emitter) continue;
            if ((logs[i].topics[0] == IERC20.Transfer.selector) != transfers) continue;
            all = keccak256(abi.encode(all, logs[i].topics, logs[i].data));
        }
    }
}
