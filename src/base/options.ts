/**
 * Options and requests against a zod schema; what does not fit becomes one typed error that names every wrong field.
 */
import type { z } from "zod";
import { LockstepError, type ErrorCode } from "./errors.ts";

const SHOWN = 8;

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
  const lines = issues.slice(0, SHOWN).map((issue) => `${pathOf(issue.path)}: ${issue.message}`);
  if (issues.length > SHOWN) lines.push(`and ${issues.length - SHOWN} more`);
  throw new LockstepError(code, `${what} is not valid. ${lines.join("; ")}`, {
    what,
    paths: issues.slice(0, SHOWN).map((issue) => pathOf(issue.path)),
  });
}

/** `["layers", 0, "dropout"]` as `layers[0].dropout`; the empty path as `(top level)`. */
function pathOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "(top level)";
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : `${i === 0 ? "" : "."}${String(part)}`))
    .join("");
}
