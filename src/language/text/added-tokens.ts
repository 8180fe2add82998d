/**
 * Added tokens in a text: leftmost first, then longest, as in the reference. A trie, because one regular expression of
 * thousands of alternatives from a stranger's file has no useful bound; here the time is the text's length times the
 * longest token's.
 */
import { isSpace, isWord } from "./unicode.ts";

/** One that is found in a text. `content` is what is looked for: of a normalized token, its normalized form. */
export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** Only where no letter, digit or mark touches it. */
  readonly singleWord: boolean;
  /** Takes the white space before it along. */
  readonly lstrip: boolean;
  /** Takes the white space after it along. */
  readonly rstrip: boolean;
}

interface Node {
  token: AddedToken | undefined;
  readonly next: Map<number, Node>;
}

/** Where an added token stands, with the white space it takes along; the search for the next goes on at `resume`. */
export interface Found {
  readonly start: number;
  readonly end: number;
  readonly resume: number;
  readonly id: number;
}

export class AddedTokens {
  readonly #root: Node = { token: undefined, next: new Map() };
  /** By code unit: whether a token begins with it. */
  readonly #begins = new Uint8Array(1 << 16);
  /** Code units of the longest one; 0 when there is none. */
  readonly longest: number = 0;

  constructor(tokens: Iterable<AddedToken>) {
    for (const token of tokens) {
      let node = this.#root;
      for (let i = 0; i < token.content.length; i++) {
        const unit = token.content.charCodeAt(i);
        let next = node.next.get(unit);
        if (next === undefined) node.next.set(unit, (next = { token: undefined, next: new Map() }));
        node = next;
      }
      node.token ??= token;
      this.#begins[token.content.charCodeAt(0)] = 1;
      this.longest = Math.max(this.longest, token.content.length);
    }
  }

  /**
   * Calls `between` with what lies before, between and after the tokens, and `found` with each token, in order, until
   * one of them returns false. Places are code units of `text`.
   */
  split(text: string, between: (from: number, to: number) => boolean, found: (token: Found) => boolean): void {
    let done = 0;
    for (let from = 0; ;) {
      const token = this.#find(text, from, done);
      if (token === undefined) break;
      if (token.start > done && !between(done, token.start)) return;
      if (!found(token)) return;
      done = token.end;
      from = token.resume;
    }
    if (done < text.length) between(done, text.length);
  }

  #find(text: string, from: number, done: number): Found | undefined {
    for (let start = from; start < text.length; start++) {
      if (this.#begins[text.charCodeAt(start)] === 0) continue;
      const found = this.#at(text, start);
      if (found === undefined) continue;
      const resume = start + found.content.length;
      if (found.singleWord && touchesWord(text, start, resume)) {
        start = resume - 1; // Passed over as a whole, as the reference does.
        continue;
      }
      let [first, end] = [start, resume];
      if (found.lstrip) while (first > done && isSpace(text.charCodeAt(first - 1))) first--;
      if (found.rstrip) while (end < text.length && isSpace(text.charCodeAt(end))) end++;
      return { start: first, end, resume, id: found.id };
    }
    return undefined;
  }

  #at(text: string, start: number): AddedToken | undefined {
    let node = this.#root.next.get(text.charCodeAt(start));
    let found: AddedToken | undefined;
    for (let end = start + 1; node !== undefined; end++) {
      found = node.token ?? found;
      node = node.next.get(text.charCodeAt(end)); // NaN at the end of the text, which no node has
    }
    return found;
  }
}

function touchesWord(text: string, start: number, end: number): boolean {
  const low = text.charCodeAt(start - 1);
  const before = low >= 0xdc00 && low <= 0xdfff ? text.codePointAt(start - 2) : low;
  const after = text.codePointAt(end);
  return (start > 0 && isWord(before as number)) || (after !== undefined && isWord(after));
}
