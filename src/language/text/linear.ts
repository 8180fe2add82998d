/**
 * What the reference library may be given: a native call cannot be stopped, so every part's time and memory must be a
 * small multiple of the text's length, whatever the file says. Regular expressions are only those known to be so.
 */
import { Charsmap } from "./charsmap.ts";
import { GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN } from "./scanners.ts";
import { invalid, quote, type TokenizerJson } from "./schema.ts";

/** Expressions of published tokenizers that never go back over what they have read, runs of white space aside. */
const KNOWN_PATTERNS: ReadonlySet<string> = new Set([
  // SentencePiece models: runs of spaces become one.
  " {2,}",
  "\\s+",
  "[\\r\\n]",
  "\\p{N}{1,3}",
  GPT2_PATTERN,
  // Also cl100k's.
  LLAMA3_PATTERN,
  QWEN2_PATTERN,
]);

/** How many times longer a text may become by parts that rewrite it, and the longest piece of a Unigram vocabulary. */
const MOST_GROWTH = 32;
const LONGEST_UNIGRAM = 256;
const MOST_PLACES = 64;

/** Throws TOKENIZER_INVALID with the path of the first part that is not bounded. */
export function checkBounded(json: TokenizerJson): void {
  let growth = 1;
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) return;
    const part = value as Readonly<Record<string, unknown>>;
    const { Regex: regex } = part;
    if (regex !== undefined && !(typeof regex === "string" && KNOWN_PATTERNS.has(regex)))
      throw unbounded(`a regular expression of its own, ${path}.Regex: ${quote(String(regex))}`);
    // Looks at the size of what characters become.
    if (part["type"] === "Precompiled") new Charsmap(part["precompiled_charsmap"], path);
    if (part["type"] === "Replace") growth *= growthOf(part);
    if (growth > MOST_GROWTH) throw unbounded(`parts that make a text ${growth} times as long, ${path} (Replace)`);
    if (part["type"] === "FixedLength" && !((part["length"] as number) >= 1))
      throw unbounded(`a part that advances by nothing, ${path} (FixedLength)`);
    for (const places of [part["single"], part["pair"]])
      if (Array.isArray(places) && places.length > MOST_PLACES)
        throw unbounded(`a template of ${places.length} places, ${path}`);
    for (const [key, item] of Object.entries(part)) walk(item, `${path}.${key}`);
  };
  for (const section of ["normalizer", "pre_tokenizer", "post_processor", "decoder"] as const)
    walk(json[section], section);
  if (!Array.isArray(json.model.vocab)) return;
  const long = json.model.vocab.findIndex((item: unknown) => {
    const piece: unknown = Array.isArray(item) ? item[0] : undefined;
    return typeof piece === "string" && piece.length > LONGEST_UNIGRAM;
  });
  if (long >= 0) throw unbounded(`a piece of more than ${LONGEST_UNIGRAM} characters, model.vocab[${long}]`);
}

/** Of a text that is nothing but what is replaced. An expression may match an empty place beside each character. */
function growthOf(part: Readonly<Record<string, unknown>>): number {
  const { pattern, content } = part as { pattern?: { String?: unknown }; content?: unknown };
  const length = typeof content === "string" ? content.length : 0;
  const sought = typeof pattern?.String === "string" ? pattern.String.length : 1;
  return Math.max(1, sought === 0 ? Infinity : length / sought);
}

const unbounded = (what: string): Error =>
  invalid(`it has ${what}, which can run without end, so it is not run here; BERT's own tokenizers have no such part`);
