/** The task `fill-mask`: what a masked language model reads where a text has its mask token. */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { probabilities } from "./class-answer.ts";
import { digestBits } from "./digest.ts";
import type { Task, TaskAnswer, TaskTypes } from "./task.ts";
import { checkOneText } from "./text.ts";
import { requireFiniteOutput } from "./vectors.ts";
import { isOneOfTwo, ONE_OF_TWO, textFields, textsOf, TRUNCATED, wireRequest } from "./wire.ts";

/** Masks of one text: each costs a row of the vocabulary. */
const MAX_MASKS = 32;
/** Tokens to list for a mask. */
const tokensToList = z.int().min(1).max(1000).default(5);

const options = z.strictObject({
  /** Likeliest tokens to list for each mask, 1 to 1000. @default 5 */
  topK: tokensToList,
});

const body = wireRequest(textFields("A text with one mask token or more, such as [MASK]."), {
  top_k: tokensToList.meta({ description: "How many tokens to give for each mask, most probable first." }),
}).refine(isOneOfTwo, ONE_OF_TWO);

const filling = z.object({
  token: z.string().meta({ description: "The token's text, as the tokenizer decodes it alone." }),
  id: z.int(),
  probability: z.number(),
});
const wire = z.object({
  masks: z
    .array(z.object({ top: z.array(filling) }))
    .meta({ description: "For each mask, in the order of the text, the most probable tokens." }),
  truncated: TRUNCATED,
});
const recorded = z.object({ text: z.string(), top_k: z.int().min(1) });

export interface Filling {
  /** The token's text, as the tokenizer decodes it alone. */
  readonly token: string;
  readonly id: number;
  /** Of the softmax over the whole vocabulary; each mask is read by itself. */
  readonly probability: number;
}

export interface FilledMasks extends TaskAnswer {
  /** In the order of the text. */
  readonly masks: readonly {
    /** The likeliest tokens, falling; ties in the order of their ids. */
    readonly top: readonly Filling[];
  }[];
}

export interface FillMaskTypes extends TaskTypes {
  readonly question: string;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: FilledMasks;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  /** How many masks there are. */
  readonly notes: number;
}

const copies = (masks: FilledMasks["masks"]): { top: Filling[] }[] =>
  masks.map(({ top }) => ({ top: top.map((one) => ({ ...one })) }));

export const fillMask: Task<"fill-mask", FillMaskTypes> = {
  name: "fill-mask",
  noun: "text",
  about: "Reads what a text or up to 64 have where a mask stands.",
  format: 1,
  refusal: ({ head }) => (head.kind === "masked-lm" ? undefined : "it was not made to guess masked words"),
  learns: false,

  options,
  check: checkOneText,
  rows: () => 1,
  length: (text) => text.length,
  encode: async ({ tokenizer }, text) => {
    const { ids, typeIds, truncated } = await tokenizer.encode(text);
    const { mask } = tokenizer.special;
    const positions = Int32Array.from([...ids.keys()].filter((place) => mask >= 0 && ids[place] === mask));
    if (positions.length === 0 || positions.length > MAX_MASKS) {
      const name = mask < 0 ? "none" : tokenizer.decode([mask], { skipSpecialTokens: false });
      throw new LockstepError(
        "INPUT_INVALID",
        `a text has ${positions.length} mask tokens within what the version reads; it needs 1 to ${MAX_MASKS} ` +
          `(the version's mask token: ${name})`,
        { masks: positions.length },
      );
    }
    return { rows: [{ ids, typeIds, positions }], truncated, notes: positions.length };
  },
  answer: ({ tokenizer }, [logits], { topK }, count) => {
    requireFiniteOutput(logits!, "a row of logits");
    const width = logits!.length / count;
    const masks = Array.from({ length: count }, (_, mask) => {
      const p = probabilities(logits!.subarray(mask * width, (mask + 1) * width), 1);
      // a model's vocabulary may be padded: those ids are no tokens
      const likeliest = Array.from({ length: Math.min(width, tokenizer.vocabSize) }, (__, id) => id)
        .sort((a, b) => p[b]! - p[a]! || a - b)
        .slice(0, topK);
      return {
        top: likeliest.map((id) => ({
          token: tokenizer.decode([id], { skipSpecialTokens: false }),
          id,
          probability: p[id]!,
        })),
      };
    });
    return { masks, digest: digestBits(logits!) };
  },

  route: "/v1/fill-mask",
  body,
  ofBody: (parsed) => ({ questions: textsOf(parsed), options: { topK: parsed.top_k } }),
  wire,
  toWire: ({ masks, truncated }) => ({ masks: copies(masks), truncated }),

  record: (text, { topK }) => ({ text, top_k: topK }),
  recall: (record) => {
    const { text, top_k: topK } = parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT");
    return { question: text, options: { topK } };
  },
  summary: ({ masks, truncated }) => ({ masks: copies(masks), truncated }),
  laterFields: [],

  ofText: (text) => text,
  anyText: false,
};
