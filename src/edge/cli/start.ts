/** `lockstep start`: the whole way, from a table to a page where one asks. */
import type { Command } from "commander";
import { LockstepError } from "../../base/index.ts";
import { start, trainArguments, type Metrics, type Server, type StartEvent } from "../api/index.ts";
import { addressOf, warnOfExposure } from "./address.ts";
import { createOutput, outliveReader, percent, withInterval, type Output } from "./output.ts";
import { integer } from "./flags.ts";
import { ProgressDisplay } from "./progress.ts";
import { keptLines } from "./reports.ts";
import { onInterrupt } from "./signals.ts";
import { addTrainFlags, recipeOf, type TrainFlags } from "./train-flags.ts";
import { printTrained } from "./train.ts";

interface StartFlags extends TrainFlags {
  readonly port?: number;
  readonly host?: string;
  readonly allowedHost?: readonly string[];
  readonly fresh?: true;
  readonly check?: true;
}

export function addStart(program: Command): void {
  addTrainFlags(
    program
      .command("start")
      .description(
        "train on a table while a page shows it, check the result, then serve it; a version that is there is " +
          "served at once",
      ),
  )
    .option("--port <port>", "port (default: 7070, or the next free one)", integer(0, 65_535))
    .option("--host <address>", "address to bind (default: 127.0.0.1)")
    .option(
      "--allowed-host <host...>",
      "names, with or without :port, that requests may ask for beside this machine's own",
    )
    .option("--fresh", "train again, from the first step")
    .option("--check", "ask some questions over HTTP, then exit with 0 or 1")
    .addHelpText(
      "after",
      `
Examples:
  lockstep start --data questions.csv --test held-out.csv --label intent --out ./models/mine
  lockstep start --recipe recipe.json --port 8080 --fresh

Ctrl-C while training saves a checkpoint and exits with 130, and the next start goes on from it;
while serving it exits with 0.`,
    )
    .action(async (flags: StartFlags) => {
      const output = createOutput(flags.json === true);
      const display = new ProgressDisplay();
      const file = await recipeOf(flags, display.warn);
      const { input, options } = await trainArguments(file);
      outliveReader();
      const http = addressOf(flags);
      using interrupted = onInterrupt(display.line, "stopping");
      let asked = { route: "", question: "" };
      const onEvent = (event: StartEvent): void => {
        if (event.kind === "serving") asked = event;
        show(event, display, output);
      };
      try {
        await using server = await start(input, {
          out: options.out,
          alias: options.alias,
          threads: options.threads,
          fresh: flags.fresh === true,
          http,
          signal: interrupted.signal,
          onEvent,
        });
        output.result({ url: server.url, version: server.model.version, receipts: server.auditPath ?? null });
        warnOfExposure(output, flags.host, server.port);
        if (flags.check === true) await check(server, asked, output);
        else await interrupted.done;
      } finally {
        display.clear();
      }
    });
}

function show(event: StartEvent, display: ProgressDisplay, output: Output): void {
  switch (event.kind) {
    case "listening":
      return display.line(`page: ${event.url}`);
    case "found":
      display.line(`found version ${event.version}`);
      return printMetrics(output, event.metrics);
    case "trained":
      display.clear();
      return printTrained(output, event.result);
    case "checked":
      return display.line(
        `self-check: ${event.texts} texts alone, in batches, on 1 and on ${event.threads} threads: ` +
          `${event.comparisons} answers compared, all bits equal`,
      );
    case "serving":
      display.line(`serving version ${event.version.slice(0, 12)} at ${event.url}`);
      return output.print(
        `curl -s ${event.url}${event.route} -H 'content-type: application/json' -d '` +
          `${JSON.stringify({ text: event.question }).replaceAll("'", "\\u0027")}'`,
      );
    default:
      return display.onProgress(event);
  }
}

function printMetrics(output: Output, { test, baseline }: Metrics): void {
  for (const line of keptLines("test", test)) output.print(line);
  if (baseline !== undefined) output.print(`linear baseline      ${withInterval(baseline.accuracy)}`);
}

/** Through real sockets: an answer, the same answer again, its receipt, and the pages around it. */
async function check(
  { url, model }: Server,
  { route, question }: { readonly route: string; readonly question: string },
  output: Output,
): Promise<void> {
  const ask = async (): Promise<Delivered> => {
    const response = await fetch(`${url}${route}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text: question }),
    });
    const body = (await response.json()) as { answers?: [Delivered] };
    if (!response.ok || body.answers === undefined)
      throw new LockstepError(
        "CHECK_FAILED",
        `POST ${route} answered ${response.status}: ${JSON.stringify(body).slice(0, 300)}`,
      );
    return body.answers[0];
  };
  const first = await ask();
  const again = await Promise.all(Array.from({ length: 8 }, ask));
  if (first.version !== model.version)
    throw new LockstepError("CHECK_FAILED", `the answer came from version ${first.version}, not ${model.version}`);
  if (again.some((one) => own(one) !== own(first)))
    throw new LockstepError("CHECK_FAILED", "one question asked nine times got more than one answer");
  for (const path of [
    "/",
    "/healthz",
    "/readyz",
    "/v1/models",
    "/metrics",
    "/openapi.json",
    `/v1/receipts/${first.receipt ?? ""}`,
  ]) {
    const response = await fetch(`${url}${path}`);
    await response.arrayBuffer();
    if (!response.ok)
      throw new LockstepError("CHECK_FAILED", `GET ${path} answered ${response.status}`, {
        path,
        status: response.status,
      });
  }
  output.print(`check passed: ${JSON.stringify(question)} → ${shortly(first)}, asked nine times with one answer`);
}

/** An answer of any task, with what the server adds to it. */
interface Delivered {
  readonly version: string;
  readonly receipt: string | null;
  readonly latency_ms: number;
  readonly label?: string | null;
  readonly probability?: number;
}

/** The answer alone, to compare. */
function own({ receipt: _receipt, latency_ms: _latency, ...answer }: Delivered): string {
  return JSON.stringify(answer);
}

function shortly(answer: Delivered): string {
  const { label, probability } = answer;
  if (label !== undefined && probability !== undefined) return `${label ?? "abstained"} (${percent(probability)})`;
  const text = own(answer);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
