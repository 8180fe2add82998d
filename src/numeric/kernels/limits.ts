/**
 * Elements that one sum of squares may take: the unit of the clipping norm, so that every division of the work gives
 * the same partial sums.
 */
export const BLOCK_LIMIT = 65_536;
