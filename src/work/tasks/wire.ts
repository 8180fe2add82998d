/** What requests over HTTP have in common: texts and their limits, and fields that belong to no task. */
import { z } from "zod";

/** Questions in one request. */
export const MAX_TEXTS = 64;
/** UTF-16 code units of one text. */
export const MAX_TEXT_LENGTH = 10_000;

/** Blank ones too, where a blank text is a question like any other. */
export const anyText = z
  .string()
  .max(MAX_TEXT_LENGTH, `expected at most ${MAX_TEXT_LENGTH} characters`)
  .refine((value) => value.isWellFormed(), "expected well-formed Unicode (there is half of a surrogate pair)");
export const wireText = anyText.refine((value) => value.trim() !== "", "expected a text that is not blank");

const model = z.string().min(1).max(200).meta({ description: "An alias (champion) or a version's name." });
const seed = z.int().min(0).max(0xffff_ffff).optional().meta({ description: "Kept in the receipt." });

/** A request of a task: what it asks, then how. */
export function wireRequest<Asked extends z.ZodRawShape, Options extends z.ZodRawShape>(
  asked: Asked,
  options: Options,
) {
  return z.strictObject({ ...asked, model: model.optional(), ...options, seed });
}

/** The two ways to ask about texts: one, or a list. `what` describes a text. */
export function textFields(what: string, form: typeof anyText = wireText) {
  const one = form.meta({ description: what });
  return { text: one.optional(), texts: z.array(one).min(1).max(MAX_TEXTS).optional() };
}

export interface TextsBody {
  readonly text?: string | undefined;
  readonly texts?: readonly string[] | undefined;
}

export function isOneOfTwo(body: TextsBody): boolean {
  return (body.text === undefined) !== (body.texts === undefined);
}
export const ONE_OF_TWO = "expected exactly one of text and texts";

export function textsOf({ text, texts }: TextsBody): readonly string[] {
  return texts ?? [text!];
}

/** Of every answer. */
export const TRUNCATED = z
  .boolean()
  .meta({ description: "Whether the text had more tokens than the version reads, so that only a part was read." });
