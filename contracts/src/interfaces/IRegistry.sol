// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Which provider sells by which offer
/// @notice A provider registers the SHA-256 digest of its offer's block, the content of which lives on IPFS, with a
/// stake of any size, which it gets back {UNBOND_DELAY} after it left. The stake is no deposit for anybody: it makes
/// many identities dear. Nobody but the provider can change, remove or take anything.
interface IRegistry {
    /// @notice What is registered for one provider.
    struct Registration {
        /// @dev Who sells
        address provider;
        /// @dev SHA-256 of the offer's block; zero where the provider is not registered
        bytes32 digest;
        /// @dev How many offers this provider has registered, ever; the offer itself carries this number
        uint64 sequence;
        /// @dev What it has staked, in base units of the stake token
        uint96 stake;
        /// @dev When it registered, in Unix seconds
        uint64 since;
    }

    /// @notice A provider appeared.
    event Registered(address indexed provider, bytes32 digest, uint64 sequence, uint96 stake);
    /// @notice A provider sells by another offer from now on.
    event Updated(address indexed provider, bytes32 digest, uint64 sequence);
    /// @notice A provider added to its stake.
    /// @param provider The provider
    /// @param stake The new sum, in base units
    event Staked(address indexed provider, uint96 stake);
    /// @notice A provider left.
    /// @param provider The provider
    /// @param unbonding What it can withdraw at `releaseAt`, in base units, with the stake of an earlier leave that
    /// it has not withdrawn yet
    /// @param releaseAt When it can, in Unix seconds
    event Left(address indexed provider, uint96 unbonding, uint64 releaseAt);
    /// @notice A provider took its stake back.
    event StakeWithdrawn(address indexed provider, address indexed to, uint96 amount);

    /// @notice The unbonding delay is above {MAX_UNBOND_DELAY}.
    error UnbondDelayOutOfRange(uint256 delay);
    /// @notice An offer's digest is never zero.
    error ZeroDigest();
    /// @notice The provider is registered already: `update` changes its offer.
    error AlreadyRegistered(address provider);
    /// @notice The provider is not registered.
    error NotRegistered(address provider);
    /// @notice This digest is registered already.
    error SameDigest(bytes32 digest);
    /// @notice The transfer brought nothing.
    error NothingReceived();
    /// @notice A stake does not fit 96 bits.
    error AmountOverflow(uint256 amount);
    /// @notice No stake is unbonding.
    error NothingUnbonding();
    /// @notice The stake can't be withdrawn yet.
    error UnbondingTooEarly(uint64 releaseAt);

    /// @notice The longest unbonding delay that a deployment can be given, in seconds: 365 days.
    function MAX_UNBOND_DELAY() external view returns (uint64);
    /// @notice The ERC-20 token that stakes are held in. Zero: this registry takes none.
    function STAKE_TOKEN() external view returns (address);
    /// @notice How long after leaving a stake can be withdrawn, in seconds.
    function UNBOND_DELAY() external view returns (uint64);

    /// @notice Registers the caller.
    /// @param digest SHA-256 of the offer's block, not zero
    /// @param stake How much to stake, in base units, of a token for which the caller has approved this contract; may
    /// be zero; counted is what arrives
    /// @return sequence The number of this offer
    function register(bytes32 digest, uint96 stake) external returns (uint64 sequence);

    /// @notice Changes the caller's offer.
    /// @param digest SHA-256 of the new offer's block, neither zero nor the present one
    /// @return sequence The number of this offer
    function update(bytes32 digest) external returns (uint64 sequence);

    /// @notice Adds to the caller's stake.
    /// @param amount How much, in base units
    /// @return stake The new sum, in base units
    function addStake(uint96 amount) external returns (uint96 stake);

    /// @notice Removes the caller from the pages at once and starts the unbonding of its stake. Where an earlier
    /// stake is still unbonding the sum waits for the later time. The caller may register again at any time.
    function leave() external;

    /// @notice Sends the caller its unbonded stake.
    /// @param to Who receives it
    /// @return amount How much, in base units
    function withdrawStake(address to) external returns (uint96 amount);

    /// @notice How many providers are registered.
    function count() external view returns (uint256);

    /// @notice A page of the registered providers. Leaving moves the last one into the gap: read all pages of one
    /// block.
    /// @param from The index of the first one
    /// @param limit At most how many to return
    /// @return page Fewer than `limit` at the end, none past it
    function providers(uint256 from, uint256 limit) external view returns (Registration[] memory page);

    /// @notice What is registered for a provider. One that has left keeps its sequence, and nothing else.
    function providerOf(address provider) external view returns (Registration memory);

    /// @notice What a provider can withdraw, and when.
    /// @param provider The provider
    /// @return amount How much, in base units
    /// @return releaseAt From when on, in Unix seconds
    function unbondingOf(address provider) external view returns (uint96 amount, uint64 releaseAt);
}
