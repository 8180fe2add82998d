/**
 * What production code makes of shared memory in one thread: trees, folds, a reduction by one member, primitives,
 * random masks.
 */
import { fillDropoutMask } from "../../src/base/index.ts";
import { assignShards, canonicalPartials, FoldStack, ThreadCollective } from "../../src/threads/collective/index.ts";
import { Mutex } from "../../src/threads/sync/index.ts";

export async function fold(shards: number, workers: number): Promise<unknown> {
  const elements = 16;
  const slots = new Float32Array(new SharedArrayBuffer(64 * elements * 4));
  const slotOf = (slot: number): Float32Array => slots.subarray(slot * elements, (slot + 1) * elements);
  const add = (dst: Float32Array, src: Float32Array): void => {
    for (let i = 0; i < elements; i++) dst[i]! += src[i]!;
  };
  const partials: unknown[] = [];
  for (const range of assignShards(shards, workers)) {
    const stack = new FoldStack(range, shards);
    for (let shard = stack.next; shard !== null; shard = stack.next) {
      const gradient = slotOf(stack.begin());
      for (let i = 0; i < elements; i++) gradient[i] = 1 / (1 + shard * 31 + i);
      for (const { dst, src } of stack.finish()) add(slotOf(dst), slotOf(src));
    }
    partials.push([range, canonicalPartials(range.first, range.count, shards), [...slots.slice(0, 4 * elements)]]);
  }
  const mask = new Float32Array(new SharedArrayBuffer(80));
  fillDropoutMask(mask, 0.5, 3, { seed: [1, 2], step: 3, shard: 4 });
  return { partials, mask: [...mask], alone: await alone(slotOf, add) };
}

async function alone(
  slotOf: (slot: number) => Float32Array,
  add: (dst: Float32Array, src: Float32Array) => void,
): Promise<unknown> {
  const collective = ThreadCollective.attach(ThreadCollective.create(1), 0);
  const order: string[] = [];
  const root = await collective.reduce({
    ranges: assignShards(4, 1),
    weights: [1, 2, 0, 3],
    add: ({ dst, src }) => {
      order.push(`${dst.slot}+${src.slot}`);
      add(slotOf(dst.slot), slotOf(src.slot));
    },
  });
  const mutex = Mutex.create();
  mutex.lock().release();
  return {
    root,
    order,
    sum: [...slotOf(root?.slot ?? 0)],
    taken: mutex.tryLock() !== null,
    again: mutex.tryLock() === null,
  };
}
