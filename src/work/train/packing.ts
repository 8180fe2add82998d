/**
 * Documents one after another in rows of one length, so that nothing is padded (Raffel et al. 2020, section 3.5.1 call
 * it packing). A document that does not fit goes on in the next row, as one by itself. A function of the documents and
 * their order.
 */
import type { SpecialIds } from "../../language/text/index.ts";
import type { Dataset } from "./training-data.ts";

/**
 * Rows of `length` tokens; the last one of each split may be shorter. Each token knows its document within its row
 * (`documents`). A document ends with the token `eos`, where there is one (else −1).
 */
export function packed(dataset: Dataset, length: number, { eos }: Pick<SpecialIds, "eos">): Dataset {
  const rows: { readonly ids: readonly number[]; readonly documents: readonly number[] }[] = [];
  const pack = (examples: Int32Array): Int32Array => {
    const first = rows.length;
    let ids: number[] = [];
    let documents: number[] = [];
    let document = 0;
    const close = (): void => {
      if (ids.length > 1) rows.push({ ids, documents }); // one token alone has nothing to be asked for
      ids = [];
      documents = [];
      document = 0;
    };
    const add = (id: number): void => {
      ids.push(id);
      documents.push(document);
      if (ids.length === length) close();
    };
    for (const example of examples) {
      const [from, to] = [dataset.offsets[example]!, dataset.offsets[example + 1]!];
      for (let at = from; at < to; at++) add(dataset.ids[at]!);
      if (eos >= 0 && dataset.ids[to - 1] !== eos) add(eos);
      document++;
    }
    close();
    return shared(Array.from({ length: rows.length - first }, (_, row) => first + row));
  };
  const train = pack(dataset.train);
  const validation = pack(dataset.validation);
  let end = 0;
  return {
    ids: shared(rows.flatMap(({ ids }) => ids)),
    offsets: shared([0, ...rows.map(({ ids }) => (end += ids.length))]),
    documents: shared(rows.flatMap(({ documents }) => documents)),
    labels: new Int32Array(0),
    train,
    validation,
  };
}

/**
 * Documents that stay whole, with the labels of their tokens: each in the row of the one before it where there is room
 * within `length` tokens, else in a row of its own.
 */
export function packedWhole(dataset: Dataset, length: number): Dataset {
  const rows: number[][] = [];
  const pack = (examples: Int32Array): Int32Array => {
    const first = rows.length;
    let room = 0;
    for (const example of examples) {
      const tokens = dataset.offsets[example + 1]! - dataset.offsets[example]!;
      if (tokens > room) {
        rows.push([]);
        room = length;
      }
      rows.at(-1)!.push(example);
      room -= tokens;
    }
    return shared(Array.from({ length: rows.length - first }, (_, row) => first + row));
  };
  const train = pack(dataset.train);
  const validation = pack(dataset.validation);
  const tokensOf = (values: Int32Array, row: readonly number[]): readonly number[] =>
    row.flatMap((example) => Array.from(values.subarray(dataset.offsets[example], dataset.offsets[example + 1])));
  const ids = rows.map((row) => tokensOf(dataset.ids, row));
  let end = 0;
  return {
    ids: shared(ids.flat()),
    offsets: shared([0, ...ids.map((row) => (end += row.length))]),
    documents: shared(
      rows.flatMap((row) => row.flatMap((example, document) => tokensOf(dataset.ids, [example]).map(() => document))),
    ),
    labels: shared(rows.flatMap((row) => tokensOf(dataset.labels, row))),
    train,
    validation,
  };
}

function shared(values: readonly number[]): Int32Array {
  const ints = new Int32Array(new SharedArrayBuffer(4 * values.length));
  ints.set(values);
  return ints;
}
