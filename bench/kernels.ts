/**
 * Nanoseconds an element of every kernel and of its plain JavaScript twin, one thread, medians.
 * `node --conditions=lockstep-source bench/kernels.ts [--json]`
 */
import { fillDropoutMask } from "../src/base/index.ts";
import { adamwConstants, createKernels, plain } from "../src/numeric/kernels/index.ts";
import { Arena } from "../src/numeric/tensor/index.ts";

const N = 1 << 20;
const BLOCK = 65_536;
const WIDTH = 384;
const ROWS = 1024;
const REPEATS = 15;

const arena = new Arena({ capacityBytes: 64 << 20 });
const [w, g, m, v] = arena.allocateGroup(
  ["w", "g", "m", "v"].map((name) => ({ name, dtype: "float32" as const, shape: [N] })),
);
const [table, rows, ids] = [
  arena.allocate("table", "float32", [ROWS, WIDTH]),
  arena.allocate("rows", "float32", [ROWS, WIDTH]),
  arena.allocate("ids", "int32", [ROWS]),
];
if (w === undefined || g === undefined || m === undefined || v === undefined) throw new Error("no arrays");
const memory = arena.memories[0];
if (memory === undefined) throw new Error("no memory");
const k = createKernels(memory);
const f = { w: w.data, g: g.data, m: m.data, v: v.data };
const at = { w: f.w.byteOffset, g: f.g.byteOffset, m: f.m.byteOffset, v: f.v.byteOffset };
for (let i = 0; i < N; i++) f.g[i] = ((i * 7919) % 1000) / 1000 - 0.5;
for (let i = 0; i < ROWS; i++) ids.data[i] = (i * 331) % ROWS;

const settings = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  correction1: 0.1,
  correction2: 0.001,
  gradScale: 0.5,
};
const key = { seed: [1, 2], step: 3, shard: 4 } as const;
const first = { w: f.w.subarray(0, BLOCK), g: f.g.subarray(0, BLOCK) };
const rowOffsets = { table: table.data.byteOffset, rows: ROWS, width: WIDTH, ids: ids.data.byteOffset, count: ROWS };

const cases: readonly [name: string, elements: number, simd: () => void, plain: () => void][] = [
  [
    "adamw",
    N,
    () => k.adamw({ ...at, n: N }, settings),
    () => plain.adamw(f.w, f.g, f.m, f.v, adamwConstants(settings)),
  ],
  ["add", N, () => k.add(at.w, at.g, N), () => plain.add(f.w, f.g)],
  ["add (64 Ki)", BLOCK, () => k.add(at.w, at.g, BLOCK), () => plain.add(first.w, first.g)],
  ["addTo", N, () => k.addTo(at.w, at.g, at.m, N), () => plain.addTo(f.w, f.g, f.m)],
  ["addScaled", N, () => k.addScaled(at.w, at.g, 0.5, N), () => plain.addScaled(f.w, f.g, 0.5)],
  ["scale", N, () => k.scale(at.w, 1, N), () => plain.scale(f.w, 1)],
  ["divide", N, () => k.divide(at.w, 1, N), () => plain.divide(f.w, 1)],
  ["zero", N, () => k.zero(at.w, N), () => f.w.fill(0)],
  ["copy", N, () => k.copy(at.w, at.g, N), () => f.w.set(f.g)],
  ["sumSquares", BLOCK, () => k.sumSquares(at.g, BLOCK), () => plain.sumSquares(first.g)],
  ["dropoutMask", BLOCK, () => k.dropoutMask(at.w, BLOCK, 0.1, 1, key), () => fillDropoutMask(first.w, 0.1, 1, key)],
  [
    "gatherRows",
    ROWS * WIDTH,
    () => k.gatherRows({ ...rowOffsets, dst: rows.data.byteOffset }),
    () => plain.gatherRows(rows.data, table.data, ids.data, WIDTH),
  ],
  [
    "scatterAddRows",
    ROWS * WIDTH,
    () => k.scatterAddRows({ ...rowOffsets, dy: rows.data.byteOffset, paddingId: 0 }),
    () => plain.scatterAddRows(table.data, rows.data, ids.data, WIDTH, 0),
  ],
];

const results = cases.map(([name, elements, simd, slow]) => ({
  name,
  elements,
  simd: nanoseconds(simd, elements),
  plain: nanoseconds(slow, elements),
}));
if (process.argv.includes("--json")) console.log(JSON.stringify(results));
else
  console.table(
    Object.fromEntries(
      results.map(({ name, simd, plain: slow }) => [
        name,
        { "kernel ns": simd.toFixed(2), "plain ns": slow.toFixed(2) },
      ]),
    ),
  );

function nanoseconds(run: () => void, elements: number): number {
  const inner = Math.max(1, Math.floor(N / elements));
  const times: number[] = [];
  for (let repeat = 0; repeat < REPEATS + 2; repeat++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < inner; i++) run();
    if (repeat >= 2) times.push(Number(process.hrtime.bigint() - start) / (inner * elements));
  }
  return times.sort((a, b) => a - b)[REPEATS >> 1] as number;
}
