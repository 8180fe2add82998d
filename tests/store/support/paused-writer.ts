/**
 * Publishes a version and stops just before it gets its name, until a line comes on standard input. Argument: the
 * store. Prints "paused", then "done" or the error's code.
 */
import { once } from "node:events";
import { isLockstepError } from "../../../src/base/index.ts";
import { nodeFileSystem, openStore, withSteps } from "../../../src/work/store/index.ts";
import { SECOND } from "./state.ts";

const [root = ""] = process.argv.slice(2);
const fs = withSteps(nodeFileSystem, root, async (step) => {
  if (!step.startsWith("rename tmp/tmp-* versions/")) return;
  console.log("paused");
  await once(process.stdin, "data");
  process.stdin.pause();
});
const store = await openStore(root, { fs });
await store.publish(SECOND, { alias: "champion" }).then(
  () => console.log("done"),
  (error: unknown) => console.log(isLockstepError(error) ? error.code : String(error)),
);
