/** A store with tiny versions: trained on sixty sentences in a second or two, each with another seed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train, type TrainInput } from "../../src/edge/api/index.ts";

export const TABLE = join(import.meta.dirname, "../train/tiny.csv");

export const TINY: TrainInput = {
  data: TABLE,
  max_tokens: 32,
  validation_fraction: 0.1,
  model: { hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32 },
  tokenizer: { vocab_size: 200 },
  pretrain: { epochs: 0 },
  finetune: { epochs: 4, batch_size: 16, shards: 2, learning_rate: 5e-3 },
};

export interface TinyStore extends AsyncDisposable {
  readonly folder: string;
  readonly store: string;
  readonly versions: readonly string[];
}

/** The alias "champion" is left at the last of them. */
export async function tinyStore(seeds: readonly number[], settings: Partial<TrainInput> = {}): Promise<TinyStore> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-tiny-"));
  const store = join(folder, "store");
  const versions: string[] = [];
  for (const seed of seeds)
    versions.push((await train({ ...TINY, ...settings, seed }, { out: store, threads: 1 })).version);
  return { folder, store, versions, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
