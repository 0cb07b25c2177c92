// Every "when …" of test/unit/*.tree that has an "it should" of its own is a test in the .t.sol file beside it, by name,
// and every test there is in the tree.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "test/unit");
const camel = (words) => words.split(/[ -]/).map((w) => w[0].toUpperCase() + w.slice(1)).join("");
let wrong = 0, leaves = 0;
const complain = (text) => {
  console.error(text);
  wrong++;
};
const names = readdirSync(folder);
for (const test of names.filter((n) => n.endsWith(".t.sol"))) {
  const tree = test.replace(".t.sol", ".tree");
  if (!names.includes(tree)) {
    complain(`${test} has no ${tree}`);
    continue;
  }
  const want = new Set();
  const lines = readFileSync(join(folder, tree), "utf8").split("\n").filter(Boolean);
  lines.forEach((line, i) => {
    const [, condition] = /[├└]── when (.*)$/.exec(line) ?? [];
    if (condition && /── it should /.test(lines[i + 1] ?? "")) want.add(camel(condition));
  });
  const have = new Set([...readFileSync(join(folder, test), "utf8").matchAll(/function test\w*When_?([A-Za-z0-9]+?)(?:_\w*)?\(/g)].map((m) => m[1]));
  for (const w of want) if (!have.has(w)) complain(`${tree}: no test …When${w}`);
  for (const h of have) if (!want.has(h)) complain(`${test}: …When${h} is not in the tree`);
  leaves += want.size;
}
if (wrong) process.exit(1);
console.log(`trees: ${leaves} cases, each with its test`);
