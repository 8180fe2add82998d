/** A small training of each objective, and what it should come to. */
import type { ObjectiveName } from "../../src/work/train/objectives/index.ts";
import type { TrainingInput } from "../../src/work/train/index.ts";
import { madeInput, NOUNS, PLACES, sentences } from "./prepared.ts";
import { saying, taughtBy } from "./taught.ts";

interface Case {
  readonly input: (epochs: number) => Promise<TrainingInput>;
  readonly epochs: number;
  /** Whether the figure on the held-out rows is good when it is more, or less, and what it has to pass; or none. */
  readonly better: "more" | "less" | undefined;
  readonly from: number;
}

const RATES = { batch_size: 16, shards: 4, learning_rate: 5e-3 } as const;
const ROWS = sentences(120);
const TEXTS = csv(
  "text",
  ROWS.map(({ words }) => [words.join(" ")]),
);
const PARAGRAPHS = {
  text: ROWS.map(({ words }) => words.join(" ")).join("\n\n"),
  format: "text",
  family: "gpt2",
} as const;
const GUESSED = { name: undefined, need: "guessed" } as const;

function csv(header: string, rows: readonly (readonly string[])[]): string {
  return [header, ...rows.map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(","))].join("\n");
}

export const CONTRASTIVE: Case = {
  input: (epochs) =>
    madeInput(
      {
        text: csv(
          "text,second,negative",
          ROWS.map(({ words, n }) => [
            words.join(" "),
            `${n} ${words.slice(3).join(" ")}`,
            ROWS[(n + 8) % 120]!.words.slice(3).join(" "),
          ]),
        ),
        roles: { second: { name: "second", need: "needed" }, negative: { name: undefined, need: "guessed" } },
      },
      [{ objective: "contrastive", ...RATES, epochs }],
    ),
  epochs: 12,
  better: "more",
  from: 0.3,
};

/** Questions, each with the place in it as the answer. */
const CHATS = csv(
  "instruction,input,output",
  ROWS.map(({ words, place, n }) => [words.join(" "), n % 4 === 0 ? "where" : "", place]),
);
function chats(packing: boolean): Case {
  return {
    input: (epochs) =>
      madeInput({ text: CHATS, roles: { answer: GUESSED, input: GUESSED }, family: "llama", max_tokens: 48 }, [
        { objective: "instruction-tuning", ...RATES, packing, epochs },
      ]),
    epochs: packing ? 24 : 12,
    better: "less",
    from: 1,
  };
}

/** Every objective: the one that is added has to be proven here, or somewhere else by name. */
const ALL: { readonly [N in ObjectiveName]: Case | { readonly provenIn: string } } = {
  "masked-lm": { provenIn: "threads.long.test.ts" },
  classify: { provenIn: "threads.long.test.ts" },
  "multi-label": {
    input: (epochs) =>
      madeInput(
        {
          text: csv(
            "text,labels",
            ROWS.map(({ words, place, n }) => [words.join(" "), n % 3 === 0 ? `${place}|third` : place]),
          ),
          roles: { labels: { name: "labels", need: "needed" } },
        },
        [{ objective: "multi-label", ...RATES, epochs }],
      ),
    epochs: 20,
    better: "more",
    from: 0.8,
  },
  regression: {
    input: (epochs) =>
      madeInput(
        {
          text: csv(
            "text,second,score",
            ROWS.map(({ words, n }) => [
              words.join(" "),
              ROWS[n % 2 === 0 ? n : (n + 1) % 120]!.words.slice(3).join(" "),
              n % 3 === 0 ? "1" : "0",
            ]),
          ),
          roles: { second: { name: "second", need: "named" }, score: { name: "score", need: "needed" } },
        },
        [{ objective: "regression", ...RATES, epochs }],
      ),
    epochs: 8,
    better: "less",
    from: 0.3,
  },
  "token-classify": {
    input: (epochs) =>
      madeInput(
        {
          text: ROWS.map(({ words }) =>
            words
              .map(
                (word, at) =>
                  `${word}\t${at < 6 || at > 7 || /and|the/.test(word) ? "O" : at === 6 ? "B-PLACE" : "I-PLACE"}`,
              )
              .join("\n"),
          ).join("\n\n"),
          format: "conll",
          roles: { tags: { name: undefined, need: "needed" } },
        },
        [
          { objective: "masked-lm", ...RATES, epochs: 1 },
          { objective: "token-classify", ...RATES, epochs },
        ],
      ),
    epochs: 6,
    better: "more",
    from: 0.8,
  },
  "causal-lm": {
    input: (epochs) => madeInput(PARAGRAPHS, [{ objective: "causal-lm", ...RATES, epochs }]),
    epochs: 16,
    better: "less",
    from: 2.8,
  },
  "instruction-tuning": chats(false),
  "embedding-distillation": {
    input: async (epochs) =>
      saying(
        await madeInput({ text: TEXTS }, [{ objective: "embedding-distillation", ...RATES, epochs }]),
        NOUNS.length,
        (example, at) => (ROWS[example]!.words[3] === NOUNS[at] ? 3 : 0),
      ),
    epochs: 16,
    better: "more",
    from: 0.8,
  },
  contrastive: CONTRASTIVE,
};

/** Objectives with a setting that is another way through them. */
const FURTHER: Readonly<Record<string, Case>> = {
  "instruction-tuning, packed": chats(true),
  "masked-lm, whole words": {
    input: (epochs) => madeInput({ text: TEXTS }, [{ objective: "masked-lm", ...RATES, whole_words: true, epochs }]),
    epochs: 20,
    better: "less",
    from: 2.8,
  },
  "classify, with a teacher": {
    input: async (epochs) => {
      const table = csv(
        "text,label",
        ROWS.map(({ words, n }) => [words.join(" "), `${PLACES.length - 1 - (n % PLACES.length)}`]),
      );
      const distillation = { weight: 0.9, temperature: 1.5 };
      const made = await madeInput({ text: table }, [{ objective: "classify", ...RATES, distillation, epochs }]);
      return saying(made, PLACES.length, (example, at) => (at === PLACES.length - 1 - (example % 5) ? 6 : 0));
    },
    epochs: 20,
    better: "more",
    from: 0.8,
  },
  "masked-lm, with a teacher": {
    input: async (epochs) =>
      taughtBy(
        await madeInput({ text: TEXTS }, [{ objective: "masked-lm", ...RATES, distillation: { weight: 1 }, epochs }]),
        await madeInput({ text: TEXTS }, [{ objective: "masked-lm", ...RATES, epochs: epochs + 1 }]),
      ),
    epochs: 16,
    better: "less",
    from: 2.8,
  },
  "causal-lm, with a teacher": {
    input: async (epochs) =>
      taughtBy(
        await madeInput(PARAGRAPHS, [{ objective: "causal-lm", ...RATES, distillation: {}, epochs }]),
        await madeInput(PARAGRAPHS, [{ objective: "causal-lm", ...RATES, epochs: epochs + 1 }]),
      ),
    epochs: 16,
    better: "less",
    from: 2.8,
  },
  "embedding-distillation, tokens": {
    input: async (epochs) =>
      taughtBy(
        await madeInput({ text: TEXTS }, [
          { objective: "embedding-distillation", ...RATES, vectors: "tokens", epochs },
        ]),
        await madeInput({ text: TEXTS }, [{ objective: "masked-lm", ...RATES, epochs: epochs + 1 }]),
      ),
    epochs: 16,
    better: undefined,
    from: NaN,
  },
};

export const CASES: readonly (readonly [string, Case])[] = Object.entries({ ...ALL, ...FURTHER }).flatMap(
  ([name, one]) => ("provenIn" in one ? [] : [[name, one] as const]),
);
