/**
 * What a run is trained on, apart from its settings: kept in its checkpoints, so that a run that is to be gone on with
 * other data is recognised as such, and not begun anew in silence.
 */
import { canonicalJson, sha256Hex } from "../../base/index.ts";
import { isRecord, type Recipe } from "./recipe.ts";

export interface RunData {
  /** SHA-256 of the recipe without what its data were, and without what follows from their size. */
  readonly settings: string;
  /** SHA-256 of each table, by what it is called: `data`, `phases.0.data`. */
  readonly data: Readonly<Record<string, string>>;
}

export function runData({ data, validation_fraction: _, ...recipe }: Recipe): RunData {
  const phases = recipe.phases.map(({ data: _data, shards: _shards, ...phase }) => phase);
  const tables = recipe.phases.map((phase, place) => [`phases.${place}.data`, phase.data?.sha256] as const);
  return {
    settings: sha256Hex(canonicalJson({ ...recipe, phases })),
    data: Object.fromEntries(
      [["data", data?.sha256] as const, ...tables].flatMap(([name, hash]) =>
        hash === undefined ? [] : [[name, hash]],
      ),
    ),
  };
}

/** Where a checkpoint is of the same settings: the first table that is another, then and now. */
export function changedTable(
  recipe: Recipe,
  checkpoint: unknown,
): { readonly name: string; readonly then: string | undefined; readonly now: string | undefined } | undefined {
  const { settings, data: now } = runData(recipe);
  if (!isRecord(checkpoint) || checkpoint["settings"] !== settings || !isRecord(checkpoint["data"])) return undefined;
  const then = checkpoint["data"] as RunData["data"];
  const name = [...Object.keys(now), ...Object.keys(then)].find((one) => now[one] !== then[one]);
  return name === undefined ? undefined : { name, then: then[name], now: now[name] };
}
