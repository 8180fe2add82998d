/** Texts and pairs of texts as questions: how they are checked and made into rows. */
import { z } from "zod";
import { LockstepError } from "../../base/index.ts";
import { checkText } from "../../language/text/index.ts";
import type { EncodedQuestion, TaskVersion } from "./task.ts";
import { MAX_TEXTS, wireRequest, wireText } from "./wire.ts";

/** Two texts that one question is about. */
export interface TextPair {
  readonly text: string;
  readonly pair: string;
}
/** A text, or two. */
export type TextOrPair = string | TextPair;

/** @throws INPUT_INVALID, INPUT_TOO_LARGE */
export function checkOneText(text: unknown, what: string): asserts text is string {
  checkText(text, what);
  if (text.trim() === "") throw new LockstepError("INPUT_INVALID", `${what} is blank`, { what });
}

/** @throws INPUT_INVALID, INPUT_TOO_LARGE */
export function checkPair(question: unknown, what: string): asserts question is TextPair {
  if (typeof question !== "object" || question === null || Array.isArray(question))
    throw new LockstepError("INPUT_INVALID", `${what} is not two texts; give { text, pair }`, { what });
  const { text, pair, ...others } = question as Readonly<Record<string, unknown>>;
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new LockstepError("INPUT_INVALID", `${what} has a field ${JSON.stringify(other.slice(0, 60))}`, { what });
  checkOneText(text, `"text" of ${what}`);
  checkOneText(pair, `"pair" of ${what}`);
}

/** @throws INPUT_INVALID, INPUT_TOO_LARGE */
function checkTextOrPair(question: unknown, what: string): asserts question is TextOrPair {
  if (typeof question === "object" && question !== null) checkPair(question, what);
  else checkOneText(question, what);
}

export function lengthOf(question: TextOrPair): number {
  return typeof question === "string" ? question.length : question.text.length + question.pair.length;
}

/** One row of a text, or of two joined as the tokenizer's template says. */
async function encodeTextOrPair({ tokenizer }: TaskVersion, question: TextOrPair): Promise<EncodedQuestion<undefined>> {
  const row =
    typeof question === "string"
      ? await tokenizer.encode(question)
      : await tokenizer.encode(question.text, { pair: question.pair });
  return { rows: [row], truncated: row.truncated, notes: undefined };
}

const first = wireText.meta({ description: "The first text of a pair." });
const second = wireText.meta({ description: "The second text of a pair." });
const wirePair = z.strictObject({ text: first, text_pair: second });

/** The ways to ask about pairs: `text` and `text_pair`, or a list. */
export const pairFields = {
  text: first.optional(),
  text_pair: second.optional(),
  pairs: z.array(wirePair).min(1).max(MAX_TEXTS).optional(),
};
/** The ways to ask about texts or pairs. */
const textOrPairFields = {
  text: wireText.meta({ description: "A text, or the first of a pair." }).optional(),
  text_pair: second.optional(),
  texts: z
    .array(wireText.meta({ description: "A text." }))
    .min(1)
    .max(MAX_TEXTS)
    .optional(),
  pairs: pairFields.pairs,
};

export interface TextOrPairBody {
  readonly text?: string | undefined;
  readonly text_pair?: string | undefined;
  readonly texts?: readonly string[] | undefined;
  readonly pairs?: readonly z.output<typeof wirePair>[] | undefined;
}

function isOneWay({ text, text_pair, texts, pairs }: TextOrPairBody): boolean {
  const ways = [text, texts, pairs].filter((way) => way !== undefined).length;
  return ways === 1 && (text_pair === undefined || text !== undefined);
}

/** A request about texts or pairs. */
export function textOrPairRequest<Options extends z.ZodRawShape>(options: Options) {
  return wireRequest(textOrPairFields, options).refine(
    (body) => isOneWay(body as TextOrPairBody), // whatever options there are beside it
    "expected exactly one of text, texts and pairs, and text_pair only beside text",
  );
}

export function isOnePairWay({ text, text_pair, pairs }: TextOrPairBody): boolean {
  return (text === undefined) === (text_pair === undefined) && (text === undefined) !== (pairs === undefined);
}
export const ONE_PAIR_WAY = "expected text and text_pair, or pairs";

export function questionsOf({ text, text_pair, texts, pairs }: TextOrPairBody): readonly TextOrPair[] {
  if (texts !== undefined) return texts;
  if (pairs !== undefined) return pairs.map(({ text: one, text_pair: other }) => ({ text: one, pair: other }));
  return [text_pair === undefined ? text! : { text: text!, pair: text_pair }];
}

export function pairsOf(body: TextOrPairBody): readonly TextPair[] {
  return questionsOf(body) as readonly TextPair[];
}

/** As a receipt has it. */
export const recordedPair = { text: z.string(), text_pair: z.string() };

/** The same of a text or a pair: fields of the record, into them, and out of them again. */
export const textOrPairRecord = {
  fields: { text: z.string(), text_pair: z.string().optional() },
  of: (question: TextOrPair): Readonly<Record<string, string>> =>
    typeof question === "string" ? { text: question } : { text: question.text, text_pair: question.pair },
  question: (record: { text: string; text_pair?: string | undefined }): TextOrPair =>
    record.text_pair === undefined ? record.text : { text: record.text, pair: record.text_pair },
};

interface TextOrPairQuestions {
  readonly noun: "text";
  readonly check: (question: unknown, what: string) => asserts question is TextOrPair;
  readonly rows: () => 1;
  readonly length: (question: TextOrPair) => number;
  readonly encode: (version: TaskVersion, question: TextOrPair) => Promise<EncodedQuestion<undefined>>;
  readonly ofText: (text: string) => TextOrPair;
  readonly anyText: true;
}

/** How every task about a text or a pair of texts is asked. */
export const TEXT_OR_PAIR: TextOrPairQuestions = {
  noun: "text",
  check: checkTextOrPair,
  rows: () => 1,
  length: lengthOf,
  encode: encodeTextOrPair,
  ofText: (text) => text,
  anyText: true,
};
