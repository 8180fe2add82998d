/**
 * `npm run bench:quality -- [--only TASK]… [--data FOLDER] [--minilm FOLDER] [--seeds N] [--threads N] [--keep FOLDER]
 * [--alone] [--curves] [--json]`: how good the models are that Lockstep trains, on public data, each beside the same
 * recipe in PyTorch (a Python with torch, transformers, scipy and seqeval; LOCKSTEP_PEER_PYTHON names it). Takes hours;
 * with `--keep`, what was done stays in a folder and is not done again. `--alone` leaves PyTorch out, `--curves` the
 * figures on test data. Exit code 1 only where something failed to run: a bar that was missed is a figure, no error.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { missingTorch } from "../peer.ts";
import { ours, type Outcome, type Run } from "./ours.ts";
import { report, type Measured } from "./report.ts";
import { TASKS, type QualityTask } from "./tasks.ts";
import { twin, twinSource } from "./twin.ts";

const shared = join(import.meta.dirname, "../../../shared");
const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: Object.keys(TASKS) },
    data: { type: "string", default: join(shared, "data") },
    minilm: { type: "string", default: join(shared, "models/all-MiniLM-L6-v2") },
    seeds: { type: "string", default: "1" },
    threads: { type: "string", default: "2" },
    keep: { type: "string" },
    alone: { type: "boolean", default: false },
    curves: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const NO_DROPOUT = { hidden_dropout: 0, attention_dropout: 0, classifier_dropout: 0 };

type Side = (run: Run) => Promise<Outcome>;

async function main(): Promise<number> {
  const unknown = values.only.find((name) => !Object.hasOwn(TASKS, name));
  if (unknown !== undefined) {
    process.stderr.write(`no task is called ${unknown}; there are ${Object.keys(TASKS).join(", ")}\n`);
    return 2;
  }
  const python = process.env["LOCKSTEP_PEER_PYTHON"] ?? "python3";
  const noTwin = values.alone ? "asked to run alone" : missingTorch(python);
  if (noTwin !== undefined) process.stderr.write(`Lockstep runs alone: ${noTwin}\n`);
  const source = noTwin === undefined ? await twinSource() : "";
  const measured: Measured[] = [];
  for (const name of values.only) {
    const task = TASKS[name]!;
    const scratch = await mkdtemp(join(tmpdir(), "lockstep-quality-"));
    try {
      const files = await task.prepare(join(values.data, task.data), scratch);
      const run = async (what: string, wanted: Run["wanted"], seed: number, recipe: QualityTask["recipe"]) => {
        const { start } = task;
        const from = start === "minilm" ? { from: resolve(values.minilm) } : {};
        const input = { ...recipe, seed, data: files.train, ...from } as Run["input"];
        const both = async (side: string, program: Side, version: string) =>
          await kept(`${name}-${what}-${seed}-${side}`, JSON.stringify([recipe, seed, wanted, version]), async () =>
            program({
              input,
              files,
              threads: positive("threads", values.threads),
              wanted,
              progress: (text) => say(`${name} ${what} seed ${seed} ${side}: ${text}`),
            }),
          );
        return {
          ours: await both("lockstep", ours, ""),
          twin: noTwin === undefined ? await both("twin", (job) => twin(job, python), source) : undefined,
        };
      };
      const { steps } = task.curve;
      const curve = await run("curve", { steps }, 1, { ...task.recipe, ...NO_DROPOUT });
      const tests: Measured["tests"][number][] = [];
      if (task.test !== undefined && !values.curves)
        for (let seed = 1; seed <= positive("seeds", values.seeds); seed++)
          tests.push(await run("test", { figure: task.test.figure }, seed, task.recipe));
      measured.push({ name, task, curve, tests });
    } finally {
      await rm(scratch, { recursive: true });
    }
  }
  process.stdout.write(values.json ? `${JSON.stringify(measured)}\n` : report(measured));
  return 0;
}

/** The outcome that lies in the folder under this name, if it was made by the same; else it is made and laid there. */
async function kept(name: string, madeBy: string, make: () => Promise<Outcome>): Promise<Outcome> {
  if (values.keep === undefined) return await make();
  await mkdir(values.keep, { recursive: true });
  const path = join(values.keep, `${name}.json`);
  const sha256 = createHash("sha256").update(madeBy).digest("hex");
  const before = await readFile(path, "utf8").catch(() => undefined);
  if (before !== undefined) {
    const { made_by, ...outcome } = JSON.parse(before) as Outcome & { readonly made_by: string };
    if (made_by === sha256) return outcome;
  }
  const outcome = await make();
  await writeFile(path, `${JSON.stringify({ made_by: sha256, ...outcome })}\n`);
  return outcome;
}

let lastSaid = 0;
function say(text: string): void {
  const now = performance.now();
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (now - lastSaid > 10_000) {
    process.stderr.write(`${text}\n`);
    lastSaid = now;
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is a whole number of at least 1, not ${text}`);
  return value;
}

process.exitCode = await main();
