/**
 * Publishes more than the file-size limit that it was started under allows, and prints the error's code. Argument: the
 * store.
 */
import { isLockstepError } from "../../../src/base/index.ts";
import { openStore, saveCheckpoint } from "../../../src/work/store/index.ts";

const store = await openStore(process.argv[2] ?? "");
const large = new Uint8Array(5_000_000).fill(1);
const code = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no error",
    (error: unknown) => (isLockstepError(error) ? error.code : String(error)),
  );

console.log(await code(store.publish(new Map([["model.safetensors", large]]), { alias: "champion" })));
console.log(
  await code(
    saveCheckpoint((await store.openRun("one")).folder, {
      step: 1,
      meta: null,
      buffers: new Map([["weights", large]]),
    }),
  ),
);
