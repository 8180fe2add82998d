/**
 * Primitives on SharedArrayBuffer. Each file is one state machine: its words, states, transitions and memory-order
 * argument.
 */
export {
  AbortWord,
  ABORT_REASONS,
  abortError,
  type Abortable,
  type AbortHandle,
  type AbortReason,
  type Wakeable,
} from "./abort.ts";
export { Barrier, type BarrierHandle } from "./barrier.ts";
export { Counter, type CounterHandle } from "./counter.ts";
export { EpochCell, type EpochHandle, type Pin, type Reservation } from "./epoch-cell.ts";
export { Latch, type LatchHandle } from "./latch.ts";
export type { MutexGuard } from "./guard.ts";
export type { LockRef } from "./lock-domain.ts";
export { Mutex, type MutexHandle, type MutexOptions } from "./mutex.ts";
export { isOwnerDied, OwnerDiedError, type Supervised } from "./owner-died.ts";
export { pause, type AbortCheck, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
export type { SyncHandle, Words } from "./words.ts";
export { joinSupervisor, Supervisor, type ThreadDeath } from "./supervisor.ts";
export { Channel, type ChannelCodec, type ChannelHandle, type ChannelOptions, type Message } from "./channel.ts";
export {
  NumberChannel,
  type ChannelNumber,
  type NumberChannelHandle,
  type NumberChannelOptions,
} from "./number-channel.ts";
export { SeqlockCell, type SeqlockHandle, type SeqlockOptions } from "./seqlock.ts";
export type { EpochOptions } from "./epoch-cell.ts";
export { Condition, ConditionGuard, type ConditionHandle } from "./condition.ts";
export { Once, type AsyncOnceOptions, type OnceHandle, type OnceOptions, type OnceRun } from "./once.ts";
export { RwLock, type RwLockHandle, type RwLockOptions } from "./rwlock.ts";
export type { ReadGuard, WriteGuard } from "./rwlock-guards.ts";
export { Semaphore, type SemaphoreGuard, type SemaphoreHandle, type SemaphoreOptions } from "./semaphore.ts";
export { EventCount, type EventCountHandle } from "./event-count.ts";
