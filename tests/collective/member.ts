/** One member of a reduction over 16 shards of 1000 elements, shard 5 skipped; slots are shared, slices are its own. */
import { parentPort, workerData } from "node:worker_threads";
import {
  assignShards,
  FoldStack,
  ThreadCollective,
  type ThreadCollectiveHandle,
} from "../../src/threads/collective/index.ts";
import { sliceOf } from "./slice.ts";

const { handle, rank, size, slots } = workerData as {
  handle: ThreadCollectiveHandle;
  rank: number;
  size: number;
  slots: Float32Array;
};
const SHARDS = 16,
  SKIPPED = 5,
  ELEMENTS = 1000,
  SLOTS = 8;
const slotOf = (worker: number, slot: number): Float32Array =>
  slots.subarray((worker * SLOTS + slot) * ELEMENTS, (worker * SLOTS + slot + 1) * ELEMENTS);
const add = (dst: Float32Array, src: Float32Array): void =>
  dst.forEach((value, i) => {
    dst[i] = value + src[i]!;
  });

const collective = ThreadCollective.attach(handle, rank);
const ranges = assignShards(SHARDS, size);
const fold = new FoldStack(ranges[rank]!, SHARDS);
for (let shard = fold.next; shard !== null; shard = fold.next) {
  if (shard !== SKIPPED) {
    const gradient = slotOf(rank, fold.begin());
    for (let i = 0; i < ELEMENTS; i++) gradient[i] = 1 / (1 + ((shard * 7919 + i * 104_729) % 1000));
  }
  for (const { dst, src } of shard === SKIPPED ? fold.skip() : fold.finish()) add(slotOf(rank, dst), slotOf(rank, src));
}
const { from, to } = sliceOf(ELEMENTS, 64, size, rank);
const root = await collective.reduce({
  ranges,
  weights: Array.from({ length: SHARDS }, (_, shard) => (shard === SKIPPED ? 0 : 3)),
  add: ({ dst, src }) =>
    add(slotOf(dst.worker, dst.slot).subarray(from, to), slotOf(src.worker, src.slot).subarray(from, to)),
});
await collective.arrive();
parentPort!.postMessage(root);
