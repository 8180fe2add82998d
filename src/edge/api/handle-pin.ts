/**
 * A version that is held, as a classifier: the same for the thread that owns the model and for one that attached it.
 */
import type {
  Classification,
  Classifier,
  ClassifyOptions,
  PinnedModel,
  ProfiledAnswers,
  VersionFacts,
} from "./handle-contract.ts";

export interface PinBehind {
  classify(texts: readonly string[], options: ClassifyOptions): Promise<ProfiledAnswers>;
  /** Called once. */
  release(): Promise<void>;
}

export class HeldVersion implements PinnedModel {
  readonly #facts: VersionFacts;
  readonly #behind: PinBehind;
  #released: Promise<void> | undefined;

  constructor(facts: VersionFacts, behind: PinBehind) {
    this.#facts = facts;
    this.#behind = behind;
  }

  get version(): string {
    return this.#facts.version;
  }
  get labels(): readonly string[] {
    return this.#facts.info.labels;
  }
  get profile(): Classifier["profile"] {
    return this.#facts.profile;
  }
  get info(): Classifier["info"] {
    return this.#facts.info;
  }

  classify(text: string, options?: ClassifyOptions): Promise<Classification>;
  classify(texts: readonly string[], options?: ClassifyOptions): Promise<readonly Classification[]>;
  async classify(
    texts: string | readonly string[],
    options: ClassifyOptions = {},
  ): Promise<Classification | readonly Classification[]> {
    const { answers } = await this.classifyOnProfile(typeof texts === "string" ? [texts] : texts, options);
    return typeof texts === "string" ? answers[0]! : answers;
  }

  async classifyOnProfile(texts: readonly string[], options: ClassifyOptions = {}): Promise<ProfiledAnswers> {
    return await this.#behind.classify(texts, options);
  }

  release(): Promise<void> {
    return (this.#released ??= this.#behind.release());
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
  [Symbol.dispose](): void {
    void this.release().catch(() => undefined);
  } // fails only where the model is gone, and the pin with it
}
