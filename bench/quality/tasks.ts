/**
 * What is trained, on what, by which recipe, and how good it has to be: each task is a value, all of them in one table.
 * Recipes were chosen on a part of the training data that was held out, never on test data.
 */
import type { RecipeInput } from "lockstep";
import { banking, clinc, phrasebank, shakespeare, sts, wnut, type Prepare } from "./data.ts";
import type { FigureName } from "./figures.ts";

export interface QualityTask {
  /** For people: what was done, in a line. */
  readonly about: string;
  /** Folder of the data set. */
  readonly data: string;
  readonly prepare: Prepare;
  /** Fine-tunes MiniLM, or begins with weights that are drawn. */
  readonly start: "minilm" | "nothing";
  readonly recipe: RecipeInput;
  /** On the test data, and what it should be: at least `min`, or within so much of the twin's. */
  readonly test?: { readonly figure: FigureName; readonly bar: { readonly min: number } | { readonly twin: number } };
  /**
   * Losses of the first steps without dropout, from the same weights on the same batches: at every tenth step, the
   * largest difference from the twin's as a share of it.
   */
  readonly curve: { readonly steps: number; readonly within: number };
}

/** Steps that show whether two programs compute the same, before rounding has led them apart. */
const SHORT = { steps: 21, within: 0.01 };
const WITHOUT_HELD_OUT = { validation_fraction: 0 };
/**
 * Both sides draw their own masks, which moves a figure on a few hundred test rows by about a point; without dropout a
 * single run says whether the two are the same.
 */
export const NO_DROPOUT = { hidden_dropout: 0, attention_dropout: 0, classifier_dropout: 0 };

function sentiment(file: string, agreement: string): QualityTask {
  return {
    about: `Financial PhraseBank, ${agreement}: MiniLM, one sentence in five tested on (by hash)`,
    data: "financial_phrasebank",
    prepare: phrasebank(file),
    start: "minilm",
    recipe: {
      ...WITHOUT_HELD_OUT,
      ...NO_DROPOUT,
      max_tokens: 96,
      phases: [{ objective: "classify", epochs: 2 }],
    },
    test: { figure: "accuracy", bar: { twin: 0.01 } },
    curve: SHORT,
  };
}

export const TASKS: Readonly<Record<string, QualityTask>> = {
  banking77: {
    about: "BANKING77: MiniLM, official split",
    data: "banking77",
    prepare: banking,
    start: "minilm",
    recipe: { validation_fraction: 0.1, phases: [{ objective: "classify", epochs: 8 }] },
    test: { figure: "accuracy", bar: { min: 0.933 } },
    curve: SHORT,
  },
  clinc150: {
    about: "CLINC150, intents in scope: MiniLM, train of the full data set, official test",
    data: "clinc150",
    prepare: clinc,
    start: "minilm",
    recipe: { ...WITHOUT_HELD_OUT, phases: [{ objective: "classify", epochs: 3 }] },
    test: { figure: "accuracy", bar: { min: 0.955 } },
    curve: SHORT,
  },
  wnut17: {
    about: "WNUT-17, entities: MiniLM, official train and test",
    data: "wnut17",
    prepare: wnut,
    start: "minilm",
    recipe: {
      ...WITHOUT_HELD_OUT,
      ...NO_DROPOUT,
      max_tokens: 192,
      phases: [{ objective: "token-classify", epochs: 2 }],
    },
    test: { figure: "entity F1", bar: { twin: 0.01 } },
    curve: SHORT,
  },
  sts16: {
    about: "STS-16: MiniLM tuned on pairs that nobody scored, tested on all scored pairs",
    data: "sts16",
    prepare: sts,
    start: "minilm",
    recipe: {
      ...WITHOUT_HELD_OUT,
      max_tokens: 96,
      phases: [{ objective: "contrastive", epochs: 2, batch_size: 32, learning_rate: 2e-5 }],
    },
    test: { figure: "Spearman", bar: { twin: 0.005 } },
    curve: SHORT,
  },
  "phrasebank-all": sentiment("Sentences_AllAgree.txt", "all agree"),
  "phrasebank-50": sentiment("Sentences_50Agree.txt", "50 % agree"),
  shakespeare: {
    about: "Tiny Shakespeare: a causal model of GPT-2's shape from nothing, packed rows of 64 tokens",
    data: "tinyshakespeare",
    prepare: shakespeare,
    start: "nothing",
    recipe: {
      max_tokens: 64,
      model: {
        model_type: "gpt2",
        hidden_size: 128,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        intermediate_size: 512,
        initializer_range: 0.02,
      },
      phases: [{ objective: "causal-lm", epochs: 2, batch_size: 16 }],
    },
    curve: { steps: 301, within: 0.01 },
  },
};
