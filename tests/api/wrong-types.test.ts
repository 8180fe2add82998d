/** What has the wrong type is a typed error that says what belongs there: every verb, and every way to ask a model. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import * as lockstep from "../../src/edge/api/index.ts";
import { code } from "../handle/support.ts";
import { madeStore } from "./support.ts";

type Call = (given: never) => unknown;
/** Verbs by what their first argument is; each is given everything that it is not. */
const VERBS: Readonly<Record<string, Call>> = {
  loadModel: lockstep.loadModel,
  serve: lockstep.serve,
  list: lockstep.list,
  verify: lockstep.verify,
  replay: lockstep.replay,
  train: lockstep.train,
  start: lockstep.start,
  exploreFile: lockstep.exploreFile,
  textsOf: lockstep.textsOf,
  attachModel: lockstep.attachModel,
  publish: (given) => lockstep.publish(given, "champion"),
  "publish, its source": (given) => lockstep.publish(join(import.meta.dirname, "none"), given),
  remove: (given) => lockstep.remove(given, "cafe"),
  "remove, its version": (given) => lockstep.remove(join(import.meta.dirname, "none"), given),
  evaluate: (given) => lockstep.evaluate(given, { data: "table.csv" }),
  "evaluate, its options": (given) => lockstep.evaluate("store", given),
  "train, its data": (given) => lockstep.train({ data: given }),
  "start, its data": (given) => lockstep.start({ data: given }),
};

const WRONG: readonly unknown[] = [undefined, null, 42, Symbol("text"), [], ["my card"], {}, () => "models", "", true];

async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

test("every verb refuses what is no path, no table and no handle", async () => {
  for (const [name, verb] of Object.entries(VERBS))
    for (const given of WRONG) {
      const thrown = await thrownBy(() => verb(given as never));
      assert.ok(lockstep.isLockstepError(thrown), `${name}(${String(given)}): ${String(thrown)}`);
      // a list is rows, so it is what is in it that is wrong
      const wanted =
        name.endsWith("data") && Array.isArray(given) ? ["DATA_INVALID"] : ["OPTION_INVALID", "INPUT_INVALID"];
      assert.ok(wanted.includes(thrown.code), `${name}(${String(given)}): ${thrown.code}`);
    }
  await assert.rejects(
    lockstep.train({ data: ["my card"] as never }),
    /row 1 of data is of type string; each row is an/,
  );
  await assert.rejects(
    lockstep.train({ data: 42 as never }),
    /expected the path of a table, or rows: a list of objects/,
  );
  await assert.rejects(lockstep.loadModel("models", null as never), code("OPTION_INVALID"));
});

test("a model refuses what is no text, and what it is given to publish and to learn from", async () => {
  await using made = await madeStore([1]);
  await using model = await lockstep.loadModel(made.store, { threads: 1 });
  await using attached = lockstep.attachModel(model.handle());
  using pinned = await model.pin();
  const ways: Readonly<Record<string, Call>> = {
    classify: (given) => model.classify(given),
    ask: (given) => model.ask("classify", given),
    "ask, its task": (given) => model.ask(given, ["my card"] as never),
    logits: (given) => model.logits([given, "my card"]),
    "logits, its list": (given) => (Array.isArray(given) ? model.logits([given] as never) : model.logits(given)),
    publish: (given) => model.publish(given),
    learn: (given) => model.learn(given),
    "an attached model": (given) => attached.classify(given),
    "a held version": (given) => pinned.classify(given),
    "classify, its options": (given) => model.classify("my card", (given === undefined ? null : given) as never),
    classifyEach: async (given) => {
      for await (const _ of lockstep.classifyEach(model, given === "" ? [given] : given)) await model.settled();
    },
  };
  for (const [name, way] of Object.entries(ways))
    for (const given of WRONG) {
      const fits = name.endsWith("options")
        ? [{}, []].some((one) => JSON.stringify(one) === JSON.stringify(given))
        : false;
      const asked = Array.isArray(given) && given.length === 1 && !["publish", "learn"].includes(name);
      const empty = name === "classifyEach" && Array.isArray(given) && given.length === 0;
      if (fits || empty || (asked && !name.startsWith("logits"))) continue;
      const thrown = await thrownBy(() => way(given as never));
      assert.ok(lockstep.isLockstepError(thrown), `${name}(${String(given)}): ${String(thrown)}`);
      assert.ok(["OPTION_INVALID", "INPUT_INVALID"].includes(thrown.code), `${name}(${String(given)}): ${thrown.code}`);
    }
});
