/** Records of a CSV text (RFC 4180, any line end, comma, semicolon or tab), each with the line it ends on. */
import { Readable, pipeline } from "node:stream";
import { CsvError, parse, type Info } from "csv-parse";
import { LockstepError } from "../../base/index.ts";

export interface CsvRecord {
  readonly cells: readonly string[];
  readonly line: number;
}

const DELIMITERS = [",", ";", "\t"] as const;

/** Throws DATA_INVALID with the line. `maxRecord` bounds memory when a quote is never closed, in characters. */
export async function* csvRecords(
  chunks: AsyncIterable<string>,
  path: string,
  maxRecord: number,
): AsyncGenerator<CsvRecord> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) return;
  const parser = parse({
    delimiter: delimiterOf(first.value),
    // Named, since the parser would otherwise take the first end it meets for all of them.
    record_delimiter: ["\r\n", "\n", "\r"],
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: maxRecord,
  });
  async function* again(): AsyncGenerator<string> {
    yield first.value as string;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  // Errors of either end come out of the loop below; leaving the loop destroys both.
  pipeline(Readable.from(again()), parser, () => undefined);
  let overcounted = 0; // csv-parse counts a \r\n inside quotes as two lines
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      for (const cell of record) if (cell.includes("\r\n")) overcounted += cell.split("\r\n").length - 1;
      yield { cells: record, line: info.lines - overcounted };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new LockstepError(
      "DATA_INVALID",
      `${path} is not well-formed CSV: ${explain(error, maxRecord)}`,
      { path, line: Number(error["lines"] ?? 0) },
      { cause: error },
    );
  } finally {
    await iterator.return?.();
  }
}

function explain(error: CsvError, maxRecord: number): string {
  const line = String(error["lines"] ?? "?");
  if (error.code === "CSV_MAX_RECORD_SIZE")
    return `the record at line ${line} has more than ${maxRecord} characters; a quote is probably not closed`;
  if (error.code === "CSV_QUOTE_NOT_CLOSED") return `a quote that opens before line ${line} is never closed`;
  return `line ${line}: ${error.message}`;
}

/** The one of the three that the first line holds most often outside quotes; a comma when it holds none. */
function delimiterOf(text: string): string {
  const counts = new Map<string, number>(DELIMITERS.map((delimiter) => [delimiter, 0]));
  let quoted = false;
  for (const character of text.slice(0, 65_536)) {
    if (character === '"') quoted = !quoted;
    else if (!quoted && (character === "\n" || character === "\r")) break;
    else if (!quoted && counts.has(character)) counts.set(character, (counts.get(character) as number) + 1);
  }
  return DELIMITERS.reduce((best, next) => ((counts.get(next) as number) > (counts.get(best) as number) ? next : best));
}
