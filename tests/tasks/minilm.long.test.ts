/** `embed` of real weights beside the reference: all-MiniLM-L6-v2, its 24 texts, over the public door. @concurrent */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadModel } from "../../src/edge/api/index.ts";

const FOLDER = process.env["LOCKSTEP_MINILM"] ?? join(import.meta.dirname, "../../../shared/models/all-MiniLM-L6-v2");
const skip = existsSync(FOLDER)
  ? false
  : `the model is not at ${FOLDER}; name its folder, with a reference.json, in LOCKSTEP_MINILM`;

interface Reference {
  readonly items: readonly { readonly text: string; readonly embedding: readonly number[] }[];
}

test(
  "all 24 embeddings within 1e-5, in both executors; the angle between two is their similarity",
  { skip },
  async (t) => {
    const { items } = JSON.parse(readFileSync(join(FOLDER, "reference.json"), "utf8")) as Reference;
    const texts = items.map(({ text }) => text);
    for (const executor of ["native", "portable"] as const) {
      await using model = await loadModel(FOLDER, { threads: 1, executor });
      assert.deepEqual([model.info.task, model.info.normalize, model.info.maxTokens], ["embed", true, 256]);
      const found = await model.embed(texts);
      let worst = 0;
      found.forEach(({ embedding }, i) => {
        assert.equal(embedding.length, 384);
        embedding.forEach((value, c) => {
          worst = Math.max(worst, Math.abs(value - items[i]!.embedding[c]!));
        });
      });
      assert.ok(worst <= 1e-5, `${executor}: ${worst}`);
      const { similarity } = await model.similarity({ text: texts[0]!, pair: texts[1]! });
      const dot = found[0]!.embedding.reduce((sum, value, c) => sum + value * found[1]!.embedding[c]!, 0);
      assert.ok(Math.abs(similarity - dot) < 1e-6);
      t.diagnostic(`${executor}: largest difference ${worst.toExponential(2)}`);
    }
  },
);
