/** Our own code beside the reference at length, and over every code point. @concurrent */
import { test } from "node:test";
import { compareAll, randomTexts } from "./reference.ts";

test("our own code gives the reference's ids on random Unicode, at length", async () => {
  await compareAll([...randomTexts(2000, 10)]);
});

test("and on every code point, between letters, after another, and with marks around it", async () => {
  const texts: string[] = [];
  for (let from = 0; from < 0x110000; from += 8) {
    const characters = Array.from({ length: 8 }, (_, i) => from + i)
      .filter((code) => code < 0xd800 || code >= 0xe000)
      .map((code) => String.fromCodePoint(code));
    // Planes without a character are alike; a sample of them is enough.
    if ((from >= 0x30000 && from < 0xe0000 && from % 4096 !== 0) || (from >= 0xe0200 && from % 4096 !== 0)) continue;
    texts.push(characters.map((one) => `a${one}b ${one} e\u0345${one}\u0334s`).join(" "));
  }
  // Between them every normalizer, every table and every rule of neighbours.
  await compareAll(texts, ["BERT, uncased", "from scratch", "composed compatibly, digits", "decomposed compatibly"]);
});
