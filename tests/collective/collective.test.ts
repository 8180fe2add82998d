import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import {
  assignShards,
  canonicalPartials,
  completionSchedule,
  FoldStack,
  foldedPartials,
  normTree,
  slotsNeeded,
  ThreadCollective,
  type Partial,
  type ShardRange,
} from "../../src/threads/collective/index.ts";

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === expected;
type Vector = Float32Array | null;

/** The oracle: the whole tree by recursion. Null is the identity. */
function naiveTree(shards: readonly Vector[]): Vector {
  if (shards.length === 1) return shards[0] ?? null;
  const half = shards.length / 2;
  return plus(naiveTree(shards.slice(0, half)), naiveTree(shards.slice(half)));
}

function plus(left: Vector, right: Vector): Vector {
  if (left === null || right === null) return left ?? right;
  return left.map((value, i) => Math.fround(value + right[i]!));
}

function addInto(dst: Float32Array, src: Float32Array): void {
  for (let i = 0; i < dst.length; i++) dst[i] = dst[i]! + src[i]!;
}

/** One worker: its slots, as its fold fills them. */
function foldRange(
  range: ShardRange,
  shards: readonly Vector[],
): { slots: Float32Array[]; partials: readonly Partial[] } {
  const fold = new FoldStack(range, shards.length);
  const slots: Float32Array[] = [];
  for (let shard = fold.next; shard !== null; shard = fold.next) {
    const gradient = shards[shard] ?? null;
    if (gradient !== null) slots[fold.begin()] = gradient.slice();
    for (const { dst, src } of gradient === null ? fold.skip() : fold.finish()) {
      addInto(slots[dst]!, slots[src]!);
      slots[src]!.fill(NaN); // a freed slot is not to be read again
    }
  }
  assert.ok(fold.slots <= slotsNeeded(range, shards.length));
  return { slots, partials: fold.partials() };
}

function reduce(shards: readonly Vector[], ranges: readonly ShardRange[]): Vector {
  const workers = ranges.map((range) => foldRange(range, shards));
  const weights = shards.map((shard) => (shard === null ? 0 : 1));
  workers.forEach(({ partials }, worker) => assert.deepEqual(foldedPartials(ranges[worker]!, weights), partials));
  const { adds, root } = completionSchedule(
    workers.map(({ partials }) => partials),
    shards.length,
  );
  for (const { dst, src } of adds)
    addInto(workers[dst.worker]!.slots[dst.slot]!, workers[src.worker]!.slots[src.slot]!);
  return root === null ? null : workers[root.worker]!.slots[root.slot]!;
}

const bits = (vector: Vector): number[] | null =>
  vector === null ? null : [...new Uint32Array(vector.buffer, vector.byteOffset, vector.length)];

const shardVectors = fc.integer({ min: 0, max: 6 }).chain((level) =>
  fc.array(
    fc.option(
      fc
        .array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 })
        .map((v) => Float32Array.from(v)),
      { freq: 4 },
    ),
    { minLength: 2 ** level, maxLength: 2 ** level },
  ),
);

test("any number of workers gives the bits of the whole tree, with any shards skipped", () => {
  fc.assert(
    fc.property(shardVectors, fc.integer({ min: 1, max: 16 }), fc.array(fc.nat()), (shards, workers, cuts) => {
      const expected = bits(naiveTree(shards));
      assert.deepEqual(bits(reduce(shards, assignShards(shards.length, workers))), expected);
      const edges = [0, ...cuts.map((cut) => cut % (shards.length + 1)), shards.length].sort((a, b) => a - b);
      const ranges = edges.slice(1).map((end, i) => ({ first: edges[i]!, count: end - edges[i]! }));
      assert.deepEqual(bits(reduce(shards, ranges)), expected, "any contiguous ranges give the same sum");
    }),
    { numRuns: 300 },
  );
});

test("a sum in order of workers would not do: the control differs", () => {
  const shards = Array.from({ length: 64 }, (_, i) =>
    Float32Array.of(Math.fround(1 / (i + 1)) * (i % 2 === 0 ? 1e4 : 1)),
  );
  const inOrder = shards.reduce<Vector>(plus, null);
  assert.notDeepEqual(bits(inOrder), bits(naiveTree(shards)));
  for (let workers = 1; workers <= 16; workers++)
    assert.deepEqual(bits(reduce(shards, assignShards(64, workers))), bits(naiveTree(shards)), `${workers} workers`);
});

test("canonical partials cover the range with aligned nodes and are as few as possible", () => {
  assert.deepEqual(canonicalPartials(0, 8, 8), [{ level: 3, index: 0 }]);
  assert.deepEqual(canonicalPartials(1, 6, 8), [
    { level: 0, index: 1 },
    { level: 1, index: 1 },
    { level: 1, index: 2 },
    { level: 0, index: 6 },
  ]);
  assert.deepEqual(canonicalPartials(3, 0, 8), []);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 }), fc.nat(), fc.nat(), (level, a, b) => {
      const shards = 2 ** level;
      const first = a % shards,
        count = b % (shards - first + 1);
      const nodes = canonicalPartials(first, count, shards);
      let at = first;
      for (const node of nodes) {
        assert.equal(node.index * 2 ** node.level, at);
        at += 2 ** node.level;
      }
      assert.equal(at, first + count);
      assert.ok(nodes.length <= Math.max(1, 2 * level));
      assert.deepEqual(
        foldedPartials({ first, count }, new Array<number>(shards).fill(1)).map(({ level: l, index }) => ({
          level: l,
          index,
        })),
        nodes,
      );
    }),
  );
});

test("memory grows with the logarithm of the shards", () => {
  assert.equal(slotsNeeded({ first: 0, count: 1 }, 1024), 1);
  assert.equal(slotsNeeded({ first: 0, count: 1024 }, 1024), 11);
  assert.ok(slotsNeeded({ first: 1, count: 1022 }, 1024) <= 20);
});

test("shards are assigned in contiguous ranges", () => {
  assert.deepEqual(
    assignShards(4, 8).map((range) => range.count),
    [0, 1, 0, 1, 0, 1, 0, 1],
  );
  assert.deepEqual(assignShards(8, 3), [
    { first: 0, count: 2 },
    { first: 2, count: 3 },
    { first: 5, count: 3 },
  ]);
  assert.throws(() => assignShards(6, 2), code("OPTION_INVALID"));
  assert.throws(() => assignShards(4, 0), code("OPTION_INVALID"));
});

test("a fold refuses to be used out of turn", () => {
  const fold = new FoldStack({ first: 0, count: 1 }, 2);
  assert.throws(() => fold.finish(), code("INTERNAL"));
  fold.begin();
  assert.throws(() => fold.skip(), code("INTERNAL"));
  assert.throws(() => fold.partials(), code("INTERNAL"));
  fold.finish();
  assert.throws(() => fold.begin(), code("INTERNAL"));
  assert.throws(() => completionSchedule([fold.partials()], 2), code("INTERNAL"));
});

test("the tree of block sums is fixed and leaves its input alone", () => {
  assert.equal(normTree(new Float64Array(0)), 0);
  const sums = Float64Array.of(1e16, 1, 1, -1e16, 3);
  assert.equal(normTree(sums), 1e16 + 1 + (1 + -1e16) + 3);
  assert.deepEqual([...sums], [1e16, 1, 1, -1e16, 3]);
  assert.equal(normTree(Float64Array.of(-0)), -0);
});

test("threads reduce over shared slots to the same bits for 1, 2 and 3 of them", async () => {
  const results: string[] = [];
  for (const size of [1, 2, 3]) {
    const slots = new Float32Array(new SharedArrayBuffer(4 * size * 8 * 1000));
    const handle = ThreadCollective.create(size);
    const roots = await Promise.all(
      Array.from(
        { length: size },
        (_, rank) =>
          new Promise<{ worker: number; slot: number }>((resolve, reject) => {
            const worker = new Worker(new URL("./member.ts", import.meta.url), {
              workerData: { handle, rank, size, slots },
            });
            worker.once("message", resolve).once("error", reject);
          }),
      ),
    );
    for (const root of roots) assert.deepEqual(root, roots[0]);
    const { worker, slot } = roots[0]!;
    results.push(
      Buffer.from(slots.slice((worker * 8 + slot) * 1000, (worker * 8 + slot + 1) * 1000).buffer).toString("hex"),
    );
  }
  assert.equal(new Set(results).size, 1);
});
