/** With `--json` a command prints one document, also where what it found is not what it should be. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { reportError, tellJudged, ToldInResult, type Output } from "../../src/edge/cli/output.ts";
import { LockstepError } from "../../src/base/index.ts";

const folder = join(import.meta.dirname, "../../src/edge/cli");

function collecting(): { readonly output: Output; readonly told: unknown[] } {
  const told: unknown[] = [];
  const nothing = (): void => {};
  return {
    output: {
      json: true,
      print: nothing,
      note: nothing,
      result: (value) => void told.push(value),
      drained: () => Promise.resolve(),
    },
    told,
  };
}

test("a report that is as it should be has no error in it, and one that is not has it and fails", () => {
  const right = collecting();
  tellJudged(right.output, { count: 3 }, () => {});
  assert.deepEqual(right.told, [{ count: 3, error: null }]);

  const wrong = collecting();
  const judge = (): never => {
    throw new LockstepError("REPLAY_MISMATCH", "1 of 3 answers came out differently", { different: 1 });
  };
  let thrown: unknown;
  try {
    tellJudged(wrong.output, { count: 3 }, judge);
  } catch (error) {
    thrown = error;
  }
  const error = { code: "REPLAY_MISMATCH", message: "1 of 3 answers came out differently", details: { different: 1 } };
  assert.deepEqual(wrong.told, [{ count: 3, error }]);
  assert.ok(thrown instanceof ToldInResult);
  // Told on standard error, and not a second time on standard output.
  const { stdout, stderr } = process;
  const written: string[] = [];
  const [out, err] = [stdout.write, stderr.write];
  let code: number;
  stdout.write = (text: unknown) => written.push(`out ${String(text)}`) > 0;
  stderr.write = (text: unknown) => written.push(`err ${String(text)}`) > 0;
  try {
    code = reportError(thrown, true);
  } finally {
    stdout.write = out;
    stderr.write = err;
  }
  assert.deepEqual([code, written], [1, ["err error: 1 of 3 answers came out differently [REPLAY_MISMATCH]\n"]]);
});

test("no verb tells a result and then fails for what is in it, but by tellJudged", () => {
  let judged = 0;
  for (const name of readdirSync(folder)) {
    const text = readFileSync(join(folder, name), "utf8");
    const [, action] = /\.action\(([^]*?)\n\}\n/.exec(text) ?? [];
    if (action === undefined) continue;
    if (action.includes("tellJudged(")) judged++;
    const after = action.slice(action.lastIndexOf("output.result(") + 1 || action.length);
    assert.doesNotMatch(after, /\brequire[A-Z]\w*\(|throw new (?!ToldInResult)/, name);
  }
  assert.equal(judged, 4);
});
