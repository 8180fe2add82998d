/**
 * Tokenizers that our own code does not have, run by the reference implementation itself: the optional npm package
 * `tokenizers`, Hugging Face's Rust library, on threads of its own. Its offsets count code points and become code units
 * here. Nothing can stop a native call, so a file with a part that might not end is refused (linear.ts).
 */
import { createRequire } from "node:module";
import { LockstepError, isLockstepError } from "../../base/index.ts";
import { specialIds, tokenizerFiles } from "./files.ts";
import { checkText } from "./input.ts";
import { invalid, isNormalized, vocabEntries } from "./schema.ts";
import type { Settled } from "./settled.ts";
import { fit } from "./truncate.ts";
import { TokenizerBase } from "./tokenizer-base.ts";
import type { EncodeOptions, Encoded, SpecialIds, Tokenizer, TokenizerFiles } from "./types.ts";
import { checkMaxLength, TOKEN_LIMIT } from "./own-tokenizer.ts";

/** The part of the library that is used, written down so that Lockstep compiles without the package. */
interface Encoding {
  getLength(): number;
  getIds(): number[];
  getTypeIds(): number[];
  getOffsets(): number[][];
  getSequenceIds(): (number | null)[];
  /** Of its own text. */
  getWordIds(): (number | null | undefined)[];
  truncate(length: number, stride: number, direction: "left" | "right"): void;
}
interface Core {
  encode(text: string, pair: null, options: { readonly addSpecialTokens: boolean }): Promise<Encoding>;
  postProcess(encoding: Encoding, pair: Encoding | null, addSpecialTokens: boolean): Encoding;
  getNormalizer(): { normalizeString(text: string): string } | null;
}
interface Library {
  readonly Tokenizer: { fromString(json: string): Core };
}

const PACKAGE = "tokenizers";

/** `uncovered` is the part that our own code does not have. */
export function openLibraryTokenizer(settled: Settled, uncovered: string): Tokenizer {
  if (settled.splitSpecial)
    throw invalid(
      `tokenizer_config.json says "split_special_tokens", and its ${uncovered} is run by the package ${PACKAGE}, ` +
        "which has no such setting",
    );
  const { library, version } = loadLibrary(uncovered);
  // Truncation and padding are ours.
  const json = JSON.stringify({
    version: "1.0",
    ...settled.json,
    added_tokens: settled.json.added_tokens.map((token) => ({ ...token, normalized: isNormalized(token) })),
    truncation: null,
    padding: null,
  });
  const core = guarded("its parts cannot be put together", () => library.Tokenizer.fromString(json));
  return new LibraryTokenizer(settled, core, `${PACKAGE} ${version}`);
}

function loadLibrary(uncovered: string): { library: Library; version: string } {
  const require = createRequire(import.meta.url);
  try {
    const { version } = require(`${PACKAGE}/package.json`) as { version: string };
    return { library: require(PACKAGE) as Library, version };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new LockstepError(
      "TOKENIZER_INVALID",
      `tokenizer.json cannot be used: Lockstep's own code does not have its ${uncovered}, and the package ${PACKAGE} ` +
        `cannot be loaded (${why}). Install it with: npm install ${PACKAGE}`,
      { package: PACKAGE, part: uncovered },
      { cause },
    );
  }
}

class LibraryTokenizer extends TokenizerBase implements Tokenizer {
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly maxLength: number;
  readonly library: string;
  readonly files: TokenizerFiles;
  readonly #core: Core;
  readonly #direction: "left" | "right";
  /** Of the template: for one text, and for two. */
  #specials: Promise<readonly [number, number]> | undefined;

  constructor(settled: Settled, core: Core, library: string) {
    super(settled, (text) => core.getNormalizer()?.normalizeString(text) ?? text);
    const { json, names } = settled;
    const idOf = new Map(vocabEntries(json));
    for (const token of json.added_tokens) idOf.set(token.content, token.id);
    let largest = 0;
    for (const id of idOf.values()) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
    this.special = specialIds(names, idOf);
    this.maxLength = checkMaxLength(settled.maxLength, 4, TOKEN_LIMIT);
    this.library = library;
    this.files = tokenizerFiles(settled);
    this.#core = core;
    this.#direction = settled.truncationSide;
  }

  async encode(text: string, options: EncodeOptions = {}): Promise<Encoded> {
    checkText(text);
    const { pair } = options;
    if (pair !== undefined) checkText(pair, "the second text");
    const adds = options.addSpecialTokens !== false;
    const specials = adds ? await (this.#specials ??= this.#countSpecials()) : [0, 0];
    const special = (pair === undefined ? specials[0] : specials[1]) ?? 0;
    const limit =
      options.maxLength === undefined ? this.maxLength : checkMaxLength(options.maxLength, special + 1, this.maxLength);
    return await guarded("it failed on a text", async () => {
      const first = await this.#bare(text);
      const second = pair === undefined ? null : await this.#bare(pair);
      const [keep, keepPair] = fit(first.getLength(), second?.getLength() ?? 0, Math.max(0, limit - special));
      const truncated = keep < first.getLength() || keepPair < (second?.getLength() ?? 0);
      first.truncate(keep, 0, this.#direction);
      second?.truncate(keepPair, 0, this.#direction);
      const whole = this.#core.postProcess(first, second, adds);
      return {
        ids: Int32Array.from(whole.getIds()),
        typeIds: Int32Array.from(whole.getTypeIds()),
        offsets: options.offsets === true ? offsetsOf(whole, text, pair ?? "") : new Int32Array(0),
        wordStarts: options.wordStarts === true ? wordStartsOf(whole) : new Uint8Array(0),
        truncated,
      };
    });
  }

  #bare(text: string): Promise<Encoding> {
    return this.#core.encode(text, null, { addSpecialTokens: false });
  }

  #countSpecials(): Promise<readonly [number, number]> {
    return guarded("its template of special tokens", async () => {
      const [first, second, third] = await Promise.all(["a", "a", "a"].map((text) => this.#bare(text)));
      const [bare, pair] = [first as Encoding, second as Encoding];
      const length = bare.getLength();
      const single = this.#core.postProcess(bare, null, true).getLength() - length;
      return [single, this.#core.postProcess(third as Encoding, pair, true).getLength() - 2 * length] as const;
    });
  }
}

function wordStartsOf(encoding: Encoding): Uint8Array {
  const [words, texts] = [encoding.getWordIds(), encoding.getSequenceIds()];
  const goesOn = (i: number): boolean => i > 0 && words[i] === words[i - 1] && texts[i] === texts[i - 1];
  return Uint8Array.from(words, (word, i) => (typeof word === "number" && goesOn(i) ? 0 : 1));
}

/** In code units of the text that each token is of. The library counts code points. */
function offsetsOf(encoding: Encoding, text: string, pair: string): Int32Array {
  const places = [codePointPlaces(text), codePointPlaces(pair)] as const;
  const sequences = encoding.getSequenceIds();
  const offsets = encoding.getOffsets();
  return Int32Array.from(
    offsets.flatMap(([start = 0, end = 0], i) => {
      const place = places[sequences[i] === 1 ? 1 : 0];
      return [place(start), place(end)];
    }),
  );
}

/** Where the n-th code point of a text begins. */
function codePointPlaces(text: string): (n: number) => number {
  const starts: number[] = [];
  for (let at = 0; at < text.length; at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1) starts.push(at);
  if (starts.length === text.length) return (n) => Math.min(n, text.length);
  return (n) => starts[n] ?? text.length;
}

/** What the library throws on a file it cannot run is the file's fault: TOKENIZER_INVALID with the library's words. */
function guarded<T>(what: string, run: () => Promise<T>): Promise<T>;
function guarded<T>(what: string, run: () => T): T;
function guarded<T>(what: string, run: () => T | Promise<T>): T | Promise<T> {
  const failed = (error: unknown): never => {
    if (isLockstepError(error)) throw error;
    throw new LockstepError(
      "TOKENIZER_INVALID",
      `tokenizer.json cannot be used: ${what} (${error instanceof Error ? error.message : String(error)})`,
      {},
      { cause: error },
    );
  };
  try {
    const result = run();
    return result instanceof Promise ? result.catch(failed) : result;
  } catch (error) {
    return failed(error);
  }
}
