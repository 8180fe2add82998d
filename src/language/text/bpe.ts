/**
 * Byte-pair encoding (Sennrich et al. 2016) of a piece of text: its characters, or its bytes, are joined pair by pair
 * in the order of the merges, leftmost first. A heap holds the pairs that may be joined, so a piece of n characters
 * takes n log n steps, whatever the merges are. Details are those of Hugging Face's `tokenizers` (models/bpe).
 */
import { characterOfByte, forEachByte } from "./bytes.ts";
import { Heap } from "./heap.ts";
import { textOfPiece, type Piece } from "./piece.ts";
import { invalid, quote, type TokenizerJson } from "./schema.ts";

/** A piece in tokens: token i covers the code points from `firsts[i]` to `lasts[i]` (exclusive) of the piece. */
export interface Cut {
  readonly ids: readonly number[];
  readonly firsts: readonly number[];
  readonly lasts: readonly number[];
}

/** A model that cuts a piece of text by itself. */
export interface PieceModel {
  cut(piece: Piece): Cut;
}

/** Pieces kept at most, and the longest one; when full, all are forgotten, which changes the time and nothing else. */
const CACHE_SIZE = 16_384;
const CACHED_LENGTH = 256;

/** Ids stay below 2^20: a pair of them is one number. */
const SHIFT = 0x20_0000;
/** A place in a piece stays below 2^24, and rank * 2^24 + place below 2^53. */
const PLACES = 0x100_0000;

interface Options {
  readonly unknown: number | undefined;
  readonly prefix: string;
  readonly suffix: string;
  readonly fuses: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
}

export class Bpe implements PieceModel {
  readonly #vocab: ReadonlyMap<string, number>;
  readonly #options: Options;
  /** Id of each byte's character, where text is bytes. */
  readonly #bytes: readonly (number | undefined)[] | undefined;
  /** Of a pair of ids: its place in the order. By that: the id of what they become. */
  readonly #ranks = new Map<number, number>();
  readonly #joined: number[] = [];
  readonly #cache = new Map<string, Cut>();

  /** `overBytes`: text is cut from its UTF-8 bytes in GPT-2's alphabet (ByteLevel). */
  constructor(model: TokenizerJson["model"], vocab: ReadonlyMap<string, number>, overBytes: boolean) {
    this.#vocab = vocab;
    this.#options = readOptions(model, vocab);
    if (overBytes) this.#bytes = Array.from({ length: 256 }, (_, byte) => vocab.get(characterOfByte(byte)));
    const { prefix } = this.#options;
    mergesOf(model).forEach(([left, right], rank) => {
      const idOf = (token: string): number => {
        const id = vocab.get(token);
        if (id === undefined) throw invalid(`model.merges[${rank}] speaks of ${quote(token)}, which no token is`);
        return id;
      };
      this.#ranks.set(idOf(left) * SHIFT + idOf(right), rank);
      this.#joined.push(idOf(left + right.slice(prefix.length)));
    });
  }

  cut(piece: Piece): Cut {
    const length = piece.to - piece.from;
    const text = length <= CACHED_LENGTH || this.#options.ignoreMerges ? textOfPiece(piece) : "";
    const known = length <= CACHED_LENGTH ? this.#cache.get(text) : undefined;
    if (known !== undefined) return known;
    const cut = this.#whole(text, length) ?? this.#merge(this.#symbols(piece));
    if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
    if (length <= CACHED_LENGTH) this.#cache.set(text, cut);
    return cut;
  }

  /** A piece that is a token, where merges need not lead to it. */
  #whole(text: string, length: number): Cut | undefined {
    if (!this.#options.ignoreMerges) return undefined;
    const token = this.#bytes === undefined ? text : Array.from(UTF8.encode(text), characterOfByte).join("");
    const id = this.#vocab.get(token);
    return id === undefined ? undefined : { ids: [id], firsts: [0], lasts: [length] };
  }

  #symbols(piece: Piece): Symbols {
    const symbols: Symbols = { ids: [], firsts: [], lasts: [] };
    const { unknown, prefix, suffix, fuses, byteFallback } = this.#options;
    const add = (id: number, first: number, last: number): void => {
      symbols.ids.push(id);
      symbols.firsts.push(first);
      symbols.lasts.push(last);
    };
    let open: { first: number; last: number } | undefined;
    const close = (): void => {
      if (open !== undefined && unknown !== undefined) add(unknown, open.first, open.last);
      open = undefined;
    };
    /** A character, or that of a byte, that begins the piece or ends it. */
    const character = (text: string, id: number | undefined, place: number): void => {
      if (id !== undefined) {
        close();
        add(id, place, place + 1);
        return;
      }
      const bytes = byteFallback ? this.#fallback(text) : undefined;
      if (bytes !== undefined) {
        // What is unknown before it comes after it: so the reference has it.
        for (const byte of bytes) add(byte, place, place + 1);
        return;
      }
      if (open !== undefined && fuses) open.last = place + 1;
      else {
        close();
        open = { first: place, last: place + 1 };
      }
    };
    const length = piece.to - piece.from;
    const plain = prefix === "" && suffix === "";
    for (let place = 0; place < length; place++) {
      const code = piece.codes[piece.from + place] as number;
      if (this.#bytes !== undefined && plain) {
        const bytes = this.#bytes;
        forEachByte(code, (byte) => {
          const id = bytes[byte];
          if (id !== undefined && open === undefined) add(id, place, place + 1);
          else character(characterOfByte(byte), id, place);
        });
        continue;
      }
      const alphabet = this.#bytes === undefined ? [String.fromCodePoint(code)] : byteCharacters(code);
      alphabet.forEach((one, i) => {
        const isFirst = place === 0 && i === 0;
        const isLast = place === length - 1 && i === alphabet.length - 1;
        const text = `${isFirst ? "" : prefix}${one}${isLast ? suffix : ""}`;
        character(text, this.#vocab.get(text), place);
      });
    }
    close();
    return symbols;
  }

  /** The tokens of a character's bytes, where there are all of them. */
  #fallback(text: string): number[] | undefined {
    const ids = Array.from(UTF8.encode(text), (byte) =>
      this.#vocab.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
    );
    return ids.includes(undefined) ? undefined : (ids as number[]);
  }

  #merge(symbols: Symbols): Cut {
    const { ids, firsts, lasts } = symbols;
    const count = ids.length;
    if (count < 2) return symbols;
    const before = Int32Array.from(ids, (_, i) => i - 1);
    const after = Int32Array.from(ids, (_, i) => (i + 1 < count ? i + 1 : -1));
    const gone = new Uint8Array(count);
    const heap = new Heap<number>((x, y) => x < y);
    const offer = (left: number, right: number): void => {
      const rank = this.#ranks.get((ids[left] as number) * SHIFT + (ids[right] as number));
      if (rank !== undefined) heap.push(rank * PLACES + left);
    };
    for (let i = 0; i + 1 < count; i++) offer(i, i + 1);
    for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
      const left = top % PLACES;
      const right = after[left] as number;
      if (gone[left] === 1 || right < 0) continue;
      const rank = this.#ranks.get((ids[left] as number) * SHIFT + (ids[right] as number));
      const joined = this.#joined[(top - left) / PLACES] as number;
      // Another pair stands here by now.
      if (rank === undefined || this.#joined[rank] !== joined) continue;
      ids[left] = joined;
      lasts[left] = lasts[right] as number;
      gone[right] = 1;
      const next = after[right] as number;
      after[left] = next;
      if (next >= 0) {
        before[next] = left;
        offer(left, next);
      }
      const previous = before[left] as number;
      if (previous >= 0) offer(previous, left);
    }
    const kept = (_: number, i: number): boolean => gone[i] === 0;
    return { ids: ids.filter(kept), firsts: firsts.filter(kept), lasts: lasts.filter(kept) };
  }
}

interface Symbols {
  readonly ids: number[];
  readonly firsts: number[];
  readonly lasts: number[];
}

const UTF8 = new TextEncoder();

const byteCharacters = (code: number): string[] => {
  const characters: string[] = [];
  forEachByte(code, (byte) => characters.push(characterOfByte(byte)));
  return characters;
};

function readOptions(model: TokenizerJson["model"], vocab: ReadonlyMap<string, number>): Options {
  const text = (name: string): string => {
    const value = model[name] ?? "";
    if (typeof value !== "string" || value.length > 16)
      throw invalid(`model.${name} is not a string of at most 16 characters`);
    return value;
  };
  const flag = (name: string): boolean => {
    const value = model[name] ?? false;
    if (typeof value !== "boolean") throw invalid(`model.${name} is not true or false`);
    return value;
  };
  const token = model["unk_token"] ?? undefined;
  const unknown = token === undefined ? undefined : vocab.get(String(token));
  if (token !== undefined && unknown === undefined)
    throw invalid(`model.unk_token ${quote(String(token))} is not in model.vocab`);
  return {
    unknown,
    prefix: text("continuing_subword_prefix"),
    suffix: text("end_of_word_suffix"),
    fuses: flag("fuse_unk"),
    byteFallback: flag("byte_fallback"),
    ignoreMerges: flag("ignore_merges"),
  };
}

/** Written as "a b" in older files, as ["a", "b"] in newer ones. */
function mergesOf(model: TokenizerJson["model"]): readonly (readonly [string, string])[] {
  const { merges } = model;
  if (!Array.isArray(merges) || merges.length > MOST_MERGES)
    throw invalid(`model.merges is not a list of at most ${MOST_MERGES} pairs`);
  return merges.map((merge: unknown, i): readonly [string, string] => {
    const pair: readonly unknown[] = typeof merge === "string" ? merge.split(" ") : Array.isArray(merge) ? merge : [];
    const [left, right] = pair;
    if (pair.length !== 2 || typeof left !== "string" || typeof right !== "string")
      throw invalid(`model.merges[${i}] is not a pair of tokens`);
    return [left, right];
  });
}

const MOST_MERGES = 1 << 20;
