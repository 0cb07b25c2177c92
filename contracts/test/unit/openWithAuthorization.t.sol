// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {Authorization, IDevToken, Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {AnyAuthorizationToken} from "../tokens/Tokens.sol";
import {vm} from "../Vm.sol";

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
                channels.authorizationNonce(token, payer, signer, payee, 100, 60, AFTER, BEFORE, SALT)
            )
        );
    }

    function openWith(address signer_, address payee_, uint96 amount, uint96 ceiling) private returns (uint96) {
        vm.prank(stranger);
        return channels.openWithAuthorization(
            token, payer, signer_, payee_, amount, ceiling, AFTER, BEFORE, SALT, sig.v, sig.r, sig.s
        );
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
        vm.expectRevert();
        openWith(otherSigner, payee, 100, 60);
        vm.expectRevert();
        openWith(signer, otherPayee, 100, 60);
        vm.expectRevert();
        openWith(signer, payee, 99, 60);
        vm.expectRevert();
        openWith(signer, payee, 100, 61);
        vm.expectRevert();
        channels.openWithAuthorization(
            token, payer, signer, payee, 100, 60, AFTER - 1, BEFORE, SALT, sig.v, sig.r, sig.s
        );
        vm.expectRevert();
        channels.openWithAuthorization(
            token, payer, signer, payee, 100, 60, AFTER, BEFORE + 1, SALT, sig.v, sig.r, sig.s
        );
        vm.expectRevert();
        channels.openWithAuthorization(
            token, payer, signer, payee, 100, 60, AFTER, BEFORE, "another", sig.v, sig.r, sig.s
        );
        vm.expectRevert();
        channels.openWithAuthorization(
            token, otherPayer, signer, payee, 100, 60, AFTER, BEFORE, SALT, sig.v, sig.r, sig.s
        );
    }

    function test_RevertWhen_TheSignerIsZero() external {
        token = address(new AnyAuthorizationToken());
        AnyAuthorizationToken(token).mint(payer, 100);
        refuse(IChannels.ZeroSigner.selector);
        openWith(address(0), payee, 100, 60);
    }

    function test_RevertWhen_NothingArrives() external {
        token = address(new AnyAuthorizationToken());
        refuse(IChannels.NothingReceived.selector);
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
                    SALT
                )
            ),
            "nonce"
        );
    }
}
