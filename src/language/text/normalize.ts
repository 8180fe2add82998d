/**
 * The normalizers of a `tokenizer.json`, one code point at a time, so that every character knows where in the text it
 * came from and a long text is read only as far as it is needed. Nearly all of a normalizer maps code points, each by
 * itself, and is remembered; only the order of combining marks and composition look at neighbours. It follows Hugging
 * Face's `tokenizers` exactly (tests/text/reference*.test.ts compare them over random Unicode and every code point).
 * Offsets leave out combining marks that were stripped after the last kept character, as the reference does.
 */
import { codesOf, combiningRank, isDropped, isIdeograph, isInert, isMark, isNonspacing, isSpace } from "./unicode.ts";

export interface BertNormalizerOptions {
  /** Drop control and format characters, turn every kind of white space into a space. */
  readonly cleanText: boolean;
  /** Each Chinese ideograph is a word. */
  readonly handleChineseChars: boolean;
  /** Decompose and drop combining marks. */
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
}

/** One thing that a normalizer does. */
export type Step =
  | "clean"
  | "space-ideographs"
  | "lowercase"
  | "drop-nonspacing"
  | "drop-marks"
  | "decompose"
  | "decompose-compatibly"
  | "compose";

type Mapping = Exclude<Step, "decompose" | "decompose-compatibly" | "compose">;

/** What each mapping makes of a code point. */
const MAPPINGS: Readonly<Record<Mapping, (code: number) => readonly number[]>> = {
  clean: (code) => (isDropped(code) ? [] : isSpace(code) ? [0x20] : [code]),
  "space-ideographs": (code) => (isIdeograph(code) ? [0x20, code, 0x20] : [code]),
  // By itself, as Rust does: JavaScript's toLowerCase of a whole text looks at neighbours (a final sigma).
  lowercase: (code) => codesOf(String.fromCodePoint(code).toLowerCase()),
  "drop-nonspacing": (code) => (isNonspacing(code) ? [] : [code]),
  "drop-marks": (code) => (isMark(code) ? [] : [code]),
};

export function bertSteps(options: BertNormalizerOptions): Step[] {
  return [
    ...(options.cleanText ? (["clean"] as const) : []),
    ...(options.handleChineseChars ? (["space-ideographs"] as const) : []),
    ...(options.stripAccents ? (["decompose", "drop-nonspacing"] as const) : []),
    ...(options.lowercase ? (["lowercase"] as const) : []),
  ];
}

/** Takes a normalized code point and where its source starts and ends (code units); false: no more are wanted. */
export type Take = (code: number, start: number, end: number) => void;

interface Stage {
  push(code: number, start: number, end: number): void;
  /** The text ends here. */
  flush(): void;
}

/** Code points remembered by a stage; when full, all are forgotten, which changes the time and nothing else. */
const CACHE_SIZE = 4096;

export class Memo<T> {
  readonly #latin: T[] = [];
  readonly #known = new Map<number, T>();
  readonly #make: (code: number) => T;

  constructor(make: (code: number) => T) {
    this.#make = make;
  }

  get(code: number): T {
    if (code < 0x180) return (this.#latin[code] ??= this.#make(code));
    let value = this.#known.get(code);
    if (value === undefined) {
      if (this.#known.size >= CACHE_SIZE) this.#known.clear();
      this.#known.set(code, (value = this.#make(code)));
    }
    return value;
  }
}

/** Mappings, then (in most normalizers) decomposition with canonical order, then mappings: one look-up a code point. */
interface Rule {
  readonly before: readonly Mapping[];
  readonly decompose: "NFD" | "NFKD" | undefined;
  readonly after: readonly Mapping[];
}

/** A character of a decomposition: what the mappings after it leave, and its combining rank (0: a starter). */
interface Part {
  readonly kept: readonly number[];
  readonly rank: number;
}

/** What becomes of a code point. Most leave no mark whose place could change: then what is kept is all there is. */
interface Outcome {
  readonly kept: readonly number[];
  /** Whether marks before it stay before it, as they do of a starter, even one that is dropped afterwards. */
  readonly starts: boolean;
  /** Its parts where one of them is a mark that stays. */
  readonly parts: readonly Part[] | undefined;
}

export class Normalizer {
  readonly #rules: (Rule | "compose")[] = [];
  readonly #memos: Memo<Outcome>[] = [];

  constructor(steps: readonly Step[]) {
    let rule: { before: Mapping[]; decompose: "NFD" | "NFKD" | undefined; after: Mapping[] } | undefined;
    for (const step of steps) {
      if (step === "compose") {
        this.#rules.push("compose");
        rule = undefined;
        continue;
      }
      const decomposes = step === "decompose" || step === "decompose-compatibly";
      if (rule === undefined || (decomposes && rule.decompose !== undefined))
        this.#rules.push((rule = { before: [], decompose: undefined, after: [] }));
      if (decomposes) rule.decompose = step === "decompose" ? "NFD" : "NFKD";
      else (rule.decompose === undefined ? rule.before : rule.after).push(step);
    }
    this.#memos = this.#rules.map((one) => new Memo((code) => outcomeOf(code, one === "compose" ? NOTHING : one)));
  }

  /** Takes code points with their sources one by one, and hands on what becomes of them. */
  stage(take: Take): Stage {
    let first: Stage = { push: take, flush: () => undefined };
    for (let i = this.#rules.length - 1; i >= 0; i--)
      first = this.#rules[i] === "compose" ? composing(first) : mapping(this.#memos[i] as Memo<Outcome>, first);
    return first;
  }

  /** Normalizes `text` between `from` and `to`, by itself; ends early when `going` says false. */
  forEach(text: string, from: number, to: number, take: Take, going: () => boolean): void {
    const first = this.stage(take);
    for (let at = from; at < to && going();) {
      const code = text.codePointAt(at) as number;
      const end = at + (code > 0xffff ? 2 : 1);
      first.push(code, at, end);
      at = end;
    }
    first.flush();
  }

  /** The normalized form of a whole text. */
  normalize(text: string): string {
    const codes: string[] = [];
    this.forEach(
      text,
      0,
      text.length,
      (code) => codes.push(String.fromCodePoint(code)),
      () => true,
    );
    return codes.join("");
  }
}

const NOTHING: Rule = { before: [], decompose: undefined, after: [] };

function outcomeOf(code: number, { before, decompose, after }: Rule): Outcome {
  const through = (codes: readonly number[], names: readonly Mapping[]): readonly number[] =>
    names.reduce((list, name) => list.flatMap((one) => MAPPINGS[name](one)), codes);
  const parts = through([code], before)
    .flatMap((one) =>
      decompose === undefined || isInert(one) ? [one] : codesOf(String.fromCodePoint(one).normalize(decompose)),
    )
    .map((one) => ({ kept: through([one], after), rank: decompose === undefined ? 0 : combiningRank(one) }))
    .filter(({ kept, rank }) => kept.length > 0 || rank === 0);
  return {
    kept: parts.flatMap(({ kept }) => kept),
    starts: parts.length > 0,
    parts: parts.some(({ rank }) => rank > 0) ? parts : undefined,
  };
}

/** Marks of one run in canonical order: by class, those of one class in the order of the text. */
function mapping(memo: Memo<Outcome>, next: Stage): Stage {
  let marks: { part: Part; start: number; end: number }[] = [];
  const emit = (kept: readonly number[], start: number, end: number): void => {
    for (let i = 0; i < kept.length; i++) next.push(kept[i] as number, start, end);
  };
  const order = (): void => {
    for (const { part, start, end } of marks.sort((x, y) => x.part.rank - y.part.rank)) emit(part.kept, start, end);
    marks = [];
  };
  return {
    push(code, start, end) {
      const { kept, starts, parts } = memo.get(code);
      if (parts === undefined) {
        if (marks.length > 0 && starts) order();
        emit(kept, start, end);
        return;
      }
      for (const part of parts) {
        if (part.rank > 0) marks.push({ part, start, end });
        else {
          if (marks.length > 0) order();
          emit(part.kept, start, end);
        }
      }
    },
    flush() {
      order();
      next.flush();
    },
  };
}

/** Whether composition may join it to what stands before: marks, and vowels and finals of Korean syllables. */
const joinsBefore = new Memo(
  (code: number) =>
    !isInert(code) &&
    ((code >= 0x1161 && code <= 0x1175) ||
      (code >= 0x11a8 && code <= 0x11c2) ||
      /^\p{M}$/u.test(String.fromCodePoint(code))),
);

/** Composes what was decomposed. A composed character's source is that of the whole run that it came from. */
function composing(next: Stage): Stage {
  let run: { code: number; start: number; end: number }[] = [];
  const close = (): void => {
    const first = run[0];
    if (first === undefined) return;
    const text = run.length === 1 ? "" : run.map(({ code }) => String.fromCodePoint(code)).join("");
    const composed = text.normalize("NFC");
    if (composed === text) for (const { code, start, end } of run) next.push(code, start, end);
    else {
      const start = run.reduce((least, one) => Math.min(least, one.start), first.start);
      const end = run.reduce((most, one) => Math.max(most, one.end), first.end);
      for (const code of codesOf(composed)) next.push(code, start, end);
    }
    run = [];
  };
  return {
    push(code, start, end) {
      if (!joinsBefore.get(code)) close();
      run.push({ code, start, end });
      if (isInert(code)) close();
    },
    flush() {
      close();
      next.flush();
    },
  };
}
