/** Verbs around answers: serve, verify, replay. */
import { Option, type Command } from "commander";
import { LockstepError } from "../../base/index.ts";
import { replay, requireVerified, serve, verify } from "../api/index.ts";
import { createOutput } from "./output.ts";
import { integer, share } from "./parse.ts";
import { onInterrupt } from "./signals.ts";

type Executor = "native" | "portable";

export function addServe(program: Command): void {
  program.command("serve").description("serve a store's version over HTTP, with receipts")
    .argument("<model>", "a store, or a folder in the Hugging Face layout")
    .option("--version <ref>", "alias, version name, or the start of one (default: champion)")
    .option("--port <port>", "port (default: 7070, or the next free one)", integer(0, 65_535))
    .option("--host <address>", "address to bind (default: 127.0.0.1)")
    .option("--threads <k>", "replica threads (default: all cores)", integer(1, 256))
    .addOption(new Option("--executor <name>", "arithmetic (default: the one the version was made with)").choices(["native", "portable"]))
    .option("--audit <file>", "log of receipts (default: receipts.sqlite in the store)")
    .option("--no-audit", "keep no receipts")
    .option("--key-file <file>", "file with the key that publishing needs (default: in $LOCKSTEP_HOME)")
    .option("--verify-sample <share>", "share of the answers computed twice and compared, 0 to 1", share)
    .option("--json", "one JSON line on standard output when it is ready")
    .addHelpText("after", "\nCtrl-C answers what was asked, closes the log and exits with 0.")
    .action(async (path: string, flags: { version?: string; port?: number; host?: string; threads?: number; executor?: Executor; audit?: string | boolean; keyFile?: string; verifySample?: number; json?: true }) => {
      const output = createOutput(flags.json === true);
      const { port, host, keyFile, audit, json: _, ...model } = flags;
      const http = { ...(port === undefined ? {} : { port }), ...(host === undefined ? {} : { host }), ...(keyFile === undefined ? {} : { keyFile }) };
      using interrupted = onInterrupt(output.note, "closing");
      await using server = await serve(path, { ...model, http, audit: audit === true ? undefined : audit, onError: (error) => { output.note(`${error.code}: ${error.message}`); } });
      output.result({ url: server.url, port: server.port, version: server.model.version, profile: server.model.profile, receipts: server.auditPath ?? null });
      output.print(`serving version ${server.model.version.slice(0, 12)} at ${server.url}`);
      await interrupted.done;
    });
}

export function addVerify(program: Command): void {
  program.command("verify").description("compare raw bits of every answer over batch sizes, positions, mates and threads, with a control that must be caught")
    .argument("<model>")
    .option("--version <ref>", "alias, version name, or the start of one (default: champion)")
    .addOption(new Option("--executor <name>", "only this one (default: all that are installed)").choices(["native", "portable"]))
    .option("--quick", "a few windows of each batch size instead of every position")
    .option("--json", "the result as JSON on standard output")
    .action(async (path: string, { version, executor, quick, json }: { version?: string; executor?: Executor; quick?: true; json?: true }) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      let last = "";
      const report = await verify(path, {
        version, executors: executor === undefined ? undefined : [executor], quick: quick === true, signal: interrupted.signal,
        onProgress: ({ executor: on, check }) => {
          if (check !== last) output.note(`${on}: ${check}`);
          last = check;
        },
      });
      output.result(report);
      for (const { executor: on, check, rows, runs, difference } of report.checks) output.print(`${difference === null ? "same bits" : "DIFFERENT"}  ${on}  ${check}: ${rows} rows in ${runs} runs`);
      for (const { executor: on, caught } of report.controls) output.print(`${caught ? "caught   " : "MISSED   "}  ${on}  negative control`);
      requireVerified(report);
      output.print(`version ${report.version.slice(0, 12)} verified in ${report.seconds.toFixed(1)} s; batch sizes ${report.batchSizes.join(", ")}; padded lengths ${report.lengths.join(", ")}`);
    });
}

export function addReplay(program: Command): void {
  program.command("replay").description("compute every answer of a log again, and compare bits")
    .argument("<store>")
    .option("--log <file>", "log of receipts (default: receipts.sqlite in the store)")
    .option("--threads <k>", "replica threads", integer(1, 256))
    .addOption(new Option("--executor <name>", "arithmetic (default: the one each answer was given on)").choices(["native", "portable"]))
    .option("--public-key <key>", "the log must be signed by this key (SPKI, DER, base64)")
    .option("--expected-head <hash>", "the log must contain this head")
    .option("--min-count <n>", "the log must have at least as many receipts", integer(0, Number.MAX_SAFE_INTEGER))
    .option("--limit <n>", "receipts at most", integer(1, Number.MAX_SAFE_INTEGER))
    .option("--json", "the result as JSON on standard output")
    .action(async (store: string, { json, ...options }: { json?: true; log?: string; threads?: number; executor?: Executor; publicKey?: string; expectedHead?: string; minCount?: number; limit?: number }) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      const report = await replay(store, { ...options, signal: interrupted.signal });
      output.result(report);
      output.print(`${report.count} receipts: ${report.same} same, ${report.withinTolerance} within tolerance, ${report.different} different, ${report.notReplayable} not replayable`);
      for (const { index, version, verdict, reason } of report.details.slice(0, 20)) output.print(`  receipt ${index} of version ${version.slice(0, 12)}: ${verdict} (${reason})`);
      if (report.different > 0) throw new LockstepError("REPLAY_MISMATCH", `${report.different} of ${report.count} answers came out differently`, { different: report.different, count: report.count });
    });
}
