/**
 * Reduction and AdamW as a training worker does them: by blocks of 65,536 elements through arrays too large for the
 * caches. One thread, thread time.
 */
import { createKernels } from "../src/numeric/kernels/index.ts";
import { Arena } from "../src/numeric/tensor/index.ts";
import type { Benchmark } from "./report.ts";
import { interleave, median } from "./timing.ts";

const BLOCK = 65_536;
const BLOCKS = 256;
const N = BLOCK * BLOCKS;
const SETTINGS = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  correction1: 0.1,
  correction2: 0.001,
  gradScale: 0.5,
};

export const elementwise: Benchmark = async ({ rounds, progress }) => {
  progress(`reduction and AdamW over ${N.toLocaleString("en-US")} parameters`);
  const arena = new Arena({ capacityBytes: 5 * 4 * N + 65_536 });
  const [w, g, m, v, other] = arena.allocateGroup(
    ["w", "g", "m", "v", "other"].map((name) => ({ name, dtype: "float32" as const, shape: [N] })),
  );
  const kernels = createKernels(arena.memories[0]!);
  for (const { data } of [w!, g!, other!]) for (let i = 0; i < N; i++) data[i] = ((i * 7919) % 1000) / 1000 - 0.5;
  const byBlock = (work: (block: number) => void) => () => {
    for (let at = 0; at < N; at += BLOCK) work(at * 4);
  };
  const at = (array: typeof w) => array!.data.byteOffset;
  const seconds = await interleave(rounds, [
    byBlock((offset) => kernels.add(at(g) + offset, at(other) + offset, BLOCK)),
    byBlock((offset) => {
      kernels.divide(at(g) + offset, 2, BLOCK);
      kernels.sumSquares(at(g) + offset, BLOCK);
    }),
    byBlock((offset) =>
      kernels.adamw({ w: at(w) + offset, g: at(g) + offset, m: at(m) + offset, v: at(v) + offset, n: BLOCK }, SETTINGS),
    ),
  ]);
  const [add, finish, adamw] = seconds.map((each) => (median(each) * 1e9) / N);
  return {
    name: "elementwise",
    note: `${BLOCKS} blocks of ${BLOCK} float32 elements in shared memory, one thread`,
    figures: [
      { what: "AdamW", value: adamw!, unit: "ns/element", bar: { max: 1.5 } },
      { what: "reduction: adding one gradient to another", value: add!, unit: "ns/element", bar: { max: 0.5 } },
      { what: "division and sum of squares at the root", value: finish!, unit: "ns/element" },
    ],
  };
};
