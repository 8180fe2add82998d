/** Collects the nodes, constants and run-time shapes of one ONNX model while the rules of rules.ts are applied. */
import { symbolsOf, type Dim, type Shape } from "../graph/index.ts";
import { ELEMENT, type Attribute, type Element, type Initializer, type OnnxNode, type ValueInfo } from "./onnx.ts";
import type { ShapeFeed } from "./program.ts";

export const MICROSOFT = "com.microsoft";

export interface EmitOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** @default "" (ONNX itself) */
  readonly domain?: string;
  /** Names of the results. @default one new name */
  readonly outputs?: readonly string[];
}

export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, Initializer>();
  readonly shapeFeeds = new Map<string, ShapeFeed>();
  #fresh = 0;

  /** Appends a node and gives the name of its first result. */
  node(
    op: string,
    inputs: readonly string[],
    { attributes = {}, domain = "", outputs = [this.fresh()] }: EmitOptions = {},
  ): string {
    this.nodes.push({ op, domain, inputs, outputs, attributes });
    return outputs[0] as string;
  }

  fresh(): string {
    return `t${this.#fresh++}`;
  }

  /** A float32 scalar. */
  real(value: number): string {
    return this.#constant(`real:${Object.is(value, -0) ? "-0" : value}`, "float32", [], Float32Array.of(value));
  }
  reals(values: readonly number[]): string {
    return this.#constant(`reals:${values.join()}`, "float32", [values.length], Float32Array.from(values));
  }
  /** An int32 scalar. */
  int(value: number): string {
    return this.#constant(`int:${value}`, "int32", [], Int32Array.of(value));
  }
  /** An int64 vector, as axes and shapes are. */
  longs(values: readonly number[]): string {
    return this.#constant(`longs:${values.join()}`, "int64", [values.length], BigInt64Array.from(values, BigInt));
  }

  /**
   * A shape as an int64 vector: a constant where it has no symbols, else an input that the executor fills; equal ones
   * are shared.
   */
  shape(dims: Shape): string {
    if (dims.every(isStatic)) return this.longs(dims.map(Number));
    const feed = `shape:${dims.join()}`;
    this.shapeFeeds.set(feed, { feed, dims });
    return feed;
  }

  /** One dimension as an int32 scalar. */
  size(dim: Dim): string {
    return isStatic(dim) ? this.int(Number(dim)) : this.node("Squeeze", [this.cast(this.shape([dim]), "int32")]);
  }

  cast(name: string, to: Element): string {
    return this.node("Cast", [name], { attributes: { to: { int: ELEMENT[to] } } });
  }

  shapeInputs(): ValueInfo[] {
    return [...this.shapeFeeds.values()].map(({ feed, dims }) => ({
      name: feed,
      element: "int64",
      shape: [dims.length],
    }));
  }

  #constant(
    name: string,
    element: Element,
    shape: readonly number[],
    data: Float32Array | Int32Array | BigInt64Array,
  ): string {
    if (!this.initializers.has(name))
      this.initializers.set(name, { name, element, shape, content: new Uint8Array(data.buffer) });
    return name;
  }
}

function isStatic(dim: Dim): boolean {
  return symbolsOf(dim).length === 0;
}
