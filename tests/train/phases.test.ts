/** Phases of one recipe whose heads have one name and other sizes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runTraining, type PhaseInput, type TrainedModel } from "../../src/work/train/index.ts";
import { madeInput, sentences } from "./prepared.ts";

const TABLE = {
  text: [
    "text,score,labels",
    ...sentences(24).map(({ words, place, n }) => `${words.join(" ")},${n % 2},"${place}|${n % 3}"`),
  ].join("\n"),
  roles: { score: { name: "score", need: "needed" }, labels: { name: "labels", need: "needed" } },
} as const;
const COMMON = { epochs: 1, batch_size: 8, shards: 1 } as const;
const SCORE: PhaseInput = { objective: "regression", ...COMMON, learning_rate: 1e-3 };
/** Moves no weight. */
const STILL: PhaseInput = { objective: "multi-label", ...COMMON, learning_rate: 1e-30 };

test("a head of other classes begins anew, and the encoder goes on", async () => {
  const train = async (phases: readonly PhaseInput[]) =>
    await runTraining(await madeInput(TABLE, phases), { threads: 1 });
  const [score, both] = [await train([SCORE, { ...STILL, epochs: 0 }]), await train([SCORE, STILL])];
  const row = (model: TrainedModel, name: string, length: number) =>
    Array.from(model.weights.get(name)!.data.subarray(0, length));
  assert.deepEqual(both.weights.get("classifier.weight")!.shape[1], 32);
  assert.ok(both.weights.get("classifier.weight")!.shape[0]! > 1);
  assert.notDeepEqual(row(both, "classifier.weight", 32), row(score, "classifier.weight", 32));
  const query = "bert.encoder.layer.0.attention.self.query.weight";
  assert.deepEqual(row(both, query, 1024), row(score, query, 1024));
});
