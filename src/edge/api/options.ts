/** What the public verbs take: one options type each, strict, with units, bounds and defaults. */
import { z } from "zod";
export { defaultThreads, signalSchema, threadsSchema } from "../../work/model/index.ts";

const callback = <F>() => z.custom<F>((value) => typeof value === "function", "expected a function").optional();
const path = z.string().min(1).max(4096);
const alias = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    "expected lower-case letters, digits, dots, hyphens and underscores, at most 64",
  );

export { alias as aliasSchema, callback as callbackSchema, path as pathSchema };
