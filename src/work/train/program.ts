/** The gradient program and the plan of a phase, whatever its objective. */
import { seedFrom, type Seed } from "../../base/index.ts";
import { LayerContext } from "../../language/models/index.ts";
import { differentiate } from "../../numeric/autodiff/index.ts";
import { GraphBuilder, type Graph } from "../../numeric/graph/index.ts";
import { objectiveOf, SHORTHANDS, type ModelContext, type PhaseContext, type PhaseRecipe } from "./objectives/index.ts";
import { TrainingPlan } from "./plan.ts";

export type Context = PhaseContext<PhaseRecipe>;

/**
 * Outputs: `loss`, the sum of a shard's losses × the input `loss_scale`, and `grad.<parameter>` for each parameter; the
 * gradient may be of more than the shard reports as its own (`TwoLosses`).
 */
export function gradientProgram(context: ModelContext<PhaseRecipe>): Graph {
  const g = new GraphBuilder();
  const losses = objectiveOf(context.phase).loss(new LayerContext(g, true), context);
  const scale = g.input("loss_scale", "real", []);
  if (typeof losses !== "object") {
    g.output("loss", g.mul(losses, scale));
    return differentiate(g.build(), { loss: "loss", keep: ["loss"] });
  }
  g.output("differentiated", g.mul(losses.loss, scale));
  g.output("loss", g.mul(losses.reported, scale));
  return differentiate(g.build(), { loss: "differentiated", keep: ["loss"] });
}

export function phasePlan(context: Context): TrainingPlan {
  return new TrainingPlan(context.data, context.plan, objectiveOf(context.phase).lengths(context));
}

/**
 * The seed of a phase at `place`: no two phases of a recipe draw the same masks. The first phase of an objective draws
 * from "NAME SEED", NAME its shorthand or the objective's own name, so that a phase that is added changes nothing of
 * the others; one that repeats an objective, from "NAME PLACE SEED".
 */
export function phaseSeed(phases: readonly PhaseRecipe[], place: number, seed: number): Seed {
  const { objective } = phases[place]!;
  const [name = objective] = Object.entries(SHORTHANDS).find(([, short]) => short === objective) ?? [];
  const isFirst = phases.findIndex((phase) => phase.objective === objective) === place;
  return seedFrom(isFirst ? `${name} ${seed}` : `${name} ${place} ${seed}`);
}
