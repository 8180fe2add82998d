/**
 * What the server refuses, over real sockets: foreign hosts and origins, other media types, too much, too often, no
 * key.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { ManualClock } from "../../src/base/index.ts";
import { createHttpServer } from "../../src/edge/http/index.ts";
import { FakeDeps, MODEL } from "./fake.ts";
import { ask, classify, errorCode, post, sendBytes, withServer } from "./raw.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-http-"));
after(() => rmSync(folder, { recursive: true }));

describe("hosts and origins", () => {
  test("a request must name a loopback host with the port, or an allowed one", async () => {
    await withServer(
      async ({ port }) => {
        for (const host of [
          `127.0.0.1:${port}`,
          `localhost:${port}`,
          `LOCALHOST:${port}`,
          `[::1]:${port}`,
          "models.example",
          "models.example:99",
          "exact.example:8443",
        ]) {
          assert.equal((await ask(port, { headers: { host } })).status, 200, host);
        }
        for (const host of [
          "evil.example",
          `evil.example:${port}`,
          "127.0.0.1",
          `127.0.0.1:${port + 1}`,
          `127.0.0.1.evil.example:${port}`,
          "exact.example:80",
          `x@127.0.0.1:${port}`,
        ]) {
          const response = await ask(port, { headers: { host } });
          assert.equal(response.status, 403, host);
          assert.equal(errorCode(response), "FORBIDDEN");
        }
        assert.match(await sendBytes(port, "GET /v1/status HTTP/1.0\r\n\r\n"), /^HTTP\/1.1 403 /);
        assert.match(
          await sendBytes(port, "GET /v1/status HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n"),
          /^HTTP\/1.1 403 /,
        );
      },
      { allowedHosts: ["models.example", "exact.example:8443"] },
    );
  });

  test("a page of another origin is refused, on every route", async () => {
    await withServer(async ({ port }, deps) => {
      for (const origin of [
        "http://evil.example",
        "null",
        `http://localhost.evil.example:${port}`,
        `http://127.0.0.1:${port + 1}`,
        `file://127.0.0.1:${port}`,
      ]) {
        for (const path of ["/", "/v1/status", "/v1/events", "/metrics", "/nowhere"]) {
          assert.equal((await ask(port, { path, headers: { origin } })).status, 403, `${origin} ${path}`);
        }
        assert.equal((await classify(port, { text: "a" }, { origin })).status, 403, origin);
      }
      assert.equal(
        (await ask(port, { headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" } })).status,
        403,
      );
      assert.equal(
        (await ask(port, { path: "/", headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" } }))
          .status,
        200,
      );
      assert.equal(deps.asked.length, 0);
      assert.equal(
        (await classify(port, { text: "a" }, { origin: `http://127.0.0.1:${port}`, "sec-fetch-site": "same-origin" }))
          .status,
        200,
      );
      assert.equal((await classify(port, { text: "a" })).headers["access-control-allow-origin"], undefined);
    });
  });

  test("every answer, also an error, forbids inline scripts, frames and sniffing", async () => {
    await withServer(async ({ port }) => {
      for (const path of ["/", "/app.js", "/v1/status", "/nowhere", "/v1/receipts/%zz"]) {
        const { headers } = await ask(port, { path });
        const policy = String(headers["content-security-policy"]);
        assert.match(policy, /default-src 'none'; script-src 'self'.*frame-ancestors 'none'/, path);
        assert.doesNotMatch(policy, /unsafe/);
        assert.equal(headers["x-content-type-options"], "nosniff");
        assert.equal(headers["referrer-policy"], "no-referrer");
      }
    });
  });
});

describe("bodies", () => {
  test("JSON only", async () => {
    await withServer(async ({ port }, deps) => {
      for (const type of [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "",
      ]) {
        const response = await classify(port, '{"text":"a"}', { "content-type": type });
        assert.equal(response.status, 415, type);
        assert.equal(errorCode(response), "UNSUPPORTED_MEDIA_TYPE");
      }
      assert.equal(deps.asked.length, 0);
      assert.equal(
        (await classify(port, '{"text":"a"}', { "content-type": "application/json; charset=utf-8" })).status,
        200,
      );
    });
  });

  test("a body over the limit is 413, announced or not", async () => {
    await withServer(
      async ({ port }, deps) => {
        const body = JSON.stringify({ text: "a".repeat(3000) });
        const announced = await classify(port, body);
        assert.equal(announced.status, 413);
        assert.equal(errorCode(announced), "INPUT_TOO_LARGE");
        assert.equal((await classify(port, body, { "transfer-encoding": "chunked" })).status, 413);
        assert.equal(deps.asked.length, 0);
      },
      { bodyLimit: 2048 },
    );
  });

  test("what is no JSON, no UTF-8 or no object is 400", async () => {
    await withServer(async ({ port }, deps) => {
      for (const body of [
        "",
        "{",
        "[]",
        "null",
        "1",
        '"text"',
        Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
        Buffer.from([0, 1, 2, 3]),
      ]) {
        const response = await classify(port, body);
        assert.equal(response.status, 400, String(body));
        assert.equal(errorCode(response), "INPUT_INVALID");
      }
      assert.equal(deps.asked.length, 0);
    });
  });

  test("texts and fields are checked, and the wrong field is named", async () => {
    await withServer(async ({ port }, deps) => {
      const bad: readonly (readonly [unknown, RegExp])[] = [
        [{}, /exactly one of text, texts and pairs/],
        [{ text: "a", texts: ["a"] }, /exactly one/],
        [{ text: "" }, /text: .*blank/],
        [{ text: " \n\t\u00a0" }, /blank/],
        [{ text: 7 }, /text: /],
        [{ text: null }, /text: /],
        [{ text: "a".repeat(10_001) }, /at most 10000/],
        [{ text: "\ud800" }, /well-formed/],
        [{ texts: [] }, /texts: /],
        [{ texts: Array.from({ length: 65 }, () => "a") }, /texts: /],
        [{ texts: ["a", ""] }, /texts\[1\]: .*blank/],
        [{ text: "a", top_k: 0 }, /top_k/],
        [{ text: "a", top_k: 1.5 }, /top_k/],
        [{ text: "a", seed: -1 }, /seed/],
        [{ text: "a", model: "" }, /model/],
        [{ text: "a", extra: 1 }, /extra/],
        ['{"text":"a","__proto__":{"x":1}}', /__proto__/],
      ];
      for (const [body, expected] of bad) {
        const response = await classify(port, body);
        assert.equal(response.status, 400, JSON.stringify(body));
        const { error } = response.json as { error: { message: string; retryable: boolean } };
        assert.match(error.message, expected);
        assert.equal(error.retryable, false);
      }
      assert.equal(deps.asked.length, 0);
    });
  });
});

describe("limits", () => {
  test("a client that asks too often gets 429 with the time to wait, and may go on after it", async () => {
    const clock = new ManualClock();
    await withServer(
      async ({ port }) => {
        const path = "/v1/status";
        for (let i = 0; i < 4; i++) assert.equal((await ask(port, { path })).status, 200);
        const response = await ask(port, { path });
        assert.equal(response.status, 429);
        assert.equal(errorCode(response), "RATE_LIMITED");
        assert.equal(response.headers["retry-after"], "1");
        clock.advance(500);
        assert.equal((await ask(port, { path })).status, 200);
        assert.equal((await ask(port, { path })).status, 429);
      },
      { rateLimit: 2, drainMs: 0 },
      { clock },
    );
  });

  test("half a request is ended, junk and giant headers are refused in our shape", async () => {
    await withServer(async ({ port }) => {
      assert.match(await sendBytes(port, "not http at all\r\n\r\n"), /^HTTP\/1.1 400 [\s\S]*INPUT_INVALID/);
      assert.match(
        await sendBytes(port, `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nx: ${"a".repeat(20_000)}\r\n\r\n`),
        /^HTTP\/1.1 431 [\s\S]*INPUT_TOO_LARGE/,
      );
    });
  });

  test("more event streams than allowed get 503 with Retry-After", async () => {
    await withServer(
      async ({ url, port }) => {
        const first = await fetch(`${url}/v1/events`);
        const response = await ask(port, { path: "/v1/events" });
        assert.equal(response.status, 503);
        assert.equal(errorCode(response), "OVERLOADED");
        assert.equal(response.headers["retry-after"], "10");
        await first.body?.cancel();
      },
      { maxStreams: 1 },
    );
  });
});

describe("publishing", () => {
  test("needs the key, which lies in a file of mode 0600", async () => {
    const keyFile = join(folder, "key");
    await withServer(
      async ({ port }, deps) => {
        assert.equal(statSync(keyFile).mode & 0o777, 0o600);
        const key = readFileSync(keyFile, "utf8").trim();
        assert.ok(key.length >= 43);
        for (const authorization of [
          undefined,
          "",
          "Bearer",
          "Bearer wrong",
          `Basic ${key}`,
          `Bearer ${key}x`,
          `Bearer ${key.slice(1)}`,
        ]) {
          const response = await post(
            port,
            "/v1/models/publish",
            { source: "v2" },
            authorization === undefined ? {} : { authorization },
          );
          assert.equal(response.status, 401, authorization);
          assert.equal(response.headers["www-authenticate"], "Bearer");
        }
        assert.equal(deps.published.length, 0);
        const response = await post(
          port,
          "/v1/models/publish",
          { source: "v2", alias: "challenger" },
          { authorization: `Bearer ${key}` },
        );
        assert.deepEqual([response.status, response.json], [200, MODEL]);
        assert.deepEqual(deps.published, [{ source: "v2", alias: "challenger" }]);
        assert.equal(
          (await post(port, "/v1/models/publish", { source: "v2", alias: "../x" }, { authorization: `Bearer ${key}` }))
            .status,
          400,
        );
        const nowhere = await post(port, "/v1/models/publish", { source: "\0/" }, { authorization: `Bearer ${key}` });
        assert.deepEqual([nowhere.status, errorCode(nowhere)], [400, "INPUT_INVALID"]);
        assert.equal(deps.published.length, 1);
      },
      { keyFile },
    );
    const kept = readFileSync(keyFile, "utf8");
    await withServer(async () => {}, { keyFile });
    assert.equal(readFileSync(keyFile, "utf8"), kept, "the key stays when the server starts again");
  });

  test("is off without a key file", async () => {
    await withServer(async ({ port }, deps) => {
      assert.equal(
        (await post(port, "/v1/models/publish", { source: "v2" }, { authorization: "Bearer x" })).status,
        403,
      );
      assert.equal(deps.published.length, 0);
    });
  });

  test("a key file that others may read, that is a link, or that has no key stops the start", async () => {
    const open = join(folder, "open");
    writeFileSync(open, "k".repeat(40));
    chmodSync(open, 0o644);
    const link = join(folder, "link");
    symlinkSync(join(folder, "key"), link);
    const short = join(folder, "short");
    writeFileSync(short, "k\n", { mode: 0o600 });
    const weak = join(folder, "weak");
    writeFileSync(weak, Buffer.alloc(64, 0xff), { mode: 0o600 });
    const monotone = join(folder, "monotone");
    writeFileSync(monotone, "ab".repeat(32), { mode: 0o600 });
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", ["-m", "600", fifo]);
    for (const [keyFile, message] of [
      [open, /chmod 600/],
      [weak, /no key/],
      [monotone, /no key/],
      [fifo, /plain file/],
      [link, /link/],
      [short, /no key/],
      [join(open, "key"), /cannot be made/],
    ] as const) {
      await assert.rejects(
        createHttpServer(new FakeDeps(), { port: 0, keyFile }),
        (error: Error & { code?: string }) => error.code === "OPTION_INVALID" && message.test(error.message),
        keyFile,
      );
    }
  });
});
