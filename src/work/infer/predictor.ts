/**
 * One loaded version on one executor: rows of tokens in, the head's numbers out. Everything that answers goes through
 * here, so that a version is always judged in the form it is served in: packed. A row's numbers are a function of the
 * row alone.
 */
import { invariant, LockstepError, paddedLength } from "../../base/index.ts";
import { batchInputs } from "../../language/models/index.ts";
import type { Graph } from "../../numeric/graph/index.ts";
import {
  selfCheckRows,
  type Executor,
  type PackedHandle,
  type Profile,
  type Session,
} from "../../numeric/runtime/index.ts";
import { elements, tensor } from "../../numeric/tensor/index.ts";
import { outputOf, programOf, readOutInputs } from "./outputs.ts";
import type { TokenRow } from "./token-row.ts";
import type { Version } from "./version.ts";

export type { TokenRow } from "./token-row.ts";

export interface PredictorOptions {
  /** Rows a run at most; longer lists are cut. @default 64 */
  readonly maxRows?: number;
  /** Tokens a run at most, padding included. @default 8192 */
  readonly maxTokens?: number;
  /** Compare rows alone and in batches, bit for bit, before the first answer. @default true */
  readonly selfCheck?: boolean;
  /** See LoadOptions.packed. @default a copy of the weights for this predictor */
  readonly packed?: PackedHandle | undefined;
}

export interface Predictor {
  readonly profile: Profile;
  /**
   * What the version's head gives for each row (see `outputs.ts`), in order. Rows are grouped by padded length; mates
   * never change a bit.
   */
  run(rows: readonly TokenRow[]): Promise<Float32Array[]>;
  dispose(): Promise<void>;
}

/** @throws NUMERICS_UNTRUSTED where a row's bits depend on its mates here; RUNTIME_FAILED */
export async function openPredictor(
  version: Version,
  executor: Executor,
  options: PredictorOptions = {},
): Promise<Predictor> {
  const predictor = await openProgram(version, executor, programOf(version), options);
  if (options.selfCheck ?? true) {
    try {
      await selfCheckRows({ run: (rows) => predictor.run(rows), probes: probeRows(version) });
    } catch (thrown) {
      await predictor.dispose();
      throw thrown;
    }
  }
  return predictor;
}

/** A predictor over any program with the version's inputs, parameters and output; nothing is checked. */
export async function openProgram(
  version: Version,
  executor: Executor,
  graph: Graph,
  options: PredictorOptions = {},
): Promise<Predictor> {
  const session = await executor.load(graph, {
    form: "packed",
    weights: version.weights,
    ...(options.packed === undefined ? {} : { packed: options.packed }),
  });
  return new PackedPredictor(version, session, options);
}

/** A row's padded length: a fixed function of its own token count, and at least two. */
export function rowLength(row: TokenRow): number {
  return Math.max(2, paddedLength(row.ids.length));
}

class PackedPredictor implements Predictor {
  readonly profile: Profile;
  readonly #version: Version;
  readonly #session: Session;
  readonly #maxRows: number;
  readonly #maxTokens: number;

  constructor(version: Version, session: Session, options: PredictorOptions) {
    this.profile = session.profile;
    this.#version = version;
    this.#session = session;
    this.#maxRows = options.maxRows ?? 64;
    this.#maxTokens = options.maxTokens ?? 8192;
  }

  async run(rows: readonly TokenRow[]): Promise<Float32Array[]> {
    const answers = new Array<Float32Array>(rows.length);
    for (const { tokens, indices } of groupsOf(rows)) {
      const most = Math.max(1, Math.min(this.#maxRows, Math.floor(this.#maxTokens / tokens)));
      for (let at = 0; at < indices.length; at += most) {
        const part = indices.slice(at, at + most);
        const outputs = await this.#runBatch(
          part.map((index) => itemAt(rows, index)),
          tokens,
        );
        part.forEach((index, b) => {
          answers[index] = itemAt(outputs, b);
        });
      }
    }
    return answers;
  }

  /** rows [B] padded to T tokens → what the head gives for each (see `outputs.ts`) */
  async #runBatch(rows: readonly TokenRow[], T: number): Promise<Float32Array[]> {
    const { head, config, tokenizer } = this.#version;
    const padId = tokenizer.special.pad;
    const inputs = {
      ...batchInputs(rows, config, head, { tokens: T, minimumRows: 1, padId, real: "float32" }),
      ...readOutInputs(head, { rows, T }),
    };
    const { name, shape, own } = outputOf(head, { rows, T, config });
    const output = tensor("float32", shape, new Float32Array(elements(shape)));
    await this.#session.run(inputs, { [name]: output });
    return rows.map((_, b) => output.data.slice(...own(b)));
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}

function itemAt<T>(list: readonly T[], index: number): T {
  const item = list[index];
  invariant(item !== undefined, `no item ${index} of ${list.length}`);
  return item;
}

/** Rows that run together: of one padded length, and all asking for the same output. */
function groupsOf(rows: readonly TokenRow[]): Iterable<{ readonly tokens: number; readonly indices: number[] }> {
  const groups = new Map<string, { readonly tokens: number; readonly indices: number[] }>();
  rows.forEach((row, index) => {
    if (row.ids.length === 0) throw new LockstepError("INPUT_INVALID", `row ${index} has no tokens`, { row: index });
    const tokens = rowLength(row);
    const key = `${tokens} ${row.targets !== undefined}`;
    const group = groups.get(key) ?? { tokens, indices: [] };
    group.indices.push(index);
    groups.set(key, group);
  });
  return groups.values();
}

/** Short and long rows of made-up ids, within the version's limits. */
function probeRows(version: Version): TokenRow[] {
  const lengths = [2, 7, 7, 16, 16, 33].map((length) => Math.min(length, version.maxTokens));
  return lengths.map((length, probe) => ({
    ids: Int32Array.from({ length }, (_, t) => (1 + probe * 7919 + t * 104_729) % version.config.vocab_size),
  }));
}
