/**
 * "Complete" is said where it is: a loop that gives up is gone through with all its tries, or named as cut; one that
 * keeps nothing is put off without leaving anything out.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import MagicString from "magic-string";
import { parse } from "acorn";
import { explore, formatReport } from "../../src/threads/explore/index.ts";
import { markLoop } from "../../src/threads/explore/instrument/loops.ts";
import { Runner } from "../../src/threads/explore/runner.ts";
import { ClassSearch } from "../../src/threads/explore/search-classes.ts";
import { meet, returned } from "./outcomes.ts";
import { fourLoads, parking, unproven } from "./spins.programs.ts";

test("four loads beside one store: each of the five outcomes is reached", async () => {
  const runner = await Runner.start(fourLoads as never, "fourLoads", { maxSteps: 200, kills: 0 });
  try {
    const { ends, complete } = meet(runner, new ClassSearch(2), 100, returned)!;
    assert.deepEqual(
      [...ends].sort(),
      ["0,0,0,0", "0,0,0,1", "0,0,1,1", "0,1,1,1", "1,1,1,1"].map((row) => `[[${row}]]`),
    );
    assert.equal(complete, true);
  } finally {
    await runner.close();
  }
});

test("a loop that gives up within the bound is gone through; beyond, the search says where it is not", async () => {
  const gone = await explore(parking["n4"]!, { strategy: "classes" });
  assert.deepEqual([gone.stages[0]!.ended, gone.stages[0]!.schedules, gone.verdict], ["complete", 7, "complete"]);
  const cut = await explore(parking["n4"]!, { strategy: "classes", spins: 3 });
  assert.deepEqual([cut.stages[0]!.ended, cut.verdict], ["cut", "not complete"]);
  assert.match(cut.stages[0]!.cuts.join(), /^spins\.programs\.ts:\d+$/);
  assert.match(
    formatReport(cut),
    /NOT complete, .* but 1 loop was cut at spins[^]*\n.*nothing wrong was found, and the search is not complete: 1/,
  );
});

test("where loops were cut, `auto` goes on to the other strategies", async () => {
  const report = await explore(unproven.call, { schedules: 20 });
  assert.deepEqual(
    report.stages.map(({ coverage, ended }) => `${coverage.kind} ${ended}`),
    ["classes cut", "preemptions cut", "preemptions cut", "preemptions cut", "random sampled"],
  );
  assert.equal(report.verdict, "not complete");
});

/** Whether the loop in this source is marked. */
function marked(source: string): boolean {
  const output = new MagicString(source);
  const visit = (node: unknown, labelled: boolean): void => {
    if (typeof node !== "object" || node === null) return;
    if ("type" in node) markLoop(output, node as never, labelled);
    for (const child of Object.values(node).flat()) visit(child, "type" in node && node.type === "LabeledStatement");
  };
  visit(parse(source, { ecmaVersion: "latest", sourceType: "module" }), false);
  parse(output.toString(), { ecmaVersion: "latest", sourceType: "module" });
  return output.hasChanged();
}

test("only loops whose source shows that they keep nothing are marked", () => {
  for (const source of [
    "while (Atomics.load(w, 0) === 0);",
    "while (Atomics.load(w, 0) === 0) Atomics.pause()",
    "while (Atomics.compareExchange(w, 0, 0, 1) !== 0) { Atomics.wait(w, 0, 1, 5); }",
    "for (;;) { const seen = Atomics.load(w, 0); if (seen !== 0 && this.w[1] > 2) break; }",
    "for (let t = Atomics.load(w, 1); t !== mine; t = Atomics.load(w, 1));",
    "let x; do x = Atomics.load(w, 0); while (x === 0)\nx",
    "while(a[0]);while(a[1]);",
    "if (a) while (b) c[0]; else d();",
    "while ((x = Atomics.load(w, 0)) === 0) if (Math.abs(x) > 3) throw new Error(look(x++));",
  ])
    assert.equal(marked(source), true, source);
  for (const source of [
    "while (look(w) === 0);",
    "let n = 0; while (Atomics.load(w, 0) === 0) n++;",
    "let n = 9; while (Atomics.load(w, 0) === 0) n -= 1;",
    "let n = 9; while (Atomics.load(w, 0) === 0) n = n + 1;",
    "let n = 0; while (Atomics.load(w, 0) === 0) { const m = n + 1; n = m; }",
    "let n = 0; while (Atomics.load(w, 0) === 0) { const m = n + 1; const l = m; n = l; }",
    "let n = 0; while (Atomics.load(w, 0) === 0) { if (n === 1) n = 2; if (n === 0) n = 1; }",
    "let n = 0; while (Atomics.load(w, 0) === 0 && (n = 1)) f;",
    "let n; for (;;) { if (a) continue; n = Atomics.load(w, 0); }",
    "outer: while (Atomics.load(w, 0) === 0) break outer;",
    "while (Atomics.load(w, 0) === 0) this.n = 1;",
    "while (Atomics.load(w, 0) === 0) while (Atomics.load(w, 1) === 0);".slice(0, -1) + " n++;",
    "while (Atomics.load(w, 0) === 0) { var n = 1; }",
    "while (Math.random() < 1);",
    "while (performance.now() < 3);",
    "while (await Atomics.waitAsync(w, 0, 0).value);",
    "while (f`x`);",
    "while (Atomics.load(w, i++) === 0);",
    "while (Atomics.load(w, 0) === 0) { try { a; } finally { b; } }",
    "while ((() => n++)() === 0);",
  ])
    assert.equal(marked(source), false, source);
});
