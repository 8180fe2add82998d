/** One question's answers on their way to whoever reads them: parts as they come, and the whole at the end. */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import type { Reader, Submission } from "./engine.ts";
import type { GeneratedToken } from "./generation.ts";
import type { Logprobs } from "./sampling.ts";
import type { Finish, GenerationState } from "./state.ts";

/** A token of an answer. */
export interface TokenPart extends GeneratedToken {
  readonly kind: "token";
  /** Which of the answers, from 0. Parts of one answer come in order; those of several, as they are made. */
  readonly choice: number;
}

export interface GenerationAnswer {
  readonly choice: number;
  readonly text: string;
  /** Ids, with the token that ended it. */
  readonly tokens: readonly number[];
  readonly finish: Finish;
  /** Of each token, where they were asked for; of a resumed answer, from there on. */
  readonly logprobs: readonly Logprobs[] | null;
  /** Over the bits of all logits that its tokens were chosen from. */
  readonly digest: string;
}

export interface GenerationUsage {
  /** Tokens of the prompt. */
  readonly promptTokens: number;
  /** Tokens of all answers. */
  readonly answerTokens: number;
  /** Tokens of prompts that did not have to be computed again. */
  readonly reusedTokens: number;
}

export interface GenerationResult {
  readonly answers: readonly GenerationAnswer[];
  readonly usage: GenerationUsage;
  /** Name of the version that it is from. */
  readonly version: string;
  /** `id` of the profile that its bits are promised in. */
  readonly profile: string;
}

export type GenerationPart = TokenPart | { readonly kind: "end"; readonly result: GenerationResult };

/** What of an answer was there before it was begun here. */
export interface Beginning {
  readonly state: GenerationState;
  readonly text: string;
}

export interface RunSource {
  /** Makes prompts and settles options. */
  readonly prepare: () => Promise<readonly Beginning[]>;
  /** Hands one over; `first` is the submission of the first of them. */
  readonly submit: (state: GenerationState, reader: Reader, first: Submission | undefined) => Submission;
  /** A reader has caught up. */
  readonly look: () => void;
  readonly signal: AbortSignal | undefined;
}

interface Unread {
  readonly place: number;
  readonly part: TokenPart;
  /** With it. */
  readonly state: GenerationState;
}

/** Parts that wait for their reader before the sequences do. */
const READ_AHEAD = 64;

export class GenerationRun implements AsyncIterable<GenerationPart> {
  readonly #source: RunSource;
  readonly #queue: Unread[] = [];
  #states: GenerationState[] = [];
  #submissions: Submission[] = [];
  #error: LockstepError | null = null;
  #wake: () => void = () => undefined;
  #read = false;

  constructor(source: RunSource) {
    this.#source = source;
  }

  /**
   * Each answer as far as it was read, also after an abort or a failure: to go on with, here or elsewhere. Empty before
   * reading began.
   */
  get states(): readonly GenerationState[] {
    return this.#states;
  }

  /** Reads to the end. @throws as reading does */
  async result(): Promise<GenerationResult> {
    for await (const part of this) if (part.kind === "end") return part.result;
    throw new LockstepError("INTERNAL", "a generation ended without a result");
  }

  /**
   * Work begins with the first read, and ends when reading does. Once only.
   * @throws INPUT_INVALID, INPUT_TOO_LARGE, OPTION_INVALID, TOKENIZER_INVALID before work begins; OVERLOADED; TIMEOUT;
   *   CANCELLED by the signal; NON_FINITE; SHUTTING_DOWN
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationPart, void, undefined> {
    if (this.#read)
      throw new LockstepError("INPUT_INVALID", "a generation is read once; ask again for another reading");
    this.#read = true;
    const { prepare, submit, look, signal } = this.#source;
    const cancelled = (): void => this.#fail(cancelledBy(signal));
    signal?.addEventListener("abort", cancelled, { once: true });
    try {
      if (signal?.aborted === true) throw cancelledBy(signal);
      const beginnings = await prepare();
      this.#states = beginnings.map(({ state }) => state);
      for (const [place, state] of this.#states.entries())
        if (state.finish === null) this.#submissions.push(submit(state, this.#reader(place), this.#submissions[0]));
      const logprobs = beginnings.map((): Logprobs[] => []);
      const texts = beginnings.map(({ text }) => text);
      while (this.#error !== null || this.#states.some(({ finish }) => finish === null)) {
        if (this.#error !== null) throw this.#error;
        const changed = new Promise<void>((resolve) => (this.#wake = resolve));
        const unread = this.#queue.shift();
        if (unread === undefined) await changed;
        else {
          const { place, part, state } = unread;
          this.#states[place] = state;
          texts[place] = texts[place]! + part.text;
          if (part.logprobs !== null) logprobs[place]!.push(part.logprobs);
          yield part;
          look();
        }
      }
      yield { kind: "end", result: this.#result(texts, logprobs) };
    } finally {
      signal?.removeEventListener("abort", cancelled);
      for (const submission of this.#submissions) submission.cancel();
    }
  }

  #reader(place: number): Reader {
    const queue = this.#queue;
    return {
      token: (token, state) => {
        queue.push({ place, part: { kind: "token", choice: state.choice, ...token }, state });
        this.#wake();
      },
      failed: (error) => this.#fail(error),
      get behind() {
        return queue.length >= READ_AHEAD;
      },
    };
  }

  #fail(error: LockstepError): void {
    this.#error ??= error;
    this.#wake();
    for (const submission of this.#submissions) submission.cancel();
  }

  #result(texts: readonly string[], logprobs: readonly (readonly Logprobs[])[]): GenerationResult {
    const [first] = this.states as readonly [GenerationState];
    return {
      answers: this.states.map(({ choice, tokens, finish, digest, settings }, place) => ({
        choice,
        text: texts[place]!,
        tokens,
        finish: finish!,
        logprobs: settings.logprobs === false ? null : logprobs[place]!,
        digest,
      })),
      usage: {
        promptTokens: first.prompt.length,
        answerTokens: this.states.reduce((sum, { tokens }) => sum + tokens.length, 0),
        reusedTokens: this.#submissions.reduce((sum, { reused }) => sum + reused, 0),
      },
      version: first.version,
      profile: first.profile,
    };
  }
}

function cancelledBy(signal: AbortSignal | undefined): LockstepError {
  const reason: unknown = signal?.reason;
  if (isLockstepError(reason)) return reason;
  return new LockstepError("CANCELLED", "the generation was cancelled by its caller", {}, { cause: reason });
}
