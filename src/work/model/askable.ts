/**
 * What everything that answers shows and takes in the same way, whatever is behind it: a model, one attached from
 * another thread, or a version of either that is held. Each says only what its facts are and how questions are asked.
 */
import { LockstepError } from "../../base/index.ts";
import { taskNamed, type Question, type TaskName } from "../tasks/index.ts";
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

  classify(text: string, options?: ClassifyOptions): Promise<Classification>;
  classify(texts: readonly string[], options?: ClassifyOptions): Promise<readonly Classification[]>;
  /** The class of each text. @throws as `ask` */
  async classify(
    texts: string | readonly string[],
    options: ClassifyOptions = {},
  ): Promise<Classification | readonly Classification[]> {
    return await this.#oneOrMany("classify", texts, options);
  }

  async #oneOrMany<T extends TaskName>(
    task: T,
    texts: Question<T> | readonly Question<T>[],
    options: AskOptions<T>,
  ): Promise<Answers<T>["answers"][number] | Answers<T>["answers"]> {
    const { answers } = await this.answer(task, oneOrMany(texts), options);
    return Array.isArray(texts) ? answers : answers[0]!;
  }
}

/** @throws INPUT_INVALID. What is in a list is checked, with its place, where it is asked. */
export function listOf<T>(questions: readonly T[], expected: string): readonly T[] {
  if (Array.isArray(questions)) return questions as readonly T[];
  throw wrongKind(questions, expected);
}

/** @throws INPUT_INVALID */
export function oneOrMany<T>(texts: T | readonly T[]): readonly T[] {
  if (typeof texts === "string") return [texts];
  return listOf(texts as readonly T[], "a text or a list of texts");
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
