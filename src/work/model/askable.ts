/**
 * What everything that answers shows and takes in the same way, whatever is behind it: a model, one attached from
 * another thread, or a version of either that is held. Each says only what its facts are and how questions are asked.
 */
import { LockstepError } from "../../base/index.ts";
import {
  taskNamed,
  type AnswerOf,
  type Question,
  type RerankQuestion,
  type TaskName,
  type TextOrPair,
  type TextPair,
} from "../tasks/index.ts";
import type { Answers, Askable, AskOptions, Classification, ClassifyOptions, VersionFacts } from "./contract.ts";

export abstract class AskableBase implements Askable {
  protected abstract facts(): VersionFacts;
  protected abstract answer<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: AskOptions<T>,
  ): Promise<Answers<T>>;

  /** Name of the version that new questions are answered by: 64 hexadecimal characters. */
  get version(): string {
    return this.facts().version;
  }
  /** By class id; none where the version has no classes. */
  get labels(): readonly string[] {
    return this.facts().info.labels;
  }
  /** What decides the bits of its answers. */
  get profile(): VersionFacts["profile"] {
    return this.facts().profile;
  }
  get info(): VersionFacts["info"] {
    return this.facts().info;
  }

  /**
   * One answer a question, all from one version, with the same bits wherever it was asked, and what decided them. At
   * most the model's `maxQueue` rows at a time.
   * @throws INPUT_INVALID, INPUT_TOO_LARGE, OVERLOADED, TIMEOUT, CANCELLED, NON_FINITE, SHUTTING_DOWN, OWNER_DIED
   */
  async ask<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: AskOptions<T> = {} as AskOptions<T>,
  ): Promise<Answers<T>> {
    taskNamed(task);
    return await this.answer(task, listOf(questions, "a list of questions"), options);
  }

  classify(text: TextOrPair, options?: ClassifyOptions): Promise<Classification>;
  classify(texts: readonly TextOrPair[], options?: ClassifyOptions): Promise<readonly Classification[]>;
  /** The class of each text or pair of texts. @throws as `ask` */
  async classify(
    asked: TextOrPair | readonly TextOrPair[],
    options: ClassifyOptions = {},
  ): Promise<Classification | readonly Classification[]> {
    return await this.#oneOrMany("classify", asked, options);
  }

  multiLabel(text: TextOrPair, options?: AskOptions<"multi-label">): Promise<AnswerOf<"multi-label">>;
  multiLabel(
    texts: readonly TextOrPair[],
    options?: AskOptions<"multi-label">,
  ): Promise<readonly AnswerOf<"multi-label">[]>;
  /** Every label of each text or pair of texts. @throws as `ask` */
  async multiLabel(
    asked: TextOrPair | readonly TextOrPair[],
    options: AskOptions<"multi-label"> = {},
  ): Promise<AnswerOf<"multi-label"> | readonly AnswerOf<"multi-label">[]> {
    return await this.#oneOrMany("multi-label", asked, options);
  }

  score(text: TextOrPair, options?: AskOptions<"score">): Promise<AnswerOf<"score">>;
  score(texts: readonly TextOrPair[], options?: AskOptions<"score">): Promise<readonly AnswerOf<"score">[]>;
  /** The score of each text or pair of texts. @throws as `ask` */
  async score(
    asked: TextOrPair | readonly TextOrPair[],
    options: AskOptions<"score"> = {},
  ): Promise<AnswerOf<"score"> | readonly AnswerOf<"score">[]> {
    return await this.#oneOrMany("score", asked, options);
  }

  tokenClassify(text: string, options?: AskOptions<"token-classify">): Promise<AnswerOf<"token-classify">>;
  tokenClassify(
    texts: readonly string[],
    options?: AskOptions<"token-classify">,
  ): Promise<readonly AnswerOf<"token-classify">[]>;
  /** The labelled spans of each text. @throws as `ask` */
  async tokenClassify(
    asked: string | readonly string[],
    options: AskOptions<"token-classify"> = {},
  ): Promise<AnswerOf<"token-classify"> | readonly AnswerOf<"token-classify">[]> {
    return await this.#oneOrMany("token-classify", asked, options);
  }

  embed(text: string, options?: AskOptions<"embed">): Promise<AnswerOf<"embed">>;
  embed(texts: readonly string[], options?: AskOptions<"embed">): Promise<readonly AnswerOf<"embed">[]>;
  /** The vector of each text. @throws as `ask` */
  async embed(
    asked: string | readonly string[],
    options: AskOptions<"embed"> = {},
  ): Promise<AnswerOf<"embed"> | readonly AnswerOf<"embed">[]> {
    return await this.#oneOrMany("embed", asked, options);
  }

  similarity(pair: TextPair, options?: AskOptions<"similarity">): Promise<AnswerOf<"similarity">>;
  similarity(
    pairs: readonly TextPair[],
    options?: AskOptions<"similarity">,
  ): Promise<readonly AnswerOf<"similarity">[]>;
  /** How alike the two texts of each pair are, by their vectors. @throws as `ask` */
  async similarity(
    asked: TextPair | readonly TextPair[],
    options: AskOptions<"similarity"> = {},
  ): Promise<AnswerOf<"similarity"> | readonly AnswerOf<"similarity">[]> {
    return await this.#oneOrMany("similarity", asked, options);
  }

  rerank(question: RerankQuestion, options?: AskOptions<"rerank">): Promise<AnswerOf<"rerank">>;
  rerank(questions: readonly RerankQuestion[], options?: AskOptions<"rerank">): Promise<readonly AnswerOf<"rerank">[]>;
  /** The documents of each question, in the order in which they answer its query. @throws as `ask` */
  async rerank(
    asked: RerankQuestion | readonly RerankQuestion[],
    options: AskOptions<"rerank"> = {},
  ): Promise<AnswerOf<"rerank"> | readonly AnswerOf<"rerank">[]> {
    return await this.#oneOrMany("rerank", asked, options);
  }

  fillMask(text: string, options?: AskOptions<"fill-mask">): Promise<AnswerOf<"fill-mask">>;
  fillMask(texts: readonly string[], options?: AskOptions<"fill-mask">): Promise<readonly AnswerOf<"fill-mask">[]>;
  /** What each text has where a mask stands. @throws as `ask` */
  async fillMask(
    asked: string | readonly string[],
    options: AskOptions<"fill-mask"> = {},
  ): Promise<AnswerOf<"fill-mask"> | readonly AnswerOf<"fill-mask">[]> {
    return await this.#oneOrMany("fill-mask", asked, options);
  }

  perplexity(text: string, options?: AskOptions<"perplexity">): Promise<AnswerOf<"perplexity">>;
  perplexity(texts: readonly string[], options?: AskOptions<"perplexity">): Promise<readonly AnswerOf<"perplexity">[]>;
  /** How likely a language model finds each text. @throws as `ask` */
  async perplexity(
    asked: string | readonly string[],
    options: AskOptions<"perplexity"> = {},
  ): Promise<AnswerOf<"perplexity"> | readonly AnswerOf<"perplexity">[]> {
    return await this.#oneOrMany("perplexity", asked, options);
  }

  async #oneOrMany<T extends TaskName>(
    task: T,
    asked: Question<T> | readonly Question<T>[],
    options: AskOptions<T>,
  ): Promise<AnswerOf<T> | readonly AnswerOf<T>[]> {
    const { answers } = await this.answer(task, oneOrMany(asked), options);
    return Array.isArray(asked) ? answers : answers[0]!;
  }
}

/** @throws INPUT_INVALID. What is in a list is checked, with its place, where it is asked. */
export function listOf<T>(questions: readonly T[], expected: string): readonly T[] {
  if (Array.isArray(questions)) return questions as readonly T[];
  throw wrongKind(questions, expected);
}

/** @throws INPUT_INVALID: it is neither a text, nor what has texts in it, nor a list of either */
export function oneOrMany<Q>(asked: Q | readonly Q[]): readonly Q[] {
  if (Array.isArray(asked)) return asked as readonly Q[];
  if (typeof asked === "string" || (typeof asked === "object" && asked !== null)) return [asked as Q];
  throw wrongKind(asked, "a text or a list of texts");
}

function wrongKind(value: unknown, expected: string): LockstepError {
  const given = value === null ? "null" : typeof value;
  return new LockstepError("INPUT_INVALID", `expected ${expected}, not ${given}`, { given });
}

/** Something that answers and is closed once, whoever asks for it and how often. */
export abstract class ClosableAskable extends AskableBase implements AsyncDisposable {
  #closing: Promise<void> | undefined;

  protected abstract end(): Promise<void>;

  /** Answers what was asked, then lets go of everything. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.end());
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
