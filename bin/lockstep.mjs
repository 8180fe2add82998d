#!/usr/bin/env node
/**
 * The `lockstep` command: checks Node's version, finds the code (src in a checkout, dist in an installed package) and
 * runs the CLI. No static import of anything that an old Node does not have; see runtime.mjs.
 */
import { existsSync } from "fs";
import { join } from "path";
import { fileURLToPath, pathToFileURL } from "url";
import { become, explainMissingNode, findNode, followLauncher, root } from "./runtime.mjs";

const CONDITION = "--conditions=lockstep-source";
const source = join(root, "src", "edge", "cli", "index.ts");
// A checkout runs its sources. Under node_modules Node strips no types, so an installed package runs what tsc built.
const fromSource = existsSync(join(root, "src"));
const flags = fromSource ? [CONDITION] : [];

const node = findNode();
if (node === undefined) {
  process.stderr.write(explainMissingNode());
  process.exitCode = 2;
} else if (node !== process.execPath || (fromSource && !process.execArgv.includes(CONDITION))) {
  become(node, flags.concat([fileURLToPath(import.meta.url)], process.argv.slice(2)));
} else {
  followLauncher();
  const entry = fromSource ? source : join(root, "dist", "edge", "cli", "index.js");
  import(pathToFileURL(entry).href)
    .then((cli) => cli.main(process.argv.slice(2)))
    .then((code) => {
      process.exitCode = code;
    });
}
