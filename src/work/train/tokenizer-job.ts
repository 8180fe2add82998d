/**
 * A tokenizer trained in a worker thread of its own, so that the caller's thread stays free. Its files come back as
 * text.
 */
import { ownFile } from "../../base/index.ts";
import type { TokenizerFiles } from "../../language/text/index.ts";
import type { TextLayout } from "../../language/models/index.ts";
import { createPool } from "../../threads/pool/index.ts";
import type { Recipe } from "./recipe.ts";

export interface TokenizerJob {
  readonly texts: readonly string[];
  readonly settings: Recipe["tokenizer"];
  /** What stands around a text. */
  readonly layout: TextLayout;
  /** In tokens. */
  readonly maxLength: number;
}
export interface TokenizerRequest extends TokenizerJob {
  readonly kind: "train";
}
export interface TokenizerReply {
  readonly kind: "train";
  readonly files: TokenizerFiles;
}

export async function trainTokenizer(
  job: TokenizerJob,
  signal?: AbortSignal,
): Promise<{ readonly tokenizerJson: string; readonly tokenizerConfig: string }> {
  await using pool = createPool<TokenizerRequest, TokenizerReply>({
    entry: ownFile(() => import.meta.resolve("#entry/work/train/tokenizer-worker")),
    size: 1,
    name: "tokenizer",
  });
  const { files } = await pool.request(0, { kind: "train", ...job }, signal === undefined ? {} : { signal });
  return { tokenizerJson: files["tokenizer.json"], tokenizerConfig: files["tokenizer_config.json"] };
}
