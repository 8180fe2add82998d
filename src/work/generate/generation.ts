/**
 * One answer as it grows: logits in, a token and a piece of text out. It knows no clock, no batch and no cache, so the
 * answer is a function of the state that it began with and of the model. `state` may be taken between any two tokens.
 */
import { LockstepError, seedFrom, sha256Hex, type Seed } from "../../base/index.ts";
import type { DecodeStream, Tokenizer } from "../../language/text/index.ts";
import { chooseToken, logprobsOf, type Logprobs } from "./sampling.ts";
import type { Finish, GenerationState } from "./state.ts";
import { StopTexts } from "./stop-texts.ts";

/** One token. */
export interface GeneratedToken {
  readonly id: number;
  /** What it makes certain of the text: never half a character, never a part of a stop text. May be empty. */
  readonly text: string;
  /** Where the settings ask for it. */
  readonly logprobs: Logprobs | null;
  readonly finish: Finish | null;
}

/** What the model and its tokenizer say about text. */
export interface GenerationText {
  readonly tokenizer: Pick<Tokenizer, "decode" | "decodeStream" | "vocabSize">;
  /** The model's own end tokens. */
  readonly ends: readonly number[];
}

/** The chain over logits: SHA-256 of what it was, and of the float32 bits of a token's logits [V]. */
export function chained(digest: string, logits: Float32Array): string {
  return sha256Hex(digest, new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength));
}

export class Generation {
  readonly #begun: GenerationState;
  /** Ids from here on have no token, so none of them is chosen: tables of weights are often rounded up. */
  readonly #vocabulary: number;
  readonly #seed: Seed;
  readonly #tokens: number[] = [];
  readonly #seen: Set<number>;
  readonly #counts = new Map<number, number>();
  /** Ids that end it. */
  readonly #enders: ReadonlySet<number>;
  readonly #stream: DecodeStream;
  readonly #stops: StopTexts;
  /** Code units of the prompt that the stream is still to give. */
  #before: number;
  #text = "";
  #digest: string;
  #finish: Finish | null = null;

  /** Goes on from any state. @throws INPUT_INVALID where its tokens are none of this tokenizer's, or do not give it */
  constructor(state: GenerationState, { tokenizer, ends }: GenerationText) {
    const { settings, prompt } = state;
    this.#begun = state;
    this.#vocabulary = tokenizer.vocabSize;
    this.#seed = seedFrom(settings.seed);
    this.#seen = new Set(prompt);
    this.#enders = new Set([...settings.stopTokens, ...(settings.ignoreEnd ? [] : ends)]);
    this.#stops = new StopTexts(settings.stop);
    // The prompt goes before, since how a token reads may depend on what it follows: a space, half a character.
    this.#stream = tokenizer.decodeStream();
    this.#before = tokenizer.decode(prompt).length;
    for (const id of prompt) this.#ofAnswer(this.#stream.push(id));
    for (const id of state.tokens) {
      if (this.#finish !== null) throw notItsOwn("it goes on after its end");
      this.#take(id);
    }
    this.#digest = state.digest;
    if (this.#text.length !== state.given || JSON.stringify(this.#finish) !== JSON.stringify(state.finish))
      throw notItsOwn("its tokens do not give the text or the end that it says");
  }

  get state(): GenerationState {
    return {
      ...this.#begun,
      tokens: [...this.#tokens],
      given: this.#text.length,
      digest: this.#digest,
      finish: this.#finish,
    };
  }

  /** Of the answer, as far as it was given away. */
  get text(): string {
    return this.#text;
  }

  get digest(): string {
    return this.#digest;
  }

  get finish(): Finish | null {
    return this.#finish;
  }

  /** Tokens of prompt and answer. */
  get length(): number {
    return this.#begun.prompt.length + this.#tokens.length;
  }

  /** Ids of prompt and answer from one place to another. */
  slice(from: number, to: number): Int32Array {
    const { prompt } = this.#begun;
    return Int32Array.from({ length: to - from }, (_, i) =>
      from + i < prompt.length ? (prompt[from + i] as number) : (this.#tokens[from + i - prompt.length] as number),
    );
  }

  /** Chooses the next token from `logits` [V] of what is there. @throws NON_FINITE, and nothing has changed */
  next(logits: Float32Array): GeneratedToken {
    const { settings, choice } = this.#begun;
    const id = chooseToken(
      logits.subarray(0, this.#vocabulary),
      settings,
      {
        seen: this.#seen,
        counts: this.#counts,
        banned: this.#tokens.length < settings.minTokens ? this.#enders : NONE,
      },
      { seed: this.#seed, choice, position: this.length },
    );
    const logprobs = settings.logprobs === false ? null : logprobsOf(logits, id, settings.logprobs);
    this.#digest = chained(this.#digest, logits);
    const text = this.#take(id);
    return { id, text, logprobs, finish: this.#finish };
  }

  /** Returns what it makes certain of the text. */
  #take(id: number): string {
    const { minTokens, maxTokens } = this.#begun.settings;
    this.#tokens.push(id);
    this.#seen.add(id);
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    const ended = this.#enders.has(id);
    const last = ended || this.#tokens.length === maxTokens;
    let raw = ended ? "" : this.#ofAnswer(this.#stream.push(id));
    if (last) raw += this.#ofAnswer(this.#stream.end());
    let text = raw;
    if (this.#tokens.length > minTokens) {
      const looked = this.#stops.push(raw);
      text = looked.text;
      if (looked.stopped !== null) this.#finish = { reason: "stop", by: looked.stopped };
      else if (last) text += this.#stops.end();
    }
    if (last) this.#finish ??= ended ? { reason: "stop", by: id } : { reason: "length" };
    this.#text += text;
    return text;
  }

  /** Without what is the prompt's. */
  #ofAnswer(text: string): string {
    const cut = Math.min(this.#before, text.length);
    this.#before -= cut;
    return text.slice(cut);
  }
}

const NONE: ReadonlySet<number> = new Set();

function notItsOwn(why: string): LockstepError {
  return new LockstepError("INPUT_INVALID", `the state of a generation is not as it was written: ${why}`);
}
