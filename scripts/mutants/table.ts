/** The table of docs/explored.md. */
import type { Mutant } from "./mutate.ts";
import { reasonOf, type Caught, type Equivalent } from "./results.ts";

export function mutantTable(
  mutants: readonly Mutant[],
  { caught, equivalent }: { readonly caught: Caught; readonly equivalent: readonly Equivalent[] },
): string {
  const rows = [...new Set(mutants.map(({ file }) => file))].map((file) => {
    const own = mutants.filter((mutant) => mutant.file === file);
    return [file, ...counts(own, caught, equivalent)];
  });
  return [
    ["file", "mutants", "caught", "equivalent", "surviving"],
    ["---", "---", "---", "---", "---"],
    ...rows,
    ["all", ...counts(mutants, caught, equivalent)],
  ]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function counts(mutants: readonly Mutant[], caught: Caught, equivalent: readonly Equivalent[]): readonly number[] {
  const found = mutants.filter(({ key }) => caught.has(key)).length;
  const same = mutants.filter((mutant) => !caught.has(mutant.key) && reasonOf(mutant, equivalent) !== null).length;
  return [mutants.length, found, same, mutants.length - found - same];
}
