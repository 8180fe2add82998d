/**
 * `serve` of a path and of a loaded model are one: receipts, figures, hooks, options followed or refused.
 * @concurrent
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { loadModel, serve, type Server } from "../../src/edge/api/index.ts";
import { madeStore } from "./support.ts";

async function askedOnce(server: Server): Promise<{ readonly receipt: unknown; readonly metrics: string }> {
  const reply = await fetch(`${server.url}/v1/classify`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: "my card", model: "champion" }),
  });
  const { answers } = (await reply.json()) as { answers: { receipt: unknown }[] };
  return { receipt: answers[0]!.receipt, metrics: await (await fetch(`${server.url}/metrics`)).text() };
}

test("a path and a loaded model are served alike: receipts, metrics, and the caller's own hooks", async () => {
  await using made = await madeStore([1]);
  const auditKey = join(made.folder, "key.pem");
  const counted: string[] = [];
  const hooks = { count: (name: string) => void counted.push(name) };
  await using model = await loadModel(made.store, { threads: 1, hooks });
  for (const open of [
    () => serve(model, { auditKey, http: { port: 0, keyFile: join(made.folder, "publish") } }),
    () => serve(made.store, { auditKey, threads: 1, hooks, http: { port: 0, keyFile: join(made.folder, "publish") } }),
  ]) {
    counted.length = 0;
    await using server = await open();
    const { receipt, metrics } = await askedOnce(server);
    assert.equal(typeof receipt, "string");
    assert.match(metrics, /lockstep_serve_answered_total 1/);
    assert.ok(counted.includes("answered"));
  }
  assert.equal((await model.classify("my card")).version, made.versions[0], "a model that was given is not closed");
});

test("options where they do not belong are refused with the place where they do", async () => {
  await using made = await madeStore([1]);
  const wrong = { port: 8080 } as object;
  await assert.rejects(serve(made.store, wrong), /the options of serve.*http: \{ port: … \}/);
  await assert.rejects(serve(made.store, { nonsense: 1 } as object), /the options of serve.*nonsense/);
  await using model = await loadModel(made.store, { threads: 1 });
  await assert.rejects(serve(model, { threads: 2 }), /threads is an option of the model.*loadModel/);
});

test("a program with nothing under way ends, though it closes no model; what is asked is answered", async () => {
  await using made = await madeStore([1]);
  const script = join(made.folder, "script.mjs");
  const door = JSON.stringify(new URL("../../src/edge/api/index.ts", import.meta.url).href);
  await writeFile(
    script,
    `import { loadModel } from ${door};
     const model = await loadModel(${JSON.stringify(made.store)}, { threads: 2 });
     model.classify(["my card", "cash"]).then((answers) => console.log(answers.length));`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=lockstep-source", script], {
    timeout: 120_000,
  });
  assert.equal(stdout, "2\n");
});
