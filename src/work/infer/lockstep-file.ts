/**
 * `lockstep.json`: what the Hugging Face layout has no place for. Everything in it is decided by the recipe, never by a
 * clock. What else is in it depends on what the version was made for, which `task` says; each form, once written, is
 * read for good.
 */
import { z } from "zod";
import { LABEL_LIMITS, LockstepError } from "../../base/index.ts";

export const LOCKSTEP_FILE = "lockstep.json";

const labels = z
  .array(z.string().min(1).max(LABEL_LIMITS.length))
  .min(2)
  .max(LABEL_LIMITS.count)
  .refine((names) => new Set(names).size === names.length, "a label is there twice");

const calibration = z.strictObject({
  /** Logits are divided by it before the softmax. */
  temperature: z.number().positive().max(1000),
  /** Below this probability an answer abstains; 0 never does. */
  threshold: z.number().min(0).max(1),
});
export type Calibration = Readonly<z.output<typeof calibration>>;

/** Of every version. */
const common = {
  format: z.literal(1),
  max_tokens: z.int().min(2).max(131_072),
  weights_sha256: z.string(),
  recipe_sha256: z.string().optional(),
};

export const lockstepFileSchema = z.discriminatedUnion("task", [
  z.looseObject({
    task: z.literal("classify"),
    labels,
    pooling: z.enum(["first", "mean", "last"]),
    calibration,
    ...common,
  }),
]);
export type LockstepFile = z.output<typeof lockstepFileSchema>;

/** What a version was made for: it decides the head, and so which questions the version has answers to. */
export type VersionTask = LockstepFile["task"];

/** @throws MODEL_INVALID naming the field */
export function parseLockstepFile(json: unknown): LockstepFile {
  const parsed = lockstepFileSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new LockstepError(
    "MODEL_INVALID",
    `${LOCKSTEP_FILE}: "${issue?.path.join(".") ?? ""}" is not as this version of Lockstep writes it: ` +
      (issue?.message ?? "invalid"),
    { field: issue?.path.join(".") ?? "" },
  );
}
