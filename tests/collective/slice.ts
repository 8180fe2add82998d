/** A member's share of the elements: whole blocks, as even as they come. */
export function sliceOf(elements: number, block: number, size: number, rank: number): { from: number; to: number } {
  const blocks = Math.ceil(elements / block);
  const edge = (member: number): number => Math.min(elements, Math.floor((member * blocks) / size) * block);
  return { from: edge(rank), to: edge(rank + 1) };
}
