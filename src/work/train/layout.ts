/**
 * Where parameters lie. Parameters are packed into segments, each in one shared memory together with its moments and
 * all gradient slots, so that kernels reach them; a parameter starts at a multiple of 16 elements (64 bytes), the gaps
 * stay 0. Blocks of 65,536 elements, restarting in every segment, are the unit of reduction, norm and update: a fixed
 * division of the work, whoever does it.
 */
import { invariant } from "../../base/index.ts";
import { elements } from "../../numeric/tensor/index.ts";
import type { ParameterInfo } from "../../language/models/index.ts";

export const BLOCK = 65_536;
/**
 * Elements of a segment at most (64 MiB), but for a larger parameter, which has one of its own. A constant, and not a
 * function of how many gradients the workers need, since the segments decide the blocks.
 */
export const SEGMENT_LIMIT = 1 << 24;
const ALIGN = 16;

/** `offset` and `length` count elements within the segment. */
export interface PlacedParameter extends ParameterInfo {
  readonly offset: number;
  readonly length: number;
}
export interface Segment {
  readonly index: number;
  readonly parameters: readonly PlacedParameter[];
  readonly length: number;
}
export interface Block {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

export function planSegments(parameters: readonly ParameterInfo[], limit: number = SEGMENT_LIMIT): readonly Segment[] {
  const segments: Segment[] = [];
  let placed: PlacedParameter[] = [];
  let end = 0;
  const close = () => {
    if (placed.length > 0) segments.push({ index: segments.length, parameters: placed, length: end });
    placed = [];
    end = 0;
  };
  for (const info of parameters) {
    const length = elements(info.shape);
    if (end + length > limit) close();
    placed.push({ ...info, offset: end, length });
    end += Math.ceil(length / ALIGN) * ALIGN;
  }
  close();
  invariant(segments.length > 0, "a model has parameters");
  return segments;
}

export function blocksOf(segments: readonly Segment[]): readonly Block[] {
  return segments.flatMap(({ index, length }) =>
    Array.from({ length: Math.ceil(length / BLOCK) }, (_, block) => ({
      segment: index,
      offset: block * BLOCK,
      length: Math.min(BLOCK, length - block * BLOCK),
    })),
  );
}

/** The stretches of a block that one rate and one decay apply to, in order; gaps are left out. */
export interface Stretch {
  readonly offset: number;
  readonly length: number;
  readonly decay: boolean;
  readonly group: ParameterInfo["group"];
}

export function stretchesOf(segment: Segment, block: Block): readonly Stretch[] {
  const stretches: Stretch[] = [];
  for (const { offset, length, decay, group } of segment.parameters) {
    const from = Math.max(offset, block.offset);
    const to = Math.min(offset + length, block.offset + block.length);
    if (from < to) stretches.push({ offset: from, length: to - from, decay, group });
  }
  return stretches;
}
