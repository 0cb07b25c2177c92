// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fixture} from "../Fixture.sol";
import {Handler} from "./Handler.sol";
import {IDevToken} from "../tokens/TokenSignatures.sol";
import {vm} from "../Vm.sol";

/// @title What holds whatever everybody does
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

    /// @dev One invariant, so that every random action is checked against all of it.
    function invariant_TheContractHoldsWhatItOwes_AndNobodyIsPaidMoreThanWasSigned() external view {
        checkHeld();
        checkPaid();
    }

    /// @dev Tokens held = Σ vaults + Σ (ceiling − settled).
    function checkHeld() private view {
        uint256 sum;
        for (uint256 p; p < 3; ++p) {
            for (uint256 s; s < 2; ++s) {
                sum += channels.vaultOf(token, handler.payerAt(p), handler.signerAt(s));
                for (uint256 e; e < 3; ++e) {
                    Handler.State memory st = handler.state(p, s, e);
                    sum += st.ceiling - st.settled;
                }
            }
        }
        // The first two payees are no payers, and keep what they claimed in vaults of their own.
        for (uint256 e; e < 2; ++e) {
            for (uint256 s; s < 2; ++s) {
                sum += channels.vaultOf(token, handler.payeeAt(e), handler.signerAt(s));
            }
        }
        eq(IDevToken(token).balanceOf(address(channels)), sum, "held");
    }

    function checkPaid() private view {
        for (uint256 p; p < 3; ++p) {
            for (uint256 s; s < 2; ++s) {
                for (uint256 e; e < 3; ++e) {
                    vm.assertLe(
                        handler.state(p, s, e).settled, handler.signed(handler.idOf(p, s, e)), "settled"
                    );
                }
            }
        }
    }
}
