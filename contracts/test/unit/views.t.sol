// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract ViewsTest is Fixture {
    function separator() private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Byway Channels"),
                keccak256("1"),
                block.chainid,
                address(channels)
            )
        );
    }

    function digest(bytes memory encoded) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator(), keccak256(encoded)));
    }

    function test_WhenTheVaultIsAsked() external {
        open(100, 60);
        eq(channels.vaultOf(token, payer, signer), 40, "free");
        eq(channels.vaultOf(token, payer, otherSigner), 0, "another signer");
        eq(channels.vaultOf(token, otherPayer, signer), 0, "another payer");
        eq(channels.vaultOf(address(channels), payer, signer), 0, "another token");
    }

    function test_WhenTheChannelIsAsked_TheWordIsAsDocumented() external {
        vm.store(
            address(channels),
            keccak256(abi.encode(token, payer, signer)),
            bytes32(uint256(0x0102030405060708090a0b0c))
        );
        vm.store(
            address(channels),
            slotOf(payer, signer, payee),
            0x1112131415161718191011122122232425262728292021223132333435414243
        );
        expectChannel(
            0x0102030405060708090a0b0c,
            0x111213141516171819101112,
            0x212223242526272829202122,
            0x3132333435,
            0x414243
        );
    }

    function test_WhenTheDomainIsAsked() external {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address at,
            bytes32 salt,
            uint256[] memory extensions
        ) = IERC5267(address(channels)).eip712Domain();
        vm.assertTrue(fields == 0x0f, "fields");
        vm.assertEq(name, "Byway Channels", "name");
        vm.assertEq(version, "1", "version");
        eq(chainId, block.chainid, "chain");
        vm.assertEq(at, address(channels), "contract");
        vm.assertEq(salt, 0, "salt");
        eq(extensions.length, 0, "extensions");
        vm.assertEq(channels.domainSeparator(), separator(), "separator");
    }

    function test_WhenTheChainIsAnother_TheDomainFollows() external {
        uint256[4] memory others = [uint256(31336), 31338, 15668, 77];
        for (uint256 i; i < 4; ++i) {
            vm.chainId(others[i]);
            vm.assertEq(channels.domainSeparator(), separator(), "separator");
        }
        (,,, uint256 chainId,,,) = IERC5267(address(channels)).eip712Domain();
        eq(chainId, 77, "chain");
    }

    function test_WhenTheChainIsTheOneItWasMadeOn_TheDomainIsNotHashedAgain() external {
        channels.domainSeparator();
        uint256 start = gasleft();
        channels.domainSeparator();
        uint256 here = start - gasleft();
        vm.chainId(77);
        start = gasleft();
        channels.domainSeparator();
        vm.assertTrue(here + 200 < start - gasleft(), "hashed again");
    }

    function test_WhenADigestIsAsked() external view {
        vm.assertEq(
            channels.promiseDigest(payer, payee, token, 7),
            digest(
                abi.encode(
                    keccak256("Promise(address payer,address payee,address token,uint96 cumulative)"),
                    payer,
                    payee,
                    token,
                    7
                )
            ),
            "promise"
        );
        vm.assertEq(
            channels.reserveDigest(payer, payee, token, 7, 8, 9),
            digest(
                abi.encode(
                    keccak256(
                        "Reserve(address payer,address payee,address token,uint96 ceiling,uint24 epoch,uint40 validUntil)"
                    ),
                    payer,
                    payee,
                    token,
                    7,
                    8,
                    9
                )
            ),
            "reserve"
        );
        vm.assertEq(
            channels.releaseDigest(token, payer, signer, payee, 7, 8, 9),
            digest(
                abi.encode(
                    keccak256(
                        "Release(address token,address payer,address signer,address payee,uint96 ceiling,uint24 epoch,uint40 validUntil)"
                    ),
                    token,
                    payer,
                    signer,
                    payee,
                    7,
                    8,
                    9
                )
            ),
            "release"
        );
    }
}
