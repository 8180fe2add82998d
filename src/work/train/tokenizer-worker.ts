/** The worker's side of tokenizer-job.ts. */
import { trainWordPiece } from "../../language/text/index.ts";
import { serveWorker } from "../../threads/pool/index.ts";
import type { TokenizerReply, TokenizerRequest } from "./tokenizer-job.ts";

await serveWorker<TokenizerRequest, TokenizerReply>(() => ({
  train: ({ texts, vocabSize, minFrequency, lowercase, maxLength }) => ({
    kind: "train",
    files: trainWordPiece(texts, { vocabSize, minFrequency, lowercase, maxLength }).files,
  }),
}));
