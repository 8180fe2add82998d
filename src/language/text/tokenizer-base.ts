/** What every tokenizer does in our own code, whoever encodes: decoding and chats. */
import { ChatTemplates } from "./chat.ts";
import { IdDecoder } from "./decode.ts";
import type { Settled } from "./settled.ts";
import type { AnsweredChat, ChatMessage, ChatOptions, DecodeOptions, DecodeStream } from "./types.ts";

export class TokenizerBase {
  readonly #decoder: IdDecoder;
  readonly #chat: ChatTemplates;

  /** `normalize` is the file's normalizer. */
  constructor(settled: Settled, normalize: (text: string) => string) {
    this.#decoder = new IdDecoder(settled.json, normalize);
    this.#chat = new ChatTemplates(settled.config, settled.named);
  }

  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    return this.#decoder.decode(ids, options);
  }

  decodeStream(options?: DecodeOptions): DecodeStream {
    return this.#decoder.stream(options);
  }

  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatOptions): Promise<string> {
    return this.#chat.text(messages, options);
  }

  answeredChat(messages: readonly ChatMessage[], options?: ChatOptions): Promise<AnsweredChat> {
    return this.#chat.answered(messages, options);
  }
}
