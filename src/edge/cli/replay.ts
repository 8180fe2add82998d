/** `lockstep replay`: every answer of a log computed again from its receipt, and compared. */
import { basename, dirname } from "node:path";
import type { Command } from "commander";
import { replay, requireReplayed } from "../api/index.ts";
import {
  addTrustFlags,
  executorOption,
  integer,
  JSON_FLAG,
  LOG_FLAG,
  share,
  trustedLines,
  WHOLE,
  type Executor,
} from "./flags.ts";
import { createOutput, tellJudged } from "./output.ts";
import { onInterrupt } from "./signals.ts";

interface ReplayFlags {
  readonly log?: string;
  readonly threads?: number;
  readonly executor?: Executor;
  readonly publicKey?: string;
  readonly expectedHead?: string;
  readonly minCount?: number;
  readonly from?: number;
  readonly limit?: number;
  readonly tolerance?: number;
  readonly allowUnsigned?: true;
  readonly allowNotReplayable?: number;
  readonly json?: true;
}

/** Of receipts that came out differently. */
const SHOWN = 20;

export function addReplay(program: Command): void {
  const command = program
    .command("replay")
    .description("verify a log of receipts, compute every answer again, and compare bits")
    .argument("<store>", "the store that the answers came from, or its log of receipts (*.sqlite)")
    .option(...LOG_FLAG)
    .option("--threads <k>", "replica threads (default: 1)", integer(1, 256))
    .addOption(executorOption("arithmetic (default: the one each answer was given on)"));
  addTrustFlags(command)
    .option("--allow-not-replayable <n>", "answers that may be not replayable (default: 0)", WHOLE)
    .option("--from <n>", "first receipt", WHOLE)
    .option("--limit <n>", "receipts at most", integer(1, Number.MAX_SAFE_INTEGER))
    .option("--tolerance <share>", "across profiles: most difference of two probabilities (default: 0.0001)", share)
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      "\nExamples:\n  lockstep replay ./models/mine\n  lockstep replay ./models/mine --executor portable " +
        "--limit 100\n\nExits with 1 when an answer comes out differently or cannot be computed again, when the log " +
        "was changed, and when nobody vouches for it.",
    )
    .action(async (path: string, { json, allowUnsigned, allowNotReplayable, ...flags }: ReplayFlags) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      const { store, log } = whereIs(path, flags.log);
      const report = await replay(store, { ...flags, log, signal: interrupted.signal });
      for (const line of trustedLines(report.log)) output.print(line);
      output.print(
        `${report.count} answers: ${report.same} same, ${report.withinTolerance} within tolerance, ` +
          `${report.different} different, ${report.erased} erased, ${report.notReplayable} not replayable`,
      );
      for (const { index, version, verdict, reason } of report.details.slice(0, SHOWN))
        output.print(`  receipt ${index} of version ${version.slice(0, 12)}: ${verdict} (${reason})`);
      if (report.details.length > SHOWN)
        output.print(`  and ${report.details.length - SHOWN} more (--json lists them)`);
      tellJudged(output, report, () => requireReplayed(report, { allowUnsigned, allowNotReplayable }));
    });
}

/** A log that is named lies in its store, unless --log says that it does not. */
function whereIs(path: string, log: string | undefined): { readonly store: string; readonly log: string | undefined } {
  return log === undefined && basename(path).endsWith(".sqlite")
    ? { store: dirname(path), log: path }
    : { store: path, log };
}
