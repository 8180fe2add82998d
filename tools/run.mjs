/**
 * `node tools/run.mjs FILE ARGS…` runs FILE in a Node that is new enough, with the sources' import condition. npm's own
 * scripts go through here: whether npm puts the repository's Node first on their path differs between npm versions.
 */
import { join } from "path";
import { become, explainMissingNode, findNode, root } from "../bin/runtime.mjs";

// Stripped and compiled sources are kept: every worker thread of every test loads the same ones.
if (process.env.NODE_COMPILE_CACHE === undefined) process.env.NODE_COMPILE_CACHE = join(root, "node_modules", ".cache", "compiled");

const node = findNode();
if (node === undefined) {
  process.stderr.write(explainMissingNode());
  process.exitCode = 2;
} else {
  become(node, ["--conditions=lockstep-source"].concat(process.argv.slice(2)));
}
