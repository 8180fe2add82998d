/**
 * `node tools/run.mjs FILE ARGS…` runs FILE in a Node that is new enough, with the sources' import condition. npm's own
 * scripts go through here: whether npm puts the repository's Node first on their path differs between npm versions.
 */
import { become, explainMissingNode, findNode } from "../bin/runtime.mjs";

const node = findNode();
if (node === undefined) {
  process.stderr.write(explainMissingNode());
  process.exitCode = 2;
} else {
  become(node, ["--conditions=lockstep-source"].concat(process.argv.slice(2)));
}
