/**
 * Notices a spin: the same sequence of reads, with the same values, three times in a row and nothing written in
 * between. The operation that would begin the next round is put off until somebody writes. What a loop counts in local
 * variables is not seen, so a bounded spin counts as an unbounded one (and goes on when nobody else can).
 */
const LONGEST = 8;
const ROUNDS = 3;

export class SpinWatch {
  readonly #seen: number[] = [];

  /** This thread wrote, slept, or otherwise got on. */
  progress(): void {
    this.#seen.length = 0;
  }

  /**
   * A read of `value` there; kept as one number, which may collide: then a schedule is put off that need not have been,
   * no more.
   */
  read(buffer: number, offset: number, value: number): void {
    this.#seen.push(signature(buffer, offset, value));
    if (this.#seen.length > LONGEST * ROUNDS) this.#seen.shift();
  }

  /** What a sleep whose time limit passes is noted as, the word being `value` all the while: polling is a spin too. */
  static limitPassed(value: number): number {
    return ~value;
  }

  /** Whether reading `value` there would begin another round of the same. */
  spins(buffer: number, offset: number, value: number): boolean {
    const seen = this.#seen;
    const next = signature(buffer, offset, value);
    for (let period = 1; period <= LONGEST && period * ROUNDS <= seen.length; period++) {
      const from = seen.length - period * ROUNDS;
      if (seen[from] !== next) continue;
      let same = true;
      for (let at = from; same && at + period < seen.length; at++) same = seen[at] === seen[at + period];
      if (same) return true;
    }
    return false;
  }
}

function signature(buffer: number, offset: number, value: number): number {
  return (Math.imul(buffer, 0x9e3779b1) ^ Math.imul(offset + 1, 0x85ebca6b) ^ Math.imul(value, 0xc2b2ae35)) >>> 0;
}
