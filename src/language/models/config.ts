/**
 * `config.json` in the Hugging Face layout, of any family: checked field by field, and what it says of the folder's
 * head. A folder may come from a stranger: every size is bounded before anything is allocated from it.
 */
import { z } from "zod";
import { LABEL_LIMITS, LockstepError } from "../../base/index.ts";
import { refusedField, shown } from "./config-fields.ts";
import { invalidField } from "./config-sizes.ts";
import {
  architectureOf,
  FAMILY_NAMES,
  familyFields,
  familyTitle,
  formatFamilyConfig,
  headKindOf,
  isFamilyName,
  parseFamilyConfig,
  type FamilyName,
  type ModelConfig,
} from "./families.ts";
import type { Head } from "./head.ts";

/** What a folder's head is. */
const headSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  problem_type: z.string().nullish(),
  num_labels: z.int().min(1).max(LABEL_LIMITS.count).nullish(),
  id2label: z.record(z.string(), z.union([z.string(), z.number()])).nullish(),
  // Of cross-encoders of sentence-transformers: a class of PyTorch.
  sbert_ce_default_activation_function: z.string().nullish(),
  sentence_transformers: z.looseObject({ activation_fn: z.string().nullish() }).nullish(),
});

/** What `config.json` says: the sizes, and what the folder's head is. */
export interface ParsedConfig {
  readonly config: ModelConfig;
  /** The names in `id2label`, by class id. */
  readonly labels: readonly string[] | undefined;
  readonly architecture: string | undefined;
  readonly problemType: string | undefined;
  /** `num_labels`, which counts where there are no names. */
  readonly numLabels: number | undefined;
  /** What becomes of a cross-encoder's output, where the file says it. */
  readonly activation: "identity" | "sigmoid" | undefined;
}

/** @throws MODEL_INVALID naming the field: one that is wrong, or one that might change answers and is not followed. */
export function parseModelConfig(json: unknown): ParsedConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new LockstepError("MODEL_INVALID", `config.json is ${shown(json)}, not an object of fields`, { field: "" });
  const fields = json as Readonly<Record<string, unknown>>;
  const family = requireFamily(fields);
  const refused = refusedField(familyFields(family), fields);
  if (refused !== undefined) throw invalidField(refused.field, refused.because);
  const { config, head } = checked(family, () => ({
    head: headSchema.parse(fields),
    config: parseFamilyConfig(family, fields),
  }));
  return {
    config,
    labels: labelsOf(head.id2label),
    architecture: head.architectures?.[0],
    problemType: head.problem_type ?? undefined,
    numLabels: head.num_labels ?? undefined,
    activation: activationOf(
      head.sentence_transformers?.activation_fn ?? head.sbert_ce_default_activation_function ?? undefined,
    ),
  };
}

function activationOf(name: string | undefined): ParsedConfig["activation"] {
  if (name === undefined) return undefined;
  if (name.endsWith(".Identity")) return "identity";
  if (name.endsWith(".Sigmoid")) return "sigmoid";
  throw invalidField("activation_fn", `${shown(name)} is not followed; "Identity" and "Sigmoid" are`);
}

function checked<T>(model_type: FamilyName, parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    if (!(thrown instanceof z.ZodError)) throw thrown;
    const issue = thrown.issues[0];
    throw invalidField(
      issue?.path.join(".") ?? "",
      `it is not that of a ${familyTitle({ model_type })} model: ${issue?.message ?? "invalid"}`,
    );
  }
}

function requireFamily({ model_type: found }: Readonly<Record<string, unknown>>): FamilyName {
  if (isFamilyName(found)) return found;
  throw invalidField(
    "model_type",
    `${found === undefined ? "the file has none" : `the model is of the family ${shown(found)}`}; this version reads ` +
      FAMILY_NAMES.map((known) => `"${known}"`).join(", "),
  );
}

function labelsOf(
  id2label: Readonly<Record<string, string | number>> | null | undefined,
): readonly string[] | undefined {
  if (id2label === undefined || id2label === null) return undefined;
  const count = Object.keys(id2label).length;
  if (count > LABEL_LIMITS.count)
    throw invalidField("id2label", `it names ${count} classes; at most ${LABEL_LIMITS.count} are read`);
  const ids = new Map<string, number>();
  for (let id = 0; id < count; id++) {
    const label = Object.hasOwn(id2label, String(id)) ? String(id2label[String(id)]) : undefined;
    if (label === undefined) throw invalidField("id2label", `it has ${count} entries, but none for ${id}`);
    const other = ids.get(label);
    if (other !== undefined)
      throw invalidField(
        "id2label",
        `${other} and ${id} are both ${shown(label)}, so an answer would not say which is meant`,
      );
    ids.set(label, id);
  }
  return [...ids.keys()];
}

/**
 * The labels of a folder that classifies texts into one of two or more classes, as `transformers` numbers and names
 * them: LABEL_0, LABEL_1 … where `id2label` is missing.
 * @throws MODEL_INVALID for a head that answers something else, where a softmax would be a wrong answer
 */
export function classifierLabels(parsed: ParsedConfig): readonly string[] {
  const { config, labels, architecture, problemType, numLabels } = parsed;
  requireSingleLabel(problemType);
  // Without any, the weights decide.
  const kind = architecture === undefined ? "sequence" : headKindOf(config, architecture);
  if (architecture !== undefined && (kind === "encoder" || kind === "masked-lm" || kind === "causal-lm"))
    throw new LockstepError(
      "MODEL_INVALID",
      `this folder is an encoder (${architecture}) without a classifier; fine-tune it first (train --from)`,
      { architecture },
    );
  if (kind !== "sequence")
    throw invalidField(
      "architectures",
      `${shown(architecture)} does not answer with one label a text; its encoder can be fine-tuned (train --from)`,
    );
  const found = labels ?? Array.from({ length: numLabels ?? 2 }, (_, id) => `LABEL_${id}`);
  if (found.length < 2)
    throw invalidField(
      labels === undefined ? "num_labels" : "id2label",
      "the model has one output, which is a score (of a cross-encoder or a regression) and no choice between " +
        "classes; this version classifies into two or more",
    );
  return found;
}

/** @throws MODEL_INVALID where the outputs are not one choice among the labels */
export function requireSingleLabel(problemType: string | undefined): void {
  if (problemType === undefined || problemType === "single_label_classification") return;
  throw invalidField(
    "problem_type",
    `${shown(problemType)} is not read; this version gives each text one label out of two or more ` +
      `("single_label_classification")`,
  );
}

/** `config.json` as it is written; the class that it names is the one that Python's `transformers` opens it with. */
export function formatModelConfig(config: ModelConfig, head: Head, labels: readonly string[] | undefined): string {
  const names =
    labels === undefined
      ? {}
      : {
          id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
          label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
        };
  const json = {
    architectures: [architectureOf(config, head)],
    model_type: config.model_type,
    ...formatFamilyConfig(config),
    dtype: "float32",
    ...names,
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
