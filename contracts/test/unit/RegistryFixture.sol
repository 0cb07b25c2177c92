// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRegistry} from "src/interfaces/IRegistry.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {PlainToken} from "../tokens/Tokens.sol";
import {vm} from "../Vm.sol";

/// @title Three providers around one Registry
abstract contract RegistryFixture is Fixture {
    uint64 internal constant UNBOND = 7 days;
    uint256 internal constant ANN_KEY = 0xA1;
    uint256 internal constant BEN_KEY = 0xA2;
    uint256 internal constant CAT_KEY = 0xA3;

    address internal ann = vm.addr(ANN_KEY);
    address internal ben = vm.addr(BEN_KEY);
    address internal cat = vm.addr(CAT_KEY);

    IRegistry internal registry;

    function setUp() public virtual override {
        plain = new PlainToken();
        use(address(plain));
    }

    /// @dev A registry with stakes of another token.
    function use(address stakeToken) internal {
        token = stakeToken;
        registry = newRegistry(stakeToken, UNBOND, 0);
    }

    function newRegistry(address stakeToken, uint64 delay, uint96 minStake) internal returns (IRegistry) {
        return IRegistry(vm.deployCode(artifact("Registry"), abi.encode(stakeToken, delay, minStake)));
    }

    /// @dev Gives an account tokens and approves the registry for all.
    function give(address account, uint256 amount) internal {
        PlainToken(token).mint(account, amount);
        approve(account, type(uint256).max);
    }

    function approve(address account, uint256 amount) internal {
        vm.prank(account);
        PlainToken(token).approve(address(registry), amount);
    }

    function register(address account, bytes32 digest, uint96 amount) internal returns (uint64) {
        if (amount != 0) give(account, amount);
        vm.prank(account);
        return registry.register(digest, amount);
    }

    function addStake(address account, uint96 amount) internal {
        give(account, amount);
        vm.prank(account);
        registry.addStake(amount);
    }

    function leave(address account) internal {
        vm.prank(account);
        registry.leave();
    }

    function balance(address account) internal view returns (uint256) {
        return PlainToken(token).balanceOf(account);
    }

    // Assertions

    function expectRegistration(address account, bytes32 digest, uint64 sequence, uint96 amount, uint64 since)
        internal
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
    ) internal pure {
        vm.assertEq(r.provider, account, "provider");
        vm.assertEq(r.digest, digest, "digest");
        eq(r.sequence, sequence, "sequence");
        eq(r.stake, amount, "stake");
        eq(r.since, since, "since");
    }

    function expectUnbonding(address account, uint96 withdrawable, uint96 locked, uint64 releaseAt) internal view {
        (uint96 w, uint96 l, uint64 at) = registry.unbondingOf(account);
        eq(w, withdrawable, "withdrawable");
        eq(l, locked, "locked");
        eq(at, releaseAt, "releaseAt");
    }

    function expectPage(IRegistry.Registration[] memory page, address[] memory want) internal pure {
        eq(page.length, want.length, "length of the page");
        for (uint256 i; i < want.length; ++i) {
            vm.assertEq(page[i].provider, want[i], "provider on the page");
        }
    }

    function expectProviders(address[] memory want) internal view {
        eq(registry.count(), want.length, "count");
        expectPage(registry.providers(0, 100), want);
        for (uint256 i; i < want.length; ++i) {
            vm.assertEq(registry.providers(i, 1)[0].provider, want[i], "provider by its place");
        }
    }

    function expectByStake(address[] memory want) internal view {
        expectPage(registry.providersByStake(address(0), 100), want);
    }

    function list() internal pure returns (address[] memory) {
        return new address[](0);
    }

    function list(address a) internal pure returns (address[] memory all) {
        all = new address[](1);
        all[0] = a;
    }

    function list(address a, address b) internal pure returns (address[] memory all) {
        all = new address[](2);
        (all[0], all[1]) = (a, b);
    }

    function list(address a, address b, address c) internal pure returns (address[] memory all) {
        all = new address[](3);
        (all[0], all[1], all[2]) = (a, b, c);
    }

    function list(address a, address b, address c, address d) internal pure returns (address[] memory all) {
        all = new address[](4);
        (all[0], all[1], all[2], all[3]) = (a, b, c, d);
    }

    // Signatures, hashed here by the standard and not as the contract does

    function relayHash(IRelaying.Relay memory relay) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)"),
                relay.relayer,
                relay.maxFee,
                relay.nonce,
                relay.deadline
            )
        );
    }

    function typed(string memory kind) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(bytes(kind), "Relay(address relayer,uint96 maxFee,uint256 nonce,uint40 deadline)")
        );
    }

    function separator(address contract_, uint256 chain) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Byway Registry"),
                keccak256("1"),
                chain,
                contract_
            )
        );
    }

    function digestOf(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator(address(registry), block.chainid), structHash));
    }
}
