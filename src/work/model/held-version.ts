/**
 * A version that is held, as a classifier: the same for the thread that owns the model and for one that attached it.
 */
import { ClassifierBase } from "./classifier.ts";
import type { ClassifyOptions, PinnedModel, ProfiledAnswers, VersionFacts } from "./contract.ts";

export interface PinBehind {
  classify(texts: readonly string[], options: ClassifyOptions): Promise<ProfiledAnswers>;
  /** Called once. */
  release(): Promise<void>;
}

export class HeldVersion extends ClassifierBase implements PinnedModel {
  readonly #facts: VersionFacts;
  readonly #behind: PinBehind;
  #released: Promise<void> | undefined;

  constructor(facts: VersionFacts, behind: PinBehind) {
    super();
    this.#facts = facts;
    this.#behind = behind;
  }

  protected override facts(): VersionFacts {
    return this.#facts;
  }

  protected override answer(texts: readonly string[], options: ClassifyOptions): Promise<ProfiledAnswers> {
    return this.#behind.classify(texts, options);
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
