/**
 * The training run behind tests/tiny/tokenizer-*: the odd texts of texts.json and the first 400 questions of BANKING77.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readTable } from "../../../src/language/data/index.ts";
import { trainWordPiece, type TokenizerFiles } from "../../../src/language/text/index.ts";

export const oddTexts = JSON.parse(readFileSync(new URL("texts.json", import.meta.url), "utf8")) as string[];

export async function trainTiny(lowercase: boolean): Promise<TokenizerFiles> {
  const table = await readTable(fileURLToPath(new URL("../../../examples/banking77/train.csv", import.meta.url)));
  return trainWordPiece([...oddTexts, ...table.texts.slice(0, 400)], { vocabSize: 900, lowercase, maxLength: 128 })
    .files;
}
