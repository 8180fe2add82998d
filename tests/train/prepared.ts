/** Small trainings of any objective, on a table that is made here. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seedFrom } from "../../src/base/index.ts";
import {
  READINGS,
  readTable,
  splitByHash,
  type Reading,
  type RoleChoices,
  type TableFormat,
} from "../../src/language/data/index.ts";
import { datasetsOf } from "../../src/edge/api/prepare.ts";
import { newModelConfig, type FamilyName } from "../../src/language/models/index.ts";
import { trainWordPiece } from "../../src/language/text/index.ts";
import { objectiveOf } from "../../src/work/train/objectives/index.ts";
import { resolveRecipe, type PhaseInput, type TrainingInput } from "../../src/work/train/index.ts";

export interface Made {
  readonly text: string;
  /** @default "csv" */
  readonly format?: TableFormat;
  /** @default none */
  readonly roles?: RoleChoices;
  /** @default "bert" */
  readonly family?: FamilyName;
  /** @default 24 */
  readonly max_tokens?: number;
}

/** As `prepare` does it, with a model of two layers. `own`: tables of phases by their places. */
export async function madeInput(
  { family = "bert", max_tokens = 24, ...made }: Made,
  phases: readonly PhaseInput[],
  own: Readonly<Record<number, Made>> = {},
): Promise<TrainingInput> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-made-"));
  try {
    const recipe = resolveRecipe({
      seed: 3,
      max_tokens,
      model: { hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64 },
      phases,
    });
    const readings = recipe.phases.map((phase) => READINGS[objectiveOf(phase).reading]);
    let files = 0;
    const read = async ({ text, format = "csv", roles = {} }: Made, reading: Reading) => {
      const path = join(folder, `table${files++}`);
      await writeFile(path, text);
      const { label, textNames = [] } = reading;
      const table = await readTable(path, { format, roles, textNames, ...(label ? {} : { label: false }) });
      const texts = reading.texts(table);
      return { table, texts, phases: [], split: splitByHash(texts, { fraction: 0.2, seed: seedFrom(recipe.seed) }) };
    };
    const main = await read(made, readings.at(-1)!);
    const tables = await Promise.all(
      readings.map(async (reading, i) => (own[i] === undefined ? main : await read(own[i], reading))),
    );
    const texts = [...new Set(tables)].flatMap((table) => table.texts);
    const trained = trainWordPiece(texts, { vocabSize: 300, maxLength: recipe.max_tokens });
    const tokenizer = readings.at(-1)!.tokenizer?.(trained) ?? trained;
    const names = readings.map((reading, place) => reading.names(tables[place]!.table));
    const config = newModelConfig(family, {
      ...recipe.model,
      vocab_size: tokenizer.vocabSize,
      max_position_embeddings: recipe.max_tokens,
      pad_token_id: tokenizer.special.pad,
    });
    const datasets = await datasetsOf(recipe, tables, names, { tokenizer, signal: undefined });
    return { recipe, config, special: tokenizer.special, names, datasets };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const NOUNS = ["card", "parcel", "refund", "account", "invoice", "ticket", "phone", "door"];
export const PLACES = ["Berlin", "Oslo", "New York", "Lagos", "Lima"];
const VERBS = ["lost", "sent", "found", "broke"];

/** Sentences of few words, numbered, so that every one is another. */
export function sentences(count: number): { readonly words: readonly string[]; readonly place: string; n: number }[] {
  return Array.from({ length: count }, (_, n) => {
    const place = PLACES[(n * 7) % 5]!;
    const noun = NOUNS[n % 8]!;
    const words = ["I", VERBS[(n >> 1) % 4]!, "the", noun, String(n), "in", ...place.split(" ")];
    return { words: n % 3 === 0 ? [...words, "and", "the", NOUNS[(n + 3) % 8]!] : words, place, n };
  });
}
