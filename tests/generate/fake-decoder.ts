/** A decoder without a model: logits are a function of a sequence's ids, and what is open is counted. */
import { bits, LockstepError, PURPOSE } from "../../src/base/index.ts";
import type { Decoder, Sequence } from "../../src/work/generate/index.ts";
import { version } from "./local.ts";

const V = version.config.vocab_size;

class FakeSequence implements Sequence {
  ids: number[];
  readonly #open: Set<FakeSequence>;

  constructor(open: Set<FakeSequence>, ids: number[]) {
    this.ids = ids;
    this.#open = open;
    open.add(this);
  }
  get length(): number {
    return this.ids.length;
  }
  get bytes(): number {
    return 8 * this.ids.length;
  }
  rewind(length: number): void {
    this.ids = this.ids.slice(0, length);
  }
  fork(length = this.length): Sequence {
    return new FakeSequence(this.#open, this.ids.slice(0, length));
  }
  export(): Uint8Array {
    return new Uint8Array(0);
  }
  import(): void {
    this.ids = [];
  }
  close(): void {
    this.#open.delete(this);
  }
}

export interface FakeDecoder extends Decoder {
  /** Sequences that are open. */
  readonly open_: ReadonlySet<Sequence>;
}

/** `poison`: after this id logits are NaN; `broken`: with this id in it a step fails. */
export function fakeDecoder(slots: number, { poison = -1, broken = -1 } = {}): FakeDecoder {
  const open = new Set<FakeSequence>();
  return {
    open_: open,
    profile: { executor: "reference", form: "packed", build: "fake", cpu: "any", id: "fake" },
    slots,
    context: 512,
    vocabulary: V,
    open: () => new FakeSequence(open, []),
    step: async (work) => {
      await Promise.resolve();
      if (work.some(({ ids }) => ids.includes(broken))) throw new LockstepError("RUNTIME_FAILED", "a step of the fake");
      return work.map(({ sequence, ids, logits = 1 }) => {
        if (!(sequence instanceof FakeSequence)) throw new LockstepError("INPUT_INVALID", "another decoder's");
        const own = sequence;
        own.ids.push(...ids);
        const key: [number, number] = [own.ids.reduce((sum, id) => (sum * 31 + id) >>> 0, 7), own.length];
        const bad = own.ids.includes(poison);
        return Float32Array.from({ length: logits * V }, (_, id) =>
          bad ? NaN : bits(key, PURPOSE.test, 0, 0, id) / 2 ** 29,
        );
      });
    },
    dispose: () => Promise.resolve(),
  };
}
