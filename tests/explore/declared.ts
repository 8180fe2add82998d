/**
 * Kernels and programs over shared memory, with where their tensors lie: what they touch is declared, since nobody can
 * see into them.
 */
import { GraphBuilder } from "../../src/numeric/graph/index.ts";
import { createKernels, type Kernels } from "../../src/numeric/kernels/index.ts";
import { createExecutor, type ExecutorName, type Form } from "../../src/numeric/runtime/index.ts";
import { Arena, type HostTensor } from "../../src/numeric/tensor/index.ts";

export interface Touched {
  readonly values: readonly (readonly number[])[];
  readonly places: Readonly<Record<string, string>>;
}

function place({ data }: HostTensor): string {
  return `${data.byteOffset}+${data.byteLength}`;
}

/** Each kernel in turn. */
export function kernels(names: readonly Exclude<keyof Kernels, "memory">[]): Touched[] {
  return names.map(kernel);
}

/** Each program in turn. */
export async function programs(runs: readonly (readonly [ExecutorName, Form])[]): Promise<Touched[]> {
  const touched: Touched[] = [];
  for (const [executor, form] of runs) touched.push(await program(executor, form));
  return touched;
}

/** One kernel over arrays a, b, c, d of 8, and ids of 2. */
function kernel(name: Exclude<keyof Kernels, "memory">): Touched {
  const arena = new Arena();
  const [a, b, c, d, ids] = arena.allocateGroup([
    ...["a", "b", "c", "d"].map((array) => ({ name: array, dtype: "float32" as const, shape: [8] })),
    { name: "ids", dtype: "int32", shape: [2] },
  ]) as [HostTensor, HostTensor, HostTensor, HostTensor, HostTensor];
  [a, b, c, d].forEach(({ data }, k) =>
    data.forEach((_, i) => {
      data[i] = i + k;
    }),
  );
  const kernels = createKernels(arena.memories[0]!);
  const [w, g, m, v, at] = [a, b, c, d, ids].map(({ data }) => data.byteOffset) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const calls: Record<Exclude<keyof Kernels, "memory">, () => unknown> = {
    adamw: () =>
      kernels.adamw(
        { w, g, m, v, n: 8 },
        {
          learningRate: 0.1,
          beta1: 0.9,
          beta2: 0.99,
          epsilon: 1e-8,
          weightDecay: 0,
          correction1: 0.1,
          correction2: 0.01,
          gradScale: 1,
        },
      ),
    add: () => kernels.add(w, g, 8),
    addTo: () => kernels.addTo(w, g, m, 8),
    addScaled: () => kernels.addScaled(w, g, 2, 8),
    scale: () => kernels.scale(w, 2, 8),
    divide: () => kernels.divide(w, 2, 8),
    zero: () => kernels.zero(w, 8),
    copy: () => kernels.copy(w, g, 8),
    sumSquares: () => kernels.sumSquares(w, 8),
    dropoutMask: () => kernels.dropoutMask(w, 8, 0.5, 1, { seed: [1, 2], step: 3, shard: 4 }),
    gatherRows: () => kernels.gatherRows({ dst: w, table: g, rows: 2, width: 4, ids: at, count: 2 }),
    scatterAddRows: () =>
      kernels.scatterAddRows({ table: w, rows: 2, width: 4, dy: g, ids: at, count: 2, paddingId: -1 }),
  };
  calls[name]();
  return {
    values: [a, b, c, d].map(({ data }) => Array.from(data as Float32Array)),
    places: { a: place(a), b: place(b), c: place(c), d: place(d), ids: place(ids) },
  };
}

/** y = x · weight + shift in shared memory. */
async function program(executor: ExecutorName, form: Form): Promise<Touched> {
  const arena = new Arena();
  const [x, weight, shift, y] = arena.allocateGroup([
    { name: "x", dtype: "float32", shape: [2, 4] },
    { name: "weight", dtype: "float32", shape: [4, 2] },
    { name: "shift", dtype: "float32", shape: [2] },
    { name: "y", dtype: "float32", shape: [2, 2] },
  ]);
  for (const { data } of [x, weight, shift])
    data.forEach((_, i) => {
      data[i] = i / 4;
    });
  const g = new GraphBuilder();
  g.output(
    "y",
    g.add(g.matmul(g.input("x", "real", ["B", 4]), g.parameter("weight", [4, 2])), g.parameter("shift", [2])),
  );
  const session = await (await createExecutor(executor)).load(g.build(), { form, weights: { weight, shift } });
  await session.run({ x }, { y });
  await session.dispose();
  return { values: [[...y.data]], places: { x: place(x), weight: place(weight), shift: place(shift), y: place(y) } };
}
