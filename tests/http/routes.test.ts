/** What the routes answer, with made-up dependencies: shapes, errors, events, metrics, the document, ports, closing. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { LockstepError } from "../../src/base/index.ts";
import { createHttpServer } from "../../src/edge/http/index.ts";
import { TASK_NAMES, TASKS } from "../../src/work/tasks/index.ts";
import { FakeDeps, MODEL, SERVING, TRAINING } from "./fake.ts";
import { ask, classify, errorCode, withServer } from "./raw.ts";
import { receiptResponse } from "../../src/edge/http/contract.ts";
import { RECEIPT_KINDS, receiptSchema } from "../../src/work/audit/receipt.ts";

describe("classify", () => {
  test("one text and several, with model, top_k and seed handed on", async () => {
    await withServer(async ({ port }, deps) => {
      const one = await classify(port, { text: "Where is my card?" });
      assert.equal(one.status, 200);
      const { answers, model } = one.json as {
        answers: { label: string; top: unknown[]; receipt: string; version: string }[];
        model: string;
      };
      assert.equal(model, MODEL.version);
      assert.equal(answers.length, 1);
      assert.equal(answers[0]!.top.length, 5);
      assert.equal(answers[0]!.receipt, "r-1-0");
      const several = await classify(port, { texts: ["a", "b", "ü😀"], model: "champion", top_k: 2, seed: 7 });
      assert.equal((several.json as { answers: unknown[] }).answers.length, 3);
      assert.deepEqual(
        deps.asked.map(({ texts, options: { signal: _, ...options } }) => ({ texts, ...options })),
        [
          { texts: ["Where is my card?"], model: undefined, topK: 5, seed: undefined },
          { texts: ["a", "b", "ü😀"], model: "champion", topK: 2, seed: 7 },
        ],
      );
      assert.equal((await classify(port, { texts: Array.from({ length: 64 }, () => "x".repeat(10_000)) })).status, 200);
    });
  });

  test("errors keep code, status, details, retryability; others keep their words to themselves", async () => {
    const reported: LockstepError[] = [];
    await withServer(
      async ({ port }, deps) => {
        deps.failure = new LockstepError("OVERLOADED", "the queue is full", { depth: 9 });
        const full = await classify(port, { text: "a" });
        assert.equal(full.status, 503);
        assert.equal(full.headers["retry-after"], "1");
        assert.deepEqual(full.json, {
          error: { code: "OVERLOADED", message: "the queue is full", details: { depth: 9 }, retryable: true },
        });
        deps.failure = undefined;
        assert.equal((await classify(port, { text: "a", model: "nobody" })).status, 404);
        assert.equal(reported.length, 0);

        deps.failure = new TypeError("secret /home/someone");
        const broken = await classify(port, { text: "a" });
        assert.equal(broken.status, 500);
        assert.equal(errorCode(broken), "INTERNAL");
        assert.doesNotMatch(broken.text, /secret|TypeError/);
        assert.equal(reported.length, 1);
        assert.match(reported[0]!.message, /secret/);
      },
      {},
      { onError: (error) => reported.push(error) },
    );
  });

  test("no answer in time is 504, and the work is told to stop", async () => {
    await withServer(
      async ({ port }, deps) => {
        deps.delayMs = 10_000;
        const response = await classify(port, { text: "a" });
        assert.equal(response.status, 504);
        assert.equal(errorCode(response), "TIMEOUT");
        assert.equal(deps.asked[0]!.options.signal.aborted, true);
      },
      { requestTimeoutMs: 150 },
    );
  });

  test("a client that goes away aborts its request", async () => {
    await withServer(async ({ url }, deps) => {
      deps.delayMs = 10_000;
      const controller = new AbortController();
      const response = fetch(`${url}/v1/classify`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"text":"a"}',
        signal: controller.signal,
      });
      while (deps.asked.length === 0) await delay(5);
      controller.abort();
      await assert.rejects(response);
      while (!deps.asked[0]!.options.signal.aborted) await delay(5);
    });
  });
});

describe("the other routes", () => {
  test("models, receipts, health, readiness, 404", async () => {
    await withServer(async ({ port }, deps) => {
      assert.deepEqual((await ask(port, { path: "/v1/models" })).json, { models: [MODEL] });
      assert.deepEqual((await ask(port, { path: "/v1/receipts/r-1-0" })).json, { id: "r-1-0", version: MODEL.version });
      for (const path of [
        "/v1/receipts/x",
        "/v1/receipts/..%2f..%2fetc",
        "/v1/receipts/",
        "/nowhere",
        "/../package.json",
        "/page/app.js",
      ]) {
        const response = await ask(port, { path });
        assert.equal(response.status, 404, path);
        assert.equal(errorCode(response), "NOT_FOUND");
      }
      assert.equal((await ask(port, { path: "/v1/receipts/%zz" })).status, 400);
      assert.equal((await ask(port, { path: "/readyz" })).status, 200);
      deps.isReady = false;
      const why = await ask(port, { path: "/readyz" });
      assert.deepEqual([why.status, errorCode(why)], [503, "DISK_FAILED"]);
      assert.equal((await ask(port, { path: "/healthz" })).status, 200);
    });
  });

  test("the page's files, with a tag that saves sending them again", async () => {
    await withServer(async ({ port }) => {
      for (const [path, type] of [
        ["/", "text/html"],
        ["/app.js", "text/javascript"],
        ["/draw.js", "text/javascript"],
        ["/style.css", "text/css"],
        ["/icon.svg", "image/svg+xml"],
      ] as const) {
        const response = await ask(port, { path });
        assert.equal(response.status, 200);
        assert.ok(response.headers["content-type"]!.startsWith(type));
        assert.equal((await ask(port, { path, headers: { "if-none-match": response.headers.etag! } })).status, 304);
        assert.doesNotMatch(response.text, /https?:\/\/(?!www\.w3\.org)/, "nothing from elsewhere");
      }
      assert.doesNotMatch((await ask(port, { path: "/" })).text, /<style|style=|<script>|onclick=/);
    });
  });

  test("metrics: ours by route and status, those handed in, and no other server's", async () => {
    await withServer(async ({ port }) => {
      await classify(port, { texts: ["a", "b"] });
      await ask(port, { path: "/v1/receipts/x" });
      await ask(port, { path: "/some/scanned/path" });
      const { text, headers } = await ask(port, { path: "/metrics" });
      assert.match(headers["content-type"] ?? "", /text\/plain/);
      assert.match(text, /lockstep_http_requests_total\{route="\/v1\/classify",method="POST",status="200"\} 1\n/);
      assert.match(text, /lockstep_http_requests_total\{route="\/v1\/receipts\/:id",method="GET",status="404"\} 1\n/);
      assert.match(text, /route="none",method="GET",status="404"\} 1\n/);
      assert.match(text, /lockstep_http_texts_total 2\n/);
      assert.match(text, /lockstep_answers_total\{replica="b"\} 2\n/);
      assert.match(text, /lockstep_http_request_seconds_bucket\{le="30",route="\/v1\/classify"\} 1\n/);
      assert.equal(
        (await ask(port, { path: "/metrics" })).text.match(/lockstep_answers_total\{replica="b"\} 2\n/g)?.length,
        1,
        "a second reading adds nothing up",
      );
      await withServer(async (other) =>
        assert.doesNotMatch((await ask(other.port, { path: "/metrics" })).text, /classify/),
      );
    });
  });

  test("the OpenAPI document lists every JSON route, and its schemas resolve", async () => {
    await withServer(async ({ port }) => {
      const { json, text } = await ask(port, { path: "/openapi.json" });
      const document = json as {
        openapi: string;
        paths: Record<string, object>;
        components: { schemas: Record<string, { additionalProperties?: boolean }> };
      };
      assert.equal(document.openapi, "3.1.0");
      for (const path of [
        "/v1/classify",
        "/v1/models",
        "/v1/models/publish",
        "/v1/receipts/{id}",
        "/v1/status",
        "/v1/events",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
      ]) {
        assert.ok(path in document.paths, path);
        const [method] = Object.keys(document.paths[path]!);
        const response = await ask(port, {
          method: method!.toUpperCase(),
          path: path === "/v1/events" ? "/healthz" : path.replace("{id}", "r-1"),
        });
        assert.notEqual(response.status, 404, `${method} ${path}`);
      }
      for (const [, name] of text.matchAll(/#\/components\/schemas\/(\w+)/g))
        assert.ok(name! in document.components.schemas, name);
      assert.equal(document.components.schemas["ClassifyRequest"]!.additionalProperties, false);
      assert.doesNotMatch(text, /\$schema/);
    });
  });

  test("a receipt is described as it is", () => {
    assert.deepEqual(Object.keys(receiptResponse.shape).sort(), Object.keys(receiptSchema.shape).sort());
    assert.deepEqual(receiptResponse.shape.kind.options, [...RECEIPT_KINDS]);
  });
});

test("the page has a form for every task, at its own route", async () => {
  const page = (await import(new URL("../../src/edge/http/page/tasks.js", import.meta.url).href)) as { TASKS: object };
  assert.deepEqual(
    Object.keys(page.TASKS),
    TASK_NAMES.map((name) => TASKS[name].route),
  );
});

describe("events", () => {
  test("a stream starts with the present status and gets each change; closing the server ends it", async () => {
    const deps = new FakeDeps();
    deps.status_ = { ...TRAINING, history: [{ phase: "pre-training", step: 1, loss: 7 }] };
    await withServer(
      async (server) => {
        assert.deepEqual((await ask(server.port, { path: "/v1/status" })).json, deps.status_);
        const response = await fetch(`${server.url}/v1/events`);
        assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
        assert.match(response.headers.get("content-security-policy") ?? "", /default-src 'none'/);
        const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
        assert.match(
          (await reader.read()).value!,
          /^retry: 1000\nid: 1\nevent: status\ndata: \{"state":"training".*\}\n\n$/,
        );
        deps.emit({ ...TRAINING, step: 121 });
        assert.match((await reader.read()).value!, /"step":121/);
        deps.emit(SERVING);
        assert.match((await reader.read()).value!, /"state":"serving"/);
        await server.close();
        assert.equal((await reader.read()).done, true);
        assert.equal(deps.listeners.size, 0);
      },
      {},
      {},
      deps,
    );
  });

  test("a client that does not read costs no memory and gets the latest status in the end", async () => {
    await withServer(async ({ url }, deps) => {
      const response = await fetch(`${url}/v1/events`);
      const phase = "x".repeat(100_000);
      for (let step = 0; step < 300; step++) {
        deps.emit({ ...TRAINING, phase, step });
        if (step % 50 === 0) await delay(1);
      }
      let received = 0;
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        received += chunk.length;
        if (chunk.includes('"step":299')) break;
      }
      assert.ok(received < 25e6, `received ${received} of 30 MB`);
    });
  });
});

describe("ports and closing", () => {
  test("a taken port: PORT_IN_USE, or the next free one when asked", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { port: number };
    try {
      const deps = new FakeDeps();
      await assert.rejects(
        createHttpServer(deps, { port }),
        (error: Error & { code?: string }) => error.code === "PORT_IN_USE" && error.message.includes(String(port)),
      );
      assert.equal(deps.listeners.size, 0);
      await withServer(
        async (server) => {
          assert.ok(server.port > port && server.port !== port);
          assert.equal((await ask(server.port)).status, 200);
          await withServer(async (second) => assert.notEqual(second.port, server.port), { port: { from: port } });
        },
        { port: { from: port } },
      );
    } finally {
      taken.close();
    }
  });

  test("options are strict: an unknown one, a wrong one, an address that is not ours", async () => {
    for (const options of [
      { prot: 1 },
      { port: 70_000 },
      { host: "" },
      { allowedHosts: ["Evil Host"] },
      { host: "192.0.2.1", port: 0 },
    ]) {
      await assert.rejects(
        createHttpServer(new FakeDeps(), options),
        (error: Error & { code?: string }) => error.code === "OPTION_INVALID",
        JSON.stringify(options),
      );
    }
  });

  test("closing lets answers under way finish, refuses new requests meanwhile, and happens once", async () => {
    await withServer(
      async (server, deps) => {
        deps.delayMs = 300;
        const underWay = classify(server.port, { text: "a" });
        while (deps.asked.length === 0) await delay(5);
        const closed = Promise.all([server.close(), server.close()]);
        const refused = await classify(server.port, { text: "b" });
        assert.equal(refused.status, 503);
        assert.equal(errorCode(refused), "SHUTTING_DOWN");
        assert.ok(refused.headers["retry-after"]);
        assert.equal((await ask(server.port, { path: "/readyz" })).status, 503);
        assert.equal((await underWay).status, 200);
        await closed;
        await assert.rejects(ask(server.port), /ECONNREFUSED/);
      },
      { drainMs: 5000 },
    );
  });

  test("closing does not wait for ever", async () => {
    await withServer(
      async (server, deps) => {
        deps.delayMs = 60_000;
        const lost = classify(server.port, { text: "a" });
        lost.catch(() => {});
        while (deps.asked.length === 0) await delay(5);
        await server.close();
        await assert.rejects(lost, /ECONNRESET|socket hang up/);
        while (!deps.asked[0]!.options.signal.aborted) await delay(5);
      },
      { drainMs: 50 },
    );
  });
});
