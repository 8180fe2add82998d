/** `--set NAME=VALUE`: JSON where it reads as JSON, as strictly as a recipe file is read; a word otherwise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { setting } from "../../src/edge/cli/flags.ts";

test("values, words and inner settings are gathered", () => {
  let gathered = setting("pretrain.epochs=3");
  gathered = setting("pretrain.batch_size=24", gathered);
  gathered = setting("executor=portable", gathered);
  gathered = setting('finetune={"epochs":2,"learning_rate":1e-3}', gathered);
  gathered = setting("finetune.epochs=4", gathered);
  assert.deepEqual(gathered, {
    pretrain: { epochs: 3, batch_size: 24 },
    executor: "portable",
    finetune: { epochs: 4, learning_rate: 1e-3 },
  });
  assert.deepEqual(setting("text={ not JSON"), { text: "{ not JSON" });
});

test("what would be lost in silence is refused, as in a recipe file", () => {
  for (const [text, message] of [
    ['finetune={"epochs":2,"epochs":3}', /--set finetune: the key "epochs" stands twice/],
    ['model={"a":{"b":1,"\\u0062":2}}', /--set model: the key "b" stands twice/],
    ["seed=9007199254740993", /--set seed: the number "9007199254740993" is larger/],
  ] as const)
    assert.throws(
      () => setting(text),
      (error) => isLockstepError(error) && error.code === "OPTION_INVALID" && message.test(error.message),
    );
});
