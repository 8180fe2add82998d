// Rows of an embedding table: gathered before a session runs, their gradients added after it.
import { add } from "./elementwise";

// The place of the first id outside 0..rows-1, or -1. Run before anything is written.
export function firstOutside(ids: usize, count: usize, rows: u32): i32 {
  for (let i: usize = 0; i < count; i++) {
    if (load<u32>(ids + (i << 2)) >= rows) return <i32>i;
  }
  return -1;
}

export function gatherRows(dst: usize, table: usize, ids: usize, count: usize, width: usize): void {
  const bytes = width << 2;
  const blocks = bytes & ~15;
  for (let i: usize = 0; i < count; i++) {
    const row = table + <usize>load<u32>(ids + (i << 2)) * bytes;
    let at: usize = 0;
    for (; at < blocks; at += 16) v128.store(dst + at, v128.load(row + at));
    for (; at < bytes; at += 4) store<f32>(dst + at, load<f32>(row + at));
    dst += bytes;
  }
}

// table[ids[i]] += dy[i] in order of i, except where ids[i] is paddingId.
export function scatterAddRows(table: usize, dy: usize, ids: usize, count: usize, width: usize, paddingId: i32): void {
  const bytes = width << 2;
  for (let i: usize = 0; i < count; i++) {
    const id = load<i32>(ids + (i << 2));
    if (id != paddingId) add(table + <usize>id * bytes, dy, width);
    dy += bytes;
  }
}
