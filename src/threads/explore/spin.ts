/**
 * Notices a spin: the same sequence of operations, with the same values and nothing changed by any, so many rounds in a
 * row, while every word that they saw is still as it was. The operation that would begin the next round is put off
 * until somebody changes something; otherwise schedules would be endless.
 *
 * Whether that leaves anything out depends on what the loop keeps from round to round, which is not in shared memory.
 * Where its source shows that it keeps nothing (`instrument/loops.ts`), another round would end in the very state that
 * this one began in: an execution with that round in it does what one without it does, so two rounds say all there is
 * to know (*exact*). Elsewhere the loop may count, so it is put off only after `rounds` of them, and that it was is
 * part of the verdict (*cut*).
 */
import { loopMarks } from "./instrument/loops.ts";

/** How a thread that comes to an operation stands to it. */
export const SPIN = { NONE: 0, EXACT: 1, CUT: 2 } as const;
/** A wait whose time limit passed is noted as an operation of its own: polling is a spin too. */
const LIMIT_PASSED = 64;

/** Rounds of more operations than this are not noticed. */
const LONGEST = 16;
const KEPT = 2 * LONGEST + 1;
const EXACT_ROUNDS = 2;
const F = { KIND: 0, BUFFER: 1, OFFSET: 2, SIZE: 3, OPERAND: 4, LOW: 5, HIGH: 6, LOOP: 7, ROUND: 8 } as const;
/** The fields that have to be the same. */
const COMPARED = 7;
const FIELDS = 9;
type Entry = Int32Array;

/** The bytes of a buffer, by its number. */
export type Bytes = (buffer: number) => Uint8Array | undefined;

export class SpinWatch {
  readonly #bytes: Bytes;
  readonly #kept: readonly Entry[] = Array.from({ length: KEPT }, () => new Int32Array(FIELDS));
  readonly #next: Entry = new Int32Array(FIELDS);
  /** For each length of a round, how many of the last operations were what had been done that many before. */
  readonly #same = new Int32Array(LONGEST + 1);
  #count = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  /** This thread changed something, slept, or otherwise got on. */
  progress(): void {
    this.#count = 0;
    this.#same.fill(0);
  }

  /** An operation that changed nothing; `limitPassed`: a wait that ended by its time limit. */
  note(kind: number, buffer: number, offset: number, size: number, operand: number, limitPassed = false): void {
    if (size > 8) return this.progress();
    this.#describe(kind, buffer, offset, size, operand, limitPassed);
    for (let period = 1; period <= LONGEST && period <= this.#count; period++)
      this.#same[period] = this.#equals(this.#back(period)) ? this.#same[period]! + 1 : 0;
    this.#kept[this.#count % KEPT]!.set(this.#next);
    this.#count++;
  }

  /** Whether doing this would begin another round of the same. */
  look(
    kind: number,
    buffer: number,
    offset: number,
    size: number,
    operand: number,
    limited: boolean,
    rounds: number,
  ): number {
    if (this.#count < EXACT_ROUNDS || size > 8) return SPIN.NONE;
    this.#describe(kind, buffer, offset, size, operand, limited);
    let found: number = SPIN.NONE;
    for (let period = 1; period <= LONGEST && period * EXACT_ROUNDS <= this.#count; period++) {
      const exact = this.#marked(period);
      if (this.#same[period]! < period * ((exact ? EXACT_ROUNDS : rounds) - 1)) continue;
      if (!this.#equals(this.#back(period)) || this.#changed(period)) continue;
      if (exact) return SPIN.EXACT;
      found = SPIN.CUT;
    }
    return found;
  }

  /** Whether the last round had a time limit pass in it. */
  get polls(): boolean {
    for (let back = 1; back <= LONGEST && back <= this.#count; back++)
      if (this.#back(back)[F.KIND]! >= LIMIT_PASSED) return true;
    return false;
  }

  #describe(kind: number, buffer: number, offset: number, size: number, operand: number, limitPassed: boolean): void {
    const next = this.#next;
    next[F.KIND] = kind + (limitPassed ? LIMIT_PASSED : 0);
    next[F.BUFFER] = buffer;
    next[F.OFFSET] = offset;
    next[F.SIZE] = size;
    next[F.OPERAND] = operand;
    next[F.LOW] = this.#value(buffer, offset, Math.min(size, 4));
    next[F.HIGH] = size > 4 ? this.#value(buffer, offset + 4, 4) : 0;
    next[F.LOOP] = loopMarks.loop;
    next[F.ROUND] = loopMarks.round;
  }

  #back(distance: number): Entry {
    return this.#kept[(this.#count - distance) % KEPT]!;
  }

  #equals(entry: Entry): boolean {
    for (let field = 0; field < COMPARED; field++) if (entry[field] !== this.#next[field]) return false;
    return true;
  }

  /** Whether the round lies, as the one before it did, within one run of a loop that keeps nothing. */
  #marked(period: number): boolean {
    const [next, last, before] = [this.#next, this.#back(period), this.#back(2 * period)];
    return (
      next[F.LOOP] !== 0 &&
      next[F.LOOP] === before[F.LOOP] &&
      before[F.ROUND]! < last[F.ROUND]! &&
      last[F.ROUND]! < next[F.ROUND]!
    );
  }

  /** Whether a word that the last round saw is another by now. */
  #changed(period: number): boolean {
    for (let back = 1; back <= period; back++) {
      const entry = this.#back(back);
      const [buffer, offset, size] = [entry[F.BUFFER]!, entry[F.OFFSET]!, entry[F.SIZE]!];
      if (this.#value(buffer, offset, Math.min(size, 4)) !== entry[F.LOW]) return true;
      if (size > 4 && this.#value(buffer, offset + 4, 4) !== entry[F.HIGH]) return true;
    }
    return false;
  }

  #value(buffer: number, offset: number, size: number): number {
    const bytes = this.#bytes(buffer);
    if (bytes === undefined) return 0;
    let value = 0;
    for (let at = size - 1; at >= 0; at--) value = (value << 8) | bytes[offset + at]!;
    return value;
  }
}
