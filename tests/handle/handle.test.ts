/**
 * A model in another thread: the same API and bits, back-pressure, time limits, cancelling, errors, pins, and what a
 * death leaves behind: nothing.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import { attachModel, type ModelHandle } from "../../src/edge/api/index.ts";
import type { FromOwner } from "../../src/work/model/messages.ts";
import { answersAlone, Caller, code, openTiny, TEXTS, tiny, until } from "./support.ts";

describe("the same API", () => {
  test("answers, in a thread of its own, blocking or not, have the bits that the owner gets", async () => {
    await using model = await openTiny();
    const expected = await model.classify(TEXTS, { topK: 3 });
    const caller = new Caller(model.handle());
    for (const sync of [false, true, false]) {
      const answers = await caller.classify(TEXTS, { sync });
      assert.deepEqual(answers, expected);
    }
    const [alone] = await caller.classify([TEXTS[0]!], { sync: true });
    assert.deepEqual(alone, expected[0]);
    await caller.close();
    await until(() => model.handles === 0);
  });

  test("labels, info and profile; top labels; a text or a list; the current version, announced", async () => {
    await using model = await openTiny();
    await using attached = attachModel(model.handle());
    assert.deepEqual(
      [attached.version, attached.labels, attached.profile],
      [model.version, model.labels, model.profile],
    );
    const { tokenizer: _, ...info } = model.info;
    assert.deepEqual(attached.info, info);
    const one = await attached.classify(TEXTS[0]!, { topK: 2 });
    assert.equal(one.top.length, 2);
    const { answers, profile } = await attached.ask("classify", [TEXTS[0]!], { topK: 2, id: "named" });
    assert.deepEqual([answers, profile], [[one], model.profile]);
    const second = await tiny(2);
    await model.publish(second);
    const { version } = await attached.classify(TEXTS[0]!);
    assert.deepEqual([version, attached.version], [second.name, second.name]);
  });

  test("an attached model makes handles for further threads, which outlive it", async () => {
    await using model = await openTiny();
    const first = new Caller(model.handle());
    const report = await first.order({ kind: "derive" });
    assert.ok(report.kind === "handle");
    await first.terminate();
    const second = new Caller(report.handle);
    assert.deepEqual(await second.classify(TEXTS), await model.classify(TEXTS));
    await until(() => model.handles === 1);
    await second.close();
    await until(() => model.handles === 0);
  });
});

describe("limits", () => {
  test("a handle has so many texts under way and no more; others are not touched by it", async () => {
    await using model = await openTiny();
    await using narrow = attachModel(model.handle({ maxInFlight: 4 }));
    await using wide = attachModel(model.handle());
    const asked = narrow.classify(TEXTS.slice(0, 3));
    await assert.rejects(
      narrow.classify(TEXTS.slice(0, 2)),
      (error: unknown) =>
        code("OVERLOADED")(error) &&
        (error as { details: { maxInFlight: number; retryAfterSeconds: number } }).details.maxInFlight === 4,
    );
    await assert.rejects(narrow.classify(TEXTS.slice(0, 5)), code("INPUT_TOO_LARGE"));
    assert.equal((await wide.classify(TEXTS)).length, TEXTS.length);
    assert.equal((await asked).length, 3);
    assert.equal((await narrow.classify(TEXTS.slice(0, 4))).length, 4);
    assert.throws(() => narrow.handle({ maxInFlight: 5 }), code("OPTION_INVALID"));
  });

  test("the model's own queue refuses with its details", async () => {
    await using model = await openTiny(1, { maxQueue: 4 });
    await using attached = attachModel(model.handle());
    await assert.rejects(
      attached.classify(TEXTS.slice(0, 5)),
      (error: unknown) =>
        code("INPUT_TOO_LARGE")(error) && (error as { details: { maxQueue: number } }).details.maxQueue === 4,
    );
    const asked = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => attached.classify(TEXTS[i]!)));
    const refused = asked.filter(({ status }) => status === "rejected");
    assert.ok(refused.length > 0);
    for (const { reason } of refused as PromiseRejectedResult[])
      assert.ok(code("OVERLOADED")(reason) && (reason as { details: { waiting: number } }).details.waiting === 4);
  });

  test("a request that is too slow ends with TIMEOUT, awaited or blocking", async () => {
    await using model = await openTiny();
    const many = Array.from({ length: 250 }, (_, i) => TEXTS[i % TEXTS.length]!);
    const caller = new Caller(model.handle());
    await assert.rejects(caller.classify(many, { timeoutMs: 1 }), code("TIMEOUT"));
    await assert.rejects(caller.classify(many, { timeoutMs: 1, sync: true }), code("TIMEOUT"));
    assert.equal((await caller.classify(TEXTS)).length, TEXTS.length);
    await caller.close();
  });

  test("a signal cancels here and at the owner, and the room is there again at once", async () => {
    await using model = await openTiny();
    await using attached = attachModel(model.handle({ maxInFlight: 200 }));
    const many = Array.from({ length: 200 }, (_, i) => TEXTS[i % TEXTS.length]!);
    for (let round = 0; round < 20; round++) {
      const controller = new AbortController();
      const asked = attached.classify(many, { signal: controller.signal });
      if (round % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
      controller.abort(new Error("enough"));
      await assert.rejects(
        asked,
        (error: unknown) => code("CANCELLED")(error) && (error as Error & { cause: Error }).cause.message === "enough",
      );
    }
    assert.equal((await attached.classify(many)).length, 200);
    assert.equal(model.waiting, 0);
    await assert.rejects(attached.classify(TEXTS, { signal: AbortSignal.abort() }), code("CANCELLED"));
  });
});

describe("errors", () => {
  test("keep their code, message and details", async () => {
    await using model = await openTiny();
    await using attached = attachModel(model.handle());
    for (const texts of [[], ["  "], ["a\ud800"], ["x".repeat((1 << 20) + 1)]]) {
      const failures = await Promise.all(
        [model, attached].map((one) =>
          one.classify(texts).then(
            () => assert.fail("answered"),
            (error: unknown) => error as Error & { code: string; details: object },
          ),
        ),
      );
      const [own, theirs] = failures;
      if (texts.length > 0)
        assert.deepEqual([theirs!.code, theirs!.message, theirs!.details], [own!.code, own!.message, own!.details]);
      else assert.equal(theirs!.code, "INPUT_INVALID");
    }
    await assert.rejects(attached.classify([1 as unknown as string]), code("INPUT_INVALID"));
    await assert.rejects(attached.classify([(() => 1) as unknown as string]), code("INPUT_INVALID"));
    await assert.rejects(attached.classify("card", { topK: 0 }), code("OPTION_INVALID"));
    assert.throws(() => attached.classifySync("card"), code("DEADLOCK"));
    assert.equal((await attached.classify(TEXTS)).length, TEXTS.length);
  });

  test("a wrong message is its sender's error, never the owner's end", async () => {
    await using model = await openTiny();
    const handle = model.handle();
    const replies: FromOwner[] = [];
    handle.port.on("message", (message: FromOwner) => replies.push(message));
    const wrong = [
      null,
      7,
      "classify",
      {},
      { kind: "nothing", id: 1 },
      { kind: "ask", task: "classify", id: 2, questions: "card", options: {} },
      { kind: "ask", task: "classify", id: 3, questions: ["card"], options: { topK: 1, signal: {} } },
      { kind: "ask", task: "classify", id: 4, questions: ["card"], pin: 9, options: { topK: 1 } },
      { kind: "ask", task: "classify", id: 7, questions: ["card", 7], options: {} },
      { kind: "ask", task: "classify", id: 8, questions: ["card"], options: { topK: 0 } },
      { kind: "ask", task: "nothing", id: 9, questions: ["card"], options: {} },
      { kind: "learn", id: 5, examples: [], options: {} },
      { kind: "derive", port: {}, bell: 1, maxInFlight: 1 },
      { kind: "ask", task: "classify", id: -1, questions: ["card"], options: { topK: 1 } },
    ];
    for (const message of wrong) handle.port.postMessage(message);
    handle.port.postMessage({ kind: "cancel", id: 77 }); // answered already, as far as the owner can know
    handle.port.postMessage({ kind: "ask", task: "classify", id: 6, questions: ["card"], options: { topK: 1 } });
    handle.port.postMessage({ kind: "ask", task: "classify", id: 6, questions: ["card"], options: { topK: 1 } });
    await until(() => replies.some(({ kind }) => kind === "answers"));
    const failures = replies.filter((reply) => reply.kind === "failure");
    assert.equal(failures.length, wrong.length + 1);
    for (const { error } of failures) assert.equal(error.code, "INPUT_INVALID");
    handle.port.close();
    await until(() => model.handles === 0);
  });

  test("a handle is good for one attachment", async () => {
    await using model = await openTiny();
    const handle = model.handle();
    await using attached = attachModel(handle);
    assert.throws(
      () => attachModel(handle),
      (error: unknown) => code("OPTION_INVALID")(error) && /attached already/.test((error as Error).message),
    );
    const posted = model.handle();
    const { port1 } = new MessageChannel();
    port1.postMessage(posted, [posted.port]);
    assert.throws(
      () => attachModel(posted),
      (error: unknown) => code("OPTION_INVALID")(error) && /posted to another thread/.test((error as Error).message),
    );
    port1.close();
    for (const wrong of [null, undefined, {}, { ...handle, port: {} }, { kind: "lockstep.model" }])
      assert.throws(() => attachModel(wrong as ModelHandle), code("OPTION_INVALID"));
    assert.equal((await attached.classify(TEXTS)).length, TEXTS.length);
  });
});

describe("pins", () => {
  test("a held version answers while others are published, and leaves memory with its last pin", async () => {
    const [first, second, third] = await Promise.all([tiny(1), tiny(2), tiny(3)]);
    await using model = await openTiny(1);
    await using attached = attachModel(model.handle());
    const expected = await answersAlone(first, TEXTS);
    const mine = await model.pin();
    {
      await using theirs = await attached.pin();
      await model.publish(second);
      await model.publish(third);
      await until(() => model.loaded.length === 2);
      assert.deepEqual(new Set(model.loaded), new Set([first.name, third.name]));
      for (const pinned of [mine, theirs]) {
        assert.deepEqual([pinned.version, pinned.labels], [first.name, model.labels]);
        assert.deepEqual(
          await pinned.classify(TEXTS),
          TEXTS.map((text) => expected.get(text)),
        );
        assert.deepEqual(await pinned.classify(TEXTS[0]!), expected.get(TEXTS[0]!));
      }
      assert.equal((await attached.classify(TEXTS[0]!)).version, third.name);
      await mine.release();
      assert.equal(model.loaded.length, 2);
      const late = theirs.classify(TEXTS[0]!);
      await theirs.release();
      assert.equal((await late).version, first.name);
      await assert.rejects(theirs.classify(TEXTS[0]!), code("INPUT_INVALID"));
    }
    await assert.rejects(mine.classify(TEXTS[0]!), code("INPUT_INVALID"));
    await until(() => model.loaded.length === 1);
    {
      using brief = await attached.pin();
      assert.equal(brief.version, third.name);
    }
    const held = await Promise.all(Array.from({ length: 64 }, () => attached.pin()));
    await assert.rejects(attached.pin(), code("OVERLOADED"));
    await Promise.all(held.map((pin) => pin.release()));
  });

  test("a model that closes lets go of every pin", async () => {
    const model = await openTiny();
    const pin = await model.pin();
    const attached = attachModel(model.handle());
    await attached.pin();
    await model.publish(await tiny(2));
    await model.close();
    assert.deepEqual(model.loaded, []);
    await assert.rejects(pin.classify(TEXTS[0]!), code("SHUTTING_DOWN"));
    await assert.rejects(model.pin(), code("SHUTTING_DOWN"));
    await pin.release();
    await attached.close();
  });
});

describe("ends", () => {
  test("the owner closes: what was asked is answered, what comes later is refused with SHUTTING_DOWN", async () => {
    let admitted = 0;
    const model = await openTiny(1, {
      hooks: {
        count: (name, by) => {
          if (name === "admitted") admitted += by;
        },
      },
    });
    const caller = new Caller(model.handle());
    await caller.classify(TEXTS);
    const attached = attachModel(model.handle());
    const unused = model.handle();
    const asked = attached.classify(TEXTS);
    await until(() => admitted === 2);
    await model.close();
    assert.equal((await asked).length, TEXTS.length);
    await assert.rejects(attached.classify(TEXTS), code("SHUTTING_DOWN"));
    await assert.rejects(caller.classify(TEXTS), code("SHUTTING_DOWN"));
    await assert.rejects(caller.classify(TEXTS, { sync: true }), code("SHUTTING_DOWN"));
    const late = attachModel(unused);
    await assert.rejects(late.classify(TEXTS), code("SHUTTING_DOWN"));
    await assert.rejects(attached.pin(), code("SHUTTING_DOWN"));
    await assert.rejects(attached.learn([{ text: "card", label: "card" }]), code("SHUTTING_DOWN"));
    assert.throws(() => attached.handle(), code("SHUTTING_DOWN"));
    assert.throws(() => model.handle(), code("SHUTTING_DOWN"));
    await attached.close();
    await attached.close();
    await late.close();
    await caller.close();
    assert.equal(model.handles, 0);
  });

  test("a caller that dies lets go of its pins, its requests and its port", async () => {
    const counts: Record<string, number> = {};
    await using model = await openTiny(1, {
      maxQueue: 10_000,
      maxBatchRows: 1,
      hooks: {
        count: (name, by) => {
          counts[name] = (counts[name] ?? 0) + by;
        },
      },
    });
    const caller = new Caller(model.handle({ maxInFlight: 10_000 }));
    const pinned = await caller.order({ kind: "pin" });
    assert.ok(pinned.kind === "version");
    await model.publish(await tiny(2));
    assert.equal(model.loaded.length, 2);
    // in batches of one: it takes a while
    void caller.order({ kind: "classify", texts: Array.from({ length: 5000 }, () => TEXTS[0]!) });
    await until(() => counts["admitted"] === 1);
    await caller.terminate();
    await until(() => model.handles === 0 && model.loaded.length === 1 && model.waiting === 0);
    assert.deepEqual([counts["cancelled"], counts["answered"]], [1, undefined]);
  });

  test("an owner whose thread ends fails what is unanswered with OWNER_DIED, and later requests too", async () => {
    await using model = await openTiny();
    const { port, ...rest } = model.handle();
    port.close();
    const owner = new Worker(
      `const { parentPort, MessageChannel } = require("node:worker_threads");
         const { port1, port2 } = new MessageChannel();
      port1.on("message", () => parentPort.postMessage("asked")); parentPort.postMessage(port2, [port2]);`,
      { eval: true },
    );
    const [own] = (await once(owner, "message")) as [MessagePort];
    const attached = attachModel({ ...rest, port: own });
    const unanswered = assert.rejects(attached.classify(TEXTS), code("OWNER_DIED"));
    await once(owner, "message");
    await owner.terminate();
    await unanswered;
    await assert.rejects(attached.pin(), code("OWNER_DIED"));
    assert.throws(() => attached.handle(), code("OWNER_DIED"));
    await attached.close();
  });

  test("classifySync ends at once with OWNER_DIED when the owner's thread ends meanwhile", async () => {
    await using model = await openTiny();
    const { port, ...rest } = model.handle();
    port.close();
    const owner = new Worker(
      `const { parentPort, MessageChannel } = require("node:worker_threads");
         const { port1, port2 } = new MessageChannel();
      port1.on("message", () => process.exit()); parentPort.postMessage(port2, [port2]);`,
      { eval: true },
    );
    const [own] = (await once(owner, "message")) as [MessagePort];
    const attached = attachModel({ ...rest, port: own, owner: owner.threadId });
    assert.throws(() => attached.classifySync(TEXTS, { timeoutMs: 3_600_000 }), code("OWNER_DIED"));
    await attached.close();
  });

  test("a handle that was on its way to a thread that died, or was never posted, is no leak", async () => {
    await using model = await openTiny();
    const worker = new Worker("setInterval(() => {}, 1000)", { eval: true });
    await once(worker, "online");
    const handle = model.handle();
    worker.postMessage(handle, [handle.port]);
    await worker.terminate();
    await until(() => model.handles === 0);
    model.handle().port.close();
    await until(() => model.handles === 0);
    model.handle();
    assert.equal(model.handles, 1);
  });
});

test("logits of a long list keep to the queue, however short it is", async () => {
  const texts = Array.from({ length: 150 }, (_, i) => TEXTS[i % TEXTS.length]!);
  await using roomy = await openTiny(1);
  const expected = await roomy.logits(texts);
  for (const maxQueue of [1, 7, 64, 150]) {
    await using model = await openTiny(1, { maxQueue, maxBatchRows: 4 });
    assert.deepEqual(await model.logits(texts), expected, `maxQueue ${maxQueue}`);
  }
});
