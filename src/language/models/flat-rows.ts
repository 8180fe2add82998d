/**
 * The layout of texts of unlike lengths in one run, without padding: their tokens lie flat, one row each, so products,
 * norms and elementwise operators run on real tokens only. Attention takes heads by index, in four groups of texts of
 * like length. A text's bits are those that it has alone, in both profiles, as long as each group's length is a
 * multiple of 4 (a softmax of four lanes sums the last one to three elements by themselves otherwise), and padding
 * names the text's own first token (a text that is not finite changes nobody else). Not yet how versions are served:
 * the portable profile's bits are others than those of padded rows.
 *
 * Letters: N tokens of all texts, H heads, D head width; of group g, Bg texts of Tg tokens.
 */
import { invariant } from "../../base/index.ts";
import type { ValueId } from "../../numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { Batch, TokenRow } from "./batch.ts";
import type { Layout } from "./layers.ts";

const GROUPS = 4;
/** Lengths of groups are multiples of it. */
const LENGTH_STEP = 4;
const SLOTS = Array.from({ length: GROUPS }, (_, group) => group);

export const FLAT: Layout = {
  axes: ["N", 1],
  attention: ({ builder: g }, { sees }) => {
    invariant(sees === "all", "texts lie flat where every token sees all of its text");
    const declare = (H: number) => ({
      groups: SLOTS.map((group) => ({
        axes: [`B${group}`, `T${group}`] as const,
        heads: g.input(`group_heads.${group}`, "int", [`${H}*B${group}*T${group}`]),
        bias: g.input(`group_bias.${group}`, "real", [`B${group}`, 1, 1, `T${group}`]),
      })),
      back: g.input("group_back", "int", [`${H}*N`]),
    });
    let declared: ReturnType<typeof declare> | null = null;
    return (query, key, value, { heads: H, width: D }) => {
      const { groups, back } = (declared ??= declare(H));
      const split = (x: ValueId) => g.reshape(x, [`${H}*N`, D]); // a head a row
      const [queries, keys, values] = [split(query), split(key), split(value)];
      const mixed = groups.map(({ axes: [B, T], heads, bias }) => {
        const taken = (x: ValueId) => g.reshape(g.gatherRows(x, heads), [B, H, T, D]);
        const scores = g.matmul(taken(queries), taken(keys), { transB: true, alpha: 1 / Math.sqrt(D) });
        const weights = g.softmax(g.add(scores, bias)); // [Bg, H, Tg, Tg]
        return g.reshape(g.matmul(weights, taken(values)), [`${H}*${B}*${T}`, D]);
      });
      return g.reshape(g.gatherRows(g.concat(mixed, 0), back), ["N", H * D]);
    };
  },
  texts: (g, hidden, C) => g.reshape(g.gatherRows(hidden, g.input("text_rows", "int", ["B*T"])), ["B", "T", C]),
};

export interface FlatShape {
  readonly heads: number;
  readonly padId: number;
  readonly real: "float32" | "float64";
}

/** The inputs that `FLAT` declares, whatever the order of the texts. */
export function flat(rows: readonly TokenRow[], { heads, padId, real }: FlatShape): Batch {
  const lengths = rows.map(({ ids }) => ids.length);
  invariant(rows.length > 0 && lengths.every((length) => length > 0), "a batch has texts, and each has tokens");
  const offsets = lengths.map((_, b) => lengths.slice(0, b).reduce((sum, length) => sum + length, 0));
  const N = lengths.reduce((sum, length) => sum + length, 0);
  const longest = rounded(Math.max(...lengths));
  return {
    axes: [N, 1],
    rows,
    lengths,
    offsets,
    starts: lengths.map(() => 0),
    positions: longest,
    padId,
    real,
    sight: () => groupInputs({ lengths, offsets, N, heads, real }),
    means: () => ({
      text_rows: ints(rows.flatMap((_, b) => placesOf(lengths[b]!, offsets[b]!, longest))),
      ...weights("mean_weights", real, [rows.length, 2, longest], (at) => {
        const [b, second, t] = [Math.floor(at / (2 * longest)), Math.floor(at / longest) % 2, at % longest];
        return second === 0 && t < lengths[b]! ? 1 / lengths[b]! : 0;
      }),
    }),
    keep: (make) => make(),
  };
}

interface Flat {
  readonly lengths: readonly number[];
  readonly offsets: readonly number[];
  readonly N: number;
  readonly heads: number;
  readonly real: FlatShape["real"];
}

function groupInputs({ lengths, offsets, N, heads: H, real }: Flat): Record<string, HostTensor> {
  const inputs: Record<string, HostTensor> = {};
  const back = new Int32Array(H * N);
  let before = 0;
  const cut = cutByLength(lengths);
  for (const group of SLOTS) {
    const texts = cut[group] ?? [];
    // a group without texts computes the first token by itself, and nobody takes its result
    const own = texts.length > 0 ? texts.map((b) => [lengths[b]!, offsets[b]!] as const) : [[1, 0] as const];
    const T = rounded(Math.max(...own.map(([length]) => length)));
    const index = own.flatMap(([length, offset]) =>
      HEADS(H).flatMap((head) => placesOf(length, offset, T).map((n) => n * H + head)),
    );
    texts.forEach((b, row) => {
      for (let t = 0; t < lengths[b]!; t++)
        for (let head = 0; head < H; head++) back[(offsets[b]! + t) * H + head] = before + (row * H + head) * T + t;
    });
    before += index.length;
    inputs[`group_heads.${group}`] = ints(index);
    Object.assign(
      inputs,
      weights(`group_bias.${group}`, real, [own.length, 1, 1, T], (at) =>
        at % T < own[Math.floor(at / T)]![0] ? 0 : -Infinity,
      ),
    );
  }
  return { ...inputs, group_back: tensor("int32", [H * N], back) };
}

const HEADS = (count: number): readonly number[] => Array.from({ length: count }, (_, head) => head);

/** A text's tokens among the N, padded with its first one. */
function placesOf(length: number, offset: number, T: number): number[] {
  return Array.from({ length: T }, (_, t) => offset + (t < length ? t : 0));
}

function rounded(length: number): number {
  return Math.ceil(length / LENGTH_STEP) * LENGTH_STEP;
}

/** Texts in at most four groups of neighbours by length, so that the sum of Bg·Tg² is least. */
function cutByLength(lengths: readonly number[]): number[][] {
  const sorted = lengths.map((_, b) => b).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const n = sorted.length;
  const cost = (from: number, end: number): number => (end - from) * square(rounded(lengths[sorted[end - 1]!]!));
  // least[k][end]: the first `end` texts in k groups, and where the last of them begins
  const least = [Array.from({ length: n + 1 }, (_, end) => ({ cost: end === 0 ? 0 : Infinity, from: 0 }))];
  for (let k = 1; k <= GROUPS; k++)
    least.push(
      Array.from({ length: n + 1 }, (_, end) =>
        Array.from({ length: end }, (_, from) => ({ cost: least[k - 1]![from]!.cost + cost(from, end), from })).reduce(
          (best, one) => (one.cost < best.cost ? one : best),
          least[k - 1]![end]!,
        ),
      ),
    );
  return groupsOf(sorted, least);
}

function groupsOf(
  sorted: readonly number[],
  least: readonly (readonly { cost: number; from: number }[])[],
): number[][] {
  const groups: number[][] = [];
  let end = sorted.length;
  for (let k = GROUPS; k > 0 && end > 0; k--) {
    if (least[k]![end] === least[k - 1]![end]) continue; // as good with one group less
    const { from } = least[k]![end]!;
    groups.unshift(sorted.slice(from, end));
    end = from;
  }
  return groups;
}

function square(x: number): number {
  return x * x;
}

function ints(values: readonly number[]): HostTensor {
  return tensor("int32", [values.length], Int32Array.from(values));
}

function weights(
  name: string,
  real: FlatShape["real"],
  shape: readonly number[],
  of: (at: number) => number,
): Record<string, HostTensor> {
  const length = shape.reduce((product, size) => product * size, 1);
  const values = Array.from({ length }, (_, at) => of(at));
  return {
    [name]:
      real === "float32"
        ? tensor("float32", shape, Float32Array.from(values))
        : tensor("float64", shape, Float64Array.from(values)),
  };
}
