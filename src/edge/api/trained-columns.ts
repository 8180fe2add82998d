/** What a version remembers of the table that it was trained on. */
import { z } from "zod";
import { ROLES, type PreferredColumns } from "../../language/data/index.ts";

const recipeColumns = z.looseObject({
  recipe: z.looseObject({
    data: z.looseObject({
      text: z.string(),
      label: z.string().optional(),
      columns: z.partialRecord(z.enum(ROLES), z.string()).optional(),
    }),
  }),
});

/** The columns of the table that a version was trained on; undefined for a plain folder. */
export function trainedColumns(description: object | undefined): PreferredColumns | undefined {
  const parsed = recipeColumns.safeParse(description);
  if (!parsed.success) return undefined;
  const { text, label, columns } = parsed.data.recipe.data;
  return { text, ...(label === undefined ? {} : { label }), ...(columns === undefined ? {} : { roles: columns }) };
}
