/** What the public verbs take: one options type each, strict, with units, bounds and defaults. */
import { availableParallelism } from "node:os";
import { z } from "zod";

export const MAX_THREADS = 256;

const threads = z.int().min(1).max(MAX_THREADS);
const callback = <F>() => z.custom<F>((value) => typeof value === "function", "expected a function").optional();
const signal = z.instanceof(AbortSignal).optional();
const path = z.string().min(1).max(4096);
const alias = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    "expected lower-case letters, digits, dots, hyphens and underscores, at most 64",
  );

export {
  alias as aliasSchema,
  callback as callbackSchema,
  path as pathSchema,
  signal as signalSchema,
  threads as threadsSchema,
};

/** Worker threads where nothing else is said: as many as the machine has cores for this process. */
export function defaultThreads(): number {
  return Math.min(MAX_THREADS, availableParallelism());
}
