/**
 * The fields of the `config.json` of BERT and its kin beside those that every family shares. From published folders and
 * `models/bert/configuration_bert.py` (and RoBERTa's) of https://github.com/huggingface/transformers.
 */
import {
  followed,
  harmless,
  isEmpty,
  oneOf,
  only,
  SHARED_FIELDS,
  type FieldRow,
  type FieldRule,
  type FieldRules,
} from "./config-fields.ts";

const TOKENIZERS: readonly string[] = [
  ...["Bert", "DistilBert", "Electra", "Roberta", "XLMRoberta"].flatMap((family) => [
    `${family}Tokenizer`,
    `${family}TokenizerFast`,
  ]),
  "PreTrainedTokenizerFast",
  "TokenizersBackend",
];

function guessesWords(architectures: unknown): boolean {
  return Array.isArray(architectures) && architectures.some((name) => /MaskedLM|PreTraining|LMHead/.test(String(name)));
}

/** Of every encoder here. */
export const ENCODER_FIELDS: readonly FieldRow[] = [
  ...SHARED_FIELDS,
  ...only("tokenizer_class", oneOf(...TOKENIZERS), "this tokenizer does more than its tokenizer.json says"),
  // The decoder of masked LM is tied here; whatever else a folder is has none.
  ...only(
    "tie_word_embeddings",
    (value, { architectures }) => value === true || !guessesWords(architectures),
    "words are guessed with the table of word embeddings here; without the field the folder is read as if they were",
  ),
  ...only("is_decoder", oneOf(false), "a token sees the whole text here"),
];

const SIZES: readonly FieldRow[] = [
  ...ENCODER_FIELDS,
  ...followed(
    `vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings
     type_vocab_size layer_norm_eps initializer_range hidden_dropout_prob attention_probs_dropout_prob
     classifier_dropout pad_token_id`,
  ),
  ...only("hidden_act", oneOf("gelu", "gelu_python"), "the feed-forward layers have the exact GELU here"),
  ...only("position_embedding_type", oneOf("absolute"), "positions are absolute here"),
];

export const ROBERTA_FIELDS: FieldRules = new Map<string, FieldRule>(SIZES);

export const BERT_FIELDS: FieldRules = new Map<string, FieldRule>([
  ...SIZES,
  // Of the original TensorFlow release: no implementation of BERT's classifier in PyTorch reads them.
  ...harmless(
    `directionality pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type`,
  ),
  // Left by distillations: the width of word vectors before a projection, and parts that they wrote empty.
  ...["emb_size", "embedding_size"].flatMap((name) =>
    only(name, (value, all) => value === all["hidden_size"], "word vectors are as wide as the layers here"),
  ),
  ...["cell", "structure", "pre_trained", "training"].flatMap((name) =>
    only(name, isEmpty, "what it does is not known here"),
  ),
]);
