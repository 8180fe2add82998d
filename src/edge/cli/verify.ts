/** `lockstep verify`: the same question has the same bits, shown for one version on this machine. */
import type { Command } from "commander";
import { requireVerified, verify, type VerifyProgress, type VerifyReport } from "../api/index.ts";
import { executorOption, JSON_FLAG, MODEL_ARGUMENT, type Executor } from "./flags.ts";
import { createOutput, tellJudged, type Output } from "./output.ts";
import { onInterrupt } from "./signals.ts";

interface VerifyFlags {
  readonly version?: string;
  readonly executor?: Executor;
  readonly quick?: true;
  readonly json?: true;
}

export function addVerify(program: Command): void {
  program
    .command("verify")
    .description(
      "compare raw bits of every answer over batch sizes, positions, mates and threads, with a control that " +
        "must be caught",
    )
    .argument(...MODEL_ARGUMENT)
    .option("--version <ref>", "alias, version name, or the start of one (default: champion)")
    .addOption(executorOption("only this one (default: all that are installed)"))
    .option("--quick", "a few windows of each batch size instead of every position")
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      "\nExample:\n  lockstep verify ./models/mine --executor native --quick\n\nA difference, or a control " +
        "that was not caught, exits with 1.",
    )
    .action(async (path: string, { version, executor, quick, json }: VerifyFlags) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      const report = await verify(path, {
        version,
        executors: executor === undefined ? undefined : [executor],
        quick: quick === true,
        signal: interrupted.signal,
        onProgress: announce(output),
      });
      printReport(report, output);
      tellJudged(output, report, () => requireVerified(report));
      output.print(
        `version ${report.version.slice(0, 12)} verified in ${report.seconds.toFixed(1)} s; batch sizes ` +
          `${report.batchSizes.join(", ")}; padded lengths ${report.lengths.join(", ")}`,
      );
    });
}

/** Each check once, when it begins. */
function announce(output: Output): (event: VerifyProgress) => void {
  let last = "";
  return ({ executor, check }) => {
    const now = `${executor}: ${check}`;
    if (now !== last) output.note(now);
    last = now;
  };
}

function printReport({ checks, controls }: VerifyReport, output: Output): void {
  for (const { executor, check, rows, runs, difference } of checks)
    output.print(
      `${difference === null ? "same bits" : "DIFFERENT"}  ${executor.padEnd(8)}  ${check}: ${rows} rows in ` +
        `${runs} runs`,
    );
  for (const { executor, caught } of controls)
    output.print(`${caught ? "caught   " : "MISSED   "}  ${executor.padEnd(8)}  negative control`);
}
