/**
 * Writes ONNX models as protobuf bytes: only the messages and fields that a lowered program needs, in the order of
 * onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3). It knows nothing about our graphs.
 */

/** Element types by their number in TensorProto.DataType. */
export const ELEMENT = { float32: 1, uint8: 2, int32: 6, int64: 7, float64: 11 } as const;
export type Element = keyof typeof ELEMENT;

/** A dimension is a number or the name of a symbol (`dim_param`). */
export interface ValueInfo {
  readonly name: string;
  readonly element: Element;
  readonly shape: readonly (number | string)[];
}

/** Little-endian elements inside the model, or a place in a file or blob that is handed over beside it. */
export interface Initializer {
  readonly name: string;
  readonly element: Element;
  readonly shape: readonly number[];
  readonly content: Uint8Array | { readonly location: string; readonly offset: number; readonly length: number };
}

export type Attribute =
  | { readonly float: number }
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly string: string };

export interface OnnxNode {
  readonly op: string;
  /** "" is ONNX itself. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface OnnxModel {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: readonly Initializer[];
  readonly nodes: readonly OnnxNode[];
  /** Version of each operator set, by domain. */
  readonly opsets: Readonly<Record<string, number>>;
}

const IR_VERSION = 9;
const VARINT = 0,
  BYTES = 2,
  FIXED32 = 5;
const text = new TextEncoder();

/** One protobuf message under construction: fields are appended as chunks and joined once. */
class Message {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  int(field: number, value: number): this {
    this.#push(varint((field << 3) | VARINT), varint(value));
    return this;
  }
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    this.#push(varint((field << 3) | FIXED32), bytes);
    return this;
  }
  bytes(field: number, value: Uint8Array): this {
    this.#push(varint((field << 3) | BYTES), varint(value.length), value);
    return this;
  }
  string(field: number, value: string): this {
    return this.bytes(field, text.encode(value));
  }
  message(field: number, value: Message): this {
    return this.bytes(field, value.finish());
  }
  messages<T>(field: number, values: Iterable<T>, write: (value: T) => Message): this {
    for (const value of values) this.message(field, write(value));
    return this;
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }
  #push(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
    }
  }
}

/** Base 128, least significant group first; negative numbers as 64-bit two's complement. */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  do {
    const group = Number(rest & 127n);
    rest >>= 7n;
    out.push(rest === 0n ? group : group | 128);
  } while (rest !== 0n);
  return Uint8Array.from(out);
}

export function encodeModel(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const bytes = new Message()
    .int(1, IR_VERSION)
    .string(2, "lockstep")
    .message(7, graph(model))
    .messages(8, Object.entries(model.opsets), ([domain, version]) => new Message().string(1, domain).int(2, version))
    .finish();
  return bytes as Uint8Array<ArrayBuffer>;
}

function graph(model: OnnxModel): Message {
  return new Message()
    .messages(1, model.nodes, node)
    .string(2, model.name)
    .messages(5, model.initializers, initializer)
    .messages(11, model.inputs, valueInfo)
    .messages(12, model.outputs, valueInfo);
}

function node({ op, domain, inputs, outputs, attributes }: OnnxNode): Message {
  const message = new Message();
  for (const name of inputs) message.string(1, name);
  for (const name of outputs) message.string(2, name);
  return message
    .string(4, op)
    .messages(5, Object.entries(attributes), ([name, value]) => attribute(name, value))
    .string(7, domain);
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().string(1, name);
  if ("float" in value) return message.float(2, value.float).int(20, 1);
  if ("int" in value) return message.int(3, value.int).int(20, 2);
  if ("string" in value) return message.string(4, value.string).int(20, 3);
  for (const int of value.ints) message.int(8, int);
  return message.int(20, 7);
}

function initializer({ name, element, shape, content }: Initializer): Message {
  const message = new Message();
  for (const dim of shape) message.int(1, dim);
  message.int(2, ELEMENT[element]).string(8, name);
  if (content instanceof Uint8Array) return message.bytes(9, content);
  const place = { location: content.location, offset: String(content.offset), length: String(content.length) };
  return message
    .messages(13, Object.entries(place), ([key, value]) => new Message().string(1, key).string(2, value))
    .int(14, 1);
}

function valueInfo({ name, element, shape }: ValueInfo): Message {
  const dims = new Message().messages(1, shape, (dim) =>
    typeof dim === "number" ? new Message().int(1, dim) : new Message().string(2, dim),
  );
  const type = new Message().message(1, new Message().int(1, ELEMENT[element]).message(2, dims));
  return new Message().string(1, name).message(2, type);
}
