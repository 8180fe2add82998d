/** From ids to text: the tokens of a vocabulary through the decoders of its file, at once or one id at a time. */
import { LockstepError } from "../../base/index.ts";
import { readDecoders, type Decoder } from "./decoders.ts";
import { isNormalized, vocabEntries, type TokenizerJson } from "./schema.ts";
import type { DecodeOptions, DecodeStream } from "./types.ts";

export class IdDecoder {
  readonly #tokens: (string | undefined)[] = [];
  readonly #special: ReadonlySet<string>;
  readonly #decoder: Decoder;

  /** `normalize` is the file's normalizer, through which some added tokens are found in a text. */
  constructor(json: TokenizerJson, normalize: (text: string) => string) {
    for (const [token, id] of vocabEntries(json)) this.#tokens[id] = token;
    for (const token of json.added_tokens)
      this.#tokens[token.id] = isNormalized(token) ? normalize(token.content) : token.content;
    this.#special = new Set(json.added_tokens.filter(({ special }) => special).map(({ content }) => content));
    this.#decoder = readDecoders(json.decoder);
  }

  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    const stream = this.stream(options);
    const pieces: string[] = [];
    for (let i = 0; i < ids.length; i++) pieces.push(stream.push(ids[i] as number));
    pieces.push(stream.end());
    return pieces.join("");
  }

  stream({ skipSpecialTokens = true }: DecodeOptions = {}): DecodeStream {
    let text = "";
    let count = 0;
    let ended = false;
    const machine = this.#decoder({
      put: (piece) => {
        text += piece;
      },
      close: () => undefined,
    });
    const taken = (): string => {
      const piece = text;
      text = "";
      return piece;
    };
    return {
      push: (id) => {
        if (ended) throw new LockstepError("INPUT_INVALID", "the stream of tokens has ended; open another");
        if (!Number.isInteger(id) || id < 0 || id >= this.#tokens.length)
          throw new LockstepError(
            "INPUT_INVALID",
            `token ${count} has the id ${id}; this vocabulary has 0 to ${this.#tokens.length - 1}`,
            { index: count },
          );
        count++;
        const token = this.#tokens[id];
        // Some vocabularies have gaps, which stand for nothing.
        if (token !== undefined && !(skipSpecialTokens && this.#special.has(token))) machine.put(token, true, true);
        return taken();
      },
      end: () => {
        if (!ended) machine.close();
        ended = true;
        return taken();
      },
    };
  }
}
