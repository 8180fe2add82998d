/** Writes docs/recipe.schema.json from the schema that `train` itself uses; a test fails when the two differ. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { recipeJsonSchema } from "../src/edge/api/recipe-file.ts";

const path = join(dirname(import.meta.dirname), "docs", "recipe.schema.json");
mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, recipeJsonSchema());
