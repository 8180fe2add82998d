/** The display of a training's progress: on terminals of any width, and elsewhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TrainProgress } from "../../src/edge/api/index.ts";
import { printable } from "../../src/edge/cli/output.ts";
import { ProgressDisplay } from "../../src/edge/cli/progress.ts";

const step = (n: number, steps = 400): TrainProgress => ({
  kind: "step",
  phase: "2/2 classify",
  step: n,
  steps,
  epoch: 0,
  loss: 1.23456,
  learningRate: 1e-3,
  gradientNorm: 1,
  tokens: 500,
  paddedTokens: 510,
  tokensPerSecond: 12_345,
  secondsLeft: 83,
  done: (n + 1) / steps,
});

/** What was written, and what a terminal would show in the end. */
function terminal(isTTY: boolean, columns?: number) {
  const written: string[] = [];
  const screen = (): string => {
    let lines = [""];
    for (const text of written.join("").matchAll(/\r\u001b\[K|\u001b\[K|\r|\n|[^\r\n\u001b]+/g)) {
      const last = lines.at(-1) ?? "";
      if (text[0] === "\n") lines = [...lines, ""];
      else if (text[0] === "\r\u001b[K") lines = [...lines.slice(0, -1), ""];
      else if (!/^[\r\u001b]/.test(text[0])) lines = [...lines.slice(0, -1), text[0] === last ? last : text[0]];
    }
    return lines.join("\n");
  };
  return { stream: { isTTY, columns, write: (text: string) => written.push(text) }, written, screen };
}

test("on a terminal one line updates, fits, and gives way to lines that stay", () => {
  for (const columns of [200, 100, 80, 60, 40, 20, 0, undefined]) {
    const { stream, written, screen } = terminal(true, columns);
    const display = new ProgressDisplay(stream, { TERM: "xterm", LANG: "C.UTF-8" });
    display.onProgress(step(0));
    const line = written[0]!.replaceAll(/[\r]|\u001b\[K/g, "");
    assert.ok(line.length < ((columns ?? 0) || 80), `${columns}: ${line.length}`);
    assert.ok(!line.includes("\n"));
    assert.match(line, /0 %/);
    if (columns === 200)
      assert.match(line, /━*─+ +0 % {2}2\/2 classify 1\/400 {2}loss 1\.235 {2}12\.3 k tokens\/s {2}1 min 23 s left$/);
    if (columns === 40) assert.match(line, /left$/, "the time that is left stays longest");
    display.onProgress({
      kind: "epoch",
      phase: "2/2 classify",
      epoch: 1,
      epochs: 2,
      validation: { name: "accuracy", value: 0.5 },
    });
    assert.equal(screen(), `2/2 classify: epoch 1 of 2 done, validation accuracy 50.0 %\n${line}`);
    display.clear();
    assert.equal(screen(), "2/2 classify: epoch 1 of 2 done, validation accuracy 50.0 %\n");
  }
});

test("updates are few, and the last step is always shown", () => {
  const { stream, written } = terminal(true, 100);
  const display = new ProgressDisplay(stream, { TERM: "xterm" });
  for (let n = 0; n < 400; n++) display.onProgress(step(n));
  assert.ok(written.length <= 4, `${written.length} writes for 400 steps at once`);
  assert.match(written.at(-1)!, /#{24} +100 % {2}2\/2 classify 400\/400/, "ASCII where the locale is not UTF-8");
});

test("elsewhere: plain lines, at most one in five seconds, and no control characters", () => {
  for (const [isTTY, env] of [
    [false, {}],
    [true, { TERM: "dumb" }],
    [true, { TERM: "xterm", CI: "true" }],
  ] as const) {
    const { stream, written } = terminal(isTTY, 80);
    const display = new ProgressDisplay(stream, env);
    display.onProgress({ kind: "stage", stage: "tokenizer" });
    for (let n = 0; n < 400; n++) display.onProgress(step(n));
    display.onProgress({ kind: "stage", stage: "publish" });
    display.clear();
    assert.deepEqual(
      written.map((text) => text.slice(0, 24)),
      ["training the tokenizer\n", "  0.3 %  2/2 classify 1/", "publishing\n"],
    );
    assert.doesNotMatch(written.join(""), /[\r\u001b]/);
  }
});

test("what comes from data cannot move the cursor or turn the text", () => {
  assert.equal(printable("a\u001b[2Jb\u202ec\nd\u0085 é 你 👩‍💻"), "a\\u001b[2Jb\\u202ec\\u000ad\\u0085 é 你 👩‍💻");
});
