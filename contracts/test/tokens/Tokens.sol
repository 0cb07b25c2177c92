// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @notice The token that most tests and all gas figures use: OpenZeppelin's, with permits.
contract PlainToken is ERC20, ERC20Permit {
    constructor() ERC20("Plain", "PLN") ERC20Permit("Plain") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Keeps a tenth of every transfer.
contract FeeToken is ERC20 {
    constructor() ERC20("Fee", "FEE") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0)) return super._update(from, to, value);
        super._update(from, address(this), value / 10);
        super._update(from, to, value - value / 10);
    }
}

/// @notice Says true and moves nothing.
contract EmptyToken is ERC20 {
    constructor() ERC20("Empty", "EMP") {}

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return true;
    }
}

/// @notice Brings more than 96 bits at a time.
contract HugeToken is ERC20 {
    constructor() ERC20("Huge", "HUG") {}

    function transferFrom(address, address to, uint256 amount) public override returns (bool) {
        _mint(to, amount + 2 ** 96);
        return true;
    }
}

/// @notice Returns false where others revert.
contract FalseToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (balanceOf[from] < amount || to == address(0xdead)) return false;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// @notice Returns nothing, as the oldest tokens do.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        require(balanceOf[from] >= amount, "balance");
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Refuses accounts on its list.
contract FreezingToken is ERC20 {
    mapping(address => bool) public frozen;

    error Frozen(address account);

    constructor() ERC20("Freezing", "FRZ") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function freeze(address account, bool on) external {
        frozen[account] = on;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (frozen[from]) revert Frozen(from);
        if (frozen[to]) revert Frozen(to);
        super._update(from, to, value);
    }
}

/// @notice Calls back once before it moves anything, as ERC-777 does to a sender, or after, as it does to a receiver.
contract ReentrantToken is ERC20 {
    address public target;
    bytes public data;
    bool public first;
    bool public ok;
    bytes public answer;

    constructor() ERC20("Reentrant", "REE") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function arm(address target_, bytes calldata data_, bool first_) external {
        (target, data, first) = (target_, data_, first_);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (first) _call();
        super._update(from, to, value);
        if (!first) _call();
    }

    function _call() private {
        if (target == address(0)) return;
        address to = target;
        target = address(0);
        (ok, answer) = to.call(data);
    }
}

/// @notice Moves tokens by ERC-3009 authorizations without looking at them, and remembers what it was shown.
contract AnyAuthorizationToken is ERC20 {
    bytes32 public nonce;

    constructor() ERC20("Any", "ANY") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32 nonce_,
        uint8,
        bytes32,
        bytes32
    ) external {
        nonce = nonce_;
        _transfer(from, to, value);
    }
}
