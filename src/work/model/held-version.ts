/** A version that is held: the same for the thread that owns the model and for one that attached it. */
import type { Question, TaskName } from "../tasks/index.ts";
import { AskableBase } from "./askable.ts";
import type { Answers, AskOptions, PinnedModel, VersionFacts } from "./contract.ts";

export interface PinBehind {
  ask<T extends TaskName>(task: T, questions: readonly Question<T>[], options: AskOptions<T>): Promise<Answers<T>>;
  /** Called once. */
  release(): Promise<void>;
}

export class HeldVersion extends AskableBase implements PinnedModel {
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

  protected override answer<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: AskOptions<T>,
  ): Promise<Answers<T>> {
    return this.#behind.ask(task, questions, options);
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
