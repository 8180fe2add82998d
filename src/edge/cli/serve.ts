/** `lockstep serve`: a version behind HTTP, with receipts, until it is told to stop. */
import type { Command } from "commander";
import { serve } from "../api/index.ts";
import { executorOption, integer, MODEL_ARGUMENT, share, type Executor } from "./flags.ts";
import { addressOf, warnOfExposure } from "./address.ts";
import { createOutput, outliveReader } from "./output.ts";
import { onInterrupt } from "./signals.ts";

interface ServeFlags {
  readonly version?: string;
  readonly port?: number;
  readonly host?: string;
  readonly allowedHost?: readonly string[];
  readonly example?: readonly string[];
  readonly threads?: number;
  readonly intraOpThreads?: number;
  readonly executor?: Executor;
  readonly maxQueue?: number;
  readonly audit?: string | boolean;
  readonly keyFile?: string;
  readonly verifySample?: number;
  readonly json?: true;
}

export function addServe(program: Command): void {
  program
    .command("serve")
    .description("serve a store's version over HTTP, with receipts")
    .argument(...MODEL_ARGUMENT)
    .option("--version <ref>", "alias, version name, or the start of one (default: champion)")
    .option("--port <port>", "port; 0: any free one (default: 7070, or the next free one)", integer(0, 65_535))
    .option("--host <address>", "address to bind (default: 127.0.0.1)")
    .option(
      "--allowed-host <host...>",
      "names, with or without :port, that requests may ask for beside this machine's own",
    )
    .option("--threads <k>", "replica threads (default: all cores)", integer(1, 256))
    .option("--intra-op-threads <k>", "threads inside an operator, for long texts (default: 1)", integer(1, 256))
    .addOption(executorOption("arithmetic (default: the one the version was made with)"))
    .option("--max-queue <n>", "texts that may wait; more are refused with 503 (default: 1024)", integer(1, 1_000_000))
    .option("--audit <file>", "log of receipts (default: receipts.sqlite in the store)")
    .option("--no-audit", "keep no receipts")
    .option("--key-file <file>", "file with the key that publishing needs (default: in $LOCKSTEP_HOME)")
    .option("--verify-sample <share>", "share of the answers computed twice and compared, 0 to 1", share)
    .option("--example <text...>", "questions that the page offers")
    .option("--json", "one JSON line on standard output when it is ready")
    .addHelpText(
      "after",
      `
Examples:
  lockstep serve ./models/mine --port 8080
  lockstep serve ./models/mine --version challenger --verify-sample 0.01 --json

Ctrl-C answers what was asked, closes the log and exits with 0.`,
    )
    .action(async (path: string, { port, host, allowedHost, keyFile, audit, example, json, ...model }: ServeFlags) => {
      const output = createOutput(json === true);
      outliveReader();
      const http = {
        ...addressOf({ port, host, allowedHost }),
        ...(keyFile === undefined ? {} : { keyFile }),
      };
      using interrupted = onInterrupt(output.note, "closing");
      await using server = await serve(path, {
        ...model,
        http,
        audit: audit === true ? undefined : audit,
        examples: example,
        onError: (error) => {
          output.note(`${error.code}: ${error.message}`);
        },
      });
      if (interrupted.signal.aborted) return; // told to stop while it loaded
      output.result({
        url: server.url,
        port: server.port,
        version: server.model.version,
        profile: server.model.profile,
        receipts: server.auditPath ?? null,
      });
      output.print(`serving version ${server.model.version.slice(0, 12)} at ${server.url}`);
      output.print(`receipts: ${server.auditPath ?? "none"}`);
      warnOfExposure(output, host, server.port);
      await interrupted.done;
    });
}
