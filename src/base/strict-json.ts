/**
 * JSON from outside, read so that nothing is lost in silence: `JSON.parse` keeps the last of two equal keys and rounds
 * whole numbers beyond 2^53. The grammar is `JSON.parse`'s own; what is added is a plain scan of valid JSON, since a
 * regular expression would run out of stack on a long string.
 */
import { LockstepError, type ErrorCode } from "./errors.ts";

export interface StrictJsonOptions {
  /** Names the text in an error's message: "the request's body", "line 7 of table.jsonl". */
  readonly what: string;
  /** @default INPUT_INVALID */
  readonly code?: ErrorCode;
  /**
   * What becomes of a number that a float64 does not hold: a whole number beyond ±(2^53 − 1), or one that would be
   * infinite. "round" takes the nearest number, as `JSON.parse` does; "digits" gives the digits as a string, as they
   * are written; "refuse" throws. @default "round"
   */
  readonly largeNumbers?: "round" | "digits" | "refuse";
  /** More fields for the error's details. */
  readonly details?: Readonly<Record<string, string | number>>;
}

/** The value of `text`. Throws `code`, with the line and column of what is wrong where they are known. */
export function parseStrictJson(text: string, options: StrictJsonOptions): unknown {
  const { what, code = "INPUT_INVALID", largeNumbers = "round", details = {} } = options;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LockstepError(code, `${what} is not JSON: ${(cause as Error).message}`, { ...details }, { cause });
  }
  const { repeated, large } = scan(text);
  const refuse = (at: number, problem: string): LockstepError => {
    const { line, column } = placeOf(text, at);
    return new LockstepError(code, `${what}: ${problem} (line ${line}, column ${column})`, {
      ...details,
      line,
      column,
    });
  };
  if (repeated !== undefined)
    throw refuse(repeated.at, `the key ${shown(repeated.key)} stands twice in one object; give it once`);
  if (large === undefined || largeNumbers === "round") return value;
  if (largeNumbers === "refuse")
    throw refuse(
      large.at,
      `the number ${shown(large.source)} is larger than a JSON number can hold exactly; write it as a string`,
    );
  return JSON.parse(text, digitsOfLarge as (key: string, value: unknown) => unknown);
}

/** The first key that an object of this valid JSON has twice, as `JSON.parse` would read it. */
export function repeatedKey(json: string): string | undefined {
  return scan(json).repeated?.key;
}

/** Reviver: Node 24 hands over the source text of each primitive. */
function digitsOfLarge(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return typeof value === "number" && source !== undefined && isLarge(source) ? source : value;
}

function isLarge(source: string): boolean {
  const value = Number(source);
  return !Number.isFinite(value) || (/^-?\d+$/.test(source) && !Number.isSafeInteger(value));
}

interface Found {
  readonly repeated: { readonly key: string; readonly at: number } | undefined;
  readonly large: { readonly source: string; readonly at: number } | undefined;
}

/** Both kinds of loss in valid JSON, each where it stands first. */
function scan(json: string): Found {
  const open: (Set<string> | undefined)[] = [];
  let large: Found["large"];
  let begin = 0;
  let end = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json[i]) {
      case "{":
        open.push(new Set());
        break;
      case "[":
        open.push(undefined);
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case '"':
        begin = i;
        end = i = stringEnd(json, i);
        break;
      case ":": {
        const key = JSON.parse(json.slice(begin, end + 1)) as string;
        const keys = open.at(-1);
        if (keys?.has(key) === true) return { repeated: { key, at: begin }, large };
        keys?.add(key);
        break;
      }
      default:
        if (large === undefined && startsNumber(json[i])) {
          const at = i;
          while (continuesNumber(json[i + 1])) i++;
          const source = json.slice(at, i + 1);
          if (isLarge(source)) large = { source, at };
        }
    }
  }
  return { repeated: undefined, large };
}

/** The words of JSON (true, false, null) begin with letters. */
function startsNumber(character: string | undefined): boolean {
  return character !== undefined && "-0123456789".includes(character);
}

function continuesNumber(character: string | undefined): boolean {
  return character !== undefined && "0123456789.eE+-".includes(character);
}

/** The closing quote of the string that opens at `begin`: the first one after an even number of backslashes. */
function stringEnd(json: string, begin: number): number {
  for (let end = json.indexOf('"', begin + 1); ; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

/** Both from 1; a column counts UTF-16 units. */
function placeOf(text: string, at: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
