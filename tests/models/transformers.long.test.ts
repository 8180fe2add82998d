/**
 * The Hugging Face layout both ways, against Python's `transformers` itself: what is written here opens there with the
 * same token ids, logits and pooled outputs, and what is saved there is loaded, classified with and fine-tuned here.
 * @concurrent
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test, type TestContext } from "node:test";
import { loadModel, train, type TrainInput, type TrainResult } from "../../src/edge/api/index.ts";
import { openSource } from "../../src/edge/api/source.ts";
import { batchInputs, modelGraph, modelParameters, matchWeights, type Head } from "../../src/language/models/index.ts";
import { createExecutor } from "../../src/numeric/runtime/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";
import { readEncoder, rowLength, type VersionFiles } from "../../src/work/infer/index.ts";

const PYTHON = process.env["LOCKSTEP_PEER_PYTHON"] ?? "python3";
const PEER = join(import.meta.dirname, "peers/transformers_peer.py");
const { status } = spawnSync(PYTHON, ["-c", "import torch, transformers"], { stdio: "ignore" });
const skip =
  status === 0 ? false : `${PYTHON} has no torch and transformers; name a Python that has both in LOCKSTEP_PEER_PYTHON`;

const MOST = 1e-5;
const TEXTS = [
  "Where is my card?",
  "how do I send money",
  "What's the weather in Zürich, 22 degrees?",
  "i",
  "card card card, my card is lost and nobody can say where it may be. what now?",
  "\u4e2d\u6587 unknown ☃ words!",
];
const SMALL: Omit<TrainInput, "data"> = {
  seed: 3,
  max_tokens: 32,
  validation_fraction: 0,
  model: { hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64 },
  tokenizer: { vocab_size: 200, min_frequency: 1 },
  pretrain: { epochs: 1, batch_size: 8, learning_rate: 1e-3 },
  finetune: { epochs: 3, batch_size: 8, learning_rate: 1e-2 },
};
const folder = mkdtempSync(join(tmpdir(), "lockstep-transformers-"));
after(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface PeerAnswer {
  readonly transformers: string;
  readonly architecture: string;
  readonly labels: readonly string[];
  readonly tokenizer: string;
  readonly model_max_length: number;
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly items: readonly { readonly ids: readonly number[]; readonly values: readonly number[] }[];
}

function peer(...args: string[]): string {
  const {
    status: code,
    stdout,
    stderr,
    error,
  } = spawnSync(PYTHON, [PEER, ...args], { input: JSON.stringify(TEXTS), encoding: "utf8", maxBuffer: 1 << 26 });
  assert.equal(code, 0, error?.message ?? stderr);
  return stdout;
}
const readThere = (path: string): PeerAnswer => JSON.parse(peer("read", path)) as PeerAnswer;

function trainTiny(store: string, settings: Partial<TrainInput>): Promise<TrainResult> {
  return train(
    { ...SMALL, ...settings, data: join(import.meta.dirname, "../cli/tiny.csv") },
    { out: join(folder, store), threads: 2 },
  );
}

async function logitsHere(path: string): Promise<{ labels: readonly string[]; ids: number[][]; values: number[][] }> {
  await using model = await loadModel(path, { threads: 1 });
  return {
    labels: model.labels,
    ids: await Promise.all(TEXTS.map(async (text) => Array.from((await model.info.tokenizer.encode(text)).ids))),
    values: (await model.logits(TEXTS)).map((row) => Array.from(row)),
  };
}

/** Mean-pooled outputs of a folder's encoder. */
async function pooledHere(files: VersionFiles): Promise<{ ids: number[][]; values: number[][] }> {
  const { config, tokenizer, tensors } = readEncoder(files, 32);
  const head: Head = { kind: "encoder", pooling: "mean" };
  const { weights, missing } = matchWeights(config, modelParameters(config, head), tensors);
  assert.deepEqual(missing, []);
  const session = await (
    await createExecutor("native")
  ).load(modelGraph(config, head), { form: "packed", weights: Object.fromEntries(weights) });
  const rows = await Promise.all(TEXTS.map(async (text) => await tokenizer.encode(text)));
  const values: number[][] = [];
  for (const row of rows) {
    const pooled = new Float32Array(config.hidden_size);
    await session.run(
      batchInputs([row], config, head, {
        tokens: rowLength(row),
        minimumRows: 1,
        padId: tokenizer.special.pad,
        real: "float32",
      }),
      { pooled: tensor("float32", [1, config.hidden_size], pooled) },
    );
    values.push(Array.from(pooled));
  }
  await session.dispose();
  return { ids: rows.map(({ ids }) => Array.from(ids)), values };
}

/** Ids exactly, values within MOST of the largest magnitude or of 1. */
function agree(t: TestContext, here: { ids: number[][]; values: number[][] }, there: PeerAnswer): void {
  assert.deepEqual(
    here.ids,
    there.items.map(({ ids }) => ids),
  );
  let largest = 0;
  there.items.forEach(({ values }, row) => {
    assert.equal(values.length, here.values[row]!.length);
    values.forEach((value, at) => {
      largest = Math.max(largest, Math.abs(value - here.values[row]![at]!));
    });
  });
  t.diagnostic(
    `transformers ${there.transformers}, ${there.architecture}: largest difference ${largest.toExponential(2)}`,
  );
  assert.ok(largest <= MOST, `${largest}`);
}

describe("Hugging Face layout", { skip, concurrency: false }, () => {
  test("a classifier from the first token opens there with the same logits, and comes back unchanged", async (t) => {
    const { folder: ours } = await trainTiny("first", { pooling: "first" });
    const [here, there] = [await logitsHere(ours), readThere(ours)];
    agree(t, here, there);
    assert.deepEqual(
      [there.architecture, there.labels, there.missing, there.unexpected, there.model_max_length],
      ["BertForSequenceClassification", here.labels, [], [], 32],
    );

    const back = join(folder, "resaved-first");
    peer("resave", ours, back);
    assert.deepEqual(await logitsHere(back), here, "the same bits after a round trip");
  });

  test("a mean-pooled classifier opens there as an encoder with the same pooled outputs, and comes back", async (t) => {
    const { folder: ours } = await trainTiny("mean", { pooling: "mean" });
    const there = readThere(ours);
    const here = await pooledHere((await openSource(ours, undefined)).files);
    agree(t, here, there);
    assert.equal(there.architecture, "BertModel");
    assert.ok(
      there.missing.every((name) => name.startsWith("pooler.")),
      `only the pooler, which it has no use for, is missing there: ${there.missing.join()}`,
    );

    const back = join(folder, "resaved-mean");
    peer("resave", ours, back);
    assert.deepEqual(
      await pooledHere((await openSource(back, undefined)).files),
      here,
      "the same bits after a round trip",
    );
  });

  for (const family of ["bert", "distilbert", "roberta", "xlm-roberta"]) {
    test(`${family}: what is saved there is loaded here, and fine-tuned here and opened there again`, async (t) => {
      const theirs = join(folder, `theirs-${family}`);
      peer("write", theirs, family);
      const [here, there] = [await logitsHere(theirs), readThere(theirs)];
      agree(t, here, there);
      assert.deepEqual(here.labels, there.labels);

      for (const pooling of ["first", "mean"] as const) {
        const tuned = await trainTiny(`tuned-${family}-${pooling}`, { from: theirs, pooling });
        const opened = readThere(tuned.folder);
        agree(
          t,
          pooling === "first"
            ? await logitsHere(tuned.folder)
            : await pooledHere((await openSource(tuned.folder, undefined)).files),
          opened,
        );
        assert.deepEqual(
          opened.unexpected.filter((name) => !name.startsWith("classifier.")),
          [],
        );
      }
    });
  }
});
