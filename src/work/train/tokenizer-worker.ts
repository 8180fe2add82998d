/** The worker's side of tokenizer-job.ts. */
import { trainBytePairs, trainWordPiece, type TokenizerFiles } from "../../language/text/index.ts";
import { serveWorker } from "../../threads/pool/index.ts";
import type { TokenizerJob, TokenizerReply, TokenizerRequest } from "./tokenizer-job.ts";

await serveWorker<TokenizerRequest, TokenizerReply>(() => ({
  train: (job) => ({ kind: "train", files: filesOf(job) }),
}));

function filesOf({ texts, settings, layout, maxLength }: TokenizerJob): TokenizerFiles {
  const sizes = { vocabSize: settings.vocab_size, minFrequency: settings.min_frequency, maxLength };
  const { files } =
    settings.model === "byte-pairs"
      ? trainBytePairs(texts, { ...sizes, layout: layout === "decoder" ? "decoder" : "encoder" })
      : trainWordPiece(texts, { ...sizes, lowercase: settings.lowercase });
  return files;
}
