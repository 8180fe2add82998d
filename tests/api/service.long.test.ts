/**
 * What stands behind the routes while versions change: receipts name what decided their own answer, and alias and
 * replicas agree in the end. @concurrent
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ServingFigures } from "../../src/edge/api/figures.ts";
import { loadModel, train } from "../../src/edge/api/index.ts";
import { Service } from "../../src/edge/api/service.ts";
import { openAuditLog } from "../../src/work/audit/index.ts";
import { openStore } from "../../src/work/store/index.ts";
import { TINY, tinyStore } from "../stress/tiny-store.ts";

test("publishing at once, and answers meanwhile", async () => {
  await using tiny = await tinyStore([1]);
  const portable = (await train({ ...TINY, seed: 2, executor: "portable" }, { out: tiny.store, threads: 1 })).version;
  const executors = new Map([
    [tiny.versions[0]!, "native"],
    [portable, "portable"],
  ]);
  const store = await openStore(tiny.store);
  await using audit = await openAuditLog(join(tiny.folder, "receipts.sqlite"));
  await using model = await loadModel(tiny.store, { threads: 1 });
  const service = new Service({
    status: { state: "failed", code: "SHUTTING_DOWN", message: "not yet" },
    figures: new ServingFigures(),
  });
  await service.begin(model, audit);
  await using _ = service;

  let published = false;
  const publishes = Promise.all(
    [...executors.keys(), ...executors.keys(), ...executors.keys()].map((source) => service.publish({ source })),
  ).then(() => {
    published = true;
  });
  const answers = [];
  while (!published) {
    const signal = new AbortController().signal;
    answers.push(
      ...(await Promise.all(
        Array.from({ length: 4 }, (_, i) =>
          service.ask("classify", { questions: [`is my card number ${i} on its way`], options: { topK: 2 }, signal }),
        ),
      )),
    );
  }
  await publishes;

  assert.equal((await store.aliases()).get("champion"), model.version, "the alias names the version that answers");
  const seen = new Set<string>();
  for (const [answer] of answers) {
    const receipt = (await service.receipt(answer!.receipt!)) as { version: string; profile: string };
    assert.equal(receipt.version, answer!.version);
    assert.equal(
      (JSON.parse(receipt.profile) as { executor: string }).executor,
      executors.get(answer!.version),
      "a receipt names the profile of its own answer",
    );
    seen.add(answer!.version);
  }
  assert.equal(seen.size, 2, "both versions answered");

  const { signal } = new AbortController();
  const long = await service.ask("classify", {
    questions: ["where is it?", "card ".repeat(1000)],
    options: { topK: 1 },
    signal,
  });
  assert.deepEqual(
    long.map(({ truncated }) => truncated),
    [false, true],
    "an answer says whether its text was cut",
  );
  const kept = (await Promise.all(long.map(({ receipt }) => service.receipt(receipt!)))) as { summary: string }[];
  assert.deepEqual(
    kept.map(({ summary }) => (JSON.parse(summary) as { truncated: boolean }).truncated),
    [false, true],
    "and so does its receipt",
  );
  await assert.rejects(
    service.ask("classify", {
      questions: ["hello"],
      options: { topK: 1 },
      model: executors.get(model.version) === "native" ? portable : tiny.versions[0],
      signal: new AbortController().signal,
    }),
    { code: "NOT_FOUND" },
  );
});

test("a version's recipe records how many shards a step had", async () => {
  await using tiny = await tinyStore([1], { finetune: { ...TINY.finetune, shards: null } });
  const own = JSON.parse(readFileSync(join(tiny.store, "versions", tiny.versions[0]!, "lockstep.json"), "utf8")) as {
    recipe: { phases: readonly { shards: number | null }[] };
  };
  assert.equal(own.recipe.phases[1]?.shards, 2);
});
