// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fixture} from "../Fixture.sol";
import {Handler} from "./Handler.sol";
import {IDevToken} from "../tokens/TokenSignatures.sol";
import {vm} from "../Vm.sol";

/// @title What holds whatever everybody does
/// @notice Eight things, each of which the handler looks at after each action, in all words that the action wrote; a
/// change that breaks one fails with its sentence, as `make mutate` shows for each of the eight:
///
///   1. tokens held = Σ vaults + Σ (ceiling − settled)                      "held is not what is owed"
///   2. a payee is never paid more than was signed                          "more was paid than signed"
///   3. settled never falls                                                 "settled fell"
///   4. a reserve can't shrink before its exit delay without the payee      "an exit ended before its delay" or
///                                                                          "a reserve shrank by itself"
///   5. anybody's claim pays only the payee, and who sends it what was      "a claim did not pay the payee alone"
///      signed
///   6. no action of one payer moves another's word                         "another's vault changed" or
///                                                                          "another's channel changed"
///   7. what an account signed for a relayer goes through once, and pays    "a signature was used twice" or
///      it no more than was signed                                          "a relayer took more than was signed"
///   8. a signed reserve raises a ceiling at most once                      "a reserve was used twice"
///
/// Beside them each call is compared with the {Model}: what it answers, with what error it is refused, which events it
/// emits, and what the views and the token say afterwards.
contract ChannelsInvariants is Fixture {
    Handler private handler;

    function setUp() public override {
        super.setUp();
        vm.warp(START);
        IDevToken dev = newDevToken();
        token = address(dev);
        handler = new Handler(channels, dev);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev The handler has checked each change already; one invariant, so that there is one campaign for all of it.
    function invariant_EveryActionChangesWhatItMayAndNothingElse() external view {
        eq(IDevToken(token).balanceOf(address(channels)), handler.owed(), "held is not what is owed");
    }

    /// @dev At the end of a run every word is read by the views, so that the handler's copies are known to be right.
    function afterInvariant() external view {
        handler.checkAll();
    }
}
