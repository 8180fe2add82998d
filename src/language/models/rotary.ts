/**
 * Rotary position embeddings (Su et al. 2021) as the Llama families have them: what `config.json` says of them, in both
 * of its dialects (`rope_theta` and `rope_scaling`; since transformers 5 `rope_parameters`), and the tables of cosines
 * and sines that programs read. Frequencies and angles are rounded to float32 at each step, as
 * `modeling_rope_utils.py` of https://github.com/huggingface/transformers does; the functions are those of base, so
 * that the tables have the same bits on every machine.
 */
import { z } from "zod";
import { cos, pow, sin } from "../../base/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { Batch } from "./batch.ts";
import { invalidField } from "./config-sizes.ts";
import { shown } from "./config-fields.ts";

/** Angles for texts longer than those of pretraining: all slower by a factor, or the slow ones only (Llama 3.1). */
export type RopeScaling =
  | { readonly rope_type: "linear"; readonly factor: number }
  | {
      readonly rope_type: "llama3";
      readonly factor: number;
      readonly low_freq_factor: number;
      readonly high_freq_factor: number;
      /** Tokens. */
      readonly original_max_position_embeddings: number;
    };

export interface RopeConfig {
  /** The base of the frequencies. */
  readonly rope_theta: number;
  readonly scaling: RopeScaling | null;
}

const TWO_PI = 6.283185307179586;
const STANDARD_THETA = 10_000;
const theta = z.number().min(1).max(1e12);
const factor = z.number().min(1).max(1e6);
const llama3 = z.strictObject({
  rope_type: z.literal("llama3"),
  rope_theta: theta.optional(),
  factor,
  low_freq_factor: z.number().positive().max(1e6),
  high_freq_factor: z.number().positive().max(1e6),
  original_max_position_embeddings: z.int().min(1).max(2_097_152),
});
const KINDS = {
  default: z.strictObject({ rope_type: z.literal("default"), rope_theta: theta.optional() }),
  linear: z.strictObject({ rope_type: z.literal("linear"), rope_theta: theta.optional(), factor }),
  llama3: llama3.refine((one) => one.low_freq_factor < one.high_freq_factor, {
    path: ["high_freq_factor"],
    message: "it must be above low_freq_factor",
  }),
};
type Parameters = { readonly [K in keyof typeof KINDS]: z.infer<(typeof KINDS)[K]> }[keyof typeof KINDS];

/** Fields of `config.json` that this file reads. */
export const ROPE_FIELDS = "rope_theta rope_scaling rope_parameters";

/** @throws ZodError or MODEL_INVALID for a kind that is not followed, or for two dialects that disagree */
export function parseRope(json: Readonly<Record<string, unknown>>): RopeConfig {
  const own = json["rope_theta"] ?? undefined;
  const plain = own === undefined ? undefined : z.object({ rope_theta: theta }).parse({ rope_theta: own }).rope_theta;
  const [older, newer] = [parametersOf("rope_scaling", json), parametersOf("rope_parameters", json)];
  const rope = {
    rope_theta: newer?.rope_theta ?? older?.rope_theta ?? plain ?? STANDARD_THETA,
    scaling: scalingOf(newer ?? older),
  };
  if (plain !== undefined && plain !== rope.rope_theta)
    throw invalidField("rope_theta", `${plain} and "rope_parameters" ${rope.rope_theta} are two frequencies`);
  if (older !== undefined && JSON.stringify(scalingOf(older)) !== JSON.stringify(rope.scaling))
    throw invalidField("rope_scaling", 'it says something else than "rope_parameters"');
  return rope;
}

function parametersOf(field: string, json: Readonly<Record<string, unknown>>): Parameters | undefined {
  const value = json[field] ?? undefined;
  if (value === undefined) return undefined;
  const { type, ...rest } = z.object({ [field]: z.looseObject({}) }).parse({ [field]: value })[field] as Readonly<
    Record<string, unknown>
  >;
  const kind = rest["rope_type"] ?? type ?? "default";
  if (typeof kind !== "string" || !Object.hasOwn(KINDS, kind))
    throw invalidField(field, `the kind ${shown(kind)} is not followed here; ${Object.keys(KINDS).join(", ")} are`);
  return z.object({ [field]: KINDS[kind as keyof typeof KINDS] }).parse({ [field]: { ...rest, rope_type: kind } })[
    field
  ];
}

/** In one order of fields. */
function scalingOf(parameters: Parameters | undefined): RopeScaling | null {
  if (parameters === undefined || parameters.rope_type === "default") return null;
  if (parameters.rope_type === "linear") return { rope_type: "linear", factor: parameters.factor };
  return {
    rope_type: "llama3",
    factor: parameters.factor,
    low_freq_factor: parameters.low_freq_factor,
    high_freq_factor: parameters.high_freq_factor,
    original_max_position_embeddings: parameters.original_max_position_embeddings,
  };
}

/** In both dialects, for transformers 4 and 5. */
export function formatRope({ rope_theta, scaling }: RopeConfig): Readonly<Record<string, unknown>> {
  return {
    rope_theta,
    rope_scaling: scaling,
    rope_parameters: { rope_theta, ...(scaling ?? { rope_type: "default" }) },
  };
}

const { fround } = Math;

/** Radians a token, for each pair of a head's elements; float32 values. */
export function rotaryFrequencies({ rope_theta, scaling }: RopeConfig, width: number): readonly number[] {
  return Array.from({ length: width / 2 }, (_, i) => {
    const plain = fround(1 / fround(pow(rope_theta, fround((2 * i) / width))));
    if (scaling === null) return plain;
    return scaling.rope_type === "linear" ? fround(plain / scaling.factor) : llama3Frequency(plain, scaling);
  });
}

/**
 * Slow rotations become slower by the factor, fast ones stay, and those between are mixed. The bounds are wavelengths
 * in tokens.
 */
function llama3Frequency(plain: number, scaling: Extract<RopeScaling, { rope_type: "llama3" }>): number {
  const { factor: divisor, low_freq_factor: low, high_freq_factor: high } = scaling;
  const length = scaling.original_max_position_embeddings;
  const wavelength = fround(TWO_PI / plain);
  if (wavelength > length / low) return fround(plain / divisor);
  if (wavelength < length / high) return plain;
  const smooth = fround(fround(fround(length / wavelength) - low) / (high - low));
  return fround(fround(fround(fround(1 - smooth) * plain) / divisor) + fround(smooth * plain));
}

/**
 * `rotary_cos`, `rotary_sin` [M, width/2]: row t has the angles of position t, and M is the batch's number of
 * positions. `width` is that of a head; float32 values in either type.
 */
export function rotaryTables(rope: RopeConfig, width: number, batch: Batch): Record<string, HostTensor> {
  return batch.keep(() => makeTables(rope, width, batch));
}

function makeTables(rope: RopeConfig, width: number, { positions: M, real }: Batch): Record<string, HostTensor> {
  const pairs = rotaryFrequencies(rope, width);
  const table = (of: (angle: number) => number): HostTensor => {
    const values = new Float32Array(M * pairs.length);
    for (let t = 0, at = 0; t < M; t++) for (const pair of pairs) values[at++] = of(fround(t * pair));
    const shape = [M, pairs.length];
    return real === "float32" ? tensor("float32", shape, values) : tensor("float64", shape, Float64Array.from(values));
  };
  return { rotary_cos: table(cos), rotary_sin: table(sin) };
}
