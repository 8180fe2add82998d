/**
 * The pre-tokenizers of a `tokenizer.json` that look at single characters: where one word ends and the next begins
 * follows from what each of two neighbours is to each pre-tokenizer, so a list of them is one look-up a character.
 */
import { Memo, type Normalizer } from "./normalize.ts";
import { isNumeric, isPunctuation, isSpace, isWord } from "./unicode.ts";

/** One thing that a pre-tokenizer does: drop a kind of character, set each apart, or part runs of it from others. */
export type Split =
  | "drop-space"
  | "drop-punctuation"
  | "each-punctuation"
  | "each-digit"
  | "runs-of-words"
  | "runs-of-punctuation"
  | "runs-of-digits";

const KINDS = {
  space: isSpace,
  punctuation: isPunctuation,
  digit: isNumeric,
  digits: isNumeric,
  words: isWord,
} as const;

const SPLITS: Readonly<Record<Split, readonly ["drop" | "each" | "runs", keyof typeof KINDS]>> = {
  "drop-space": ["drop", "space"],
  "drop-punctuation": ["drop", "punctuation"],
  "each-punctuation": ["each", "punctuation"],
  "each-digit": ["each", "digit"],
  "runs-of-words": ["runs", "words"],
  "runs-of-punctuation": ["runs", "punctuation"],
  "runs-of-digits": ["runs", "digits"],
};

/** A word as the model sees it, and for each of its code units where its source starts and ends. */
export interface Word {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** A character before the split: its text, whether it parts words, stands alone, and which run it belongs to. */
export interface Unit {
  readonly text: string;
  readonly gap: boolean;
  readonly alone: boolean;
  readonly run: number;
}

/** A word stops growing here, above the 2 × 1000 code units that any vocabulary may cover: only its end moves on. */
const LONGEST_WORD = 2048;

export class Words {
  readonly #normalizer: Normalizer;
  readonly #units: Memo<Unit>;

  constructor(normalizer: Normalizer, splits: readonly Split[]) {
    this.#normalizer = normalizer;
    this.#units = new Memo((code) => unitOf(code, splits));
  }

  /** Calls `emit` with each word of `text` between `from` and `to` (code units), in order, until it returns false. */
  forEach(text: string, from: number, to: number, emit: (word: Word) => boolean): void {
    const cutter = this.cutter(emit);
    this.#normalizer.forEach(text, from, to, cutter.push, cutter.going);
    cutter.close();
  }

  /** All words of `text`. */
  all(text: string): Word[] {
    const words: Word[] = [];
    this.forEach(text, 0, text.length, (word) => {
      words.push(word);
      return true;
    });
    return words;
  }

  /** Takes normalized characters one by one. */
  cutter(emit: (word: Word) => boolean): {
    push(this: void, code: number, start: number, end: number): void;
    going(this: void): boolean;
    close(this: void): void;
  } {
    let open: { text: string; starts: number[]; ends: number[] } | undefined;
    let run = 0;
    let going = true;
    const close = (): void => {
      if (open !== undefined && going) going = emit(open);
      open = undefined;
    };
    const push = (code: number, start: number, end: number): void => {
      const unit = this.#units.get(code);
      if (unit.gap || unit.alone || unit.run !== run) close();
      if (unit.gap) return;
      run = unit.run;
      open ??= { text: "", starts: [], ends: [] };
      if (open.text.length >= LONGEST_WORD) open.ends[open.ends.length - 1] = end;
      else {
        open.text += unit.text;
        for (let i = 0; i < unit.text.length; i++) {
          open.starts.push(start);
          open.ends.push(end);
        }
      }
      if (unit.alone) close();
    };
    return { push, going: () => going, close };
  }
}

export function unitOf(code: number, splits: readonly Split[]): Unit {
  let [gap, alone, run] = [false, false, 0];
  for (const split of splits) {
    const [does, kind] = SPLITS[split];
    const is = KINDS[kind](code);
    if (does === "drop") gap ||= is;
    else if (does === "each") alone ||= is;
    else run = 2 * run + Number(is);
  }
  return { text: String.fromCodePoint(code), gap, alone, run };
}
