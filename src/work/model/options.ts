/** What a model's options are made of, and other options that mean the same. */
import { availableParallelism } from "node:os";
import { z } from "zod";

export const MAX_THREADS = 256;

export const threadsSchema = z.int().min(1).max(MAX_THREADS);
export const signalSchema = z.instanceof(AbortSignal).optional();

/** Worker threads where nothing else is said: as many as the machine has cores for this process. */
export function defaultThreads(): number {
  return Math.min(MAX_THREADS, availableParallelism());
}
