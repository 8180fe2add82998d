import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { isLockstepError, type ErrorCode } from "../../src/base/index.ts";
import { createKernels } from "../../src/numeric/kernels/index.ts";
import { Arena, type TensorSpec } from "../../src/numeric/tensor/index.ts";

const group = (name: string, n: number): readonly TensorSpec<"float32">[] =>
  ["w", "m", "v"].map((part) => ({ name: `${name}.${part}`, dtype: "float32", shape: [n] }));
const refused = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => isLockstepError(error) && error.code === code);

test("tensors are zero, aligned to 64 bytes, apart from each other and never at offset 0", () => {
  const arena = new Arena({ capacityBytes: 1 << 20 });
  arena.allocateGroup([
    { name: "a", dtype: "uint8", shape: [3] },
    { name: "b", dtype: "float64", shape: [2, 5] },
    { name: "c", dtype: "int64", shape: [] },
    { name: "d", dtype: "int32", shape: [0, 7] },
    { name: "e", dtype: "float32", shape: [65] },
  ]);
  const places = [...arena.tensors.keys()].map((name) => arena.place(name));
  let end = 1;
  for (const { offset, name } of places) {
    assert.equal(offset % 64, 0);
    assert.ok(offset >= end, name);
    end = offset + arena.get(name).data.byteLength;
  }
  assert.deepEqual(
    [...arena.tensors.values()].map(({ dtype, data }) => [dtype, data.length]),
    [
      ["uint8", 3],
      ["float64", 10],
      ["int64", 1],
      ["int32", 0],
      ["float32", 65],
    ],
  );
  assert.ok([...arena.tensors.values()].every(({ data }) => data.every((x: number | bigint) => Number(x) === 0)));
  arena.get("e").data.fill(7 as never);
  assert.ok(arena.get("b").data.every((x) => x === 0));
});

test("a group lies in one memory; groups fill several memories when one is too small", () => {
  const arena = Arena.for([group("x", 10_000), group("y", 3_000), group("z", 10_000), group("small", 10)], {
    maxMemoryBytes: 3 * 65_536,
  });
  const memoryOf = (name: string): number[] => ["w", "m", "v"].map((part) => arena.place(`${name}.${part}`).memory);
  assert.deepEqual(
    [memoryOf("x"), memoryOf("y"), memoryOf("z"), memoryOf("small")],
    [
      [0, 0, 0],
      [0, 0, 0],
      [1, 1, 1],
      [0, 0, 0],
    ],
  );
  assert.equal(arena.memories.length, 2);
  for (const [i, memory] of arena.memories.entries()) {
    const kernels = createKernels(memory);
    const w = arena.get(i === 0 ? "x.w" : "z.w").data;
    w.fill(3 as never);
    kernels.scale(w.byteOffset, 2, w.length);
    assert.ok(w.every((x) => x === 6));
  }
});

test("memory is as large as asked for, rounded to 64 KiB", () => {
  assert.equal(Arena.for([group("x", 1)]).memories[0]?.buffer.byteLength, 65_536);
  const arena = new Arena({ capacityBytes: 100_000 });
  arena.allocate("large", "float32", [100_000]);
  arena.allocate("small", "float32", [1]);
  assert.deepEqual(
    arena.memories.map((memory) => memory.buffer.byteLength),
    [458_752],
  );
});

test("four GiB can be had and addressed to the end without being touched", () => {
  const arena = new Arena();
  refused("INPUT_TOO_LARGE", () => arena.allocate("too large", "float32", [2 ** 30 - 256]));
  const { data } = arena.allocate("large", "float32", [2 ** 30 - 256 - 16]);
  const end = data.byteOffset + data.byteLength;
  assert.equal(end, 2 ** 32 - 64);
  const kernels = createKernels(arena.memories[0] as NonNullable<(typeof arena.memories)[0]>);
  data[data.length - 1] = 21;
  kernels.add(end - 4, end - 4, 1);
  assert.equal(data.at(-1), 42);
  data.fill(1, -40);
  kernels.add(end - 160, end - 160, 40);
  assert.ok(data.subarray(-40).every((x) => x === 2));
  // Up to the last byte an end would wrap to 0 and nothing would be done: refused instead.
  refused("INTERNAL", () => kernels.zero(2 ** 32 - 4, 1));
});

test("what cannot be is refused: too large a group, a name twice, a strange shape, a strange limit", () => {
  refused("INPUT_TOO_LARGE", () => new Arena({ maxMemoryBytes: 65_536 }).allocateGroup(group("x", 10_000)));
  refused("INPUT_TOO_LARGE", () => new Arena().allocate("x", "float32", [2 ** 30]));
  const arena = new Arena();
  arena.allocate("x", "float32", [1]);
  refused("INTERNAL", () => arena.allocate("x", "float32", [1]));
  refused("INTERNAL", () => arena.allocateGroup([...group("y", 1), ...group("y", 1)]));
  for (const shape of [[-1], [1.5], [2 ** 52, 2 ** 52]])
    refused("INTERNAL", () => arena.allocate("z", "float32", shape));
  refused("INTERNAL", () => arena.get("missing"));
  refused("INTERNAL", () => arena.place("missing"));
  for (const maxMemoryBytes of [0, 2 ** 33, NaN]) refused("OPTION_INVALID", () => new Arena({ maxMemoryBytes }));
  assert.deepEqual([...arena.tensors.keys()], ["x"], "a refused group leaves no trace");
});

test("a worker attaches to the handle and works on the same memory, with kernels of its own", async () => {
  const arena = Arena.for([group("x", 16_000), group("y", 16_000)], { maxMemoryBytes: 4 * 65_536 });
  assert.equal(arena.memories.length, 2);
  arena.get("y.w").data.fill(1.5 as never);
  const worker = new Worker(new URL("./arena-worker.ts", import.meta.url), { workerData: arena.handle() });
  const [answer] = (await once(worker, "message")) as [unknown];
  assert.deepEqual(answer, { names: [...arena.tensors.keys()], first: 1.5 });
  assert.ok(arena.get("y.w").data.every((x) => x === 4.5));
  assert.ok(arena.get("x.w").data.every((x) => x === 0));
  assert.ok(arena.get("y.m").data.every((x) => x === 0));
  await worker.terminate();
});
