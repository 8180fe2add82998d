/**
 * Entities of tagged words as the CoNLL evaluation counts them (Ramshaw and Marcus 1995, in its IOB2 form): `B-x`
 * begins one, `I-x` goes on with one of the same kind and begins one otherwise; any other tag ends it. Tags that have
 * neither prefix, but for `O`, are entities of one word.
 */

/** "start end kind", words counted from 0, `end` exclusive. */
export function entitiesOf(tags: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  let start = -1;
  let kind = "";
  const end = (at: number): void => {
    if (start >= 0) found.add(`${start} ${at} ${kind}`);
    start = -1;
  };
  tags.forEach((tag, at) => {
    const [, prefix, name] = /^([BI])-(.+)$/s.exec(tag) ?? [undefined, tag === "O" ? "O" : "B", tag];
    if (prefix === "I" && start >= 0 && kind === name) return;
    end(at);
    if (prefix === "O") return;
    start = at;
    kind = name!;
  });
  end(tags.length);
  return found;
}
