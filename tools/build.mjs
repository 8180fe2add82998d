/**
 * Builds dist: what an installed package runs, since Node strips no types under node_modules. `tsc` writes JavaScript
 * and declarations; files that are not TypeScript are copied to the same place.
 */
import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });

const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

const assets = globSync(["numeric/kernels/*.wasm", "edge/http/page/*"], { cwd: join(root, "src") });
for (const asset of assets) cpSync(join(root, "src", asset), join(dist, asset));
console.log(`dist: ${assets.length} assets copied`);

// The main door is plain old JavaScript that looks at Node's version first: an older one could not even read the rest,
// and would say so with a syntax error somewhere in dist. No top-level await, so that `require("lockstep")` works as
// well.
const names = Object.keys(await import(pathToFileURL(join(dist, "edge", "api", "index.js")).href));
mkdirSync(join(dist, "door"));
writeFileSync(
  join(dist, "door", "index.js"),
  `/** Looks at Node's version before anything newer is read, then hands on what edge/api exports. */
import { createRequire } from "module";
import { explainMissingNode, newEnough } from "../../bin/runtime.mjs";

if (!newEnough(process.version)) throw Object.assign(new Error(explainMissingNode()), { code: "NODE_TOO_OLD" });
export const { ${names.join(", ")} } = createRequire(import.meta.url)("../edge/api/index.js");
`,
);
