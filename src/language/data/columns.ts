/** Which column holds the text and which the label: named by the caller, or guessed from the usual names. */
import { closest, LockstepError } from "../../base/index.ts";

/** Guessed in this order, whatever the case. */
export const TEXT_NAMES: readonly string[] = [
  "text",
  "sentence",
  "question",
  "query",
  "utterance",
  "message",
  "content",
  "review",
  "comment",
  "headline",
  "title",
  "body",
];
export const LABEL_NAMES: readonly string[] = [
  "label",
  "labels",
  "intent",
  "category",
  "class",
  "target",
  "sentiment",
  "tag",
];

/** What a column may hold beside the text and its one label. */
export const ROLES = ["second", "negative", "labels", "score", "tags", "answer", "input", "system"] as const;
export type Role = (typeof ROLES)[number];

/** Guessed in this order, whatever the case. */
export const ROLE_NAMES: { readonly [R in Role]: readonly string[] } = {
  second: [
    "second",
    "text2",
    "sentence2",
    "question2",
    "positive",
    "hypothesis",
    "response",
    "paraphrase",
    "document",
    "passage",
  ],
  negative: ["negative", "hard_negative"],
  labels: ["labels", "label", "intents", "categories", "tags", "topics"],
  score: ["score", "similarity", "relevance", "value", "rating", "label", "target"],
  tags: ["tags", "ner_tags", "labels", "label"],
  answer: ["answer", "output", "response", "completion", "target"],
  input: ["input", "context"],
  system: ["system", "system_prompt"],
};

/** Whether a role's column has to be there, may be, or is read only where it is named (or was, in training). */
export type Need = "needed" | "guessed" | "named";
export interface RoleChoice {
  readonly name: string | undefined;
  readonly need: Need;
}
export type RoleChoices = { readonly [R in Role]?: RoleChoice | undefined };

/** Names of columns that are taken where they are there. */
export interface PreferredColumns {
  readonly text: string;
  readonly label?: string | undefined;
  readonly roles?: { readonly [R in Role]?: string | undefined } | undefined;
}

/** A column name, undefined to guess (a label may then be missing), or false for none. */
export interface ColumnChoice {
  readonly text: string | undefined;
  /** Guessed before the usual names. @default none */
  readonly textNames?: readonly string[] | undefined;
  readonly label: string | false | undefined;
  /** Taken where there are columns of these names, before any guess: those that a version was trained on. */
  readonly preferred?: PreferredColumns | undefined;
  /** Further columns. @default none */
  readonly roles?: RoleChoices | undefined;
}
export interface Columns {
  readonly text: string;
  readonly label: string | undefined;
  /** The further columns that were found. */
  readonly roles: { readonly [R in Role]?: string };
}

/** Throws DATA_INVALID that names the columns there are and the closest one. */
export function chooseColumns(names: readonly string[], choice: ColumnChoice, path: string): Columns {
  const text =
    choice.text === undefined
      ? guess(names, [...(choice.textNames ?? []), ...TEXT_NAMES], choice.preferred?.text)
      : find(names, choice.text, path);
  if (text === undefined)
    throw missing(
      `none of the columns of ${path} is called ` +
        `${[...(choice.textNames ?? []), ...TEXT_NAMES].slice(0, 5).join(", ")} or the like; say which one holds the ` +
        "text",
      names,
      path,
    );
  const label =
    choice.label === false
      ? undefined
      : choice.label === undefined
        ? guess(names, LABEL_NAMES, choice.preferred?.label)
        : find(names, choice.label, path);
  if (label === text)
    throw missing(`${path}: the column ${JSON.stringify(text)} cannot be both text and label`, names, path);
  return { text, label, roles: chooseRoles(names, choice, [text, label], path) };
}

/** A column has one role: those that text and label have taken are not guessed again. */
function chooseRoles(
  names: readonly string[],
  { roles: choices = {}, preferred }: ColumnChoice,
  taken: readonly (string | undefined)[],
  path: string,
): Columns["roles"] {
  const found: Partial<Record<Role, string>> = {};
  for (const role of ROLES) {
    const choice = choices[role];
    if (choice === undefined) continue;
    const free = names.filter((name) => !taken.includes(name) && !Object.values(found).includes(name));
    const name =
      choice.name !== undefined
        ? find(names, choice.name, path)
        : guess(free, choice.need === "named" ? [] : ROLE_NAMES[role], preferred?.roles?.[role]);
    if (name !== undefined) found[role] = name;
    else if (choice.need === "needed")
      throw missing(
        `none of the columns of ${path} is called ${ROLE_NAMES[role].slice(0, 4).join(", ")} or the like; say which ` +
          `one holds the ${role} (columns.${role}; --column ${role}=NAME)`,
        names,
        path,
      );
  }
  return found;
}

/** There is no label, and one is needed. */
export function noLabels(names: readonly string[], path: string): LockstepError {
  return missing(
    `none of the columns of ${path} is called ${LABEL_NAMES.slice(0, 5).join(", ")} or the like; say which one holds ` +
      "the label (--label)",
    names,
    path,
  );
}

function guess(names: readonly string[], usual: readonly string[], preferred: string | undefined): string | undefined {
  if (preferred !== undefined && names.includes(preferred)) return preferred;
  for (const wanted of usual) {
    const found = names.find((name) => name.trim().toLowerCase() === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

function find(names: readonly string[], wanted: string, path: string): string {
  if (names.includes(wanted)) return wanted;
  const near = closest(wanted, names);
  const hint = near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`;
  throw missing(`${path} has no column ${JSON.stringify(wanted)}${hint}`, names, path);
}

function missing(problem: string, names: readonly string[], path: string): LockstepError {
  const shown = names.slice(0, 20).map((name) => JSON.stringify(name.slice(0, 60)));
  return new LockstepError(
    "DATA_INVALID",
    `${problem} (its columns are ${shown.join(", ")}${names.length > 20 ? ", …" : ""})`,
    { path, columns: names.slice(0, 20) },
  );
}
