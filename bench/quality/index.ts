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
import { report, type Both, type Measured } from "./report.ts";
import { NO_DROPOUT, TASKS, type QualityTask } from "./tasks.ts";
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

type Side = (run: Run) => Promise<Outcome>;

/** What the twin is run by; undefined: Lockstep runs alone. */
interface Python {
  readonly path: string;
  /** Of the twin. */
  readonly source: string;
}

async function main(): Promise<number> {
  const unknown = values.only.find((name) => !Object.hasOwn(TASKS, name));
  if (unknown !== undefined) {
    process.stderr.write(`no task is called ${unknown}; there are ${Object.keys(TASKS).join(", ")}\n`);
    return 2;
  }
  const path = process.env["LOCKSTEP_PEER_PYTHON"] ?? "python3";
  const noTwin = values.alone ? "asked to run alone" : missingTorch(path);
  if (noTwin !== undefined) process.stderr.write(`Lockstep runs alone: ${noTwin}\n`);
  const python = noTwin === undefined ? { path, source: await twinSource() } : undefined;
  const measured: Measured[] = [];
  for (const name of values.only) measured.push(await measure(name, TASKS[name]!, python));
  process.stdout.write(values.json ? `${JSON.stringify(measured)}\n` : report(measured));
  return 0;
}

async function measure(name: string, task: QualityTask, python: Python | undefined): Promise<Measured> {
  const scratch = await mkdtemp(join(tmpdir(), "lockstep-quality-"));
  try {
    const files = await task.prepare(join(values.data, task.data), scratch);
    const from = task.start === "minilm" ? { from: resolve(values.minilm) } : {};
    const run = async (what: string, recipe: QualityTask["recipe"], seed: number, wanted: Run["wanted"]) => {
      const input = { ...recipe, seed, data: files.train, ...from } as Run["input"];
      const threads = positive("threads", values.threads);
      const side = async (who: string, program: Side, version: string): Promise<Outcome> => {
        const progress = (text: string) => say(`${name} ${what} seed ${seed} ${who}: ${text}`);
        return await kept(`${name}-${what}-${seed}-${who}`, JSON.stringify([recipe, seed, wanted, version]), () =>
          program({ input, files, threads, wanted, progress }),
        );
      };
      return {
        ours: await side("lockstep", ours, ""),
        twin: python === undefined ? undefined : await side("twin", (job) => twin(job, python.path), python.source),
      };
    };
    const seeds = task.test === undefined || values.curves ? 0 : positive("seeds", values.seeds);
    const tests: Both[] = [];
    for (let seed = 1; seed <= seeds; seed++)
      tests.push(await run("test", task.recipe, seed, { figure: task.test!.figure }));
    const { steps } = task.curve;
    const [first] = tests;
    // of a recipe without dropout, the first steps of a whole run are those
    const curve =
      first !== undefined && hasNoDropout(task.recipe)
        ? beginning(first, steps)
        : await run("curve", { ...task.recipe, ...NO_DROPOUT }, 1, { steps });
    return { name, task, curve, tests };
  } finally {
    await rm(scratch, { recursive: true });
  }
}

function hasNoDropout(recipe: QualityTask["recipe"]): boolean {
  return Object.entries(NO_DROPOUT).every(([name, rate]) => recipe[name as keyof typeof NO_DROPOUT] === rate);
}

function beginning({ ours: own, twin: peer }: Both, steps: number): Both {
  const cut = (outcome: Outcome): Outcome => ({ ...outcome, losses: outcome.losses.slice(0, steps) });
  return { ours: cut(own), twin: peer === undefined ? undefined : cut(peer) };
}

/**
 * The outcome that lies in the folder under this name, if it was made by the same recipe and twin; else it is made and
 * laid there. Another Lockstep, or other data, needs another folder.
 */
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
