/**
 * Reverse-mode differentiation, graph to graph: one walk backwards over the nodes, each handing its output's cotangent
 * to its operands by the rule of its operator (rules.ts). The result is an ordinary graph; nothing is special about a
 * gradient.
 */
import { invariant, LockstepError } from "../../base/index.ts";
import { type Graph, GraphBuilder, type Node, type OpName, simplify, type ValueId } from "../graph/index.ts";
import { RULES, type RuleTable, type Site } from "./rules.ts";

export interface DifferentiateOptions {
  /** The output whose gradient is taken: a real scalar. May be left out where `cotangents` are given. */
  readonly loss?: string;
  /**
   * Names of parameters (or real inputs) to differentiate by. @default every parameter that the loss and the
   * cotangents' outputs depend on
   */
  readonly wrt?: readonly string[];
  /**
   * Names of parameters that keep their values: they have no gradient, and nothing is computed that only theirs would
   * need. @default none
   */
  readonly frozen?: readonly string[];
  /** Outputs of the forward graph that the new graph gives too. @default all */
  readonly keep?: readonly string[];
  /**
   * Further outputs, each with the name of a new input that brings its cotangent at run time (of the output's shape).
   */
  readonly cotangents?: Readonly<Record<string, string>>;
}

interface Summand {
  readonly value: ValueId;
  readonly sparse: boolean;
}

/**
 * A graph that gives the kept outputs and, for each parameter, `grad.<name>` of its shape. It has every input and
 * parameter of the forward graph. GRAPH_INVALID for a loss that is no real scalar, unknown names, and operators that
 * are themselves gradients.
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): Graph {
  return differentiateBy(RULES, graph, options);
}

/** With rules of one's own: tests give it wrong ones, which the gradient check must catch. */
export function differentiateBy(rules: RuleTable, graph: Graph, options: DifferentiateOptions): Graph {
  const walk = new ReverseWalk(graph, rules);
  const { loss, cotangents = {}, keep = [...graph.outputs.keys()] } = options;
  if (loss === undefined && Object.keys(cotangents).length === 0)
    throw invalid("differentiate needs a loss or cotangents");
  if (loss !== undefined) walk.seedLoss(loss);
  for (const [output, input] of Object.entries(cotangents)) walk.seedInput(output, input);
  const targets = walk.targets(options.wrt, new Set(options.frozen));
  walk.run(targets.map(({ value }) => value));
  for (const name of keep) walk.b.output(name, outputOf(graph, name));
  for (const { name, value } of targets) walk.b.output(`grad.${name}`, walk.gradient(name, value));
  return simplify(walk.b.build());
}

class ReverseWalk {
  readonly b: GraphBuilder;
  readonly #graph: Graph;
  readonly #rules: RuleTable;
  readonly #summands = new Map<ValueId, Summand[]>();

  constructor(graph: Graph, rules: RuleTable) {
    this.#rules = rules;
    this.#graph = graph;
    this.b = GraphBuilder.from(graph, "none");
  }

  seedLoss(name: string): void {
    const value = outputOf(this.#graph, name);
    if (this.b.typeOf(value) !== "real" || this.b.shapeOf(value).length > 0)
      throw invalid(
        `the loss ${name} must be a real scalar, not ${this.b.typeOf(value)}[${this.b.shapeOf(value).join(", ")}]`,
        { output: name },
      );
    this.#give(value, { value: this.b.constant(1), sparse: false });
  }

  seedInput(output: string, input: string): void {
    const value = outputOf(this.#graph, output);
    if (this.b.typeOf(value) !== "real") throw invalid(`output ${output} is not real and has no cotangent`, { output });
    this.#give(value, { value: this.b.input(input, "real", this.b.shapeOf(value)), sparse: false });
  }

  /** What to differentiate by, in the order of declaration (or as asked for). */
  targets(
    wrt: readonly string[] | undefined,
    frozen: ReadonlySet<string>,
  ): { readonly name: string; readonly value: ValueId }[] {
    const declared = this.#graph.nodes.flatMap((node) =>
      node.op === "parameter" || node.op === "input"
        ? [{ op: node.op, name: node.attributes.name, value: node.outputs[0] as ValueId }]
        : [],
    );
    const reached = this.#reached();
    for (const name of frozen)
      if (!declared.some((one) => one.op === "parameter" && one.name === name))
        throw invalid(`there is no parameter ${name} to freeze`, { name });
    if (wrt === undefined)
      return declared.filter(({ op, name, value }) => op === "parameter" && reached.has(value) && !frozen.has(name));
    return wrt.map((name) => {
      if (frozen.has(name)) throw invalid(`${name} is frozen, and has no gradient to ask for`, { name });
      const found = declared.find((candidate) => candidate.name === name);
      if (found === undefined || this.b.typeOf(found.value) !== "real")
        throw invalid(`there is no parameter or real input ${name} to differentiate by`, { name });
      if (!reached.has(found.value)) throw invalid(`nothing that is differentiated depends on ${name}`, { name });
      return found;
    });
  }

  run(targets: readonly ValueId[]): void {
    const wanted = this.#dependents(targets);
    for (const node of this.#graph.nodes.toReversed()) {
      const visited = node.outputs.some((id) => this.#summands.has(id)) && node.inputs.some((id) => wanted.has(id));
      if (visited) this.#pullBack(node, wanted);
    }
  }

  gradient(name: string, value: ValueId): ValueId {
    const total = this.#total(value);
    invariant(total !== undefined, `every operator passes a cotangent to its real operands, so one reaches ${name}`);
    return total;
  }

  #pullBack<Op extends OpName>(node: Node<Op>, wanted: ReadonlySet<ValueId>): void {
    const { b } = this;
    const site: Site<Op> = {
      b,
      node,
      x: node.inputs,
      y: node.outputs,
      dy: () =>
        this.#total(node.outputs[0] as ValueId) ?? b.expand(b.constant(0), b.shapeOf(node.outputs[0] as ValueId)),
      dyOf: (output) => this.#total(node.outputs[output] as ValueId),
    };
    this.#rules[node.op](site).forEach((cotangent, operand) => {
      const target = node.inputs[operand] as ValueId;
      if (cotangent !== null && wanted.has(target))
        this.#give(target, { value: cotangent(), sparse: node.op === "embedding" });
    });
  }

  #give(target: ValueId, summand: Summand): void {
    this.#summands.set(target, [...(this.#summands.get(target) ?? []), summand]);
  }

  /**
   * The sum of what was given. Dense summands come first, then embedding gradients in the order of their forward nodes:
   * an executor lets the session write the dense sum and adds rows onto it.
   */
  #total(value: ValueId): ValueId | undefined {
    const given = this.#summands.get(value) ?? [];
    const ordered = [...given.filter(({ sparse }) => !sparse), ...given.filter(({ sparse }) => sparse).toReversed()];
    if (ordered.length === 0) return undefined;
    const total = ordered.map((summand) => summand.value).reduce((sum, next) => this.b.add(sum, next));
    this.#summands.set(value, [{ value: total, sparse: ordered.some(({ sparse }) => sparse) }]);
    return total;
  }

  /** Everything that the seeded values are computed from. */
  #reached(): ReadonlySet<ValueId> {
    const reached = new Set(this.#summands.keys());
    for (const node of this.#graph.nodes.toReversed())
      if (node.outputs.some((id) => reached.has(id))) for (const id of node.inputs) reached.add(id);
    return reached;
  }

  /** Everything that is computed from the targets. */
  #dependents(targets: readonly ValueId[]): ReadonlySet<ValueId> {
    const dependents = new Set(targets);
    for (const node of this.#graph.nodes)
      if (node.inputs.some((id) => dependents.has(id))) for (const id of node.outputs) dependents.add(id);
    return dependents;
  }
}

function outputOf(graph: Graph, name: string): ValueId {
  const value = graph.outputs.get(name);
  if (value === undefined)
    throw invalid(`the graph has no output ${name}; it has ${[...graph.outputs.keys()].join(", ")}`, { output: name });
  return value;
}

function invalid(message: string, details: Record<string, string> = {}): LockstepError {
  return new LockstepError("GRAPH_INVALID", message, details);
}
