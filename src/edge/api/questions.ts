/**
 * Questions of any task out of texts and files: columns of a table, lines, or JSON lines, which are read as they come.
 * What a question is made of, beside its text, is a table by task.
 */
import { LockstepError, parseStrictJson } from "../../base/index.ts";
import { readTable } from "../../language/data/index.ts";
import type { Model } from "../../work/model/index.ts";
import type { Question, RerankQuestion, TaskName, TextOrPair } from "../../work/tasks/index.ts";
import { openLines, preferredColumns } from "./predict.ts";

/** Whether a question has a second text: never, maybe, always, or any number of them, which are documents. */
type Second = "none" | "maybe" | "one" | "many";

interface Made<T extends TaskName> {
  readonly second: Second;
  readonly of: (text: string, seconds: readonly string[]) => Question<T>;
}

const textOrPair = {
  second: "maybe",
  of: (text: string, [pair]: readonly string[]): TextOrPair => (pair === undefined ? text : { text, pair }),
} as const;
const textAlone = { second: "none", of: (text: string): string => text } as const;

const MADE: { readonly [T in TaskName]: Made<T> } = {
  classify: textOrPair,
  "multi-label": textOrPair,
  score: textOrPair,
  rerank: { second: "many", of: (query, documents): RerankQuestion => ({ query, documents }) },
  "token-classify": textAlone,
  embed: textAlone,
  similarity: { second: "one", of: (text, [pair]) => ({ text, pair: pair! }) },
  "fill-mask": textAlone,
  perplexity: textAlone,
};

/** A text with what belongs to it. */
interface Row {
  readonly text: string;
  readonly seconds: readonly string[];
}

/** Texts given one by one. `second`: what belongs to each; of `rerank`, the query of which they are documents. */
export function questionsOfTexts<T extends TaskName>(
  task: T,
  texts: readonly string[],
  second?: string,
): readonly Question<T>[] {
  const made: Made<T> = MADE[task];
  checkSecond(task, made.second, second !== undefined);
  if (made.second === "many") return [made.of(second!, texts)];
  return texts.map((text) => made.of(text, second === undefined ? [] : [second]));
}

function checkSecond(task: TaskName, kind: Second, given: boolean): void {
  if (kind === "none" && given)
    throw new LockstepError("OPTION_INVALID", `${task} is asked about single texts; leave the second text out`, {
      task,
    });
  if (kind === "one" && !given)
    throw new LockstepError("OPTION_INVALID", `${task} is asked about two texts; give the second one too`, { task });
  if (kind === "many" && !given)
    throw new LockstepError("OPTION_INVALID", `${task} needs a query beside the documents; give one`, { task });
}

export interface QuestionFile {
  /** Column of the text, or the query. @default the one that the version was trained on, or the usual names */
  readonly text?: string | undefined;
  /** Column of the second text, or the document. @default the usual names, where the task needs one */
  readonly second?: string | undefined;
  /** Of a file of lines: what stands between a line's two texts. */
  readonly separator?: string | undefined;
  /** Each line is a question as JSON: a text, or an object with the fields of the task's question. @default false */
  readonly jsonl?: boolean | undefined;
}

/**
 * The questions of a file: of a table (.csv, .tsv, .jsonl; it is read and checked whole before the first answer), else
 * of its lines, as they come; "-" is standard input. Of `rerank`, neighbouring rows with one query are one question.
 * @throws NOT_FOUND, DATA_INVALID, INPUT_TOO_LARGE, OPTION_INVALID; CANCELLED while it waits for a line
 */
export async function questionsOfFile<T extends TaskName>(
  task: T,
  path: string,
  { text, second, separator, jsonl = false }: QuestionFile,
  { model, signal }: { readonly model?: Pick<Model, "description">; readonly signal?: AbortSignal | undefined } = {},
): Promise<AsyncIterable<Question<T>> | readonly Question<T>[]> {
  const made: Made<T> = MADE[task];
  if (jsonl) {
    const given = [text, second, separator].find((one) => one !== undefined);
    if (given !== undefined)
      throw new LockstepError("OPTION_INVALID", "a line of JSON says by itself what is asked; name no columns", {
        path,
      });
    return jsonQuestions<T>(await openLines(path, signal), path);
  }
  if (/\.(csv|tsv|jsonl|ndjson|json)$/i.test(path)) {
    if (separator !== undefined)
      throw new LockstepError("OPTION_INVALID", `${path} is a table: its texts have columns, and no separator`, {
        path,
      });
    return await tableQuestions(made, task, path, { text, second }, model);
  }
  const column = text ?? second;
  if (column !== undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      `${path} is read line by line, so it has no column ${JSON.stringify(column)}; columns need a name that ` +
        "ends in .csv, .tsv or .jsonl",
      { path },
    );
  checkSecond(task, made.second, separator !== undefined);
  return asked(made, separated(await openLines(path, signal), path, separator));
}

async function tableQuestions<T extends TaskName>(
  made: Made<T>,
  task: T,
  path: string,
  { text, second }: Pick<QuestionFile, "text" | "second">,
  model: Pick<Model, "description"> | undefined,
): Promise<readonly Question<T>[]> {
  if (made.second === "none") checkSecond(task, "none", second !== undefined);
  const need = made.second === "maybe" ? "named" : "needed";
  const table = await readTable(path, {
    label: false,
    ...(text === undefined ? {} : { text }),
    ...preferredColumns(model),
    ...(made.second === "none" ? {} : { roles: { second: { name: second, need } } }),
  });
  const seconds = table.cells.second;
  const rows = table.texts.map((one, row) => ({ text: one, seconds: seconds === undefined ? [] : [seconds[row]!] }));
  const questions: Question<T>[] = [];
  for await (const question of asked(made, rows)) questions.push(question);
  return questions;
}

async function* asked<T extends TaskName>(
  { second, of }: Made<T>,
  rows: Iterable<Row> | AsyncIterable<Row>,
): AsyncGenerator<Question<T>> {
  let query: string | undefined;
  let documents: string[] = [];
  for await (const { text, seconds } of rows) {
    if (second !== "many") {
      yield of(text, seconds);
      continue;
    }
    if (query !== undefined && query !== text) {
      yield of(query, documents);
      documents = [];
    }
    query = text;
    documents.push(...seconds);
  }
  if (query !== undefined) yield of(query, documents);
}

async function* separated(
  lines: AsyncIterable<string>,
  path: string,
  separator: string | undefined,
): AsyncGenerator<Row> {
  let number = 0;
  for await (const line of lines) {
    number++;
    if (separator === undefined) {
      yield { text: line, seconds: [] };
      continue;
    }
    const at = line.indexOf(separator);
    if (at < 0)
      throw new LockstepError(
        "DATA_INVALID",
        `text ${number} of ${path} has no ${JSON.stringify(separator)} between two texts`,
        { path, text: number },
      );
    yield { text: line.slice(0, at), seconds: [line.slice(at + separator.length)] };
  }
}

/** What a question has to be is checked where it is asked. */
async function* jsonQuestions<T extends TaskName>(
  lines: AsyncIterable<string>,
  path: string,
): AsyncGenerator<Question<T>> {
  let number = 0;
  for await (const line of lines)
    yield parseStrictJson(line, {
      what: `question ${++number} of ${path}`,
      code: "DATA_INVALID",
      largeNumbers: "refuse",
    }) as Question<T>;
}
