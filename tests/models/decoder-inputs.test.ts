/** What decoders are given beside their ids: tables of rotations, and who sees whom. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sha256Hex } from "../../src/base/index.ts";
import { batchInputs, parseModelConfig, type Head, type ModelConfig } from "../../src/language/models/index.ts";
import { rotaryFrequencies, type RopeConfig } from "../../src/language/models/rotary.ts";

const LLAMA3 = { rope_type: "llama3", low_freq_factor: 1, high_freq_factor: 4 } as const;
const original_max_position_embeddings = 8192;

/** Of pairs 1, the middle and the last, from `inv_freq` of `LlamaRotaryEmbedding` (transformers 5.24, torch 2.15). */
const FREQUENCIES: readonly (readonly [RopeConfig, number, readonly [number, number, number]])[] = [
  [
    { rope_theta: 500_000, scaling: { ...LLAMA3, factor: 32, original_max_position_embeddings } },
    64,
    [0.663601279258728, 0.000429556705057621, 9.418306490260875e-8],
  ],
  [
    { rope_theta: 500_000, scaling: { ...LLAMA3, factor: 8, original_max_position_embeddings } },
    128,
    [0.8146172165870667, 0.0005248460220173001, 3.068925877869333e-7],
  ],
  [{ rope_theta: 10_000, scaling: null }, 64, [0.7498942017555237, 0.009999999776482582, 0.0001333521504420787]],
  [{ rope_theta: 1_000_000, scaling: null }, 128, [0.8058422207832336, 0.0010000000474974513, 1.2409377632138785e-6]],
  [
    { rope_theta: 10_000, scaling: { rope_type: "linear", factor: 3 } },
    80,
    [0.2647760808467865, 0.003333333181217313, 4.196417285129428e-5],
  ],
  [{ rope_theta: 12_345, scaling: null }, 10, [0.15195037424564362, 0.023088915273547173, 0.0005330980056896806]],
];

const HEAD: Head = { kind: "encoder", pooling: "last" };
const SIZES = { vocab_size: 9, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8 };
const llama = parseModelConfig({ model_type: "llama", ...SIZES, rope_theta: 100 }).config;
const mistral = parseModelConfig({ model_type: "mistral", ...SIZES, num_key_value_heads: 1, sliding_window: 2 }).config;

function inputsOf(config: ModelConfig, lengths: readonly number[], tokens: number, padId = 0) {
  const rows = lengths.map((length) => ({ ids: new Int32Array(length).fill(1) }));
  return batchInputs(rows, config, HEAD, { tokens, padId, real: "float32", minimumRows: 1 });
}

/** One line for each query: x where the key is seen. */
function seen(config: ModelConfig, length: number, tokens: number): readonly string[] {
  const { attention_bias: bias } = inputsOf(config, [length], tokens);
  assert.deepEqual(bias!.shape, [1, 1, tokens, tokens]);
  const marks = Array.from(bias!.data, Number)
    .map((value) => (value === 0 ? "x" : value === -Infinity ? "." : "?"))
    .join("");
  return Array.from({ length: tokens }, (_, t) => marks.slice(t * tokens, (t + 1) * tokens));
}

describe("rotations", () => {
  for (const [rope, width, expected] of FREQUENCIES)
    test(`base ${rope.rope_theta}, ${rope.scaling?.rope_type ?? "unscaled"}, heads of ${width}`, () => {
      const found = rotaryFrequencies(rope, width);
      assert.deepEqual(
        [found.length, found[0]],
        [width / 2, rope.scaling?.rope_type === "linear" ? Math.fround(1 / 3) : 1],
      );
      [1, width / 4, width / 2 - 1].map(Math.floor).forEach((pair, i) => {
        const gap = Math.abs(found[pair]! / expected[i]! - 1);
        assert.ok(gap <= 1.2e-7, `pair ${pair}: ${found[pair]}, not ${expected[i]}`); // a float32's last place
      });
    });

  test("a table has one row for each position, and the same bits everywhere", () => {
    const { rotary_cos: cos, rotary_sin: sin } = inputsOf(llama, [3], 50);
    assert.deepEqual(
      [cos!.shape, sin!.shape],
      [
        [50, 2],
        [50, 2],
      ],
    );
    assert.deepEqual(
      [...cos!.data.slice(0, 4)],
      [1, 1, Math.fround(Math.cos(1)), Math.fround(Math.cos(Math.fround(0.1)))],
    );
    assert.deepEqual([...sin!.data.slice(0, 2)], [0, 0]);
    const bytes = [cos!, sin!].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    assert.equal(sha256Hex(Buffer.concat(bytes)), "086310bfd2a19acdd17cb76dbe531320599586b0db4cf505adf59a83ecfa1e44");
  });
});

describe("who sees whom", () => {
  test("a token sees itself and the tokens before it; padding is seen by nobody", () => {
    assert.deepEqual(seen(llama, 3, 4), ["x...", "xx..", "xxx.", "xxx."]);
  });
  test("a window of two", () => {
    assert.deepEqual(seen(mistral, 4, 5), ["x....", "xx...", ".xx..", "..xx.", "..xx."]);
  });
  test("a row of one token, and a family without a pad token", () => {
    assert.deepEqual(seen(llama, 1, 2), ["x.", "x."]);
    assert.deepEqual([...inputsOf(llama, [1], 2, -1)["input_ids"]!.data], [1, 0]);
  });
});
