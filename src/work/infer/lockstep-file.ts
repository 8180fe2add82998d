/**
 * `lockstep.json`: what the Hugging Face layout has no place for. Everything in it is decided by the recipe, never by a
 * clock. What else is in it depends on what the version was made for, which `task` says; each form, once written, is
 * read for good.
 */
import { z } from "zod";
import { LABEL_LIMITS, LockstepError } from "../../base/index.ts";

export const LOCKSTEP_FILE = "lockstep.json";

const labels = (least: number) =>
  z
    .array(z.string().min(1).max(LABEL_LIMITS.length))
    .min(least)
    .max(LABEL_LIMITS.count)
    .refine((names) => new Set(names).size === names.length, "a label is there twice");
const pooling = z.enum(["first", "mean", "last"]);

const calibration = z.strictObject({
  /** Logits are divided by it before they become probabilities. */
  temperature: z.number().positive().max(1000),
  /**
   * Of one class: below this probability an answer abstains, and 0 never does. Of several: a label is given from this
   * probability on.
   */
  threshold: z.number().min(0).max(1),
});
/** `thresholds`: by label, in place of the one for all. */
const labelCalibration = calibration.extend({ thresholds: z.array(z.number().min(0).max(1)).optional() });
/** Of tags of words, which are never abstained from. */
const tagCalibration = calibration.pick({ temperature: true });
export type Calibration = Readonly<z.output<typeof labelCalibration>>;

/** What becomes of a score's one output: nothing, or 1 / (1 + e⁻ˣ). */
export const ACTIVATIONS = ["identity", "sigmoid"] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** Of every version. */
const common = {
  format: z.literal(1),
  max_tokens: z.int().min(2).max(131_072),
  weights_sha256: z.string(),
  recipe_sha256: z.string().optional(),
};

export const lockstepFileSchema = z.discriminatedUnion("task", [
  z.looseObject({ task: z.literal("classify"), labels: labels(2), pooling, calibration, ...common }),
  z
    .looseObject({
      task: z.literal("multi-label"),
      labels: labels(1),
      pooling,
      calibration: labelCalibration,
      ...common,
    })
    .refine(
      ({ labels: names, calibration: { thresholds = names } }) => thresholds.length === names.length,
      "there are not as many thresholds as labels",
    ),
  z.looseObject({ task: z.literal("score"), pooling, activation: z.enum(ACTIVATIONS), ...common }),
  z.looseObject({
    task: z.literal("token-classify"),
    labels: labels(2),
    /** Without: probabilities are as the model gives them. */
    calibration: tagCalibration.optional(),
    ...common,
  }),
  /** `normalize`: vectors are scaled to length 1. */
  z.looseObject({ task: z.literal("embed"), pooling, normalize: z.boolean(), ...common }),
  z.looseObject({ task: z.literal("masked-lm"), ...common }),
  z.looseObject({ task: z.literal("causal-lm"), ...common }),
]);
export type LockstepFile = z.output<typeof lockstepFileSchema>;

/** What a version was made for: it decides the head, and so which questions the version has answers to. */
export type VersionTask = LockstepFile["task"];
/** The file of a version that was made for `T`. */
export type LockstepFileOf<T extends VersionTask> = Extract<LockstepFile, { readonly task: T }>;

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

/** How the version stands for a text; undefined where it does not. */
export function ownPooling(own: LockstepFile | undefined): z.output<typeof pooling> | undefined {
  switch (own?.task) {
    case "classify":
    case "multi-label":
    case "score":
    case "embed":
      return own.pooling;
    default:
      return undefined;
  }
}

/** The version's labels; undefined where it has none. */
export function ownLabels(own: LockstepFile | undefined): readonly string[] | undefined {
  switch (own?.task) {
    case "classify":
    case "multi-label":
    case "token-classify":
      return own.labels;
    default:
      return undefined;
  }
}
