/**
 * Word dropout (Iyyer et al. 2015): ordinary tokens are left out, each with the same probability, so that rows get
 * shorter. What is left of an example is a function of (seed, epoch, example): the plan can know it beforehand, and put
 * rows together that are of one length afterwards.
 */
import { PURPOSE, uniform, type Seed } from "../../base/index.ts";
import type { SpecialIds } from "../../language/text/index.ts";
import { tokensOf, type TrainingData } from "./training-data.ts";

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
    if (this.#rate === 0) return ids;
    return ids.filter(
      (id, t) =>
        id === this.#special.cls ||
        id === this.#special.sep ||
        uniform(this.#seed, PURPOSE.augment, epoch, example, t) >= this.#rate,
    );
  }
}
