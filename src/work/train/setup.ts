/**
 * What the workers of a phase share, and are told: made once, before they are started. Barriers alone order all access
 * to it (step.ts says which).
 */
import type { ModelConfig } from "../../language/models/index.ts";
import type { SpecialIds } from "../../language/text/index.ts";
import { assignShards, slotsNeeded, ThreadCollective } from "../../threads/collective/index.ts";
import { createExchange } from "./exchange.ts";
import { blocksOf, type Segment } from "./layout.ts";
import { TrainingMemory } from "./memory.ts";
import type { PhaseSetup } from "./messages.ts";
import { gradientProgram, type ObjectiveOptions } from "./objectives.ts";
import type { PlanOptions, TrainingData } from "./plan.ts";
import type { PhaseRecipe } from "./recipe.ts";
import { rowTables } from "./row-tables.ts";
import { TouchedRows } from "./touched-rows.ts";

export interface SetupOptions {
  readonly executor: PhaseSetup["executor"];
  readonly config: ModelConfig;
  readonly objective: ObjectiveOptions;
  readonly special: SpecialIds;
  readonly data: TrainingData;
  readonly plan: PlanOptions;
  readonly rates: PhaseRecipe;
  readonly workers: number;
  readonly segments: readonly Segment[];
}

/** The setup, and its memory, which is all zeros. */
export function createSetup({
  executor,
  config,
  objective,
  special,
  data,
  plan,
  rates,
  workers,
  segments,
}: SetupOptions): { readonly setup: PhaseSetup; readonly memory: TrainingMemory } {
  const slots = assignShards(plan.shards, workers).map((range) => slotsNeeded(range, plan.shards));
  const slotBase = slots.map((_, worker) => slots.slice(0, worker).reduce((sum, count) => sum + count, 0));
  const allSlots = slots.reduce((sum, count) => sum + count, 0);
  const memory = TrainingMemory.create(segments, allSlots);
  const setup: PhaseSetup = {
    executor,
    config,
    objective,
    special,
    data,
    plan,
    rates,
    segments,
    workers,
    slotBase,
    memory: memory.handle,
    rows: TouchedRows.create(rowTables(gradientProgram(config, objective), segments), allSlots),
    exchange: createExchange(plan.shards, blocksOf(segments).length),
    collective: ThreadCollective.create(workers),
  };
  return { setup, memory };
}
