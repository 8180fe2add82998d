/** A BERT's config from the sizes that a test cares for; the rest has the family's defaults. */
import { parseModelConfig, type ModelConfig } from "../../src/language/models/index.ts";

export type BertConfig = Extract<ModelConfig, { model_type: "bert" }>;

export function bertConfig(fields: object): BertConfig {
  return parseModelConfig({ ...fields, model_type: "bert" }).config as BertConfig;
}
