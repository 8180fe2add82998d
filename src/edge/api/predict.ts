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
import type { AskOptions, Classification, ClassifyOptions, Model } from "../../work/model/index.ts";
import { checkQuestions, textQuestions, type AnswerOf, type Question, type TaskName } from "../../work/tasks/index.ts";

/** Texts read ahead of the answers: enough to keep every replica's batches full. */
const AHEAD = 256;
/** Characters of a line; a longer one is not a text. */
const MAX_LINE = 16 << 20;

/** An answer with what was asked. */
export type QuestionAnswer<T extends TaskName, Q extends Question<T> = Question<T>> = AnswerOf<T> & {
  readonly question: Q;
};

export interface TextClassification extends Classification {
  readonly text: string;
}

type Stream<T> = Iterable<T> | AsyncIterable<T>;

/** A list is checked as a whole before the first answer; a stream as it comes. @throws as `Model.classify` */
export async function* classifyEach(
  model: Model,
  texts: Stream<string>,
  options: Omit<ClassifyOptions, "id"> = {},
): AsyncGenerator<TextClassification> {
  requireTexts(texts);
  for await (const { question: text, ...answer } of askEach<"classify", string>(model, "classify", texts, options))
    yield { text, ...answer };
}

/** Any task's answers to texts, each a question. @throws as `Model.ask`; INPUT_INVALID: it takes more than a text */
export async function* askTexts<T extends TaskName>(
  model: Model,
  task: T,
  texts: Stream<string>,
  options: Omit<AskOptions<T>, "id">,
): AsyncGenerator<QuestionAnswer<T>> {
  requireTexts(texts);
  yield* askEach(model, task, Array.isArray(texts) ? textQuestions(task, texts) : asQuestions(task, texts), options);
}

async function* asQuestions<T extends TaskName>(task: T, texts: Stream<string>): AsyncGenerator<Question<T>> {
  for await (const text of texts) yield* textQuestions(task, [text]);
}

/** Any task's answers to a list or a stream of questions, in their order. @throws as `Model.ask` */
export async function* askEach<T extends TaskName, Q extends Question<T> = Question<T>>(
  model: Model,
  task: T,
  questions: Stream<Q>,
  options: Omit<AskOptions<T>, "id">,
): AsyncGenerator<QuestionAnswer<T, Q>> {
  if (Array.isArray(questions) && questions.length > 0) checkQuestions(task, questions, 1);
  const iterator = Symbol.asyncIterator in questions ? questions[Symbol.asyncIterator]() : questions[Symbol.iterator]();
  const read = async (): Promise<Read<Q>> => ({ kind: "read", ...(await iterator.next()) });
  const ask = async (question: Q): Promise<Ready<QuestionAnswer<T, Q>>> => {
    const { answers } = await model.ask(task, [question], options as AskOptions<T>);
    return { kind: "answered", answer: Object.assign({}, answers[0]!, { question }) };
  };
  const waiting: Promise<Ready<QuestionAnswer<T, Q>>>[] = [];
  let reading: Promise<Read<Q>> | undefined = inItsTurn(read());
  try {
    while (reading !== undefined || waiting.length > 0) {
      const [first] = waiting;
      const event = await Promise.race([
        ...(reading !== undefined && waiting.length < AHEAD ? [reading] : []),
        ...(first === undefined ? [] : [first]),
      ]);
      if (event.kind === "answered") {
        void waiting.shift();
        yield event.answer;
      } else if (event.done === true) {
        reading = undefined;
      } else {
        waiting.push(inItsTurn(ask(event.value)));
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

type Read<Q> = { readonly kind: "read" } & IteratorResult<Q, unknown>;
interface Ready<Answer> {
  readonly kind: "answered";
  readonly answer: Answer;
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
  return await openLines(path, signal);
}

/** The lines of a file that are not blank, as they come; "-" is standard input. @throws NOT_FOUND, DATA_INVALID */
export async function openLines(path: string, signal: AbortSignal | undefined): Promise<AsyncIterable<string>> {
  requirePath(path, "the file of questions");
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
  return column === undefined ? preferredColumns(model) : { text: column };
}

/** Those that the model was trained on. */
export function preferredColumns(model: Pick<Model, "description"> | undefined): Pick<ReadTableOptions, "preferred"> {
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
