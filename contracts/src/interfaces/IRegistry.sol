// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRelaying} from "./IRelaying.sol";

/// @title Which provider sells by which offer
/// @notice A provider registers the SHA-256 digest of its offer's block, the content of which lives on IPFS, with a
/// stake, which it gets back {UNBOND_DELAY} after it left. The stake is no deposit for anybody: it makes many
/// identities dear. No stake is ever taken as a penalty: the registry keeps one digest per sequence, so that there
/// are no two statements of a provider that could be held against one another. Nobody but the provider can change,
/// remove or take anything; what it has signed others can send (see {IRelaying}). Fees are in the stake token; a
/// registry without one takes none.
///
/// What unbonds is in two parts. Leaving adds the stake to what is locked, and the sum waits for {UNBOND_DELAY} from
/// then on; but what was locked and due by then is set apart first and can be withdrawn at any time: nothing that is
/// due is ever locked again.
interface IRegistry is IRelaying {
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
    /// @param provider The provider
    /// @param digest SHA-256 of its offer's block
    /// @param sequence The number of this offer
    /// @param stake What it has staked, in base units: what arrived
    event Registered(address indexed provider, bytes32 digest, uint64 sequence, uint96 stake);
    /// @notice A provider sells by another offer from now on.
    /// @param provider The provider
    /// @param digest SHA-256 of its offer's block
    /// @param sequence The number of this offer
    event Updated(address indexed provider, bytes32 digest, uint64 sequence);
    /// @notice A provider added to its stake.
    /// @param provider The provider
    /// @param stake The new sum, in base units
    event Staked(address indexed provider, uint96 stake);
    /// @notice A provider left.
    /// @param provider The provider
    /// @param stake What it had staked, in base units. It unbonds now, less what paid a relayer
    /// @param withdrawable What it can withdraw at once, in base units
    /// @param locked What it can withdraw from `releaseAt` on, in base units
    /// @param releaseAt In Unix seconds; zero where nothing is locked
    event Left(address indexed provider, uint96 stake, uint96 withdrawable, uint96 locked, uint64 releaseAt);
    /// @notice A provider took back all that it could withdraw.
    /// @param provider The provider
    /// @param to Who received it
    /// @param amount What was sent, in base units: less what paid a relayer
    event StakeWithdrawn(address indexed provider, address indexed to, uint96 amount);

    /// @notice The unbonding delay is above {MAX_UNBOND_DELAY}.
    error UnbondDelayOutOfRange(uint256 delay);
    /// @notice There is no stake token, so that there can be no stake, no least stake and no fee.
    error NoStakeToken();
    /// @notice An offer's digest is never zero.
    error ZeroDigest();
    /// @notice The provider is registered already: `update` changes its offer.
    error AlreadyRegistered(address provider);
    /// @notice The provider is not registered.
    error NotRegistered(address provider);
    /// @notice What arrived is less than the least stake.
    error StakeBelowMinimum(uint96 minimum, uint96 stake);
    /// @notice This digest is registered already.
    error SameDigest(bytes32 digest);
    /// @notice No stake is unbonding.
    error NothingUnbonding();
    /// @notice Nothing can be withdrawn before then.
    error UnbondingTooEarly(uint64 releaseAt);

    /// @notice The longest unbonding delay that a deployment can be given, in seconds: 365 days.
    function MAX_UNBOND_DELAY() external view returns (uint64);
    /// @notice The most entries that a page has: 500. Who asks for more gets so many.
    function MAX_PAGE() external view returns (uint256);
    /// @notice The ERC-20 token that stakes are held in. Zero: this registry takes none.
    function STAKE_TOKEN() external view returns (address);
    /// @notice How long after leaving a stake can be withdrawn, in seconds.
    function UNBOND_DELAY() external view returns (uint64);
    /// @notice The least stake that a provider registers with, in base units.
    function MIN_STAKE() external view returns (uint96);

    /// @notice Registers the caller.
    /// @dev Reverts with {ZeroDigest}, {AlreadyRegistered}, {NoStakeToken}, {NothingReceived}, {AmountOverflow},
    /// {StakeBelowMinimum}.
    /// @param digest SHA-256 of the offer's block, not zero
    /// @param stake How much to stake, in base units, of a token for which the caller has approved this contract; may
    /// be zero where the least stake is; counted is what arrives
    /// @return sequence The number of this offer
    function register(bytes32 digest, uint96 stake) external returns (uint64 sequence);

    /// @notice Changes the caller's offer.
    /// @dev Reverts with {ZeroDigest}, {NotRegistered}, {SameDigest}.
    /// @param digest SHA-256 of the new offer's block, neither zero nor the present one
    /// @return sequence The number of this offer
    function update(bytes32 digest) external returns (uint64 sequence);

    /// @notice Adds to the caller's stake.
    /// @dev Reverts with {NotRegistered}, {NoStakeToken}, {NothingReceived}, {AmountOverflow}.
    /// @param amount How much, in base units; counted is what arrives
    /// @return stake The new sum, in base units
    function addStake(uint96 amount) external returns (uint96 stake);

    /// @notice Removes the caller from the pages at once and starts the unbonding of its stake. The caller may
    /// register again at any time. Without a stake, what unbonds and when stays as it is.
    /// @dev Reverts with {NotRegistered}, and with {AmountOverflow} where all that unbonds would not fit 96 bits.
    function leave() external;

    /// @notice Sends the caller all that it can withdraw now; the rest stays, and so does its time.
    /// @dev Reverts with {InvalidRecipient}, {NothingUnbonding}, {UnbondingTooEarly}.
    /// @param to Who receives it: not the zero address, this contract or the token
    /// @return amount How much, in base units
    function withdrawStake(address to) external returns (uint96 amount);

    /// @notice `register` for a provider that has signed
    /// `Register(address provider,bytes32 digest,uint96 stake,Relay relay)`. The fee comes on top, out of the
    /// provider's own tokens.
    /// @param provider Who signed
    /// @param digest SHA-256 of the offer's block, not zero
    /// @param stake How much to stake, in base units
    /// @param permit An approval of this contract for stake and fee; with `v` zero there is none
    /// @param relay On what terms it may be sent
    /// @param fee What the caller takes for it, in base units
    /// @param signature By the provider's key, of 65 bytes, or what its wallet takes (ERC-1271)
    /// @return sequence The number of this offer
    function registerSigned(
        address provider,
        bytes32 digest,
        uint96 stake,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint64 sequence);

    /// @notice `update` for a provider that has signed `Update(address provider,bytes32 digest,Relay relay)`. The fee
    /// comes out of the provider's own tokens.
    /// @param provider Who signed
    /// @param digest SHA-256 of the new offer's block, neither zero nor the present one
    /// @param permit An approval of this contract for the fee; with `v` zero there is none
    /// @param relay On what terms it may be sent
    /// @param fee What the caller takes for it, in base units
    /// @param signature As for `registerSigned`
    /// @return sequence The number of this offer
    function updateSigned(
        address provider,
        bytes32 digest,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint64 sequence);

    /// @notice `addStake` for a provider that has signed `AddStake(address provider,uint96 amount,Relay relay)`. The
    /// fee comes on top, out of the provider's own tokens.
    /// @param provider Who signed
    /// @param amount How much, in base units; counted is what arrives
    /// @param permit An approval of this contract for amount and fee; with `v` zero there is none
    /// @param relay On what terms it may be sent
    /// @param fee What the caller takes for it, in base units
    /// @param signature As for `registerSigned`
    /// @return stake The new sum, in base units
    function addStakeSigned(
        address provider,
        uint96 amount,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint96 stake);

    /// @notice `leave` for a provider that has signed `Leave(address provider,Relay relay)`. The fee comes on
    /// top, out of the provider's own tokens, and not out of the stake, all of which has to wait.
    /// @param provider Who signed
    /// @param permit As for `registerSigned`
    /// @param relay On what terms it may be sent
    /// @param fee What the caller takes for it, in base units
    /// @param signature As for `registerSigned`
    function leaveSigned(
        address provider,
        Permit calldata permit,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external;

    /// @notice `withdrawStake` for a provider that has signed
    /// `WithdrawStake(address provider,address to,Relay relay)`. The fee comes out of what is withdrawn, and what that
    /// does not cover out of the provider's own tokens.
    /// @param provider Who signed
    /// @param to Who receives it: not the zero address, this contract or the token
    /// @param relay On what terms it may be sent
    /// @param fee What the caller takes for it, in base units
    /// @param signature As for `registerSigned`
    /// @return amount What `to` was sent, in base units
    function withdrawStakeSigned(
        address provider,
        address to,
        Relay calldata relay,
        uint96 fee,
        bytes calldata signature
    ) external returns (uint96 amount);

    /// @notice How many providers are registered.
    function count() external view returns (uint256);

    /// @notice A page of the registered providers, in no order that means anything. Leaving moves the last one into
    /// the gap: read all pages of one block.
    /// @param from The index of the first one
    /// @param limit At most how many to return; more than {MAX_PAGE} is {MAX_PAGE}
    /// @return page Fewer than that at the end, none past it
    function providers(uint256 from, uint256 limit) external view returns (Registration[] memory page);

    /// @notice A page of the registered providers, the largest stake first, and among equal stakes the older
    /// registration first. However many others are registered, it costs hardly more. Read all pages of one block.
    /// @dev Reverts with {NotRegistered}.
    /// @param previous The last provider of the page before; zero: from the top
    /// @param limit At most how many to return; more than {MAX_PAGE} is {MAX_PAGE}
    /// @return page Fewer than that at the end, none past it
    function providersByStake(address previous, uint256 limit) external view returns (Registration[] memory page);

    /// @notice What is registered for a provider. One that has left keeps its sequence, and nothing else.
    function providerOf(address provider) external view returns (Registration memory);

    /// @notice What a provider can withdraw, and when.
    /// @param provider The provider
    /// @return withdrawable How much at once, in base units
    /// @return locked How much from `releaseAt` on, in base units
    /// @return releaseAt In Unix seconds; zero where nothing is locked
    function unbondingOf(address provider)
        external
        view
        returns (uint96 withdrawable, uint96 locked, uint64 releaseAt);

    /// @notice What a provider signs for `registerSigned`.
    function registerDigest(address provider, bytes32 digest, uint96 stake, Relay calldata relay)
        external
        view
        returns (bytes32);
    /// @notice What a provider signs for `updateSigned`.
    function updateDigest(address provider, bytes32 digest, Relay calldata relay) external view returns (bytes32);
    /// @notice What a provider signs for `addStakeSigned`.
    function addStakeDigest(address provider, uint96 amount, Relay calldata relay) external view returns (bytes32);
    /// @notice What a provider signs for `leaveSigned`.
    function leaveDigest(address provider, Relay calldata relay) external view returns (bytes32);
    /// @notice What a provider signs for `withdrawStakeSigned`.
    function withdrawStakeDigest(address provider, address to, Relay calldata relay)
        external
        view
        returns (bytes32);
}
