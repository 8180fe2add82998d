/** Records of a JSON-lines text: one object a line. */
import { LockstepError } from "../../base/index.ts";

export interface JsonRecord {
  readonly value: Readonly<Record<string, unknown>>;
  readonly line: number;
}

/** Throws DATA_INVALID with the line. Empty lines are passed over; a line has at most `maxLine` characters. */
export async function* jsonRecords(
  chunks: AsyncIterable<string>,
  path: string,
  maxLine: number,
): AsyncGenerator<JsonRecord> {
  let line = 0;
  for await (const text of lines(chunks, path, maxLine)) {
    line++;
    if (text.trim() === "") continue;
    yield { value: parseLine(text, line, path), line };
  }
}

async function* lines(chunks: AsyncIterable<string>, path: string, maxLine: number): AsyncGenerator<string> {
  let rest = "";
  let count = 1;
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() as string;
    count += parts.length;
    yield* parts;
    if (rest.length > maxLine)
      throw new LockstepError(
        "DATA_INVALID",
        `line ${count} of ${path} has more than ${maxLine} characters; give one JSON object a line`,
        { path, line: count },
      );
  }
  if (rest !== "") yield rest;
}

function parseLine(text: string, line: number, path: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LockstepError(
      "DATA_INVALID",
      `line ${line} of ${path} is not JSON: ${(error as Error).message}`,
      { path, line },
      { cause: error },
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new LockstepError("DATA_INVALID", `line ${line} of ${path} is not a JSON object`, { path, line });
  return value as Record<string, unknown>;
}
