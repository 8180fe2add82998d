/**
 * `npm run bench -- [--json] [--only NAME]… [--layers N] [--rounds N] [--threads N] [--minilm FOLDER]`: the speeds that
 * Lockstep promises, each beside what it is measured against in the same run. Exit code 1 only if a benchmark failed to
 * run: a bar that was missed is a figure, not an error.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { elementwise } from "./elementwise.ts";
import { eventLoop } from "./event-loop.ts";
import { gradient } from "./gradient.ts";
import { memory } from "./memory.ts";
import { minilm } from "./minilm.ts";
import { padding } from "./padding.ts";
import { meets, table, type Benchmark, type BenchOptions, type Result } from "./report.ts";
import { serving } from "./serving.ts";
import { stopping } from "./stopping.ts";
import { sync } from "./sync.ts";
import { threads } from "./threads.ts";

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  gradient,
  threads,
  elementwise,
  padding,
  serving,
  sync,
  minilm,
  stopping,
  "event-loop": eventLoop,
  memory,
};

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: Object.keys(BENCHMARKS) },
    layers: { type: "string", default: "12" },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: "2" },
    minilm: { type: "string", default: join(import.meta.dirname, "../../shared/models/all-MiniLM-L6-v2") },
  },
});

const unknown = values.only.find((name) => !Object.hasOwn(BENCHMARKS, name));
if (unknown !== undefined) {
  process.stderr.write(`no benchmark is called ${unknown}; there are ${Object.keys(BENCHMARKS).join(", ")}\n`);
  process.exitCode = 2;
} else {
  const options: BenchOptions = {
    layers: positive("layers", values.layers),
    rounds: positive("rounds", values.rounds),
    threads: positive("threads", values.threads),
    minilm: resolve(values.minilm),
    python: process.env["LOCKSTEP_PEER_PYTHON"] ?? "python3",
    progress: (text) => {
      process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
    },
  };
  const results: Result[] = [];
  for (const name of values.only) results.push(await BENCHMARKS[name]!(options));
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  process.stdout.write(
    values.json
      ? JSON.stringify(
          results.map((result) => ({
            ...result,
            figures: result.figures.map((figure) => ({ ...figure, met: meets(figure) })),
          })),
        ) + "\n"
      : table(results),
  );
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is a whole number of at least 1, not ${text}`);
  return value;
}
