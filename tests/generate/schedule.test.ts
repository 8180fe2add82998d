/** The schedule as a function: properties over whatever waits, and runs of it to the end. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { roomOf, schedule, type Candidate, type StepLimits } from "../../src/work/generate/schedule.ts";

const limits: fc.Arbitrary<StepLimits> = fc
  .record({ slots: fc.integer({ min: 1, max: 5 }), more: fc.nat(60), rooms: fc.integer({ min: 3, max: 12 }) })
  .map(({ slots, more, rooms }) => ({ slots, stepTokens: slots + more, cacheTokens: 64 * rooms }));
const candidates: fc.Arbitrary<Candidate[]> = fc
  .array(
    fc.record({
      key: fc.constantFrom("a", "b", "c"),
      priority: fc.nat(2),
      deadline: fc.option(fc.nat(10), { freq: 6 }),
      held: fc.nat(150),
      pending: fc.integer({ min: 1, max: 40 }),
      blocked: fc.boolean(),
    }),
    { maxLength: 14 },
  )
  .map((list) => list.map((one, id) => ({ id, ...one })));

function candidate(id: number, over: Partial<Candidate> = {}): Candidate {
  return { id, key: "k", priority: 0, deadline: null, held: 0, pending: 1, blocked: false, ...over };
}

describe("a plan", () => {
  it("keeps to slots, tokens and memory, and has nothing to do with who is late, blocked or evicted", () => {
    const served = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.nat(100));
    fc.assert(
      fc.property(candidates, limits, served, fc.nat(10), (all, bounds, counts, now) => {
        const before = structuredClone(all);
        const plan = schedule(all, bounds, new Map(Object.entries(counts)), now);
        assert.deepEqual(all, before);
        const of = (id: number): Candidate => all[id]!;
        const work = new Map(plan.work.map(({ id, tokens }) => [id, tokens]));
        assert.equal(work.size, plan.work.length);
        assert.ok(work.size <= bounds.slots);
        assert.ok([...work.values()].reduce((sum, tokens) => sum + tokens, 0) <= bounds.stepTokens);
        const late = all.filter(({ deadline }) => deadline !== null && deadline <= now).map(({ id }) => id);
        assert.deepEqual(plan.expired, late);
        for (const [id, tokens] of work) {
          assert.ok(tokens >= 1 && tokens <= of(id).pending && !of(id).blocked);
          assert.ok(!late.includes(id) && !plan.evicted.includes(id));
        }
        for (const id of plan.evicted) assert.ok(of(id).held > 0 && !late.includes(id));
        const room = all
          .filter(({ id }) => !late.includes(id) && !plan.evicted.includes(id))
          .reduce((sum, { id, held, pending }) => {
            const tokens = work.get(id) ?? 0;
            return (
              sum + (tokens === 0 ? roomOf(held) : Math.max(roomOf(held), roomOf(held === 0 ? pending : held + tokens)))
            );
          }, 0);
        const held = all.reduce((sum, one) => sum + (late.includes(one.id) ? 0 : roomOf(one.held)), 0);
        assert.ok(room <= Math.max(bounds.cacheTokens, held), `${room} of ${bounds.cacheTokens}`);
        if (work.size === 0) {
          // only where whoever might go on is the last in rank of too many
          const ready = all.filter(({ id, blocked }) => !blocked && !late.includes(id));
          const roomy = ready.some((one) => roomOf(one.held + one.pending) <= bounds.cacheTokens);
          assert.ok(ready.length === 0 || !roomy || held > 0);
        }
      }),
    );
  });

  it("gives slots by priority, then to the key served least, then to who came first", () => {
    const all = [
      candidate(0, { key: "heavy" }),
      candidate(1, { key: "heavy" }),
      candidate(2, { key: "light" }),
      candidate(3, { key: "light", priority: 1 }),
      candidate(4, { key: "third" }),
    ];
    const bounds = { slots: 4, stepTokens: 4, cacheTokens: 6400 };
    const served = new Map(Object.entries({ heavy: 9, light: 4, third: 5 }));
    const ids = schedule(all, bounds, served, 0).work.map(({ id }) => id);
    assert.deepEqual(ids, [3, 2, 4, 0]); // after 3, light has 5 as third has, and came before
  });

  it("gives prompts what decoding leaves of the budget", () => {
    const all = [candidate(0, { pending: 900 }), candidate(1, { held: 70 }), candidate(2, { pending: 40 })];
    const { work } = schedule(all, { slots: 8, stepTokens: 32, cacheTokens: 6400 }, new Map(), 0);
    assert.deepEqual(work, [
      { id: 0, tokens: 30 },
      { id: 1, tokens: 1 },
      { id: 2, tokens: 1 },
    ]);
  });

  it("evicts lower ranks only: slow readers, low priorities, then a key's later sequences", () => {
    const bounds = { slots: 1, stepTokens: 1, cacheTokens: 256 };
    const full = { held: 64, pending: 1 };
    const evicted = (over: Partial<Candidate>[]): readonly number[] =>
      schedule(
        over.map((one, id) => candidate(id, { ...full, ...one })),
        bounds,
        new Map([["k", -1]]),
        0,
      ).evicted;
    assert.deepEqual(evicted([{}, {}, {}, {}]), [3]);
    assert.deepEqual(evicted([{}, { key: "other" }, {}, { key: "other" }]), [3]);
    assert.deepEqual(evicted([{}, {}, { key: "other" }, { key: "other" }]), [3]);
    assert.deepEqual(evicted([{}, {}, {}, { key: "other" }]), [2]);
    assert.deepEqual(evicted([{}, { blocked: true }, {}, {}]), [1]);
    assert.deepEqual(evicted([{ priority: 1 }, {}, { priority: 1 }, { priority: 1 }]), [1]);
  });
});

interface Simulated {
  readonly key: string;
  readonly prompt: number;
  readonly answer: number;
  readonly priority: number;
}

/** Steps until each of them has its answer, with everything that the engine would do. */
function simulate(all: readonly Simulated[], bounds: StepLimits, most: number) {
  const held = all.map(() => 0);
  const made = all.map(() => 0);
  const done = all.map(() => -1);
  const served = new Map<string, number>();
  const history: Map<string, number>[] = [];
  for (let step = 0; step < most && done.includes(-1); step++) {
    const live = all.flatMap((one, id) =>
      done[id]! >= 0 ? [] : [candidate(id, { ...one, held: held[id]!, pending: one.prompt + made[id]! - held[id]! })],
    );
    const plan = schedule(live, bounds, served, step);
    for (const id of plan.evicted) held[id] = 0;
    for (const { id, tokens } of plan.work) {
      const { key, prompt, answer } = all[id]!;
      held[id]! += tokens;
      served.set(key, (served.get(key) ?? 0) + tokens);
      if (held[id] === prompt + made[id]! && ++made[id]! === answer) {
        done[id] = step;
        held[id] = 0;
      }
    }
    history.push(new Map(served));
  }
  return { done, history };
}

describe("a run of plans", () => {
  it("brings everybody to the end, whatever the memory, the order and the priorities", () => {
    const sequence = fc.record({
      key: fc.constantFrom("a", "b", "c"),
      prompt: fc.integer({ min: 1, max: 120 }),
      answer: fc.integer({ min: 1, max: 60 }),
      priority: fc.nat(1),
    });
    fc.assert(
      fc.property(fc.array(sequence, { minLength: 1, maxLength: 10 }), limits, (all, bounds) => {
        const { done } = simulate(all, bounds, 5000);
        assert.ok(!done.includes(-1), `never ended: ${done.join()}`);
      }),
      { numRuns: 40 },
    );
  });

  it("serves two keys that both ask within a step's budget of each other", () => {
    const heavy = Array.from({ length: 40 }, () => ({ key: "heavy", prompt: 90, answer: 40, priority: 0 }));
    const light = Array.from({ length: 4 }, () => ({ key: "light", prompt: 10, answer: 300, priority: 0 }));
    const bounds = { slots: 4, stepTokens: 24, cacheTokens: 64 * 200 };
    const { history, done } = simulate([...heavy, ...light], bounds, 1000);
    const both = history.slice(0, Math.min(...done.slice(heavy.length)));
    assert.ok(both.length > 200 && done[0]! < both.length);
    for (const served of both) {
      const gap = Math.abs(served.get("heavy")! - served.get("light")!);
      assert.ok(gap <= bounds.stepTokens + bounds.slots, `${gap}`);
    }
  });

  it("a light key waits for none of a hundred sequences of a heavy one", () => {
    const light = { key: "light", prompt: 20, answer: 20, priority: 0 };
    const heavy = Array.from({ length: 100 }, () => ({ key: "heavy", prompt: 200, answer: 50, priority: 0 }));
    const bounds = { slots: 4, stepTokens: 16, cacheTokens: 64 * 40 };
    const alone = simulate([light], bounds, 1000).done[0]!;
    const among = simulate([...heavy, light], bounds, 1000).done.at(-1)!;
    // One token a step as alone; of a prompt at least its share.
    assert.ok(among >= alone && among <= alone + light.prompt, `${among} steps, alone ${alone}`);
  });

  it("a long prompt lengthens no step beyond the budget, and stalls nobody", () => {
    const long = { key: "a", prompt: 2000, answer: 1, priority: 0 };
    const short = { key: "b", prompt: 4, answer: 30, priority: 0 };
    const { done } = simulate([long, short], { slots: 2, stepTokens: 16, cacheTokens: 6400 }, 1000);
    assert.ok(done[1]! <= 34, `${done[1]}`);
    assert.ok(done[0]! >= 2000 / 16);
  });
});
