/**
 * Builds dist: what an installed package runs, since Node strips no types under node_modules. `tsc` writes JavaScript
 * and declarations; files that are not TypeScript are copied to the same place.
 */
import { spawnSync } from "node:child_process";
import { cpSync, globSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });

const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

const assets = globSync(["numeric/kernels/*.wasm", "edge/http/page/*"], { cwd: join(root, "src") });
for (const asset of assets) cpSync(join(root, "src", asset), join(dist, asset));
console.log(`dist: ${assets.length} assets copied`);
