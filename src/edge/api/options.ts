/** What the public verbs take: one options type each, strict, with units, bounds and defaults. */
import { z } from "zod";
import { LockstepError } from "../../base/index.ts";
export { defaultThreads, signalSchema, threadsSchema } from "../../work/model/index.ts";

const callback = <F>() => z.custom<F>((value) => typeof value === "function", "expected a function").optional();
const path = z.string().min(1).max(4096);
const alias = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    "expected lower-case letters, digits, dots, hyphens and underscores, at most 64",
  );

/** What a program passes where a path belongs is checked before any file is: a wrong type has to name its remedy. */
export function requirePath(value: unknown, what: string): asserts value is string {
  if (typeof value === "string" && value !== "" && value.length <= 4096 && !value.includes("\0")) return;
  const given =
    typeof value === "string"
      ? value === ""
        ? "an empty text"
        : "no path that a system knows"
      : value === null || value === undefined
        ? String(value)
        : Array.isArray(value)
          ? "a list"
          : `of type ${typeof value}`;
  throw new LockstepError("OPTION_INVALID", `${what} is ${given}; give its path as a string`, { what });
}

export { alias as aliasSchema, callback as callbackSchema, path as pathSchema };
