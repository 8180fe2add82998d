/**
 * `npm run golden -- FOLDER [--executor reference|native|portable] [--only TEXT]`: runs every case folder below FOLDER
 * (config.json, model.safetensors, batches.json, expected.safetensors, expected.json; generation.json for decoders) in
 * the executors, and prints a table of the largest differences from what PyTorch computed. Exit code 1 if any is over
 * its bar.
 */
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createExecutor, type ExecutorName } from "../src/numeric/runtime/index.ts";
import { goldenCase } from "../tests/golden/cases.ts";
import { climb, failuresOf } from "../tests/golden/ladder.ts";

const EXECUTORS: readonly ExecutorName[] = ["reference", "native", "portable"];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { executor: { type: "string" }, only: { type: "string", default: "" } },
});
const [folder] = positionals;
const names = EXECUTORS.filter((name) => values.executor === undefined || values.executor === name);
if (folder === undefined || names.length === 0) {
  console.error("usage: npm run golden -- FOLDER [--executor reference|native|portable] [--only TEXT]");
  process.exit(2);
}

function casesBelow(at: string): string[] {
  if (existsSync(join(at, "expected.safetensors"))) return [at];
  return readdirSync(at, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => casesBelow(join(at, entry.name)))
    .sort();
}

const cases = (existsSync(folder) ? casesBelow(resolve(folder)) : []).filter((at) => at.includes(values.only));
if (cases.length === 0) {
  console.error(`no case folder below ${folder}`);
  process.exit(2);
}
let failed = 0;
console.log(
  `| case | executor | logits | gradients | losses | ten steps | tokens | step by step | |\n${"|---".repeat(9)}|`,
);
for (const at of cases)
  for (const name of names) {
    const label = at.slice(resolve(folder).length + 1) || at;
    try {
      const golden = goldenCase(at, "");
      const executor = await createExecutor(name);
      const ladder = await climb(golden, executor);
      const failures = failuresOf(golden, executor.real, ladder);
      const figures = [ladder.logits, ladder.gradients, ladder.losses, ladder.weights].map((gap) =>
        gap.toExponential(1),
      );
      const tokens =
        ladder.tokens === null ? "" : `${ladder.tokens.compared - ladder.tokens.wrong}/${ladder.tokens.compared}`;
      const cells = [label, name, ...figures, tokens, ladder.cached?.toExponential(1) ?? ""];
      console.log(`| ${[...cells, failures.join("; ") || "ok"].join(" | ")} |`);
      failed += failures.length > 0 ? 1 : 0;
    } catch (error) {
      console.log(`| ${label} | ${name} | | | | | | | ${error instanceof Error ? error.message : String(error)} |`);
      failed++;
    }
  }
console.log(
  `\n${cases.length} case(s), ${names.join(", ")}: ${failed === 0 ? "all within their bars" : `${failed} failed`}`,
);
process.exitCode = failed === 0 ? 0 : 1;
