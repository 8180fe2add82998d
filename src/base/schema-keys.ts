/** The fields that a zod schema has at a path: what a misspelt one could have been. */
import { z } from "zod";

/** Empty where the path leads to no object. */
export function fieldsAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): readonly string[] {
  const here = unwrapped(schema);
  const [first, ...rest] = path;
  if (here instanceof z.ZodUnion) return here.options.flatMap((option) => fieldsAt(option, path));
  if (first === undefined) return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
  if (here instanceof z.ZodArray) return fieldsAt(here.element, rest);
  if (!(here instanceof z.ZodObject) || typeof first !== "string" || !Object.hasOwn(here.shape, first)) return [];
  return fieldsAt((here.shape as Readonly<Record<string, z.core.$ZodType>>)[first]!, rest);
}

/** Without what says only whether a value may be missing. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  )
    return unwrapped(schema.unwrap());
  return schema;
}
