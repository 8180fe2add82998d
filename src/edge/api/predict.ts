/**
 * Many texts through one model, as a stream: answers come in the order of the texts, as soon as they are there, and
 * what waits is bounded.
 */
import { open } from "node:fs/promises";
import { addAbortSignal, type Readable } from "node:stream";
import { LockstepError } from "../../base/index.ts";
import { LineSplitter, readTable, type ReadTableOptions } from "../../language/data/index.ts";
import { requirePath } from "./options.ts";
import { trainedColumns } from "./trained-columns.ts";
import { checkQuestion, type Classification, type ClassifyOptions, type Model } from "../../work/model/index.ts";

/** Texts read ahead of the answers: enough to keep every replica's batches full. */
const AHEAD = 256;
/** Characters of a line; a longer one is not a text. */
const MAX_LINE = 16 << 20;

export interface TextClassification extends Classification {
  readonly text: string;
}

type Texts = Iterable<string> | AsyncIterable<string>;

/** A list is checked as a whole before the first answer; a stream as it comes. @throws as `Model.classify` */
export async function* classifyEach(
  model: Model,
  texts: Texts,
  options: Omit<ClassifyOptions, "id"> = {},
): AsyncGenerator<TextClassification> {
  requireTexts(texts);
  if (Array.isArray(texts))
    texts.forEach((text: string, index) => {
      checkQuestion(text, texts.length === 1 ? "the text" : `text ${index + 1}`);
    });
  const iterator = Symbol.asyncIterator in texts ? texts[Symbol.asyncIterator]() : texts[Symbol.iterator]();
  const read = async (): Promise<{ readonly text: string | undefined }> => {
    const next: IteratorResult<string, unknown> = await iterator.next();
    return { text: next.done === true ? undefined : next.value };
  };
  const waiting: Promise<TextClassification>[] = [];
  let reading: Promise<{ readonly text: string | undefined }> | undefined = inItsTurn(read());
  try {
    while (reading !== undefined || waiting.length > 0) {
      const [first] = waiting;
      const event = await Promise.race([
        ...(reading !== undefined && waiting.length < AHEAD ? [reading] : []),
        ...(first === undefined ? [] : [first]),
      ]);
      if ("version" in event) {
        void waiting.shift();
        yield event;
      } else if (event.text === undefined) {
        reading = undefined;
      } else {
        waiting.push(classifyOne(model, event.text, options));
        reading = inItsTurn(read());
      }
    }
  } finally {
    await iterator.return?.();
  }
}

function requireTexts(texts: unknown): void {
  const many = typeof texts === "object" && texts !== null;
  if (many && (Symbol.asyncIterator in texts || Symbol.iterator in texts)) return;
  throw new LockstepError("INPUT_INVALID", "expected a list or a stream of texts; ask a single text with classify");
}

function classifyOne(model: Model, text: string, options: Omit<ClassifyOptions, "id">): Promise<TextClassification> {
  return inItsTurn(model.classify(text, options).then((found) => ({ text, ...found })));
}

/** A failure before its turn waits for it. */
function inItsTurn<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/**
 * The texts of a file: the text column of a CSV or JSON-lines table (`column`; else the one that the model was trained
 * on; else guessed), which is read and checked as a whole first, or every line of any other file that is not blank; "-"
 * is standard input. @throws NOT_FOUND, DATA_INVALID,
 * INPUT_TOO_LARGE; CANCELLED while it waits for a line
 */
export async function textsOf(
  path: string,
  column?: string,
  signal?: AbortSignal,
  model?: Pick<Model, "description">,
): Promise<readonly string[] | AsyncIterable<string>> {
  requirePath(path, "the file of texts");
  if (/\.(csv|tsv|jsonl|ndjson|json)$/i.test(path))
    return (await readTable(path, { label: false, ...textColumn(column, model) })).texts;
  if (column !== undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      `${path} is read line by line, so it has no column ${JSON.stringify(column)}; columns need a name that ` +
        "ends in .csv, .tsv or .jsonl",
      { path },
    );
  if (path === "-") return linesOf(process.stdin, "standard input", signal);
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new LockstepError(
      error.code === "ENOENT" ? "NOT_FOUND" : "DATA_INVALID",
      `cannot open ${path}: ${error.code === "ENOENT" ? "no such file" : error.message}`,
      { path },
      { cause: error },
    );
  });
  if ((await file.stat()).isDirectory()) {
    await file.close();
    throw new LockstepError("DATA_INVALID", `${path} is a folder; give a file of texts`, { path });
  }
  return linesOf(file.createReadStream(), path, signal);
}

function textColumn(
  column: string | undefined,
  model: Pick<Model, "description"> | undefined,
): Pick<ReadTableOptions, "text" | "preferred"> {
  if (column !== undefined) return { text: column };
  const preferred = trainedColumns(model?.description);
  return preferred === undefined ? {} : { preferred };
}

/**
 * Lines of a stream that are not blank, as they come. @throws DATA_INVALID with the line from which it is not UTF-8, or
 * that is too long
 */
async function* linesOf(stream: Readable, name: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const splitter = new LineSplitter();
  let number = 0;
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch (thrown) {
      if (!(thrown instanceof TypeError)) throw thrown;
      throw new LockstepError("DATA_INVALID", `${name} is not UTF-8 text after line ${number}; save it as UTF-8`, {
        path: name,
        line: number,
      });
    }
  };
  for await (const bytes of chunksOf(stream, signal)) {
    const lines = splitter.add(decode(bytes));
    number += lines.length;
    for (const line of lines) if (line.trim() !== "") yield line;
    if (splitter.rest.length > MAX_LINE)
      throw new LockstepError(
        "DATA_INVALID",
        `line ${number + 1} of ${name} has more than ${MAX_LINE} characters; give one text a line`,
        { path: name, line: number + 1 },
      );
  }
  for (const line of [...splitter.add(decode()), splitter.rest]) if (line.trim() !== "") yield line;
}

/** Waiting for the next line of a pipe ends when the signal says so. */
async function* chunksOf(stream: Readable, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    yield* (signal === undefined ? stream : addAbortSignal(signal, stream)) as AsyncIterable<Uint8Array>;
  } catch (thrown) {
    throw signal?.aborted === true
      ? new LockstepError("CANCELLED", "stopped before the last text", {}, { cause: thrown })
      : thrown;
  }
}
