/**
 * Options and requests against a zod schema; what does not fit becomes one typed error that names every wrong field.
 */
import type { z } from "zod";
import { closest } from "./closest.ts";
import { LockstepError, type ErrorCode } from "./errors.ts";
import { fieldsAt } from "./schema-keys.ts";

/** Issues, and unknown names within one, that are said: what is wrong may be as large as what was given. */
const SHOWN = 8;
/** Characters of a name, and of what was expected. */
const NAME = 60;
const EXPECTED = 300;

/**
 * `value` parsed by `schema` (defaults filled in), or `code` (OPTION_INVALID unless said) with the path of each issue
 * and what was expected there. `what` names the whole, as in "recipe.json" or "the options of train".
 */
export function parseOptions<S extends z.ZodType>(
  schema: S,
  value: unknown,
  what: string,
  code: ErrorCode = "OPTION_INVALID",
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  const lines = issues.slice(0, SHOWN).map((issue) => `${pathOf(issue.path)}: ${wordsOf(issue)}${hint(schema, issue)}`);
  if (issues.length > SHOWN) lines.push(`and ${issues.length - SHOWN} more`);
  throw new LockstepError(code, `${what} is not valid. ${lines.join("; ")}`, {
    what,
    paths: issues.slice(0, SHOWN).map((issue) => pathOf(issue.path)),
  });
}

function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_key") return shortened(issue.issues[0]?.message ?? issue.message, EXPECTED);
  if (issue.code !== "unrecognized_keys") return shortened(issue.message, EXPECTED);
  const names = issue.keys.slice(0, SHOWN).map((name) => JSON.stringify(shortened(name, NAME)));
  const more = issue.keys.length > SHOWN ? ` and ${issue.keys.length - SHOWN} more` : "";
  return `Unrecognized key${issue.keys.length > 1 ? "s" : ""}: ${names.join(", ")}${more}`;
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** What a misspelt field was probably meant to be. */
function hint(schema: z.ZodType, issue: z.core.$ZodIssue): string {
  if (issue.code !== "unrecognized_keys") return "";
  // of a union, another member may have the very field
  const fields = fieldsAt(schema, issue.path).filter((field) => !issue.keys.includes(field));
  const meant = issue.keys.slice(0, SHOWN).flatMap((key) => closest(shortened(key, NAME), fields) ?? []);
  return meant.length === 0 ? "" : `; did you mean ${meant.map((field) => JSON.stringify(field)).join(", ")}?`;
}

/** `["layers", 0, "dropout"]` as `layers[0].dropout`; the empty path as `(top level)`. */
function pathOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "(top level)";
  return path
    .map((part, i) =>
      typeof part === "number" ? `[${part}]` : `${i === 0 ? "" : "."}${shortened(String(part), NAME)}`,
    )
    .join("");
}
