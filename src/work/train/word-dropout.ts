/**
 * Word dropout (Iyyer et al. 2015): ordinary tokens are left out, each with the same probability, so that rows get
 * shorter. What is left of an example is a function of (seed, epoch, example): the plan can know it beforehand, and put
 * rows together that are of one length afterwards.
 */
import { PURPOSE, uniform, type Seed } from "../../base/index.ts";
import type { TokenRow } from "../../language/models/index.ts";
import type { SpecialIds } from "../../language/text/index.ts";
import { rowOf, tokensOf, type TrainingData } from "./training-data.ts";

export class WordDropout {
  readonly #data: TrainingData;
  readonly #special: SpecialIds;
  readonly #rate: number;
  readonly #seed: Seed;

  /** `rate` 0 leaves nothing out. */
  constructor(data: TrainingData, special: SpecialIds, rate: number, seed: Seed) {
    this.#data = data;
    this.#special = special;
    this.#rate = rate;
    this.#seed = seed;
  }

  /** The tokens that are left of an example in an epoch; never without [CLS] and [SEP]. */
  tokens(epoch: number, example: number): Int32Array {
    const ids = tokensOf(this.#data, example);
    return this.#rate === 0 ? ids : ids.filter((id, t) => this.#isLeft(epoch, example, id, t));
  }

  /** The same with their types. */
  row(epoch: number, example: number): TokenRow {
    const { ids, typeIds } = rowOf(this.#data, example);
    const left = this.tokens(epoch, example);
    return typeIds === undefined
      ? { ids: left }
      : { ids: left, typeIds: typeIds.filter((_, t) => this.#isLeft(epoch, example, ids[t]!, t)) };
  }

  #isLeft(epoch: number, example: number, id: number, t: number): boolean {
    return (
      this.#rate === 0 ||
      id === this.#special.cls ||
      id === this.#special.sep ||
      uniform(this.#seed, PURPOSE.augment, epoch, example, t) >= this.#rate
    );
  }
}
