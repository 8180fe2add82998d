/**
 * Bar of the model handle: threads that ask without end, alone, in lists, blocking, cancelling, and of pinned versions;
 * other versions are published meanwhile, feedback is learnt, and threads are terminated at random instants (seeded)
 * and replaced. Every answer must be of one version, with the bits of that version asked alone; every update must be in
 * the line; and in the end nothing may be held by anybody.
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeError, PURPOSE, seedFrom, uniform } from "../../src/base/index.ts";
import { loadModel } from "../../src/edge/api/index.ts";
import { openSource } from "../../src/edge/api/source.ts";
import { openStore } from "../../src/work/store/index.ts";
import type { Report, Seen } from "./caller.ts";
import { answersAlone, Caller, LABELS, TEXTS, tiny, until } from "./support.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly threads: number;
  /** Callers terminated, one after another. */
  readonly deaths: number;
  /** Changes of the model between them: a publication or an update after each so many deaths. */
  readonly deathsPerChange: number;
}

export interface ChaosReport {
  readonly answers: number;
  readonly pinned: number;
  readonly versions: number;
  readonly updates: number;
  readonly refused: number;
}

export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-chaos-"));
  try {
    return await chaosIn(join(folder, "store"), options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function chaosIn(path: string, { seed, threads, deaths, deathsPerChange }: ChaosOptions): Promise<ChaosReport> {
  const random = randomIntegers(seed);
  const bases = await Promise.all([1, 2].map(tiny));
  const store = await openStore(path, { create: true });
  for (const { files } of bases) await store.publish(files);
  const seen: Seen[] = [];
  const refused: unknown[] = [];
  let pinned = 0;
  await using model = await loadModel(path, { version: bases[0]!.name, threads: 1, maxQueue: 4096 });
  const onReport = (report: Report): void => {
    if (report.kind === "refused") refused.push(decodeError(report.error));
    if (report.kind !== "seen") return;
    seen.push(...report.seen);
    if (report.pinned === undefined) return;
    pinned++;
    for (const { version } of report.seen) assert.equal(version, report.pinned, "a held version answers");
  };
  const floods = new Map<Caller, Promise<unknown>>();
  const spawn = (): Caller => {
    const caller = new Caller(model.handle(), onReport);
    floods.set(
      caller,
      caller.order({ kind: "flood", texts: TEXTS, from: random(1000) }).catch((error: unknown) => {
        refused.push(error);
      }),
    );
    return caller;
  };
  const callers = Array.from({ length: threads }, spawn);

  const parents: { readonly version: string; readonly parent: string }[] = [];
  let tip = model.version;
  const change = async (nth: number): Promise<void> => {
    if (nth % 3 === 2) {
      await model.publish(bases[((nth / 3) | 0) % bases.length]!);
      tip = model.version;
      return;
    }
    const results = await Promise.all(
      [0, 1].map((i) =>
        model.learn([{ text: `${TEXTS[random(TEXTS.length)]!} ${nth}`, label: LABELS[(nth + i) % LABELS.length]! }], {
          learningRate: 0.1,
          store: true,
        }),
      ),
    );
    for (const { version, parent } of results) {
      assert.equal(parent, tip, "an update starts from what the change before it made");
      tip = version;
      parents.push({ version, parent });
    }
    assert.equal(model.version, tip);
  };
  for (let death = 0; death < deaths; death++) {
    await delay(random(40));
    const victim = random(callers.length);
    await callers[victim]!.terminate();
    callers[victim] = spawn();
    if (death % deathsPerChange === deathsPerChange - 1) await change((death / deathsPerChange) | 0);
  }
  const answered = seen.length;
  await until(() => seen.length > answered); // those who came last are at work, too
  await Promise.all(
    callers.map(async (caller) => {
      await caller.order({ kind: "stop" });
      await floods.get(caller);
      await caller.close();
    }),
  );

  await until(() => model.handles === 0 && model.loaded.length === 1 && model.waiting === 0);
  assert.deepEqual(model.loaded, [tip]);
  assert.deepEqual(refused, []);
  await compareAlone(seen, path);
  return {
    answers: seen.length,
    pinned,
    versions: new Set(seen.map(({ version }) => version)).size,
    updates: parents.length,
    refused: refused.length,
  };
}

/** Each answer against its own version's, asked alone in another model. */
async function compareAlone(seen: readonly Seen[], path: string): Promise<void> {
  for (const [name, answers] of Map.groupBy(seen, ({ version }) => version)) {
    const alone = await answersAlone(await openSource(path, name), TEXTS);
    for (const { text, digest, probability } of answers) {
      const expected = alone.get(text);
      assert.deepEqual([digest, probability], [expected?.digest, expected?.probability], `${text} of ${name}`);
    }
  }
}

function randomIntegers(seed: number): (below: number) => number {
  let next = 0;
  return (below) => Math.floor(below * uniform(seedFrom(seed), PURPOSE.test, 0, 0, next++));
}
