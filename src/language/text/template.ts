/** What is done with the tokens of one text or two: the special tokens around them, and where their offsets begin. */
import { invalid } from "./schema.ts";
import type { TokenizerJson } from "./schema.ts";

/** One place of a template: special tokens, or the tokens of the first (A) or second (B) text. */
export type Place =
  | { readonly ids: readonly number[]; readonly typeId: number }
  | { readonly sequence: "A" | "B"; readonly typeId: number };

export interface Template {
  readonly single: readonly Place[];
  readonly pair: readonly Place[];
  /** Offsets leave out white space at a token's ends (ByteLevel, RobertaProcessing). */
  readonly trims: readonly Trim[];
}

export interface Trim {
  /** The first token's one space may have been put there by the pre-tokenizer; then it is nobody's. */
  readonly keepsFirst: boolean;
}

/** Kinds of sections: those that are templates, of which there is one at most, after what trims offsets. */
const TEMPLATES = ["TemplateProcessing", "BertProcessing", "RobertaProcessing"];
export const BERT_TEMPLATES: readonly string[] = ["TemplateProcessing", "BertProcessing"];
export const ALL_PROCESSORS: readonly string[] = [...TEMPLATES, "ByteLevel"];

/** The path of the first part that is not of the kinds `known`, or that stands where it changes what others do. */
export function uncoveredTemplate(
  section: TokenizerJson["post_processor"],
  known: readonly string[],
): string | undefined {
  const parts = partsOf(section);
  const template = parts.findIndex(({ type }) => TEMPLATES.includes(type));
  const stranger = parts.find(({ type }) => !known.includes(type)) ?? (template < 0 ? undefined : parts[template + 1]);
  return stranger === undefined ? undefined : `post_processor (${stranger.type})`;
}

function partsOf(section: TokenizerJson["post_processor"]): readonly NonNullable<TokenizerJson["post_processor"]>[] {
  if (section === null) return [];
  if (section.type !== "Sequence") return [section];
  const parts = section["processors"];
  if (!Array.isArray(parts)) throw invalid("post_processor.processors is not a list");
  return (parts as TokenizerJson["post_processor"][]).flatMap(partsOf);
}

export function specialCount(places: readonly Place[]): number {
  return places.reduce((sum, place) => sum + ("ids" in place ? place.ids.length : 0), 0);
}

/** Throws TOKENIZER_INVALID for anything that is not one of the kinds, complete and within the ids of `idOf`. */
export function readTemplate(section: TokenizerJson["post_processor"], idOf: ReadonlyMap<string, number>): Template {
  const parts = partsOf(section);
  const template = parts.find(({ type }) => TEMPLATES.includes(type)) ?? null;
  const trims = parts
    .filter(({ type }) => type === "ByteLevel" || type === "RobertaProcessing")
    .filter((part) => part["trim_offsets"] !== false)
    .map((part) => ({ keepsFirst: part["add_prefix_space"] !== false }));
  return { ...readSpecial(template, idOf), trims };
}

function readSpecial(
  section: TokenizerJson["post_processor"],
  idOf: ReadonlyMap<string, number>,
): Omit<Template, "trims"> {
  if (section === null) return { single: [a(0)], pair: [a(0), b(1)] };
  if (section.type !== "TemplateProcessing") {
    const roberta = section.type === "RobertaProcessing";
    const cls = { ids: [pairId(section["cls"], "cls", idOf)], typeId: 0 };
    const sep = { ids: [pairId(section["sep"], "sep", idOf)], typeId: 0 };
    const first = [cls, a(0), sep];
    return {
      single: first,
      pair: roberta ? [...first, sep, b(0), sep] : [...first, b(1), { ids: sep.ids, typeId: 1 }],
    };
  }
  const single = readPlaces(section["single"], "single", section["special_tokens"], idOf);
  const pair = readPlaces(section["pair"], "pair", section["special_tokens"], idOf);
  if (!has(single, "A") || has(single, "B"))
    throw invalid("post_processor.single must hold the sequence A once and not B");
  if (!has(pair, "A") || !has(pair, "B"))
    throw invalid("post_processor.pair must hold the sequences A and B once each");
  return { single, pair };
}

function readPlaces(value: unknown, name: string, table: unknown, idOf: ReadonlyMap<string, number>): Place[] {
  if (!Array.isArray(value) || value.length > 64)
    throw invalid(`post_processor.${name} is not a list of at most 64 places`);
  return value.map((item: unknown, i): Place => {
    const place = item as {
      SpecialToken?: { id?: unknown; type_id?: unknown };
      Sequence?: { id?: unknown; type_id?: unknown };
    } | null;
    const where = `post_processor.${name}[${i}]`;
    if (place?.Sequence !== undefined) {
      const { id } = place.Sequence;
      if (id !== "A" && id !== "B") throw invalid(`${where}.Sequence.id is ${String(id)}, not A or B`);
      return { sequence: id, typeId: typeId(place.Sequence.type_id, where) };
    }
    if (place?.SpecialToken === undefined) throw invalid(`${where} is neither a SpecialToken nor a Sequence`);
    return {
      ids: specialIds(String(place.SpecialToken.id), table, where, idOf),
      typeId: typeId(place.SpecialToken.type_id, where),
    };
  });
}

function specialIds(name: string, table: unknown, where: string, idOf: ReadonlyMap<string, number>): number[] {
  const entry =
    typeof table === "object" && table !== null && Object.hasOwn(table, name)
      ? (table as Record<string, { ids?: unknown } | null>)[name]
      : undefined;
  const ids: unknown = entry?.ids ?? [idOf.get(name)];
  const known = new Set(idOf.values());
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > 64 || !ids.every((id) => known.has(id as number))) {
    throw invalid(`${where} uses the special token ${name}, whose ids are not in the vocabulary`);
  }
  return ids as number[];
}

function pairId(value: unknown, name: string, idOf: ReadonlyMap<string, number>): number {
  const token: unknown = Array.isArray(value) ? value[0] : undefined;
  const id = typeof token === "string" ? idOf.get(token) : undefined;
  if (id === undefined) throw invalid(`post_processor.${name} is not a [token, id] pair of a token in the vocabulary`);
  return id;
}

function typeId(value: unknown, where: string): number {
  if (value === undefined) return 0;
  if (value !== 0 && value !== 1) throw invalid(`${where} has type_id ${String(value)}; this family has 0 and 1`);
  return value;
}

const a = (type: number): Place => ({ sequence: "A", typeId: type });
const b = (type: number): Place => ({ sequence: "B", typeId: type });
const has = (places: readonly Place[], sequence: "A" | "B"): boolean =>
  places.filter((place) => "sequence" in place && place.sequence === sequence).length === 1;
