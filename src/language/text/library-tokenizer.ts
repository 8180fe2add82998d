/**
 * Tokenizers outside the BERT family (byte-level BPE, Unigram …), run by `@huggingface/tokenizers`. No offsets: that
 * library gives none. A file with regular expressions of its own is only ever run like this inside a worker that can be
 * stopped (isolate.ts).
 */
import { Tokenizer as LibraryTokenizerCore } from "@huggingface/tokenizers";
import { LockstepError, isLockstepError } from "../../base/index.ts";
import { checkMaxLength } from "./bert-tokenizer.ts";
import { specialIds, specialNames, tokenizerFiles } from "./files.ts";
import { checkText } from "./input.ts";
import { vocabEntries, type TokenizerJson } from "./schema.ts";
import { fit } from "./truncate.ts";
import type { EncodeOptions, Encoded, SpecialIds, Tokenizer, TokenizerFiles } from "./types.ts";

const NO_OFFSETS: readonly (readonly [number, number])[] = Object.freeze([]);

export class LibraryTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly maxLength: number;
  readonly aligned = false;
  readonly files: TokenizerFiles;
  readonly #core: LibraryTokenizerCore;

  constructor(json: TokenizerJson, text: string, config: object | undefined, maxLength: number) {
    const names = specialNames(config);
    const idOf = new Map(vocabEntries(json));
    for (const token of json.added_tokens) idOf.set(token.content, token.id);
    let largest = 0;
    for (const id of idOf.values()) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
    this.special = specialIds(names, idOf);
    this.maxLength = checkMaxLength(maxLength, 4, 1 << 20);
    this.files = tokenizerFiles(text, config ?? { model_max_length: maxLength }, names);
    this.#core = guarded("its parts cannot be put together", () => new LibraryTokenizerCore(json, config ?? {}));
  }

  encode(text: string, options: EncodeOptions = {}): Encoded {
    checkText(text);
    if (options.pair !== undefined) checkText(options.pair, "the second text");
    const limit =
      options.maxLength === undefined ? this.maxLength : checkMaxLength(options.maxLength, 4, this.maxLength);
    return guarded("it failed on a text", () => this.#encode(text, options.pair, limit));
  }

  decode(ids: ArrayLike<number>): string {
    if (ids.length === 0) return "";
    return guarded("it failed on a list of ids", () =>
      this.#core.decode(Array.from(ids), { skip_special_tokens: true }),
    );
  }

  #encode(text: string, pair: string | undefined, limit: number): Encoded {
    const bare = this.#core.tokenize(text, { add_special_tokens: false });
    const barePair = pair === undefined ? [] : this.#core.tokenize(pair, { add_special_tokens: false });
    const whole: { ids: number[]; tokens: string[]; token_type_ids?: number[] } = this.#core.encode(text, {
      text_pair: pair ?? null,
      return_token_type_ids: true,
    });
    const special = whole.ids.length - bare.length - barePair.length;
    if (special < 0)
      throw new LockstepError(
        "INPUT_INVALID",
        "this tokenizer's post_processor does not join two texts; join them yourself and give one",
      );
    const [keep, keepPair] = fit(bare.length, barePair.length, Math.max(0, limit - special));
    const truncated = keep < bare.length || keepPair < barePair.length;
    // Special tokens stand before, between and after the texts, whose own tokens are runs of known length.
    const first = truncated ? findRun(whole.tokens, bare, 0) : 0;
    const second = truncated ? findRun(whole.tokens, barePair, first + bare.length) : 0;
    const kept = truncated
      ? whole.ids.flatMap((_, i) =>
          (i >= first + keep && i < first + bare.length) || (i >= second + keepPair && i < second + barePair.length)
            ? []
            : [i],
        )
      : undefined;
    const types = whole.token_type_ids ?? [];
    const ids = Int32Array.from(kept?.map((i) => whole.ids[i] as number) ?? whole.ids);
    const typeIds = Int32Array.from(kept?.map((i) => types[i] ?? 0) ?? Array.from(ids, (_, i) => types[i] ?? 0));
    return { ids, typeIds, offsets: NO_OFFSETS, truncated };
  }
}

function findRun(all: readonly string[], run: readonly string[], from: number): number {
  for (let at = from; at + run.length <= all.length; at++) {
    if (run.every((token, i) => all[at + i] === token)) return at;
  }
  throw new LockstepError(
    "TOKENIZER_INVALID",
    "tokenizer.json cannot be used: its post_processor changes the tokens of the text, so it cannot be truncated",
  );
}

/** What the library throws on a file it cannot run is the file's fault: TOKENIZER_INVALID with the library's words. */
function guarded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (isLockstepError(error)) throw error;
    throw new LockstepError(
      "TOKENIZER_INVALID",
      `tokenizer.json cannot be used: ${what} (${error instanceof Error ? error.message : String(error)})`,
      {},
      { cause: error },
    );
  }
}
