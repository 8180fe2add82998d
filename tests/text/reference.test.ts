import { test } from "node:test";
import { compareAll, randomTexts } from "./reference.ts";

test("our own code gives the reference's ids on random Unicode, for every part that it has", async () => {
  await compareAll([...randomTexts(200, 9)]);
});
