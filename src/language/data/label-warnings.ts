/**
 * What is strange about labels and still taken as it is: classes whose names look alike, names that programs write for
 * "nothing", classes too small to be learned. Only ever told; nothing is decided from it, so the Unicode tables of the
 * runtime may be asked.
 */

/** Names shown in one warning. */
const SHOWN = 5;

const NOTHING: ReadonlySet<string> = new Set([
  "nan",
  "null",
  "none",
  "undefined",
  "n/a",
  "na",
  "#n/a",
  "nil",
  "-",
  "?",
]);

/** One warning a sentence. `trainRows` are the rows that are learned from; the others are held out. */
export function labelWarnings(names: readonly string[], ids: Int32Array, trainRows: readonly number[]): string[] {
  const rows = new Uint32Array(names.length);
  for (const id of ids) rows[id]!++;
  const learned = new Uint32Array(names.length);
  for (const row of trainRows) learned[ids[row]!]!++;
  const single = names.filter((_, id) => rows[id] === 1);
  const never = names.filter((_, id) => rows[id]! > 1 && learned[id] === 0);
  return [
    ...lookAlikes(names),
    ...some(
      "labels that programs write where there is none, taken as classes",
      names.filter((name) => NOTHING.has(name.toLowerCase())),
    ),
    ...some("labels with a single row, too few to learn a class from and to check it", single),
    ...some("labels whose rows are all in the validation split, so they are never learned", never),
  ];
}

function lookAlikes(names: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const key = folded(name);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [name]);
    else group.push(name);
  }
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .slice(0, SHOWN)
    .map((group) => `the labels ${group.map(visible).join(" and ")} look alike and are classes of their own`);
}

/** The same for names that people take for the same: without case, invisible characters, and compositions. */
function folded(name: string): string {
  return name
    .normalize("NFKC")
    .replaceAll(/\p{Cf}/gu, "")
    .toLowerCase()
    .replaceAll(/\s+/g, " ")
    .trim();
}

/** Quoted, with what cannot be seen (and marks, which may be composed or not) as escapes. */
export function visible(name: string): string {
  const text = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  return JSON.stringify(text).replaceAll(/[\p{Cf}\p{M}\p{Z}]/gu, (character) =>
    character === " " ? " " : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** The known name that `label` probably means. */
export function lookAlike(label: string, names: readonly string[]): string | undefined {
  const key = folded(label);
  return names.find((name) => folded(name) === key);
}

function some(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return [`${what}: ${names.slice(0, SHOWN).map(visible).join(", ")}${more}`];
}
