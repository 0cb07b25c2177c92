// What a contract is changed into: all changes of one place, by the compiler's syntax tree. `mutate.mjs` says what each
// operator is. A change has points: what stands there ("was"), what comes instead ("now"), and how both are written so
// that the mutant's number decides which of them runs.
import { createHash } from "node:crypto";
import { range, sources } from "./sources.mjs";

const uint = /^uint\d+$/;
const typeOf = (node) => node?.typeDescriptions?.typeString ?? "";
const short = (text) => text.replace(/\s+/g, " ").trim();
const hash = (text) => createHash("sha256").update(text).digest("hex");
const children = (node) =>
  Object.entries(node).filter(([key, child]) => child && typeof child === "object" && key !== "typeDescriptions");

function walk(node, see) {
  if (!node) return;
  if (Array.isArray(node)) return node.forEach((child) => walk(child, see));
  if (node.nodeType) see(node);
  children(node).forEach(([, child]) => walk(child, see));
}

// All declarations by number, and the accessors of types: functions of that one argument.
export function declarationsOf(asts) {
  const by = new Map();
  const accessors = {};
  walk(Object.values(asts), (node) => {
    if (typeof node.id === "number") by.set(node.id, node);
    if (node.nodeType !== "FunctionDefinition" || node.parameters.parameters.length !== 1) return;
    const returned = node.returnParameters.parameters;
    const type = node.parameters.parameters[0];
    if (type.typeName?.nodeType !== "UserDefinedTypeName" || returned.length !== 1 || !uint.test(typeOf(returned[0]))) return;
    (accessors[typeOf(type)] ??= []).push(node.name);
  });
  return { by, accessors };
}

// The functions that a contract's code is made of.
export function reachOf(contract, asts, { by }) {
  const reached = new Set();
  const root = [...by.values()].find((n) => n.nodeType === "ContractDefinition" && n.name === contract);
  const line = root.linearizedBaseContracts.map((id) => by.get(id));
  const functions = line.flatMap((c) => c.nodes).filter((n) => n.nodeType === "FunctionDefinition");
  const todo = functions.filter((f) => f.kind !== "function" || ["external", "public"].includes(f.visibility));
  todo.push(...line.map((c) => c.baseContracts));
  while (todo.length) {
    walk(todo.pop(), (node) => {
      const to = by.get(node.referencedDeclaration);
      if (node.nodeType === "FunctionDefinition") reached.add(node.id);
      if (!["FunctionDefinition", "ModifierDefinition"].includes(to?.nodeType) || reached.has(to.id)) return;
      reached.add(to.id);
      todo.push(to, ...(to.virtual ? functions.filter((f) => f.name === to.name && !reached.has(f.id)) : []));
    });
  }
  return reached;
}

// What is in front of a mutant's text, by which an error of the compiler is known to be that mutant's.
const mark = (id, text) => `/*<${id}*/${text}/*>*/`;

export const byNumber = {
  value: (now) => (id, x) => `(MUTANT() == ${id} ? ${mark(id, `(${now})`)} : (${x}))`,
  statement: (now) => (id, x) => `{ if (MUTANT() == ${id}) { ${mark(id, now)} } else { ${x} } }`,
  added: (now) => (id) => `if (MUTANT() == ${id}) { ${mark(id, now)} }\n`,
  lock: () => (id) => `nonReentrantUnless(MUTANT() == ${id})`,
  yul: (now) => (id, x) => `pick(eq(mutant, ${id}), ${now}, ${x})`,
  yulStatement: (now) => (id, x) => `if eq(mutant, ${id}) { ${now} } if iszero(eq(mutant, ${id})) { ${x} }`,
  // Assembly calls no function of the contract: the number is read in front of it.
  assembly: () => (_, x) => "uint256 mutant = MUTANT();\n" + x.replace("{", "{ function pick(c, a, b) -> r { r := b if c { r := a } }"),
};

export function mutantsOf(contract, file, ast, declarations, reached) {
  const { by, accessors } = declarations;
  const source = Buffer.from(sources[file].content);
  const text = (start, length) => source.subarray(start, start + length).toString();
  const of = (node) => text(...range(node));
  const found = [];
  let where = "", inside = null, scope = [], yulScope = [], outer = new Map();

  const push = (rule, points, was, now) => {
    const start = Math.min(...points.map((p) => p.start));
    found.push({
      contract, file, where, rule, was: short(was), now: short(now), points,
      line: text(0, start).split("\n").length, function: inside?.id,
    });
  };
  const point = (node, now, how = "value") => {
    const [start, length] = range(node);
    return { start, end: start + length, now: how === "value" ? `(${now})` : now, both: byNumber[how](now) };
  };
  const value = (node, now, rule) => short(now) !== short(of(node)) && push(rule, [point(node, now)], of(node), now);
  const yul = (node, now, rule) => short(now) !== short(of(node)) && push(rule, [point(node, now, "yul")], of(node), now);
  // A statement with its semicolon.
  const statement = (node, now, rule) => {
    const [start, length] = range(node);
    const end = node.nodeType === "TryStatement" ? start + length : source.indexOf(";", start + length) + 1;
    push(rule, [{ start, end, now: `{ ${now} }`, both: byNumber.statement(now) }], text(start, end - start), now);
  };

  // Values

  const cast = (type, x) => {
    const bytes = /^bytes(\d+)$/.exec(type);
    if (uint.test(type)) return type === "uint256" ? x : `${type}(${x})`;
    if (bytes) return `${type}(uint${8 * bytes[1]}(${x}))`;
  };
  const zeroOf = (type) =>
    uint.test(type) ? cast(type, "0") : type.startsWith("address") ? "address(0)" : /^bytes\d+$/.test(type) ? `${type}(0)`
      : type === "bool" ? "false" : undefined;
  const isConstant = (node) => {
    const to = by.get(node.referencedDeclaration);
    if (node.nodeType === "MemberAccess" && /^type\(/.test(of(node))) return true;
    return to?.nodeType === "VariableDeclaration" && to.stateVariable && to.mutability !== "mutable";
  };
  const literal = (node) => typeOf(node).startsWith("int_const");

  // Where a number goes: into a store, a call, an event, a variable, a result.
  const place = (node) => {
    const type = typeOf(node);
    if (!uint.test(type) || literal(node)) return;
    value(node, cast(type, `MORE(${of(node)})`), "one more");
    value(node, cast(type, `LESS(${of(node)})`), "one less");
  };
  const parametersOf = (call) => {
    const inner = /^function \((.*?)\)( |$)/.exec(typeOf(call.expression))?.[1].split(",") ?? [];
    return inner.slice(Math.max(0, inner.length - call.arguments.length));
  };
  // What type a number has that stands there as a literal.
  const literalType = (node, parents) => {
    const [parent] = parents;
    switch (parent?.nodeType) {
      case "BinaryOperation":
        if (/^(<<|>>|\*\*)$/.test(parent.operator)) return parent.rightExpression === node ? "uint256" : undefined;
        return typeOf({ typeDescriptions: parent.commonType });
      case "Assignment":
        return /<<|>>/.test(parent.operator) ? "uint256" : typeOf(parent.leftHandSide);
      case "VariableDeclarationStatement":
        return typeOf(parent.declarations[0]);
      case "FunctionCall":
        if (parent.kind === "typeConversion") return "uint256";
        if (parent.kind === "structConstructorCall") return undefined;
        return parametersOf(parent)[parent.arguments.indexOf(node)];
      case "Return":
        return inside.returnParameters.parameters.length === 1 ? typeOf(inside.returnParameters.parameters[0]) : undefined;
      case "Conditional":
        return typeOf(parent);
      case "IndexAccess":
      case "IndexRangeAccess":
        return "uint256";
      case "TupleExpression":
        return parent.components.length === 1 ? literalType(parent, parents.slice(1)) : undefined;
    }
  };
  const number = (node, parents) => {
    const type = literalType(node, parents);
    if (!type || !cast(type, "1")) return;
    const now = Number(of(node)) === 0 ? ["1"] : [`${of(node)} + 1`, `${of(node)} - 1`];
    for (const n of now) {
      push("constant", [{ ...point(node, cast(type, n)),
        both: (id, x) => `(MUTANT() == ${id} ? ${mark(id, cast(type, n))} : ${cast(type, x)})` }], of(node), n);
    }
  };
  // One letter of a text becomes another.
  const otherText = (hex) => {
    const bytes = Buffer.from(hex, "hex");
    bytes[bytes.length >> 1] ^= 1;
    return `"${bytes.toString()}"`;
  };
  const constant = (node) => {
    const type = typeOf(node);
    const initial = by.get(node.referencedDeclaration)?.value;
    if (uint.test(type)) {
      value(node, cast(type, `MORE(${of(node)})`), "constant");
      value(node, cast(type, `LESS(${of(node)})`), "constant");
      value(node, cast(type, `HALF(${of(node)})`), "half");
    } else if (initial?.hexValue) {
      value(node, otherText(initial.hexValue), "constant");
    } else if (initial?.arguments?.[0]?.hexValue) {
      value(node, `keccak256(bytes(${otherText(initial.arguments[0].hexValue)}))`, "constant");
    }
  };

  // Other variables of that type, beginning with those declared next; a token is no account.
  const others = (name, type, list) => {
    const names = list.filter((v) => v.type === type && (v.name !== "token" || name === "token")).map((v) => v.name);
    const i = names.indexOf(name);
    return [...new Set([...names.slice(i + 1), ...names.slice(0, Math.max(i, 0))])].filter((n) => n !== name);
  };
  const operand = (node) => {
    const type = typeOf(node).replace(" payable", "");
    const known = scope.map((v) => ({ name: v.name, type: typeOf(v) }));
    if (type === "address") known.push({ name: "msg.sender", type }, { name: "address(this)", type });
    const list = others(of(node), type, known);
    // Numbers of other lengths, where there are none of the same.
    if (uint.test(type) && list.length < 2) {
      known.filter((v) => uint.test(v.type) && v.type !== type && v.name !== of(node)).forEach((v) => list.push(cast(type, v.name)));
    }
    list.slice(0, 2).forEach((name) => value(node, name, "operand"));
  };
  const order = (args, typeBy, how = "value") => {
    args.forEach((a, i) => {
      const j = args.findIndex((b, j) => j > i && typeBy(b, j) === typeBy(a, i));
      if (j < 0 || short(of(a)) === short(of(args[j]))) return;
      push("argument order", [point(a, of(args[j]), how), point(args[j], of(a), how)],
        `${of(a)}, ${of(args[j])}`, `${of(args[j])}, ${of(a)}`);
    });
  };

  // States: what may be so or not where a condition stands.
  const time = /(At|Until|After|Before|since|deadline|delay)$/i;
  const states = (salt, except = "") => {
    const first = [], rest = [];
    const term = (name) =>
      time.test(name.replace("()", "")) ? first.push(`block.timestamp >= ${name}`) : rest.push(`${name} != 0`);
    const accounts = [];
    for (const v of scope) {
      const type = typeOf(v);
      if (uint.test(type)) term(v.name);
      if (type === "address" && v.name !== "token") accounts.push(v.name);
      (accessors[type] ?? []).forEach((f) => term(`${v.name}.${f}()`));
      const struct = /^struct/.test(type) && by.get(v.typeName?.referencedDeclaration);
      if (struct) struct.members.filter((m) => uint.test(typeOf(m))).forEach((m) => term(`${v.name}.${m.name}`));
    }
    accounts.forEach((a, i) => {
      rest.push(`${a}.code.length != 0`, `${a} == msg.sender`);
      accounts.slice(i + 1).forEach((b) => (a === "to" || b === "to" ? first : rest).push(`${a} == ${b}`));
    });
    const known = new Set(except.match(/[\w.]+(\(\))?/g));
    const fresh = rest.filter((t) => !known.has(t.split(" ")[0]));
    const key = (t) => hash(where + salt + t);
    return [...first, ...fresh.sort((a, b) => (key(a) < key(b) ? -1 : 1))];
  };
  const condition = (node) => {
    value(node, "false", "never");
    value(node, "true", "always");
    for (const state of states(of(node), of(node)).slice(0, 2)) {
      value(node, `(${of(node)}) && ${state}`, "condition and state");
      value(node, `(${of(node)}) && !(${state})`, "condition and state");
      value(node, `(${of(node)}) || ${state}`, "condition and state");
    }
  };
  const effect = (node, twice) => {
    statement(node, "", "left out");
    for (const state of states(of(node)).slice(0, 2)) statement(node, `if (!(${state})) { ${of(node)}; }`, "left out in a state");
    if (twice) statement(node, `${of(node)}; ${of(node)};`, "twice");
  };

  // What a variable was read from, once something has been stored since.
  let reads = new Map(), stored = 0;

  const bound = { "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==" };
  const each = (node, parents) => children(node).forEach(([, child]) => visit(child, parents));
  const visit = (node, parents) => {
    if (Array.isArray(node)) return node.forEach((child) => visit(child, parents));
    if (!node) return;
    if (!node.nodeType) return each(node, parents);
    const up = [node, ...parents];
    switch (node.nodeType) {
      case "FunctionDefinition":
      case "ModifierDefinition": {
        if (!node.body || (reached && !reached.has(node.id))) return;
        const kept = [where, inside];
        [where, inside, scope, reads, stored] = [node.name || node.kind, node, [], new Map(), 0];
        const returned = node.returnParameters?.parameters ?? [];
        scope = [...node.parameters.parameters, ...returned].filter((v) => v.name);
        visit([...(node.modifiers ?? []), node.body], up);
        const [start, length] = range(node.body);
        const last = node.body.statements.at(-1);
        for (const v of last?.nodeType === "Return" ? [] : returned.filter((v) => v.name && zeroOf(typeOf(v)))) {
          const type = typeOf(v);
          const at = { start: start + length - 1, end: start + length - 1 };
          const now = [`${v.name} = ${zeroOf(type)};`, ...(uint.test(type) ? [`${v.name} = ${cast(type, `MORE(${v.name})`)};`] : [])];
          for (const n of now) push("returned", [{ ...at, now: n, both: byNumber.added(n) }], v.name, n);
        }
        [where, inside] = kept;
        scope = [];
        return;
      }
      case "ModifierInvocation":
        if (of(node) === "nonReentrant") push("no lock", [point(node, "", "lock")], of(node), "");
        (node.arguments ?? []).forEach((a) => visit(a, up));
        return;
      case "VariableDeclaration":
        // What a constant is stands at its uses.
        return;
      case "Block":
      case "UncheckedBlock": {
        const length = scope.length;
        visit(node.statements, up);
        scope.length = length;
        return;
      }
      case "VariableDeclarationStatement": {
        if (node.initialValue) visit(node.initialValue, up);
        const declared = node.declarations.filter(Boolean);
        if (declared.length === 1 && node.initialValue) {
          if (uint.test(typeOf(node.initialValue))) place(node.initialValue);
          if (/load\(|sload|^_\w+[[.]|balanceOf/.test(of(node.initialValue))) reads.set(declared[0].id, { text: of(node.initialValue), stored });
        }
        scope.push(...declared);
        return;
      }
      case "IfStatement":
      case "Conditional":
        condition(node.condition);
        break;
      case "ForStatement":
        if (node.initializationExpression) visit(node.initializationExpression, up);
        value(node.condition, "false", "never");
        // A loop that does not step never ends.
        visit([node.condition, node.body], up);
        return;
      case "UnaryOperation":
        if (node.operator === "!") value(node, of(node.subExpression), "turned round");
        break;
      case "BinaryOperation": {
        const [a, b] = [of(node.leftExpression), of(node.rightExpression)];
        const { operator } = node;
        if (literal(node)) break;
        if (bound[operator]) value(node, `${a} ${bound[operator]} ${b}`, "bound");
        if (operator === "&&" || operator === "||") {
          value(node, a, "left alone");
          value(node, b, "right alone");
          value(node, `(${a}) ${operator === "&&" ? "||" : "&&"} (${b})`, "and, or");
          break;
        }
        const type = typeOf(node);
        const common = typeOf({ typeDescriptions: node.commonType });
        if (uint.test(type) && !bound[operator]) {
          value(node, cast(type, a), "left alone");
          if (!/<<|>>/.test(operator)) value(node, cast(type, b), "right alone");
        }
        const turned = { "+": "-", "-": "+", "|": "&", "&": "|", "<<": ">>", ">>": "<<", "*": "/", "/": "*", "%": "/" }[operator];
        if (turned && uint.test(type)) value(node, `(${a}) ${turned} (${b})`, "arithmetic");
        if (/^[-/%]$/.test(operator) && common === type && !literal(node.rightExpression)) value(node, `(${b}) ${operator} (${a})`, "argument order");
        break;
      }
      case "Assignment":
        if (uint.test(typeOf(node.leftHandSide)) && uint.test(typeOf(node.rightHandSide))) place(node.rightHandSide);
        if (node.operator === "+=" || node.operator === "-=") {
          statement(node, `${of(node.leftHandSide)} ${node.operator === "+=" ? "-=" : "+="} ${of(node.rightHandSide)};`, "arithmetic");
          statement(node, `${of(node.leftHandSide)} = ${of(node.rightHandSide)};`, "right alone");
        }
        visit(node.leftHandSide.nodeType === "IndexAccess" ? node.leftHandSide.indexExpression :
          node.leftHandSide.nodeType === "MemberAccess" ? node.leftHandSide.expression.indexExpression : null, up);
        visit(node.rightHandSide, up);
        if (/^_|storage/.test(of(node.leftHandSide) + typeOf(node.leftHandSide))) stored++;
        return;
      case "Return": {
        const parts = node.expression?.nodeType === "TupleExpression" ? node.expression.components : node.expression ? [node.expression] : [];
        for (const part of parts) {
          place(part);
          const zero = zeroOf(typeOf(part).replace(" payable", ""));
          if (zero) value(part, zero, "returned");
        }
        if (parts.length > 1) order(parts, typeOf);
        break;
      }
      case "EmitStatement":
      case "RevertStatement": {
        const call = node.eventCall ?? node.errorCall;
        if (node.eventCall) effect(node, true);
        for (const a of call.arguments) {
          const zero = /^bytes (memory|calldata)$/.test(typeOf(a)) ? "bytes(\"\")" : zeroOf(typeOf(a).replace(" payable", ""));
          if (zero && !literal(a)) value(a, zero, "field left at zero");
        }
        break;
      }
      case "ExpressionStatement": {
        const { expression } = node;
        // A storage pointer that is not set does not compile.
        if (typeOf(expression.leftHandSide).endsWith("storage pointer")) break;
        if (!["FunctionCall", "Assignment", "UnaryOperation"].includes(expression.nodeType)) break;
        const to = by.get(expression.expression?.referencedDeclaration);
        const writes = to ? !["view", "pure"].includes(to.stateMutability) : true;
        effect(node, expression.nodeType === "FunctionCall" && writes && to?.name !== "store");
        visit(expression, up);
        if (writes && expression.nodeType === "FunctionCall") stored++;
        return;
      }
      case "FunctionCall":
        if (node.kind === "typeConversion") {
          if (of(node) === "address(0)") value(node, "address(1)", "constant");
          else if (/^bytes\d+\(0\)$/.test(of(node))) value(node, cast(typeOf(node), "1"), "constant");
          else if (literal(node.arguments[0])) number(node.arguments[0], up);
          else visit(node.arguments, up);
          return;
        }
        if (/^abi\.decode/.test(of(node))) {
          visit(node.arguments[0], up);
          return;
        }
        // Of an event or an error each field is left at zero.
        if (!/^(Emit|Revert)Statement$/.test(parents[0]?.nodeType)) node.arguments.forEach(place);
        order(node.arguments, typeOf);
        break;
      case "TryStatement": {
        const call = of(node.externalCall);
        statement(node, `${call};`, "not caught");
        statement(node, "", "left out");
        break;
      }
      case "Literal":
        if (literal(node) && !literal(parents[0])) number(node, parents);
        if (node.kind === "string" && node.value) value(node, otherText(node.hexValue), "constant");
        return;
      case "MemberAccess":
        if (isConstant(node)) return constant(node);
        if (of(node) === "msg.sender") return operand(node);
        break;
      case "Identifier": {
        const to = by.get(node.referencedDeclaration);
        if (to?.nodeType !== "VariableDeclaration") return;
        if (isConstant(node)) return constant(node);
        const read = reads.get(to.id);
        if (read && stored > read.stored) value(node, read.text, "read again");
        if (scope.includes(to)) operand(node);
        return;
      }
      case "InlineAssembly": {
        const [start, length] = range(node);
        found.push({ contract, file, where, points: [{ start, end: start + length, now: of(node), both: byNumber.assembly() }], function: inside?.id, scheme: true });
        outer = new Map(node.externalReferences.map((r) => [r.src.split(":")[0], by.get(r.declaration)]));
        const names = node.externalReferences.filter((r) => !by.get(r.declaration)?.stateVariable && !by.get(r.declaration)?.constant);
        yulScope = [...new Set(names.map((r) => text(...r.src.split(":").slice(0, 2).map(Number))))];
        visitYul(node.AST, []);
        return;
      }
    }
    if (literal(node) && node.nodeType !== "Literal") {
      if (!literal(parents[0] ?? {})) number(node, parents);
      return;
    }
    if (node.nodeType === "VariableDeclaration") return;
    each(node, up);
  };

  // Assembly

  const yulOther = (name) => {
    const i = yulScope.indexOf(name);
    return [...yulScope.slice(0, Math.max(i, 0)).reverse(), ...yulScope.slice(i + 1)].filter((n) => !n.includes("."));
  };
  const yulStatement = (node, now, rule) => push(rule, [point(node, now, "yulStatement")], of(node), now);
  const offsets = /^(mstore8?|mload|calldataload|calldatacopy|keccak256|staticcall|call|add|sub|log\d)$/;
  // Picking calculates both, so that nothing that acts may be in it.
  const acts = (text) => /call\(|delegatecall|create/.test(text);
  const yulPlace = (node) => {
    if (acts(of(node)) || node.nodeType === "YulLiteral") return;
    yul(node, `add(${of(node)}, 1)`, "one more");
    yul(node, `sub(${of(node)}, 1)`, "one less");
  };
  const yulNumber = (node, value, parent) => {
    const name = parent?.functionName?.name ?? "";
    yul(node, `add(${of(node)}, 1)`, "constant");
    if (value !== 0n) yul(node, `sub(${of(node)}, 1)`, "constant");
    if (offsets.test(name) && value % 32n === 0n && value !== 0n) {
      yul(node, `add(${of(node)}, 0x20)`, "constant");
      yul(node, `sub(${of(node)}, 0x20)`, "constant");
    }
  };
  const visitYul = (node, parents) => {
    if (Array.isArray(node)) return node.forEach((child) => visitYul(child, parents));
    if (!node.nodeType) return;
    const up = [node, ...parents];
    switch (node.nodeType) {
      case "YulBlock": {
        const length = yulScope.length;
        visitYul(node.statements, up);
        yulScope.length = length;
        return;
      }
      case "YulVariableDeclaration":
        if (node.value) {
          yulPlace(node.value);
          visitYul(node.value, up);
        }
        yulScope.push(...node.variables.map((v) => v.name));
        return;
      case "YulAssignment":
        yulStatement(node, "", "left out");
        yulPlace(node.value);
        visitYul(node.value, up);
        return;
      case "YulExpressionStatement": {
        const { name } = node.expression.functionName;
        if (/^(mstore|sstore|tstore|log)/.test(name)) yulStatement(node, "", "left out");
        if (/^log/.test(name)) yulStatement(node, `${of(node)} ${of(node)}`, "twice");
        if (/^(mstore8?|sstore|tstore)$/.test(name)) yulPlace(node.expression.arguments[1]);
        // Without any result it is the same from where on.
        if (/^revert$/.test(name)) return;
        visitYul(node.expression, up);
        return;
      }
      case "YulIf": {
        const c = of(node.condition);
        yul(node.condition, "0", "never");
        yul(node.condition, "1", "always");
        for (const v of yulOther("").slice(-2)) {
          yul(node.condition, `and(iszero(iszero(${c})), iszero(iszero(${v})))`, "condition and state");
          yul(node.condition, `and(iszero(iszero(${c})), iszero(${v}))`, "condition and state");
          yul(node.condition, `or(${c}, iszero(${v}))`, "condition and state");
        }
        visitYul([node.condition, node.body], up);
        return;
      }
      case "YulForLoop":
        visitYul(node.pre, up);
        yulScope.push(...node.pre.statements.flatMap((s) => s.variables?.map((v) => v.name) ?? []));
        yul(node.condition, "0", "never");
        visitYul([node.condition, node.body], up);
        return;
      case "YulFunctionCall": {
        const { name } = node.functionName;
        const args = node.arguments.map(of);
        if (name === "gt") yul(node, `iszero(lt(${args}))`, "bound");
        if (name === "lt") yul(node, `iszero(gt(${args}))`, "bound");
        if (name === "iszero") yul(node, args[0], "turned round");
        const turned = { add: "sub", sub: "add", and: "or", or: "and", shl: "shr", shr: "shl", xor: "and", mul: "div", div: "mul" }[name];
        if (turned) {
          yul(node, `${turned}(${args})`, "arithmetic");
          if (!/^sh/.test(name)) yul(node, args[0], "left alone");
          yul(node, args[1], "right alone");
        }
        if (/^(sub|shl|shr|sar|div|mod|gt|lt|mstore|sstore|tstore)$/.test(name)) order(node.arguments, () => "", "yul");
        visitYul([...node.arguments].filter((a) => !(name === "keccak256" && a.nodeType === "YulFunctionCall")), up);
        return;
      }
      case "YulLiteral":
        if (node.kind === "number") yulNumber(node, BigInt(node.value), parents[0]);
        return;
      case "YulIdentifier": {
        const to = outer.get(String(range(node)[0]));
        const initial = to?.stateVariable || to?.constant ? to.value : undefined;
        if (initial) return yulNumber(node, BigInt(initial.value ?? 1), parents[0]);
        yulOther(node.name).slice(0, 2).forEach((name) => yul(node, name, "operand"));
        return;
      }
    }
    for (const [, child] of children(node)) visitYul(child, up);
  };

  visit(ast, []);
  return found;
}

// Where a text lies: the body of a function can be written twice, and anything else has to be compiled alone.
export function bodyAround(ast, start, end) {
  let body, name = "", id;
  walk(ast, (node) => {
    if (node.nodeType !== "FunctionDefinition" || !node.body) return;
    const [from, length] = range(node.body);
    if (from <= start && end <= from + length) [body, name, id] = [{ start: from, end: from + length }, node.name || node.kind, node.id];
  });
  return { body, name, id };
}
