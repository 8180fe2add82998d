/**
 * `node --conditions=lockstep-source bench/full-recipe-digests.ts [THREADS…]`: the whole default recipe on BANKING77
 * once for each number of threads (1, 2 and 3 where none is given), with the SHA-256 of weights and optimizer state at
 * the end of every epoch, and the version published. All must agree; exit code 1 if they do not. Takes some minutes for
 * each.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { trainOn } from "../src/edge/api/train.ts";

const DATA = join(import.meta.dirname, "../examples/banking77/train.csv");

const counts = process.argv.slice(2).map(Number);
if (counts.some((count) => !Number.isInteger(count) || count < 1)) {
  process.stderr.write("each argument is a number of threads\n");
  process.exit(2);
}
const outcomes: string[] = [];
for (const threads of counts.length === 0 ? [1, 2, 3] : counts) {
  const out = await mkdtemp(join(tmpdir(), "lockstep-digests-"));
  try {
    const digests: string[] = [];
    const result = await trainOn(
      { digests: "epochs" },
      { data: DATA },
      {
        out,
        threads,
        onProgress: (event) => {
          if (event.kind !== "digest") return;
          digests.push(`${event.phase} ${event.step} ${event.sha256}`);
          process.stderr.write(`${threads} threads: ${digests.at(-1) ?? ""}\n`);
        },
      },
    );
    outcomes.push(JSON.stringify({ digests, weights: result.weightsSha256, version: result.version }));
    console.log(
      JSON.stringify({
        threads,
        seconds: Math.round(result.seconds),
        steps: result.steps,
        epochs: digests.length,
        stateSha256: result.stateSha256,
        weightsSha256: result.weightsSha256,
        version: result.version,
      }),
    );
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
const same = new Set(outcomes).size === 1;
console.log(same ? "the same weights and optimizer state after every epoch, and the same version" : "they differ");
process.exitCode = same ? 0 : 1;
