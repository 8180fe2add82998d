/**
 * Little programs, drawn by number: two or three threads that do a few operations each on three words. What an
 * operation means is said twice, here in words: by an interpreter (oracle.ts) and as real code (small.programs.ts).
 */

/** Words 0 and 1 can be slept on; word 2 is of the type that the program says. */
export const WORDS = 3;
export const TYPES = ["Int32Array", "Uint8Array", "Int8Array", "Int16Array", "Uint16Array", "Uint32Array"] as const;
export type Type = (typeof TYPES)[number];

export type Op =
  | { readonly op: "load" | "release"; readonly at: number }
  | { readonly op: "store" | "add" | "exchange"; readonly at: number; readonly value: number }
  | { readonly op: "cas"; readonly at: number; readonly expected: number; readonly value: number }
  /** Reads until the word is `value`. */
  | { readonly op: "until"; readonly at: number; readonly value: number }
  /** The same, at most `tries` times: how many were left. */
  | { readonly op: "tries"; readonly at: number; readonly value: number; readonly tries: number }
  /** Reads, and compares and sets to one more, until nobody came between. */
  | { readonly op: "retry"; readonly at: number }
  /** Compares 0 and sets 1 until it succeeds. */
  | { readonly op: "acquire"; readonly at: number }
  | { readonly op: "wait" | "waitTimed"; readonly at: number; readonly value: number }
  | { readonly op: "notify"; readonly at: number; readonly count: number };

export interface Small {
  readonly type: Type;
  readonly threads: readonly (readonly Op[])[];
}

/** The program of that number. */
export function small(seed: number, threads: number): Small {
  let state = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(threads, 0x85ebca6b)) | 0;
  const draw = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
  /** Mostly small, now and then one that the types see differently. */
  const value = (): number => (draw(8) === 0 ? [-1, 255, 256, 0x80000000][draw(4)]! : draw(3));
  const op = (): Op => {
    const at = draw(WORDS);
    const word = draw(2);
    switch (draw(13)) {
      case 0:
      case 1:
        return { op: "load", at };
      case 2:
      case 3:
        return { op: "store", at, value: value() };
      case 4:
        return { op: "add", at, value: value() };
      case 5:
        return { op: "exchange", at, value: value() };
      case 6:
        return { op: "cas", at, expected: value(), value: value() };
      case 7:
        return { op: "until", at, value: 1 + draw(2) };
      case 8:
        return { op: "tries", at, value: 1 + draw(2), tries: draw(6) === 0 ? 10 : 1 + draw(4) };
      case 9:
        return draw(2) === 0 ? { op: "retry", at } : { op: "acquire", at };
      case 10:
        return { op: draw(3) === 0 ? "waitTimed" : "wait", at: word, value: draw(2) };
      case 11:
        return { op: "notify", at: word, count: 1 + draw(2) };
      default:
        return { op: "release", at };
    }
  };
  const longest = threads === 2 ? 3 : 2;
  return {
    type: TYPES[draw(TYPES.length)]!,
    threads: Array.from({ length: threads }, () => Array.from({ length: 1 + draw(longest) }, op)),
  };
}
