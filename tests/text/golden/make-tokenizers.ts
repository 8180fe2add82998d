/**
 * Writes tests/tiny/tokenizer-{uncased,cased}: `node --conditions=lockstep-source
 * tests/text/golden/make-tokenizers.ts`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { trainTiny } from "./tiny.ts";

for (const [name, lowercase] of [
  ["uncased", true],
  ["cased", false],
] as const) {
  const folder = new URL(`../../tiny/tokenizer-${name}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(await trainTiny(lowercase))) writeFileSync(new URL(file, folder), text);
}
