// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {FeeToken} from "../tokens/Tokens.sol";
import {Vm, vm} from "../Vm.sol";

contract OpenWithPermitTest is Fixture {
    function setUp() public override {
        super.setUp();
        vm.prank(payer);
        plain.approve(address(channels), 0);
    }

    function permit(uint256 value) private view returns (Signature memory) {
        return TokenSignatures.permit(PAYER_KEY, token, address(channels), value, START);
    }

    function permitOf(Signature memory sig) private pure returns (IRelaying.Permit memory) {
        return IRelaying.Permit(100, START, sig.v, sig.r, sig.s);
    }

    function openWith(address account, Signature memory sig, uint96 amount, uint96 ceiling)
        private
        returns (uint96)
    {
        vm.prank(account);
        return channels.openWithPermit(token, signer, payee, amount, ceiling, permitOf(sig));
    }

    function test_WhenThePermitIsGood() external {
        Signature memory sig = permit(100);
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 100, 60);
        eq(openWith(payer, sig, 100, 60), 100, "received");
        expectChannel(40, 0, 60, 0, 0);
        eq(plain.allowance(payer, address(channels)), 0, "allowance left");
    }

    function test_WhenThePermitWasUsedBefore_TheAllowanceCounts() external {
        Signature memory sig = permit(100);
        vm.prank(stranger);
        plain.permit(payer, address(channels), 100, START, sig.v, sig.r, sig.s);
        eq(openWith(payer, sig, 100, 60), 100, "received");
        expectChannel(40, 0, 60, 0, 0);
    }

    function test_RevertWhen_ThereIsNeitherPermitNorAllowance() external {
        Signature memory sig = permit(99);
        vm.expectRevert();
        openWith(payer, sig, 100, 60);
    }

    function test_RevertWhen_AnotherComesWithIt() external {
        Signature memory sig = permit(100);
        vm.expectRevert();
        openWith(stranger, sig, 100, 60);
        IRelaying.Permit memory permit_ = permitOf(sig);
        refuse(abi.encodeWithSelector(IRelaying.InvalidSignature.selector, payer));
        channels.openWithPermitSigned(opening(100, 60), permit_, relayFor(address(0), 0, 0), 0, "");
        eq(plain.balanceOf(payer), MAX, "payer");
    }

    function test_WhenThePermitIsForMore_TheRestStaysAllowed() external {
        Signature memory sig = TokenSignatures.permit(PAYER_KEY, token, address(channels), 130, START);
        vm.prank(payer);
        channels.openWithPermit(
            token, signer, payee, 100, 60, IRelaying.Permit(130, START, sig.v, sig.r, sig.s)
        );
        eq(plain.allowance(payer, address(channels)), 30, "allowance left");
    }

    function test_WhenLessArrivesThanWasSent_ItCreditsThat() external {
        FeeToken fee = new FeeToken();
        token = address(fee);
        fee.mint(payer, 100);
        vm.prank(payer);
        fee.approve(address(channels), 100);
        eq(openWith(payer, Signature(0, 0, 0), 100, 60), 90, "received");
        expectChannel(30, 0, 60, 0, 0);
    }

    function test_WhenThePayerBringsIt_AllOrNothingIsSetAside() external {
        Signature memory sig = permit(100);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 100, 101));
        openWith(payer, sig, 100, 101);
    }

    function test_WhenThePayerBringsIt_NothingIsRelayed() external {
        Signature memory sig = permit(100);
        vm.recordLogs();
        openWith(payer, sig, 100, 60);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            vm.assertTrue(logs[i].topics[0] != IRelaying.Relayed.selector, "relayed");
        }
    }

    function test_RevertWhen_TheSignerIsZero() external {
        Signature memory sig = permit(100);
        refuse(IChannels.ZeroSigner.selector);
        signer = address(0);
        openWith(payer, sig, 100, 100);
    }

    function test_WhenTheTokenHasNoPermits_TheAllowanceCounts() external {
        // The code of a token without such a function: the call fails, and the opening goes on.
        vm.prank(payer);
        plain.approve(address(channels), 100);
        eq(openWith(payer, Signature(0, 0, 0), 100, 100), 100, "received");
    }

    function test_WhenThereIsNoPermit_TheTokenIsAskedForNone() external {
        vm.prank(payer);
        plain.approve(address(channels), 1000);
        vm.expectCall(token, abi.encodePacked(plain.permit.selector), 0);
        for (uint256 i; i < 4; ++i) {
            vm.prank(payer);
            channels.openWithPermit(
                token, signer, payee, 10, 0, IRelaying.Permit(i % 2 == 0 ? 0 : 10, START + i / 2, 0, 0, 0)
            );
        }
        vm.prank(payer);
        channels.openWithPermit(token, signer, payee, 10, 0, noPermit());
        eq(free(), 50, "free");
    }

    function test_WhenSomeIsAllowedAlready_ThePermitCounts() external {
        vm.prank(payer);
        plain.approve(address(channels), 1);
        eq(openWith(payer, permit(100), 100, 60), 100, "received");
        eq(plain.allowance(payer, address(channels)), 0, "allowance left");
    }

    function test_WhenTheCeilingIsAboveTheAmount_ThePermitIsForTheAmount() external {
        vm.prank(otherPayer);
        channels.deposit(token, payer, signer, 50);
        eq(openWith(payer, permit(100), 100, 150), 100, "received");
        expectChannel(0, 0, 150, 0, 0);
        eq(plain.allowance(payer, address(channels)), 0, "allowance left");
    }
}
