/** Sampling beside Hugging Face's processors (golden/sampling.json), and what must hold of any logits. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { seedFrom } from "../../src/base/index.ts";
import { parseGenerationOptions, type GenerationOptions } from "../../src/work/generate/index.ts";
import { chooseToken, distribution, logprobsOf, type SamplingContext } from "../../src/work/generate/sampling.ts";

interface Case {
  readonly settings: GenerationOptions;
  readonly logits: number[];
  readonly prompt: number[];
  readonly answer: number[];
  readonly ids: number[];
  readonly probabilities: number[];
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, "golden/sampling.json"), "utf8")) as {
  readonly end: number;
  readonly cases: readonly Case[];
};

const settingsOf = (options: GenerationOptions) => parseGenerationOptions(options);
const NOTHING: SamplingContext = { seen: new Set(), counts: new Map(), banned: new Set() };

function contextOf(prompt: readonly number[], answer: readonly number[], banned: readonly number[]): SamplingContext {
  const counts = new Map<number, number>();
  for (const id of answer) counts.set(id, (counts.get(id) ?? 0) + 1);
  return { seen: new Set([...prompt, ...answer]), counts, banned: new Set(banned) };
}

describe("what may be chosen, and how likely", () => {
  for (const [i, { settings, logits, prompt, answer, ids, probabilities }] of golden.cases.entries())
    it(`${i}: ${JSON.stringify(settings)}`, () => {
      const complete = settingsOf(settings);
      const banned = answer.length < complete.minTokens ? [golden.end] : [];
      const found = distribution(Float32Array.from(logits), complete, contextOf(prompt, answer, banned));
      assert.deepEqual([...found.ids], ids);
      const total = found.weights.reduce((sum, weight) => sum + weight);
      const worst = Math.max(...probabilities.map((p, at) => Math.abs(p - found.weights[at]! / total)));
      assert.ok(worst < 2e-6, `${worst}`); // the reference's biases are float32
    });
});

const logits = fc
  .array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 60 })
  .map((list) => Float32Array.from(list, (n) => n / 4)); // with many ties
const place = fc.record({
  seed: fc.tuple(fc.nat(), fc.nat()),
  choice: fc.nat(100),
  position: fc.nat(1_000_000),
});
const sampling = fc
  .record({
    temperature: fc.constantFrom(0, 0.3, 1, 2.5),
    topK: fc.nat(20),
    topP: fc.constantFrom(0.01, 0.5, 0.9, 1),
    minP: fc.constantFrom(0, 0.02, 1),
  })
  .map((options) => settingsOf(options));

describe("of any logits", () => {
  it("greedy takes the largest, of equal ones the first; so does top-k of one, and min-p of one without ties", () => {
    fc.assert(
      fc.property(logits, place, (row, at) => {
        const largest = row.indexOf(Math.max(...row));
        assert.equal(chooseToken(row, settingsOf({ temperature: 0 }), NOTHING, at), largest);
        assert.equal(chooseToken(row, settingsOf({ topK: 1 }), NOTHING, at), largest);
        const equal = distribution(row, settingsOf({ minP: 1 }), NOTHING).ids;
        assert.deepEqual(
          [...equal],
          [...row.keys()].filter((id) => row[id] === row[largest]),
        );
      }),
    );
  });

  it("what is chosen is left, top-k leaves at most k, top-p the fewest, and the likeliest always stays", () => {
    fc.assert(
      fc.property(logits, sampling, place, (row, settings, at) => {
        const { ids, weights } = distribution(row, settings, NOTHING);
        assert.ok(ids.includes(chooseToken(row, settings, NOTHING, at)));
        assert.ok(ids.includes(row.indexOf(Math.max(...row))));
        assert.ok(ids.every((id, i) => i === 0 || id > ids[i - 1]!));
        if (settings.topK > 0) assert.ok(ids.length <= settings.topK);
        const open = distribution(row, settingsOf({ temperature: settings.temperature, topK: settings.topK }), NOTHING);
        const sum = (list: Float64Array): number => list.reduce((total, weight) => total + weight, 0);
        if (settings.temperature > 0 && settings.topP < 1 && settings.minP === 0)
          assert.ok(sum(weights) - Math.min(...weights) < settings.topP * sum(open.weights) * (1 + 1e-12));
      }),
    );
  });

  it("the token is a function of seed, choice and position, and comes as often as it is likely", () => {
    const row = Float32Array.from([1, 0, 3, 2, -1]);
    const settings = settingsOf({});
    const seed = seedFrom("often");
    const found = new Array<number>(row.length).fill(0);
    const draws = 20_000;
    for (let position = 0; position < draws; position++) {
      const at = { seed, choice: position % 3, position };
      const id = chooseToken(row, settings, NOTHING, at);
      found[id]!++;
      if (position % 1000 === 0) assert.equal(chooseToken(row, settings, NOTHING, { ...at }), id);
    }
    const { weights } = distribution(row, settings, NOTHING);
    const total = weights.reduce((sum, weight) => sum + weight);
    const square = found.reduce((sum, count, id) => {
      const expected = (draws * weights[id]!) / total;
      return sum + (count - expected) ** 2 / expected;
    }, 0);
    assert.ok(square < 18.5, `chi-squared ${square} with 4 degrees of freedom`); // p = 0.001
  });

  it("log-probabilities are the model's own, whatever the settings, and the top ones are in order", () => {
    fc.assert(
      fc.property(logits, (row) => {
        const { logprob, top } = logprobsOf(row, 0, 4);
        const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
        assert.ok(Math.abs(logprob - (row[0]! - total)) < 1e-9);
        const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, 4);
        assert.deepEqual(
          top.map(({ id }) => id),
          order,
        );
        assert.ok(top.every((one) => Math.abs(one.logprob - (row[one.id]! - total)) < 1e-9));
      }),
    );
  });
});

describe("refused", () => {
  it("logits that are no numbers, and a vocabulary of which nothing is left", () => {
    for (const bad of [NaN, Infinity, -Infinity])
      for (const settings of [{ temperature: 0 }, { topK: 2 }])
        assert.throws(
          () =>
            chooseToken(Float32Array.of(1, bad, 2), settingsOf(settings), NOTHING, {
              seed: [0, 0],
              choice: 0,
              position: 0,
            }),
          { code: "NON_FINITE", message: /token 1/ },
        );
    const all = { ...NOTHING, banned: new Set([0, 1]) };
    assert.throws(() => distribution(Float32Array.of(1, 2), settingsOf({}), all), { code: "INPUT_INVALID" });
  });

  it("settings outside of their ranges, by name", () => {
    const wrong: Record<string, unknown>[] = [
      { temperature: -1 },
      { temperature: NaN },
      { topP: 0 },
      { topK: 1.5 },
      { minP: 2 },
      { repetitionPenalty: 0 },
      { logitBias: { "-1": 1 } },
      { logitBias: { word: 1 } },
      { seed: -1 },
      { stop: [""] },
      { maxTokens: 0 },
      { logprobs: true },
      { top_p: 0.5 },
    ];
    for (const options of wrong)
      assert.throws(() => settingsOf(options), {
        code: "OPTION_INVALID",
        message: new RegExp(Object.keys(options)[0]!),
      });
  });
});
