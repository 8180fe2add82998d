/** Trains and answers through the interface that LOCKSTEP_NATIVE names, and prints every digest. */
import { digestTensors } from "../../src/numeric/tensor/index.ts";
import { chooseNative, createExecutor } from "../../src/numeric/runtime/index.ts";
import { openPredictor, readVersion } from "../../src/work/infer/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";
import { digestsOf, SMALL, smallInput } from "../train/small.ts";

const { digests, model } = await digestsOf(await smallInput(SMALL, 96), { threads: 2 });
const predictor = await openPredictor(readVersion(tinyFiles(3)), await createExecutor("native"));
const rows = [3, 9, 9, 17, 40].map((length, row) => ({
  ids: Int32Array.from({ length }, (_, i) => 1 + ((row * 31 + i * 7) % 60)),
}));
const logits = (await predictor.run(rows)).map((row) => Buffer.from(row.buffer).toString("hex"));
await predictor.dispose();
console.log(
  JSON.stringify({
    interface: (await chooseNative()).interface,
    digests,
    weights: digestTensors(model.weights),
    profile: predictor.profile,
    logits,
  }),
);
