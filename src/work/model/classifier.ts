/**
 * What every classifier shows and takes in the same way, whatever is behind it: a model, one attached from another
 * thread, or a version of either that is held. Each says only what its facts are and how texts are asked.
 */
import { LockstepError } from "../../base/index.ts";
import type { Classification, Classifier, ClassifyOptions, ProfiledAnswers, VersionFacts } from "./contract.ts";

export abstract class ClassifierBase implements Classifier {
  protected abstract facts(): VersionFacts;
  protected abstract answer(texts: readonly string[], options: ClassifyOptions): Promise<ProfiledAnswers>;

  /** Name of the version that new questions are answered by: 64 hexadecimal characters. */
  get version(): string {
    return this.facts().version;
  }
  /** By class id. */
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

  classify(text: string, options?: ClassifyOptions): Promise<Classification>;
  classify(texts: readonly string[], options?: ClassifyOptions): Promise<readonly Classification[]>;
  /**
   * One answer a text, all from one version, with the same bits wherever it was asked. At most the model's `maxQueue`
   * texts at a time.
   * @throws INPUT_INVALID, INPUT_TOO_LARGE, OVERLOADED, TIMEOUT, CANCELLED, NON_FINITE, SHUTTING_DOWN, OWNER_DIED
   */
  async classify(
    texts: string | readonly string[],
    options: ClassifyOptions = {},
  ): Promise<Classification | readonly Classification[]> {
    const { answers } = await this.answer(listOf(texts), options);
    return typeof texts === "string" ? answers[0]! : answers;
  }

  /**
   * As `classify`, with what decided the bits of these answers: `profile` above may be another version's by the time
   * they are there.
   */
  async classifyOnProfile(texts: readonly string[], options: ClassifyOptions = {}): Promise<ProfiledAnswers> {
    return await this.answer(listOf(texts, "a list of texts"), options);
  }
}

/** @throws INPUT_INVALID. What is in a list is checked, with its place, where it is asked. */
export function listOf(texts: unknown, expected = "a text or a list of texts"): readonly string[] {
  if (typeof texts === "string" && expected !== "a list of texts") return [texts];
  if (Array.isArray(texts)) return texts as readonly string[];
  const given = texts === null ? "null" : typeof texts;
  throw new LockstepError("INPUT_INVALID", `expected ${expected}, not ${given}`, { given });
}

/** A classifier that is closed once, whoever asks for it and how often. */
export abstract class ClosableClassifier extends ClassifierBase implements AsyncDisposable {
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
