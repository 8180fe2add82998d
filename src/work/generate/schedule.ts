/**
 * What the next step computes, as a function of what is waiting: no clock, no promise, no memory of its own. Rules:
 *
 * - Who gets one of the slots: the higher priority; then whoever asks with the key that was served the fewest tokens
 *   (the counters of Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024); then who came first.
 * - Everybody with a slot computes at least one token; what the step's budget leaves goes to prompts, in the same
 *   order. So a long prompt lengthens a step by no more than the budget, and stalls nobody.
 * - Where memory for keys and values runs out, the caches of others are given up, lowest rank first, and only of lower
 *   rank than who needs it. Rank: whose reader keeps up; priority; place among those of its key; who came first. It
 *   changes only when a sequence comes or ends, so the first in rank always gets on, and nobody evicts in a circle.
 *
 * Nothing here changes a bit of an answer.
 */
export interface Candidate {
  /** Increasing in the order in which they came. */
  readonly id: number;
  /** Who asks: tokens are shared out between keys. */
  readonly key: string;
  readonly priority: number;
  /** In the time of `now`; null: it may take as long as it takes. */
  readonly deadline: number | null;
  /** Tokens that its cache has. */
  readonly held: number;
  /** Tokens to compute until its next one can be chosen; at least 1. */
  readonly pending: number;
  /** Its reader is so far behind that it waits. */
  readonly blocked: boolean;
}

export interface StepLimits {
  /** Sequences of a step. */
  readonly slots: number;
  /** New tokens of a step, at least `slots`. */
  readonly stepTokens: number;
  /** Tokens that all caches have room for together, in steps of `CACHE_STEP`. */
  readonly cacheTokens: number;
}

export interface Plan {
  /** Past their deadlines. */
  readonly expired: readonly number[];
  /** Their caches are given up; they will be computed again. */
  readonly evicted: readonly number[];
  readonly work: readonly { readonly id: number; readonly tokens: number }[];
}

/** Caches grow by so many tokens at a time. */
export const CACHE_STEP = 64;

/** Room that so many tokens take. */
export function roomOf(tokens: number): number {
  return CACHE_STEP * Math.ceil(tokens / CACHE_STEP);
}

export function schedule(
  candidates: readonly Candidate[],
  { slots, stepTokens, cacheTokens }: StepLimits,
  served: ReadonlyMap<string, number>,
  now: number,
): Plan {
  const isExpired = ({ deadline }: Candidate): boolean => deadline !== null && deadline <= now;
  const live = candidates.filter((one) => !isExpired(one));
  let ranked: readonly Candidate[] | null = null; // seldom needed
  const work = new Map<number, number>();
  const evicted = new Set<number>();
  /** By id, of those that keep their caches. */
  const rooms = new Map(live.map(({ id, held }) => [id, roomOf(held)]));
  let used = [...rooms.values()].reduce((sum, room) => sum + room, 0);
  let [places, left] = [Math.min(slots, live.filter(({ blocked }) => !blocked).length), stepTokens];
  for (const one of inTurn(live, served)) {
    if (places === 0) break;
    if (evicted.has(one.id)) continue; // for somebody before it
    const tokens = Math.min(one.pending, left - places + 1); // one is left for each that follows
    // Who begins may find all of its prompt computed, so there is room for all of it.
    const room = roomOf(one.held === 0 ? one.pending : one.held + tokens);
    const more = room - rooms.get(one.id)!;
    if (used + more > cacheTokens) {
      ranked ??= inRank(live);
      const victims = ranked.slice(ranked.indexOf(one) + 1).filter(({ id }) => rooms.get(id)! > 0);
      if (used + more - victims.reduce((sum, { id }) => sum + rooms.get(id)!, 0) > cacheTokens) continue; // it waits
      while (used + more > cacheTokens) {
        const { id } = victims.pop()!;
        used -= rooms.get(id)!;
        rooms.set(id, 0);
        evicted.add(id);
        work.delete(id);
      }
    }
    used += more;
    rooms.set(one.id, room);
    work.set(one.id, tokens);
    places--;
    left -= tokens;
  }
  return {
    expired: candidates.filter(isExpired).map(({ id }) => id),
    evicted: [...evicted],
    work: Array.from(work, ([id, tokens]) => ({ id, tokens })),
  };
}

/** In the order in which they get a slot: each that is taken counts for its key as a token. */
function* inTurn(live: readonly Candidate[], served: ReadonlyMap<string, number>): Generator<Candidate> {
  const left = new Set(live.filter(({ blocked }) => !blocked));
  const counters = new Map(served);
  const of = ({ key }: Candidate): number => counters.get(key) ?? 0;
  while (left.size > 0) {
    let best: Candidate | null = null;
    for (const one of left)
      if (best === null || (best.priority - one.priority || of(one) - of(best) || one.id - best.id) < 0) best = one;
    left.delete(best!);
    counters.set(best!.key, of(best!) + 1);
    yield best!;
  }
}

function inRank(live: readonly Candidate[]): Candidate[] {
  const places = new Map<Candidate, number>();
  const seen = new Map<string, number>();
  for (const one of live.toSorted((a, b) => b.priority - a.priority || a.id - b.id)) {
    const place = seen.get(one.key) ?? 0;
    places.set(one, place);
    seen.set(one.key, place + 1);
  }
  return live.toSorted(
    (a, b) =>
      Number(a.blocked) - Number(b.blocked) ||
      b.priority - a.priority ||
      places.get(a)! - places.get(b)! ||
      a.id - b.id,
  );
}
