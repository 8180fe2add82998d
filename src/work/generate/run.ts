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

/** Parts that wait for their reader before the sequences do. */
const READ_AHEAD = 64;

export class GenerationRun implements AsyncIterable<GenerationPart> {
  readonly #source: RunSource;
  readonly #queue: TokenPart[] = [];
  #beginnings: readonly Beginning[] = [];
  #submissions: Submission[] = [];
  #error: LockstepError | null = null;
  #wake: () => void = () => undefined;
  #read = false;

  constructor(source: RunSource) {
    this.#source = source;
  }

  /**
   * Each answer as it is now, also after an abort or a failure: to go on with, here or elsewhere. Tokens that were made
   * ahead of the reader are in it. Empty before reading began.
   */
  get states(): readonly GenerationState[] {
    return this.#submissions.map(({ state }) => state);
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
      this.#beginnings = await prepare();
      for (const { state } of this.#beginnings)
        this.#submissions.push(submit(state, this.#reader(state.choice), this.#submissions[0]));
      const logprobs = this.#beginnings.map((): Logprobs[] => []);
      const texts = this.#beginnings.map(({ text }) => text);
      const places = new Map(this.#beginnings.map(({ state }, place) => [state.choice, place]));
      while (!this.#over) {
        const changed = new Promise<void>((resolve) => (this.#wake = resolve));
        const part = this.#queue.shift();
        if (part === undefined) await changed;
        else {
          const place = places.get(part.choice)!;
          texts[place] = texts[place]! + part.text;
          if (part.logprobs !== null) logprobs[place]!.push(part.logprobs);
          yield part;
          look();
        }
        if (this.#error !== null) throw this.#error;
      }
      yield { kind: "end", result: this.#result(texts, logprobs) };
    } finally {
      signal?.removeEventListener("abort", cancelled);
      for (const submission of this.#submissions) submission.cancel();
    }
  }

  /** Everything was made and read. */
  get #over(): boolean {
    return this.#queue.length === 0 && this.#error === null && this.states.every(({ finish }) => finish !== null);
  }

  #reader(choice: number): Reader {
    const queue = this.#queue;
    return {
      token: (token) => {
        queue.push({ kind: "token", choice, ...token });
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
