// The code that the tests run, as forge has compiled it, is the code that is deployed, as compile.mjs has: byte for byte,
// but for the immutables, which neither has yet.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));
let wrong = 0;
for (const contract of ["Channels", "Registry", "DevToken"]) {
  const tested = read(`build/out/${contract}.sol/${contract}.json`);
  const deployed = read(`deploy/artifacts/${contract}.json`);
  for (const [what, a, b] of [
    ["creation code", tested.bytecode.object, deployed.bytecode],
    ["runtime code", tested.deployedBytecode.object, deployed.runtime],
  ]) {
    if (a === b) continue;
    console.error(`${contract}: forge's ${what} is not that of deploy/artifacts (${a.length / 2 - 1} and ${b.length / 2 - 1} bytes)`);
    wrong++;
  }
}
if (wrong) process.exit(1);
console.log("bytecode: what forge tests is what is deployed");
