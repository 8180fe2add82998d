/**
 * The negative control of the row check: the version's own program, followed by a step that is the identity on paper
 * and not in floating point. Each logit is added to the batch's sum of that logit and the sum taken away again, so what
 * rounding leaves depends on the batch mates. A comparison that does not notice this would notice nothing.
 */
import { modelGraph } from "../../language/models/index.ts";
import { GraphBuilder, type Graph } from "../../numeric/graph/index.ts";
import type { Executor } from "../../numeric/runtime/index.ts";
import { openProgram, type Predictor } from "./predictor.ts";
import type { Version } from "./version.ts";

export function openControl(version: Version, executor: Executor): Promise<Predictor> {
  return openProgram(version, executor, controlGraph(version));
}

/** logits [B, L] → (Σ over the batch + logits) − Σ over the batch */
function controlGraph({ config, head }: Version): Graph {
  const graph = modelGraph(config, head);
  const g = GraphBuilder.from(graph, "none");
  // [B, L]; a version whose logits are all 0 has something to round too
  const logits = g.add(graph.outputs.get("logits")!, g.constant(1 / 3));
  const total = g.reduceSum(logits, [0], { keepDims: true }); // [1, L]
  g.output("logits", g.sub(g.add(logits, total), total));
  return g.build();
}
