/** Writes a `precompiled_charsmap` (SentencePiece's double array of keys, then its texts), one block of 256 a node. */
export function charsmapOf(entries: readonly (readonly [key: string, text: string])[]): string {
  interface Node {
    readonly next: Map<number, Node>;
    readonly base: number;
    value: number | undefined;
  }
  let blocks = 1;
  const node = (): Node => ({ next: new Map(), base: 256 * blocks++, value: undefined });
  const root = node();
  const texts: number[] = [];
  for (const [key, text] of entries) {
    let at = root;
    for (const byte of Buffer.from(key)) {
      const next = at.next.get(byte) ?? node();
      at.next.set(byte, next);
      at = next;
    }
    at.value = texts.length;
    texts.push(...Buffer.from(text), 0);
  }
  const units = new Uint32Array(256 * blocks);
  units[0] = root.base << 10;
  const write = ({ base, next }: Node): void => {
    for (const [byte, child] of next) {
      const place = base ^ byte;
      units[place] = ((place ^ child.base) << 10) | (child.value === undefined ? 0 : 256) | byte;
      if (child.value !== undefined) units[child.base] = child.value | (1 << 31);
      write(child);
    }
  };
  write(root);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(units.byteLength);
  return Buffer.concat([size, Buffer.from(units.buffer), Buffer.from(texts)]).toString("base64");
}
