/** The tokens of a vocabulary by their beginnings, in flat arrays: an edge is (node, code unit) in one hash table. */
export class Trie {
  readonly #mask: number;
  /** Of each slot: node * 2^16 + code unit of an edge, and the node it leads to; -1 where it is free. */
  readonly #edges: Float64Array;
  readonly #next: Int32Array;
  /** Of each node: the id of the token that ends there, or -1. */
  readonly #ids: Int32Array;

  constructor(tokens: ReadonlyMap<string, number>) {
    let units = 0;
    for (const token of tokens.keys()) units += token.length;
    let slots = 16;
    while (slots < 2 * units) slots *= 2;
    this.#mask = slots - 1;
    this.#edges = new Float64Array(slots).fill(-1);
    this.#next = new Int32Array(slots);
    this.#ids = new Int32Array(units + 1).fill(-1);
    let nodes = 1;
    for (const [token, id] of tokens) {
      let node = 0;
      for (let i = 0; i < token.length; i++) {
        const edge = node * 0x1_0000 + token.charCodeAt(i);
        const slot = this.#slot(edge);
        if (this.#edges[slot] === -1) {
          this.#edges[slot] = edge;
          this.#next[slot] = nodes++;
        }
        node = this.#next[slot] as number;
      }
      if (token !== "") this.#ids[node] = id;
    }
  }

  /** Calls `found` with the end and the id of each token that `text` has at `from`, the shortest first. */
  prefixes(text: string, from: number, found: (end: number, id: number) => void): void {
    let node = 0;
    for (let at = from; at < text.length; at++) {
      const edge = node * 0x1_0000 + text.charCodeAt(at);
      const slot = this.#slot(edge);
      if (this.#edges[slot] === -1) return;
      node = this.#next[slot] as number;
      const id = this.#ids[node] as number;
      if (id >= 0) found(at + 1, id);
    }
  }

  #slot(edge: number): number {
    const [high, low] = [Math.floor(edge / 0x1_0000), edge % 0x1_0000];
    let slot = (Math.imul(high, 0x9e37_79b1) ^ Math.imul(low + 1, 0x85eb_ca6b)) & this.#mask;
    while (this.#edges[slot] !== -1 && this.#edges[slot] !== edge) slot = (slot + 1) & this.#mask;
    return slot;
  }
}
