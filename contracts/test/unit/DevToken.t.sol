// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Fixture} from "../Fixture.sol";
import {Authorization, IDevToken, Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {Vm, vm} from "../Vm.sol";

contract DevTokenTest is Fixture {
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    error AuthorizationSpent(address authorizer, bytes32 nonce);
    error AuthorizationNotValid(uint256 validAfter, uint256 validBefore);
    error InvalidAuthorizationSignature(address recovered);
    error CallerNotReceiver(address caller, address to);

    bytes32 private constant NONCE = "nonce";

    IDevToken private dev;

    function setUp() public override {
        super.setUp();
        dev = newDevToken();
        token = address(dev);
        dev.mint(payer, 100);
    }

    function to(address receiver) private view returns (Authorization memory) {
        return Authorization(payer, receiver, 60, START - 1, START + 1, NONCE);
    }

    function transfer(Authorization memory a, Signature memory s) private {
        vm.prank(stranger);
        dev.transferWithAuthorization(a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce, s.v, s.r, s.s);
    }

    function receive_(address caller, Authorization memory a, Signature memory s) private {
        vm.prank(caller);
        dev.receiveWithAuthorization(a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce, s.v, s.r, s.s);
    }

    // mint

    function test_Mint_WhenItIsForAContract() external {
        vm.etch(stranger, hex"00");
        dev.mint(stranger, 5);
        eq(dev.balanceOf(stranger), 5, "balance");
    }

    function test_WhenItsNameIsAsked() external view {
        vm.assertEq(IERC20Metadata(token).name(), "Byway Dev Token", "name");
        vm.assertEq(IERC20Metadata(token).symbol(), "BYW", "symbol");
        vm.assertEq(
            dev.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256("Byway Dev Token"),
                    keccak256("1"),
                    block.chainid,
                    token
                )
            ),
            "separator"
        );
    }

    function test_Transfer_RevertWhen_AnotherSignedForAContract() external {
        vm.etch(payer, hex"00");
        Signature memory s = TokenSignatures.transferring(OTHER_PAYER_KEY, token, to(payee));
        vm.expectRevert(abi.encodeWithSelector(InvalidAuthorizationSignature.selector, otherPayer));
        transfer(to(payee), s);
        vm.etch(otherPayer, hex"00");
        vm.expectRevert(abi.encodeWithSelector(InvalidAuthorizationSignature.selector, otherPayer));
        transfer(to(payee), s);
        transfer(to(payee), TokenSignatures.transferring(PAYER_KEY, token, to(payee)));
        eq(dev.balanceOf(payee), 60, "by its own key");
    }

    function test_Mint_WhenAnybodyAsks() external {
        vm.prank(stranger);
        dev.mint(stranger, 5);
        eq(dev.balanceOf(stranger), 5, "balance");
        eq(dev.totalSupply(), 105, "supply");
    }

    // permit

    function test_Permit_WhenTheHolderSigned() external {
        Signature memory s = TokenSignatures.permit(PAYER_KEY, token, stranger, 60, START);
        dev.permit(payer, stranger, 60, START, s.v, s.r, s.s);
        eq(dev.allowance(payer, stranger), 60, "allowance");
        vm.expectRevert();
        dev.permit(payer, stranger, 60, START, s.v, s.r, s.s);
    }

    // transferWithAuthorization

    function test_Transfer_WhenTheHolderSigned() external {
        Signature memory s = TokenSignatures.transferring(PAYER_KEY, token, to(payee));
        vm.expectEmit(token);
        emit AuthorizationUsed(payer, NONCE);
        vm.recordLogs();
        transfer(to(payee), s);
        eq(vm.getRecordedLogs().length, 2, "events");
        eq(dev.balanceOf(payee), 60, "receiver");
        vm.assertTrue(dev.authorizationState(payer, NONCE), "spent");
    }

    function test_Transfer_RevertWhen_ItWasUsed() external {
        Signature memory s = TokenSignatures.transferring(PAYER_KEY, token, to(payee));
        transfer(to(payee), s);
        refuse(abi.encodeWithSelector(AuthorizationSpent.selector, payer, NONCE));
        transfer(to(payee), s);
    }

    function test_Transfer_RevertWhen_ItIsTooEarly() external {
        Authorization memory a = to(payee);
        a.validAfter = START;
        Signature memory s = TokenSignatures.transferring(PAYER_KEY, token, a);
        refuse(abi.encodeWithSelector(AuthorizationNotValid.selector, START, START + 1));
        transfer(a, s);
    }

    function test_Transfer_RevertWhen_ItIsTooLate() external {
        Authorization memory a = to(payee);
        a.validBefore = START;
        Signature memory s = TokenSignatures.transferring(PAYER_KEY, token, a);
        refuse(abi.encodeWithSelector(AuthorizationNotValid.selector, START - 1, START));
        transfer(a, s);
    }

    function test_Transfer_RevertWhen_AnotherSigned() external {
        Signature memory s = TokenSignatures.transferring(OTHER_PAYER_KEY, token, to(payee));
        refuse(abi.encodeWithSelector(InvalidAuthorizationSignature.selector, otherPayer));
        transfer(to(payee), s);
    }

    function test_Transfer_RevertWhen_ItIsForTheReceiverAlone() external {
        Signature memory s = TokenSignatures.receiving(PAYER_KEY, token, to(payee));
        vm.expectRevert();
        transfer(to(payee), s);
    }

    function test_Transfer_RevertWhen_TheSignatureIsATwin() external {
        Signature memory s = TokenSignatures.transferring(PAYER_KEY, token, to(payee));
        s.s = bytes32(ORDER - uint256(s.s));
        s.v = 55 - s.v;
        refuse(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, s.s));
        transfer(to(payee), s);
    }

    // receiveWithAuthorization

    function test_Receive_WhenTheReceiverCalls() external {
        Signature memory s = TokenSignatures.receiving(PAYER_KEY, token, to(payee));
        vm.expectEmit(token);
        emit AuthorizationUsed(payer, NONCE);
        receive_(payee, to(payee), s);
        eq(dev.balanceOf(payee), 60, "receiver");
    }

    function test_Receive_RevertWhen_AnotherCalls() external {
        Signature memory s = TokenSignatures.receiving(PAYER_KEY, token, to(payee));
        refuse(abi.encodeWithSelector(CallerNotReceiver.selector, stranger, payee));
        receive_(stranger, to(payee), s);
    }

    function test_Receive_RevertWhen_ItIsNotItsTime() external {
        for (uint256 i; i < 4; ++i) {
            Authorization memory a = to(payee);
            if (i < 2) a.validAfter = START + i;
            else a.validBefore = START - (i - 2);
            Signature memory s = TokenSignatures.receiving(PAYER_KEY, token, a);
            refuse(abi.encodeWithSelector(CallerNotReceiver.selector, stranger, payee));
            receive_(stranger, a, s);
            refuse(abi.encodeWithSelector(AuthorizationNotValid.selector, a.validAfter, a.validBefore));
            receive_(payee, a, s);
        }
        vm.assertTrue(!dev.authorizationState(payer, NONCE), "used");
    }

    function test_Receive_RevertWhen_AnybodyMayCarryItOut() external {
        Signature memory s = TokenSignatures.transferring(PAYER_KEY, token, to(payee));
        vm.expectRevert();
        receive_(payee, to(payee), s);
    }

    function test_Receive_RevertWhen_ItWasUsed() external {
        Signature memory s = TokenSignatures.receiving(PAYER_KEY, token, to(payee));
        receive_(payee, to(payee), s);
        refuse(abi.encodeWithSelector(AuthorizationSpent.selector, payer, NONCE));
        receive_(payee, to(payee), s);
    }

    // cancelAuthorization

    function test_Cancel_WhenTheHolderSigned() external {
        Signature memory s = TokenSignatures.cancelling(PAYER_KEY, token, NONCE);
        vm.expectEmit(token);
        emit AuthorizationCanceled(payer, NONCE);
        dev.cancelAuthorization(payer, NONCE, s.v, s.r, s.s);
        s = TokenSignatures.transferring(PAYER_KEY, token, to(payee));
        refuse(abi.encodeWithSelector(AuthorizationSpent.selector, payer, NONCE));
        transfer(to(payee), s);
    }

    function test_Cancel_WhenTheHolderHasCodeOrSendsItItself() external {
        for (uint256 i; i < 4; ++i) {
            if (i / 2 == 1) vm.etch(payer, hex"00");
            bytes32 nonce = bytes32(i);
            Signature memory s = TokenSignatures.cancelling(OTHER_PAYER_KEY, token, nonce);
            vm.expectRevert();
            dev.cancelAuthorization(payer, nonce, s.v, s.r, s.s);
            vm.assertTrue(!dev.authorizationState(payer, nonce), "cancelled by another");
            s = TokenSignatures.cancelling(PAYER_KEY, token, nonce);
            vm.recordLogs();
            vm.prank(i % 2 == 0 ? stranger : payer);
            dev.cancelAuthorization(payer, nonce, s.v, s.r, s.s);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            eq(logs.length, 1, "events");
            vm.assertEq(logs[0].topics[0], AuthorizationCanceled.selector, "event");
            refuse(abi.encodeWithSelector(AuthorizationSpent.selector, payer, nonce));
            dev.cancelAuthorization(payer, nonce, s.v, s.r, s.s);
        }
    }

    function test_Cancel_RevertWhen_ItWasCancelled() external {
        Signature memory s = TokenSignatures.cancelling(PAYER_KEY, token, NONCE);
        dev.cancelAuthorization(payer, NONCE, s.v, s.r, s.s);
        refuse(abi.encodeWithSelector(AuthorizationSpent.selector, payer, NONCE));
        dev.cancelAuthorization(payer, NONCE, s.v, s.r, s.s);
    }

    function test_Cancel_RevertWhen_AnotherSigned() external {
        Signature memory s = TokenSignatures.cancelling(OTHER_PAYER_KEY, token, NONCE);
        vm.expectRevert();
        dev.cancelAuthorization(payer, NONCE, s.v, s.r, s.s);
    }

    function test_WhenTwoAccountsUseTheSameNonce_BothCount() external {
        for (uint256 i; i < 2; ++i) {
            uint256 key = i == 0 ? PAYER_KEY : OTHER_PAYER_KEY;
            dev.mint(vm.addr(key), 10);
            Authorization memory a = Authorization(vm.addr(key), stranger, 10, START - 1, START + 1, "nonce");
            Signature memory sig = TokenSignatures.transferring(key, address(dev), a);
            dev.transferWithAuthorization(
                a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce, sig.v, sig.r, sig.s
            );
        }
        eq(dev.balanceOf(stranger), 20, "receiver");
    }

    function test_RevertWhen_TheAuthorizerCancelsWithoutASignature() external {
        vm.expectRevert();
        vm.prank(payer);
        dev.cancelAuthorization(payer, "nonce", 27, bytes32(uint256(1)), bytes32(uint256(1)));
        vm.assertTrue(!dev.authorizationState(payer, "nonce"), "cancelled");
    }

    function test_RevertWhen_TheSenderReceivesForAnother() external {
        dev.mint(payer, 10);
        Authorization memory a = Authorization(payer, stranger, 10, START - 1, START + 1, "nonce");
        Signature memory sig = TokenSignatures.receiving(PAYER_KEY, address(dev), a);
        vm.expectRevert();
        vm.prank(payer);
        dev.receiveWithAuthorization(
            a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce, sig.v, sig.r, sig.s
        );
    }

    function test_RevertWhen_ItIsMintedToNobody() external {
        vm.expectRevert();
        dev.mint(address(0), 1);
    }
}
