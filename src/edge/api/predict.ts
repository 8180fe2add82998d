/** Many texts through one model, as a stream: answers come in the order of the texts, and what waits is bounded. */
import { open } from "node:fs/promises";
import { LockstepError } from "../../base/index.ts";
import { readTable } from "../../language/data/index.ts";
import type { Classification, ClassifyOptions, Model } from "./model.ts";

/** Texts in one request, and requests under way at once: enough to keep every replica's batches full. */
const CHUNK = 32;
const CHUNKS_AT_ONCE = 8;

export interface TextClassification extends Classification {
  readonly text: string;
}

/** Reads ahead at most 256 texts. All answers of one chunk come from one version. @throws as `Model.classify` */
export async function* classifyEach(model: Model, texts: Iterable<string> | AsyncIterable<string>, options: Omit<ClassifyOptions, "id"> = {}): AsyncGenerator<TextClassification> {
  const waiting: { readonly texts: readonly string[]; readonly answers: Promise<readonly Classification[]> }[] = [];
  for await (const chunk of chunks(texts)) {
    const answers = model.classify(chunk, options);
    answers.catch(() => undefined); // awaited below, in its turn
    waiting.push({ texts: chunk, answers });
    if (waiting.length >= CHUNKS_AT_ONCE) yield* next(waiting);
  }
  while (waiting.length > 0) yield* next(waiting);
}

async function* next(waiting: { readonly texts: readonly string[]; readonly answers: Promise<readonly Classification[]> }[]): AsyncGenerator<TextClassification> {
  const first = waiting.shift();
  if (first === undefined) return;
  for (const [row, answer] of (await first.answers).entries()) yield { text: first.texts[row]!, ...answer };
}

async function* chunks(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let chunk: string[] = [];
  for await (const text of texts) {
    chunk.push(text);
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

/**
 * The texts of a file: the text column of a CSV or JSON-lines table, which is read and checked as a whole first, or every line
 * of any other file that is not blank. @throws NOT_FOUND, DATA_INVALID, INPUT_TOO_LARGE
 */
export async function textsOf(path: string, column?: string): Promise<Iterable<string> | AsyncIterable<string>> {
  if (/\.(csv|tsv|jsonl|ndjson|json)$/i.test(path)) return (await readTable(path, { label: false, ...(column === undefined ? {} : { text: column }) })).texts;
  if (column !== undefined) throw new LockstepError("OPTION_INVALID", `${path} is read line by line, so it has no column ${JSON.stringify(column)}; columns need a name that ends in .csv, .tsv or .jsonl`, { path });
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new LockstepError(error.code === "ENOENT" ? "NOT_FOUND" : "DATA_INVALID", `cannot open ${path}: ${error.code === "ENOENT" ? "no such file" : error.message}`, { path }, { cause: error });
  });
  if ((await file.stat()).isDirectory()) {
    await file.close();
    throw new LockstepError("DATA_INVALID", `${path} is a folder; give a file of texts`, { path });
  }
  return linesOf(file.createReadStream(), path);
}

/** Characters of a line; a longer one is not a text. */
const MAX_LINE = 16 << 20;

/** Lines of a stream that are not blank, as they come. @throws DATA_INVALID with the line from which it is not UTF-8, or that is too long */
export async function* linesOf(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  let number = 0;
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch (thrown) {
      if (!(thrown instanceof TypeError)) throw thrown;
      throw new LockstepError("DATA_INVALID", `${name} is not UTF-8 text after line ${number}; save it as UTF-8`, { path: name, line: number });
    }
  };
  for await (const bytes of stream) {
    const lines = (rest + decode(bytes)).split("\n");
    rest = lines.pop() ?? "";
    number += lines.length;
    for (const line of lines) if (line.trim() !== "") yield line.replace(/\r$/, "");
    if (rest.length > MAX_LINE) throw new LockstepError("DATA_INVALID", `line ${number + 1} of ${name} has more than ${MAX_LINE} characters; give one text a line`, { path: name, line: number + 1 });
  }
  rest += decode();
  if (rest.trim() !== "") yield rest;
}
