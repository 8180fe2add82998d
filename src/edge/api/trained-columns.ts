/** What a version remembers of the table that it was trained on. */
import { z } from "zod";

const recipeColumns = z.looseObject({
  recipe: z.looseObject({ data: z.looseObject({ text: z.string(), label: z.string() }) }),
});

/** The columns of the table that a version was trained on; undefined for a plain folder. */
export function trainedColumns(
  description: object | undefined,
): { readonly text: string; readonly label: string } | undefined {
  const parsed = recipeColumns.safeParse(description);
  if (!parsed.success) return undefined;
  const { text, label } = parsed.data.recipe.data;
  return { text, label };
}
