/** Records of a JSON-lines text: one object a line. */
import { LockstepError, parseStrictJson } from "../../base/index.ts";
import { numberedLines } from "./lines.ts";

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
  for await (const { text, line } of numberedLines(chunks, path, maxLine)) {
    if (text.trim() === "") continue;
    yield { value: parseLine(text, line, path), line };
  }
}

/** Whole numbers beyond 2^53 are their digits: rounded, two of them would be one label. */
function parseLine(text: string, line: number, path: string): Readonly<Record<string, unknown>> {
  const where = `line ${line} of ${path}`;
  if (text.trimStart().startsWith("["))
    throw new LockstepError(
      "DATA_INVALID",
      `${where} begins a JSON array, not a JSON object; give one object a line (JSON lines): ` +
        "`jq -c '.[]' table.json > table.jsonl` writes an array like that",
      { path, line },
    );
  const value = parseStrictJson(text, {
    what: where,
    code: "DATA_INVALID",
    largeNumbers: "digits",
    details: { path, line },
  });
  if (typeof value !== "object" || value === null)
    throw new LockstepError("DATA_INVALID", `${where} is not a JSON object; give one object a line`, { path, line });
  return value as Record<string, unknown>;
}
