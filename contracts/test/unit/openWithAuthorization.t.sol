// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {Authorization, IDevToken, Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {AnyAuthorizationToken} from "../tokens/Tokens.sol";
import {vm} from "../Vm.sol";

/// @notice Gives whatever is asked for, of nobody's.
contract FreeToken {
    mapping(address => uint256) public balanceOf;

    function receiveWithAuthorization(
        address,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32,
        uint8,
        bytes32,
        bytes32
    ) external {
        balanceOf[to] += value;
    }
}

/// @notice Gives the receiver of a transfer one more.
contract GenerousToken is AnyAuthorizationToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0)) _mint(to, 1);
    }
}

contract OpenWithAuthorizationTest is Fixture {
    uint256 private constant AFTER = START - 1;
    uint256 private constant BEFORE = START + 1;
    bytes32 private constant SALT = "salt";

    IDevToken private dev;
    Signature private sig;

    function setUp() public override {
        super.setUp();
        dev = newDevToken();
        token = address(dev);
        dev.mint(payer, MAX);
        sig = TokenSignatures.receiving(
            PAYER_KEY,
            token,
            Authorization(
                payer,
                address(channels),
                100,
                AFTER,
                BEFORE,
                channels.authorizationNonce(opening(100, 60), terms(address(0), 5))
            )
        );
    }

    /// @dev The terms that were signed, but for what comes in.
    function terms(address relayer, uint96 maxFee) private view returns (IChannels.Authorization memory) {
        return IChannels.Authorization(AFTER, BEFORE, SALT, relayer, maxFee, sig.v, sig.r, sig.s);
    }

    function openWith(address signer_, address payee_, uint96 amount, uint96 ceiling) private returns (uint96) {
        vm.prank(stranger);
        return channels.openWithAuthorization(
            IChannels.Opening(token, payer, signer_, payee_, amount, ceiling), terms(address(0), 5), 0
        );
    }

    function expectRefused(IChannels.Opening memory o, IChannels.Authorization memory a) private {
        vm.expectRevert();
        vm.prank(stranger);
        channels.openWithAuthorization(o, a, 0);
    }

    function test_WhenAnybodyBringsIt() external {
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 100, 60);
        eq(openWith(signer, payee, 100, 60), 100, "received");
        expectChannel(40, 0, 60, 0, 0);
        eq(dev.balanceOf(payer), MAX - 100, "payer");
        eq(dev.balanceOf(stranger), 0, "who brought it");
    }

    function test_RevertWhen_ItIsUsedTwice() external {
        openWith(signer, payee, 100, 60);
        vm.expectRevert();
        openWith(signer, payee, 100, 60);
    }

    function test_RevertWhen_AnyParameterIsAnother() external {
        for (uint256 i; i < 11; ++i) {
            IChannels.Opening memory o = opening(100, 60);
            IChannels.Authorization memory a = terms(address(0), 5);
            if (i == 0) o.signer = otherSigner;
            else if (i == 1) o.payee = otherPayee;
            else if (i == 2) o.amount = 99;
            else if (i == 3) o.ceiling = 61;
            else if (i == 4) --a.validAfter;
            else if (i == 5) ++a.validBefore;
            else if (i == 6) a.salt = "another";
            else if (i == 7) o.payer = otherPayer;
            else if (i == 8) a.relayer = stranger;
            else if (i == 9) a.maxFee = 6;
            else a.maxFee = 4;
            expectRefused(o, a);
        }
        eq(openWith(signer, payee, 100, 60), 100, "as it was signed");
    }

    function test_WhenTheSenderTakesAFee_ItComesOutOfWhatArrives() external {
        IChannels.Authorization memory a = terms(address(0), 5);
        vm.startPrank(stranger);
        refuse(abi.encodeWithSelector(IRelaying.FeeAboveCap.selector, 5, 6));
        channels.openWithAuthorization(opening(100, 60), a, 6);
        uint256 nonce = uint256(channels.authorizationNonce(opening(100, 60), a));
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 95, 60);
        vm.expectEmit(address(channels));
        emit IRelaying.Relayed(payer, stranger, token, nonce, 5);
        eq(channels.openWithAuthorization(opening(100, 60), a, 5), 95, "received");
        expectChannel(35, 0, 60, 0, 0);
        eq(dev.balanceOf(stranger), 5, "who brought it");
        eq(dev.balanceOf(address(channels)), 95, "held");
    }

    function test_RevertWhen_TheFeeIsMoreThanArrives() external {
        AnyAuthorizationToken any = new AnyAuthorizationToken();
        token = address(any);
        any.mint(payer, 4);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 4, 5));
        channels.openWithAuthorization(opening(4, 0), terms(address(0), 5), 5);
    }

    function test_WhenTheFeeIsAllThatArrives() external {
        AnyAuthorizationToken any = new AnyAuthorizationToken();
        token = address(any);
        any.mint(payer, 5);
        vm.prank(stranger);
        eq(channels.openWithAuthorization(opening(5, 9), terms(address(0), 5), 5), 0, "received");
        expectChannel(0, 0, 0, 0, 0);
        eq(any.balanceOf(stranger), 5, "who brought it");
    }

    function test_WhenItNamesARelayer_NobodyElseCanBringIt() external {
        AnyAuthorizationToken any = new AnyAuthorizationToken();
        token = address(any);
        any.mint(payer, 100);
        IChannels.Authorization memory a = terms(otherPayee, 5);
        refuse(abi.encodeWithSelector(IRelaying.WrongRelayer.selector, otherPayee));
        vm.prank(stranger);
        channels.openWithAuthorization(opening(100, 60), a, 5);
        vm.prank(otherPayee);
        eq(channels.openWithAuthorization(opening(100, 60), a, 5), 95, "received");
    }

    function test_WhenTheTokenTakesItPastItsTime_AllElseCountsAsBefore() external {
        AnyAuthorizationToken any = new AnyAuthorizationToken();
        token = address(any);
        any.mint(payer, 100);
        IChannels.Authorization memory a = terms(otherPayee, 5);
        a.validBefore = START;
        refuse(abi.encodeWithSelector(IRelaying.WrongRelayer.selector, otherPayee));
        vm.prank(stranger);
        channels.openWithAuthorization(opening(100, 60), a, 5);
        vm.prank(otherPayee);
        eq(channels.openWithAuthorization(opening(100, 60), a, 5), 95, "received");
        expectChannel(35, 0, 60, 0, 0);
        eq(any.balanceOf(otherPayee), 5, "who brought it");
    }

    function test_WhenLessIsFreeThanAskedFor_ItSetsAsideWhatIs() external {
        AnyAuthorizationToken any = new AnyAuthorizationToken();
        token = address(any);
        any.mint(payer, 100);
        eq(openWith(signer, payee, 100, 101), 100, "received");
        expectChannel(0, 0, 100, 0, 0);
    }

    function test_WhenMoreArrivesThanAskedFor_ItIsCreditedToo() external {
        GenerousToken generous = new GenerousToken();
        token = address(generous);
        generous.mint(payer, 100);
        eq(openWith(signer, payee, 100, 60), 101, "received");
        expectChannel(41, 0, 60, 0, 0);
    }

    function test_RevertWhen_TheSignerIsZero() external {
        token = address(new AnyAuthorizationToken());
        AnyAuthorizationToken(token).mint(payer, 100);
        refuse(IChannels.ZeroSigner.selector);
        openWith(address(0), payee, 100, 60);
    }

    function test_RevertWhen_ThePayerIsZero() external {
        IChannels.Opening memory o =
            IChannels.Opening(address(new FreeToken()), address(0), address(0), payee, 100, 60);
        refuse(IChannels.ZeroPayer.selector);
        channels.openWithAuthorization(o, terms(address(0), 5), 0);
    }

    function test_RevertWhen_NothingArrives() external {
        token = address(new AnyAuthorizationToken());
        refuse(IRelaying.NothingReceived.selector);
        openWith(signer, payee, 0, 0);
    }

    function test_WhenTheTokenAsks_TheNonceBindsEverything() external {
        AnyAuthorizationToken any = new AnyAuthorizationToken();
        token = address(any);
        any.mint(payer, 100);
        openWith(signer, payee, 100, 60);
        vm.assertEq(
            any.nonce(),
            keccak256(
                abi.encode(
                    block.chainid,
                    address(channels),
                    token,
                    payer,
                    signer,
                    payee,
                    uint256(100),
                    uint256(60),
                    AFTER,
                    BEFORE,
                    SALT,
                    address(0),
                    uint256(5)
                )
            ),
            "nonce"
        );
    }
}
