/** Stop texts, and one answer as it grows: whatever it was interrupted by, the same tokens, text and digest. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { bits, PURPOSE } from "../../src/base/index.ts";
import { loadTokenizer } from "../../src/language/text/index.ts";
import { createNativeExecutor } from "../../src/numeric/runtime/index.ts";
import { readVersion } from "../../src/work/infer/index.ts";
import {
  beginGeneration,
  Generation,
  openDecoder,
  parseGenerationOptions,
  parseGenerationState,
  type GeneratedToken,
  type GenerationOptions,
  type GenerationState,
} from "../../src/work/generate/index.ts";
import { StopTexts } from "../../src/work/generate/stop-texts.ts";
import { storiesReference } from "../models/stories.ts";
import { storiesFiles, storiesTokenizer } from "./stories-files.ts";

/** The plainest form: character by character, over the whole text. */
function cutAtStop(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length)[0];
    if (found !== undefined) return text.slice(0, end - found.length);
  }
  return text;
}

describe("stop texts", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 30 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 5 }), {
    maxLength: 4,
  });

  it("are found however the text is cut, and never half given", () => {
    fc.assert(
      fc.property(text, stops, fc.array(fc.nat(6), { maxLength: 40 }), (whole, list, sizes) => {
        const looking = new StopTexts(list);
        const expected = cutAtStop(whole, list);
        let [given, at, stopped] = ["", 0, false];
        for (const size of [...sizes, Infinity]) {
          if (stopped) break;
          const found = looking.push(whole.slice(at, at + size));
          at += size;
          given += found.text;
          stopped = found.stopped !== null;
          assert.ok(expected.startsWith(given), `${given} of ${expected}`);
        }
        assert.equal(given + looking.end(), expected);
        assert.equal(stopped, expected !== whole);
      }),
    );
  });

  it("hold back no more than could begin one", () => {
    const looking = new StopTexts(["\n\nUser:", "END"]);
    const pushed = ["one", "\n", "\nU", "se", "d E", "N", "d", "EN", "D more"].map((piece) => looking.push(piece).text);
    assert.deepEqual(pushed, ["one", "", "", "", "\n\nUsed ", "", "ENd", "", ""]);
  });
});

const tokenizer = loadTokenizer({ tokenizerJson: storiesTokenizer() });
const V = tokenizer.vocabSize;
const TEXT = { tokenizer, ends: [2] };
const WHERE = { version: "v", profile: "p", choice: 0, context: 400, vocabulary: V };

/** Logits that are a function of the ids alone, as a model's are. */
function logitsAfter(ids: Int32Array): Float32Array {
  const last = ids.at(-1)!;
  return Float32Array.from({ length: V }, (_, id) => bits([last, ids.length], PURPOSE.test, 0, 0, id) / 2 ** 29);
}

function begin(options: GenerationOptions, prompt = "Once upon a time", over: object = {}): GenerationState {
  return beginGeneration(tokenizer.encode(prompt).ids, parseGenerationOptions(options), { ...WHERE, ...over });
}

/** To the end; `pause` is asked before each token whether it leaves as JSON and comes back. */
function finish(state: GenerationState, pause: (tokens: number) => boolean = () => false) {
  let generation = new Generation(state, TEXT);
  const tokens: GeneratedToken[] = [];
  while (generation.finish === null) {
    if (pause(tokens.length)) {
      const kept = JSON.stringify(generation.state);
      generation = new Generation(parseGenerationState(JSON.parse(kept)), TEXT);
    }
    tokens.push(generation.next(logitsAfter(generation.slice(0, generation.length))));
  }
  return { tokens, text: tokens.map(({ text }) => text).join(""), state: generation.state };
}

const OPTIONS: Record<string, GenerationOptions> = {
  greedy: { maxTokens: 30, temperature: 0 },
  sampled: { maxTokens: 40, seed: "s", temperature: 0.8, topK: 20, topP: 0.9, logprobs: 2 },
  penalties: { maxTokens: 40, repetitionPenalty: 1.3, presencePenalty: 0.5, frequencyPenalty: 0.2, minTokens: 12 },
  stops: { maxTokens: 200, stop: [" a", "o", "the end"], seed: 3, minTokens: 6 },
  bytes: { maxTokens: 60, logitBias: Object.fromEntries([198, 230, 195].map((byte) => [`${byte + 3}`, 3])) },
};

describe("a generation", () => {
  for (const [name, options] of Object.entries(OPTIONS))
    it(`${name}: comes to the same end when it is kept and resumed at every token`, () => {
      const whole = finish(begin(options));
      assert.ok(whole.tokens.length > 1);
      assert.deepEqual(
        finish(begin(options), () => true),
        whole,
      );
      assert.deepEqual(
        finish(begin(options), (n) => n % 3 === 1),
        whole,
      );
      assert.equal(whole.state.given, whole.text.length);
      const { prompt, tokens, finish: end } = whole.state;
      const spoken = end?.reason === "stop" && typeof end.by === "number" ? tokens.slice(0, -1) : tokens;
      const together = tokenizer.decode([...prompt, ...spoken]).slice(tokenizer.decode(prompt).length);
      assert.ok(together.startsWith(whole.text));
      if (end?.reason === "length") assert.equal(whole.text, together);
    });

  it("of another seed or choice is another one; more tokens are a continuation", () => {
    const sampled = OPTIONS["sampled"]!;
    const first = finish(begin(sampled)).state;
    assert.notDeepEqual(finish(begin({ ...sampled, seed: "t" })).state.tokens, first.tokens);
    assert.notDeepEqual(finish(begin(sampled, undefined, { choice: 1 })).state.tokens, first.tokens);
    const longer = finish(begin({ ...sampled, maxTokens: 60 })).state;
    assert.deepEqual(longer.tokens.slice(0, 40), first.tokens);
    // Without penalties, the text so far as a prompt goes on as it would have.
    const again = beginGeneration(
      [...first.prompt, ...first.tokens.slice(0, 25)],
      parseGenerationOptions({ ...sampled, maxTokens: 15 }),
      WHERE,
    );
    assert.deepEqual(finish(again).state.tokens, first.tokens.slice(25));
  });

  it("ends at end tokens, stop tokens and stop texts, and not before minTokens", () => {
    const always = (id: number): GenerationOptions => ({ logitBias: { [id]: 900 }, maxTokens: 5 });
    assert.deepEqual(finish(begin(always(2))).state.finish, { reason: "stop", by: 2 });
    assert.equal(finish(begin(always(2))).text, "");
    assert.deepEqual(finish(begin({ ...always(2), ignoreEnd: true })).state.finish, { reason: "length" });
    assert.deepEqual(finish(begin({ ...always(300), stopTokens: [300] })).state.tokens, [300]);
    const late = finish(begin({ ...always(300), stopTokens: [300], minTokens: 3 })).state;
    assert.equal(late.tokens.indexOf(300), 3);
    const text = finish(begin({ ...always(300), maxTokens: 4 })).text;
    const piece = text.slice(0, text.length / 4);
    const stopped = finish(begin({ ...always(300), stop: [piece + piece] }));
    assert.deepEqual(
      [stopped.text, stopped.state.tokens.length, stopped.state.finish],
      ["", 2, { reason: "stop", by: piece + piece }],
    );
    const least = finish(begin({ ...always(300), stop: [piece + piece], minTokens: 2 }));
    assert.deepEqual([least.text, least.state.tokens.length], [piece + piece, 4]);
  });

  it("says what does not fit before work begins", () => {
    const { ids } = tokenizer.encode("Once upon a time");
    assert.equal(begin({}).settings.maxTokens, 256);
    assert.equal(begin({}, undefined, { context: ids.length + 9 }).settings.maxTokens, 9);
    const refusals: [string, RegExp, () => unknown][] = [
      [
        "INPUT_TOO_LARGE",
        /do not fit into the model's context of 400; ask for at most/,
        () => begin({ maxTokens: 400 }),
      ],
      ["INPUT_TOO_LARGE", /shorten the prompt/, () => begin({}, undefined, { context: ids.length })],
      ["INPUT_INVALID", /no tokens/, () => beginGeneration([], parseGenerationOptions({}), WHERE)],
      ["INPUT_INVALID", /the prompt has the token 512/, () => beginGeneration([V], parseGenerationOptions({}), WHERE)],
      ["INPUT_INVALID", /stopTokens has the token 9999/, () => begin({ stopTokens: [9999] })],
      ["INPUT_INVALID", /logitBias has the token 600/, () => begin({ logitBias: { 600: 1 } })],
      ["OPTION_INVALID", /minTokens 9/, () => begin({ minTokens: 9, maxTokens: 8 })],
    ];
    for (const [code, message, run] of refusals) assert.throws(run, { code, message });
  });

  it("refuses states that it did not write", () => {
    const { state } = finish(begin(OPTIONS["greedy"]!));
    const wrong: [RegExp, unknown][] = [
      [/format "lockstep-generation\/2"/, { ...state, format: "lockstep-generation/2" }],
      [/given/, { ...state, given: -1 }],
      [/extra/, { ...state, extra: 1 }],
      [/settings.temperature/, { ...state, settings: { ...state.settings, temperature: -1 } }],
      [/not valid/, null],
    ];
    for (const [message, value] of wrong)
      assert.throws(() => parseGenerationState(value), { code: "INPUT_INVALID", message });
    for (const bad of [
      { ...state, given: state.given + 1 },
      { ...state, finish: null },
      { ...state, tokens: [...state.tokens, 5] },
    ])
      assert.throws(() => new Generation(bad, TEXT), { code: "INPUT_INVALID", message: /not as it was written/ });
  });

  it("never chooses an id that the tokenizer has no token for", () => {
    const generation = new Generation(begin({ temperature: 0, maxTokens: 1 }), TEXT);
    const logits = new Float32Array(V + 8).fill(-1).fill(50, V);
    logits[77] = 0;
    assert.equal(generation.next(logits).id, 77);
  });

  it("of stories260K, greedy: the text that others computed", async () => {
    const version = readVersion(storiesFiles());
    const decoder = await openDecoder(version, await createNativeExecutor(), { slots: [1] });
    const { ids } = storiesReference();
    const settings = parseGenerationOptions({ temperature: 0, maxTokens: ids.length - 1 });
    const state = beginGeneration([1], settings, { ...WHERE, context: decoder.context });
    const generation = new Generation(state, { tokenizer: version.tokenizer, ends: [2] });
    const sequence = decoder.open();
    let text = "";
    while (generation.finish === null) {
      const [logits] = await decoder.step([{ sequence, ids: generation.slice(sequence.length, generation.length) }]);
      text += generation.next(logits!).text;
    }
    await decoder.dispose();
    assert.deepEqual(generation.state.tokens, ids.slice(1));
    assert.match(text, /^Once upon a time, there was a little girl named Lily\. She loved/);
  });
});
