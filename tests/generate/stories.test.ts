/**
 * stories260K decoded as it is used: the greedy text, a token at a time over a cache, beside what its authors' code
 * gives. Its heads are 8 wide.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createExecutor, type ExecutorName } from "../../src/numeric/runtime/index.ts";
import { storiesReference } from "../models/stories.ts";
import { storiesModel, withDecoder } from "./ways.ts";

const reference = storiesReference();

for (const name of ["reference", "native", "portable"] satisfies ExecutorName[])
  test(`the greedy text of stories260K in ${name}`, async (t) => {
    const executor = await createExecutor(name);
    const count = name === "native" ? reference.ids.length : 40; // the others take their time
    await withDecoder(
      storiesModel(),
      executor,
      async (decoder) => {
        const sequence = decoder.open();
        const text = [reference.ids[0]!];
        let [first, worst] = [0, 0];
        while (text.length < count) {
          const [logits] = await decoder.step([{ sequence, ids: Int32Array.of(text.at(-1)!) }]);
          const most = Math.max(...logits!);
          const total = most + Math.log(logits!.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
          if (text.length === 1)
            reference.logits_pos0.forEach((logit, i) => (first = Math.max(first, Math.abs(logit - logits![i]!))));
          text.push(logits!.indexOf(most));
          worst = Math.max(
            worst,
            Math.abs(total - logits![reference.ids[text.length - 1]!]! - reference.nll_next[text.length - 2]!),
          );
        }
        assert.deepEqual(text, reference.ids.slice(0, count));
        t.diagnostic(`${count} tokens; first logits ${first.toExponential(1)}, likelihoods ${worst.toExponential(1)}`);
        assert.ok(first <= 5e-5 && worst <= 5e-5, `${first}, ${worst}`); // the file has six decimals
      },
      { slots: [1] },
    );
  });
