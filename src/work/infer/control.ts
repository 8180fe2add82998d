/**
 * The negative control of the row check: the version's own program, followed by a step that is the identity on paper
 * and not in floating point. Each number is added to the batch's sum of that number and the sum taken away again, so
 * what rounding leaves depends on the batch mates. A comparison that does not notice this would notice nothing.
 */
import { GraphBuilder, type Graph } from "../../numeric/graph/index.ts";
import type { Executor } from "../../numeric/runtime/index.ts";
import { mainOutput, programOf } from "./outputs.ts";
import { openProgram, type Predictor } from "./predictor.ts";
import type { Version } from "./version.ts";

export function openControl(version: Version, executor: Executor): Promise<Predictor> {
  return openProgram(version, executor, controlGraph(version));
}

/** values [B, L] → (Σ over the batch + logits) − Σ over the batch */
function controlGraph({ config, head }: Version): Graph {
  const graph = programOf({ config, head });
  const g = GraphBuilder.from(graph, "none");
  // [B, L]; a version whose outputs are all 0 has something to round too
  const name = mainOutput(head);
  const values = g.add(graph.outputs.get(name)!, g.constant(1 / 3));
  const total = g.reduceSum(values, [0], { keepDims: true }); // [1, L]
  g.output(name, g.sub(g.add(values, total), total));
  return g.build();
}
