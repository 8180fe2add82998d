/**
 * Lock order. Whenever a lock is acquired while another is held, that order is an edge of a graph that all threads
 * share. An edge that would close a cycle is an order that could deadlock: it is reported the first time it is tried,
 * before anything is waited for, not the day it hangs. After Linux's lockdep (Molnár and van de Ven, 2006), with single
 * locks instead of classes of locks.
 *
 * The graph is an append-only list. A thread reads all of it, finds no cycle, and appends by compare-and-set at the
 * place where it saw the end; if another thread has appended there meanwhile it reads on. So of two opposite edges
 * tried at once the second is always refused, and the recorded graph never has a cycle.
 */
import { LockstepError } from "../../base/index.ts";
import type { Edge, LockDomain } from "./lock-domain.ts";

/**
 * Records that `acquired` is acquired while `held` is held. Throws LOCK_ORDER if the opposite is known, directly or
 * over other locks.
 */
export function recordOrder(domain: LockDomain, held: number, acquired: number, site: () => string): void {
  for (;;) {
    const edges = domain.edges();
    if (edges.some((edge) => edge.held === held && edge.acquired === acquired)) return;
    const opposite = pathBetween(edges, acquired, held);
    if (opposite !== null) throw inverted(domain, held, acquired, opposite, site());
    if (domain.appendEdge(edges.length, held, acquired, site())) return;
  }
}

/** The edges of a shortest path, or null. */
function pathBetween(edges: readonly Edge[], from: number, to: number): readonly Edge[] | null {
  const cameBy = new Map<number, Edge>(); // never `from` itself: the graph has no cycle
  const queue = [from];
  for (const lock of queue) {
    if (lock === to) return pathTo(cameBy, to);
    for (const edge of edges) {
      if (edge.held !== lock || cameBy.has(edge.acquired)) continue;
      cameBy.set(edge.acquired, edge);
      queue.push(edge.acquired);
    }
  }
  return null;
}

function pathTo(cameBy: ReadonlyMap<number, Edge>, to: number): readonly Edge[] {
  const path: Edge[] = [];
  for (let edge = cameBy.get(to); edge !== undefined; edge = cameBy.get(edge.held)) path.unshift(edge);
  return path;
}

function inverted(
  domain: LockDomain,
  held: number,
  acquired: number,
  opposite: readonly Edge[],
  site: string,
): LockstepError {
  const name = (id: number): string => domain.nameOf(id);
  const before = opposite
    .map((edge) => `${name(edge.acquired)} was acquired while ${name(edge.held)} was held, at ${edge.site}`)
    .join("; ");
  return new LockstepError(
    "LOCK_ORDER",
    `lock ${name(acquired)} is to be acquired while ${name(held)} is held, at ${site}, but the other way round ` +
      `before: ${before}. ` +
      "Two threads that do both at once would wait for each other for ever: acquire these locks in one order " +
      "everywhere",
    { held: name(held), acquired: name(acquired), site, before: opposite.map((edge) => edge.site) },
  );
}
