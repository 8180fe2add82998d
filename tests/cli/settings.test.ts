/** The settings are described once; schema and page are made from there, and are today's. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PAGE, pageText, SCHEMA, schemaText, undescribed } from "../../scripts/settings.ts";

const advice = "run scripts/settings.ts (npm run settings) and look at what it changed";

test("every setting is described", () => {
  assert.deepEqual(undescribed(), []);
});

test("docs/recipe.schema.json and docs/settings.md are made from the schema that train uses", async () => {
  assert.equal(readFileSync(SCHEMA, "utf8"), schemaText(), advice);
  assert.equal(readFileSync(PAGE, "utf8"), await pageText(), advice);
});
