/**
 * The decoders of a `tokenizer.json`, from tokens to text, each as a machine that is given tokens in pieces and hands
 * on what no later token can change: one implementation for a whole text and for a stream. What each does is that of
 * Hugging Face's `tokenizers` (src/decoders); tests/text/decode.test.ts compares them.
 */
import { byteOfCharacter } from "./bytes.ts";
import { invalid, type TokenizerJson } from "./schema.ts";

/** Takes a piece of a token: whether the token begins with it, and whether it ends with it. */
export type Put = (text: string, begins: boolean, ends: boolean) => void;

export interface Machine {
  readonly put: Put;
  /** No more tokens. */
  close(this: void): void;
}

/** A decoder of a file: makes a machine that hands on to `next`. */
export type Decoder = (next: Machine) => Machine;

type Part = Readonly<Record<string, unknown>> & { readonly type: string };
type Reader = (part: Part, path: string) => Decoder;

const DECODERS: Readonly<Record<string, Reader>> = {
  BPEDecoder: (part, path) => suffixes(textOf(part, "suffix", path, "</w>")),
  ByteFallback: () => byteFallback,
  ByteLevel: () => byteLevel(),
  CTC: (part, path) => {
    const pad = textOf(part, "pad_token", path, "<pad>");
    const delimiter = textOf(part, "word_delimiter_token", path, "|");
    return ctc(pad, delimiter, part["cleanup"] !== false);
  },
  Fuse: () => fuse,
  Metaspace: (part, path) => {
    const keeps = part["prepend_scheme"] === "never" || part["add_prefix_space"] === false;
    return metaspace(textOf(part, "replacement", path, "▁"), keeps);
  },
  Replace: (part, path) => {
    const sought = (part["pattern"] as { String?: unknown } | undefined)?.String;
    if (typeof sought !== "string" || sought === "")
      throw invalid(`${path} (Replace) seeks no plain text; Lockstep decodes by plain texts only`);
    const content = textOf(part, "content", path);
    return eachToken((token) => token.replaceAll(sought, () => content));
  },
  Strip: (part, path) =>
    strip(textOf(part, "content", path), countOf(part, "start", path), countOf(part, "stop", path)),
  WordPiece: (part, path) => wordPiece(textOf(part, "prefix", path, "##"), part["cleanup"] !== false),
};

/** Without a decoder there are spaces between tokens. */
export function readDecoders(section: TokenizerJson["decoder"]): Decoder {
  return section === null ? eachToken((token, i) => (i === 0 ? token : ` ${token}`)) : readPart(section, "decoder");
}

function readPart(part: Part, path: string): Decoder {
  if (part.type === "Sequence") {
    const parts = part["decoders"];
    if (!Array.isArray(parts)) throw invalid(`${path}.decoders is not a list`);
    const decoders = parts.map((one, i) => readPart(one as Part, `${path}.decoders[${i}]`));
    return (next) => decoders.reduceRight((machine, decoder) => decoder(machine), next);
  }
  // The schema has let no other type through.
  return (DECODERS[part.type] as Reader)(part, path);
}

/** Collects each token's pieces. `take` gets whole tokens with their place in the list. */
function whole(take: (token: string, index: number) => void, close: () => void): Machine {
  let token = "";
  let index = 0;
  return {
    put(text, begins, ends) {
      token = begins ? text : token + text;
      if (ends) take(token, index++);
    },
    close,
  };
}

function eachToken(change: (token: string, index: number) => string): Decoder {
  return (next) => whole((token, i) => next.put(change(token, i), true, true), next.close);
}

/** A token that ends a word says so; the last one of a text needs no space after it. */
function suffixes(suffix: string): Decoder {
  return (next) => {
    let held: string | undefined;
    return whole(
      (token) => {
        if (held !== undefined) next.put(held.replaceAll(suffix, " "), true, true);
        held = token;
      },
      () => {
        if (held !== undefined) next.put(held.replaceAll(suffix, ""), true, true);
        next.close();
      },
    );
  };
}

/** `<0xE9>` is a byte. A run of bytes that is not UTF-8 as a whole is a U+FFFD each, so a run is held until it ends. */
function byteFallback(next: Machine): Machine {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let run: number[] = [];
  const flush = (): void => {
    if (run.length === 0) return;
    try {
      next.put(decoder.decode(Uint8Array.from(run)), true, true);
    } catch {
      for (let i = 0; i < run.length; i++) next.put("\ufffd", true, true);
    }
    run = [];
  };
  return whole(
    (token) => {
      // Rust reads a sign before the digit too.
      const hex = /^<0x(\+[0-9A-Fa-f]|[0-9A-Fa-f]{2})>$/.exec(token)?.[1];
      if (hex !== undefined) run.push(parseInt(hex, 16));
      else {
        flush();
        next.put(token, true, true);
      }
    },
    () => {
      flush();
      next.close();
    },
  );
}

/** A character a byte. What is not UTF-8 in the end becomes U+FFFD, and half a character waits for its rest. */
function byteLevel(): Decoder {
  const encoder = new TextEncoder();
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const known = new Map<string, { readonly bytes: Uint8Array; readonly text: string | undefined }>();
  /** Of a token: its bytes, and its text where they are whole characters. */
  const look = (token: string): { readonly bytes: Uint8Array; readonly text: string | undefined } => {
    const seen = known.get(token);
    if (seen !== undefined) return seen;
    const list = Array.from(token, (character) => byteOfCharacter(character) ?? -1);
    // A token with any other character, such as an added one, stands for its own text.
    const bytes = list.includes(-1) ? encoder.encode(token) : Uint8Array.from(list);
    let text: string | undefined;
    try {
      text = strict.decode(bytes);
    } catch {
      text = undefined;
    }
    known.set(token, { bytes, text });
    return { bytes, text };
  };
  return (next) => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let [begins, pending] = [true, false];
    const put = (text: string): void => {
      if (text === "") return;
      next.put(text, begins, false);
      begins = false;
    };
    return whole(
      (token) => {
        const { bytes, text } = look(token);
        put(text !== undefined && !pending ? text : decoder.decode(bytes, { stream: true }));
        pending = text === undefined;
      },
      () => {
        put(decoder.decode());
        next.put("", begins, true);
        next.close();
      },
    );
  };
}

/** One token from here on. */
function fuse(next: Machine): Machine {
  let begins = true;
  return {
    put(text) {
      if (text === "") return;
      next.put(text, begins, false);
      begins = false;
    },
    close() {
      next.put("", begins, true);
      next.close();
    },
  };
}

function metaspace(replacement: string, keeps: boolean): Decoder {
  return (next) => {
    let index = -1;
    return {
      put(text, begins, ends) {
        if (begins) index++;
        next.put(text.replaceAll(replacement, index === 0 && !keeps ? "" : " "), begins, ends);
      },
      close: next.close,
    };
  };
}

/** Takes away at most `start` and `stop` of a character at a token's ends. */
function strip(content: string, start: number, stop: number): Decoder {
  return (next) => {
    let left = 0;
    /** As many of the character, at the end of what was given, as may be taken away. */
    let held = 0;
    return {
      put(text, begins, ends) {
        if (begins) [left, held] = [start, 0];
        let from = 0;
        for (; left > 0 && text.startsWith(content, from); left--) from += content.length;
        if (from < text.length) left = 0;
        let to = text.length;
        let tail = 0;
        for (; to > from && tail < stop && text.startsWith(content, to - content.length); tail++) to -= content.length;
        const before = to === from ? Math.max(0, held + tail - stop) : held;
        held = to === from ? Math.min(stop, held + tail) : tail;
        next.put(content.repeat(before) + text.slice(from, to), begins, ends);
      },
      close: next.close,
    };
  };
}

function wordPiece(prefix: string, cleanup: boolean): Decoder {
  return eachToken((token, i) => {
    const joined = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
    return cleanup ? cleaned(joined) : joined;
  });
}

/** Of English text in pieces: one after the other, each over the whole token. */
const CLEANUP: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" do not", " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

const cleaned = (token: string): string =>
  CLEANUP.reduce((text, [sought, content]) => text.replaceAll(sought, content), token);

function ctc(pad: string, delimiter: string, cleanup: boolean): Decoder {
  return (next) => {
    let last: string | undefined;
    return whole((token) => {
      const repeated = token === last;
      last = token;
      if (repeated) return;
      const bare = token.replaceAll(pad, "");
      const text = cleanup ? cleaned(bare).replaceAll(delimiter, " ") : bare;
      if (text !== "") next.put(text, true, true);
    }, next.close);
  };
}

function textOf(part: Part, name: string, path: string, fallback?: string): string {
  const value = part[name] ?? fallback;
  if (typeof value !== "string") throw invalid(`${path}.${name} is not a string`);
  return value;
}

function countOf(part: Part, name: string, path: string): number {
  const value = part[name];
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 64)
    throw invalid(`${path}.${name} is not a whole number from 0 to 64`);
  return value as number;
}
