/** `lockstep replay`: every answer of a log computed again from its receipt, and compared. */
import { basename, dirname } from "node:path";
import type { Command } from "commander";
import { LockstepError } from "../../base/index.ts";
import { replay } from "../api/index.ts";
import { executorOption, integer, JSON_FLAG, share, type Executor } from "./flags.ts";
import { createOutput } from "./output.ts";
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
  readonly json?: true;
}

const WHOLE = integer(0, Number.MAX_SAFE_INTEGER);
/** Of receipts that came out differently. */
const SHOWN = 20;

export function addReplay(program: Command): void {
  program
    .command("replay")
    .description("compute every answer of a log again, and compare bits")
    .argument("<store>", "the store that the answers came from, or its log of receipts (*.sqlite)")
    .option("--log <file>", "log of receipts (default: receipts.sqlite in the store)")
    .option("--threads <k>", "replica threads (default: 1)", integer(1, 256))
    .addOption(executorOption("arithmetic (default: the one each answer was given on)"))
    .option("--public-key <key>", "the log must be signed by this key (SPKI, DER, base64)")
    .option("--expected-head <hash>", "the log must contain this head")
    .option("--min-count <n>", "the log must have at least as many receipts", WHOLE)
    .option("--from <n>", "first receipt", WHOLE)
    .option("--limit <n>", "receipts at most", integer(1, Number.MAX_SAFE_INTEGER))
    .option("--tolerance <share>", "across profiles: most difference of two probabilities (default: 0.0001)", share)
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      "\nExamples:\n  lockstep replay ./models/mine\n  lockstep replay ./models/mine --executor portable " +
        "--limit 100\n\nAn answer that comes out differently exits with 1; a log that was changed is refused " +
        "with 1.",
    )
    .action(async (path: string, { json, ...flags }: ReplayFlags) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      const { store, log } = whereIs(path, flags.log);
      const report = await replay(store, { ...flags, log, signal: interrupted.signal });
      output.result(report);
      output.print(
        `${report.count} receipts: ${report.same} same, ${report.withinTolerance} within tolerance, ` +
          `${report.different} different, ${report.notReplayable} not replayable`,
      );
      for (const { index, version, verdict, reason } of report.details.slice(0, SHOWN))
        output.print(`  receipt ${index} of version ${version.slice(0, 12)}: ${verdict} (${reason})`);
      if (report.details.length > SHOWN)
        output.print(`  and ${report.details.length - SHOWN} more (--json lists them)`);
      if (report.different > 0)
        throw new LockstepError(
          "REPLAY_MISMATCH",
          `${report.different} of ${report.count} answers came out differently`,
          { different: report.different, count: report.count },
        );
    });
}

/** A log that is named lies in its store, unless --log says that it does not. */
function whereIs(path: string, log: string | undefined): { readonly store: string; readonly log: string | undefined } {
  return log === undefined && basename(path).endsWith(".sqlite")
    ? { store: dirname(path), log: path }
    : { store: path, log };
}
