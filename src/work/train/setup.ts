/**
 * What the workers of a phase share, and are told: made once, before they are started. Barriers alone order all access
 * to it (step.ts says which).
 */
import { assignShards, slotsNeeded, ThreadCollective } from "../../threads/collective/index.ts";
import { createExchange } from "./exchange.ts";
import { blocksOf, type Segment } from "./layout.ts";
import { TrainingMemory } from "./memory.ts";
import type { PhaseSetup } from "./messages.ts";
import { objectiveOf } from "./objectives/index.ts";
import { gradientProgram, type Context } from "./program.ts";
import { rowTables } from "./row-tables.ts";
import { policyOf } from "./shard-weights.ts";
import { TouchedRows } from "./touched-rows.ts";

export interface SetupOptions extends Context {
  readonly executor: PhaseSetup["executor"];
  readonly workers: number;
  readonly segments: readonly Segment[];
}

/** The setup, and its memory, which is all zeros but for what weights of shards begin with. */
export function createSetup({
  executor,
  phase,
  config,
  special,
  pooling,
  labels,
  names,
  data,
  plan,
  teacher,
  workers,
  segments,
}: SetupOptions): { readonly setup: PhaseSetup; readonly memory: TrainingMemory } {
  const own = { phase, config, special, pooling, labels, names, data, plan };
  const context: Context = teacher === undefined ? own : { ...own, teacher };
  const slots = assignShards(plan.shards, workers).map((range) => slotsNeeded(range, plan.shards));
  const slotBase = slots.map((_, worker) => slots.slice(0, worker).reduce((sum, count) => sum + count, 0));
  const allSlots = slots.reduce((sum, count) => sum + count, 0);
  const memory = TrainingMemory.create(segments, allSlots);
  const setup: PhaseSetup = {
    ...context,
    executor,
    segments,
    workers,
    slotBase,
    memory: memory.handle,
    rows: TouchedRows.create(rowTables(gradientProgram(context), segments), allSlots),
    exchange: createExchange(phase.shard_weights, plan.shards, blocksOf(segments).length, sharedNumbers(context)),
    collective: ThreadCollective.create(workers, policyOf(phase.shard_weights).weight === undefined),
  };
  return { setup, memory };
}

/** Of a whole batch. */
function sharedNumbers(context: Context): number {
  const { shared } = objectiveOf(context.phase);
  return shared === undefined ? 0 : shared.rows(context, context.plan.batchSize) * shared.width(context);
}
