/**
 * Added tokens in the raw text: leftmost first, then longest, as in the reference. A trie, because one regular
 * expression of thousands of alternatives from a stranger's file has no useful bound; here the time is the text's
 * length times the longest token's.
 */

interface Node {
  id: number;
  readonly next: Map<number, Node>;
}

export class AddedTokens {
  readonly #root: Node = { id: -1, next: new Map() };

  constructor(tokens: Iterable<{ readonly content: string; readonly id: number }>) {
    for (const { content, id } of tokens) {
      let node = this.#root;
      for (let i = 0; i < content.length; i++) {
        const unit = content.charCodeAt(i);
        let next = node.next.get(unit);
        if (next === undefined) node.next.set(unit, (next = { id: -1, next: new Map() }));
        node = next;
      }
      node.id = id;
    }
  }

  /** The first one at or after `from`, or undefined. */
  find(text: string, from: number): { readonly start: number; readonly end: number; readonly id: number } | undefined {
    for (let start = from; start < text.length; start++) {
      let node = this.#root.next.get(text.charCodeAt(start));
      if (node === undefined) continue;
      let found: { start: number; end: number; id: number } | undefined;
      for (let end = start + 1; node !== undefined; end++) {
        if (node.id >= 0) found = { start, end, id: node.id };
        node = node.next.get(text.charCodeAt(end)); // NaN at the end of the text, which no node has
      }
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
