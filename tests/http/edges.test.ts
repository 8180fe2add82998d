/**
 * What a server meets at its edges, over real sockets: methods and headers that few send, clients that hold what they
 * do not use, half a request when it closes. Every reply has the documented shape.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ManualClock } from "../../src/base/index.ts";
import { ask, classify, errorCode, sendBytes, withServer } from "./raw.ts";

/** Status and error code of a reply as bytes; fails unless it is in the documented shape. */
function refusal(reply: string): readonly [status: number, code: string] {
  const [head, body] = reply.split("\r\n\r\n") as [string, string];
  assert.match(head, /\r\ncontent-type: application\/json; charset=utf-8\r\n/i, reply);
  assert.match(head, /\r\nx-content-type-options: nosniff/i, reply);
  const { error } = JSON.parse(body) as { error: { code: string; message: string; details: object } };
  assert.deepEqual(Object.keys(error), ["code", "message", "details", "retryable"]);
  return [Number(head.slice(9, 12)), error.code];
}

const JSON_BODY = "content-type: application/json";

/** The head of a request as bytes. */
const lines = (...parts: readonly string[]): string => `${parts.join("\r\n")}\r\n\r\n`;

async function open(port: number, bytes: string, host = "127.0.0.1"): Promise<Socket & { received: () => string }> {
  const socket = connect(port, host);
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  socket.on("error", () => undefined); // being closed is what some of them are for
  await once(socket, "connect");
  socket.write(bytes);
  return Object.assign(socket, { received: () => text });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

async function ended(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, "close");
}

describe("methods", () => {
  test("HEAD is GET without the body, also of a stream", async () => {
    await withServer(async ({ port }, deps) => {
      for (const path of ["/healthz", "/readyz", "/", "/v1/status", "/metrics", "/openapi.json"]) {
        const [head, get] = [await ask(port, { method: "HEAD", path }), await ask(port, { path })];
        assert.deepEqual([head.status, head.text], [200, ""], path);
        assert.equal(head.headers["content-type"], get.headers["content-type"], path);
        if (path !== "/metrics") assert.equal(head.headers["content-length"], get.headers["content-length"], path);
      }
      const stream = await ask(port, { method: "HEAD", path: "/v1/events" });
      assert.deepEqual([stream.status, stream.headers["content-type"]], [200, "text/event-stream; charset=utf-8"]);
      deps.isReady = false;
      assert.equal((await ask(port, { method: "HEAD", path: "/readyz" })).status, 503);
      assert.equal((await ask(port, { method: "HEAD", path: "/nowhere" })).status, 404);
    });
  });

  test("a method that a path does not take is 405, and Allow says which it takes", async () => {
    await withServer(async ({ port }) => {
      for (const [method, path, allow] of [
        ["GET", "/v1/classify", "POST"],
        ["HEAD", "/v1/classify", "POST"],
        ["DELETE", "/v1/models", "GET, HEAD"],
        ["POST", "/v1/receipts/r-1", "GET, HEAD"],
        ["PUT", "/?x=1", "GET, HEAD"],
        ["OPTIONS", "/v1/models/publish", "POST"],
        ["PROPFIND", "/healthz", "GET, HEAD"],
      ] as const) {
        const response = await ask(port, { method, path });
        assert.deepEqual([response.status, response.headers["allow"]], [405, allow], `${method} ${path}`);
        if (method !== "HEAD") assert.equal(errorCode(response), "METHOD_NOT_ALLOWED");
      }
      assert.equal((await ask(port, { method: "DELETE", path: "/v1/receipts/r-1/x" })).status, 404);
      assert.deepEqual(refusal(await sendBytes(port, lines("CONNECT a.example:443 HTTP/1.1", "host: a"))), [
        405,
        "METHOD_NOT_ALLOWED",
      ]);
    });
  });
});

describe("headers", () => {
  test("what is not met, not there, twice there or not HTTP is refused in our shape", async () => {
    await withServer(async ({ port }) => {
      const host = `host: 127.0.0.1:${port}`;
      const close = "connection: close";
      for (const [request, status, code] of [
        [lines("POST /v1/classify HTTP/1.1", host, "expect: 200-maybe", "content-length: 2"), 417, "INPUT_INVALID"],
        [lines("GET /healthz HTTP/1.1", close), 400, "INPUT_INVALID"],
        [lines("GET /v1/status HTTP/1.1", host, "host: evil.example", close), 400, "INPUT_INVALID"],
        [lines("GET /v1/status HTTP/1.1", host, host, close), 400, "INPUT_INVALID"],
        [lines("POST / HTTP/1.1", host, "content-length: 1", "transfer-encoding: chunked"), 400, "INPUT_INVALID"],
        [lines("GET / HTTP/9.9", host), 400, "INPUT_INVALID"],
      ] as const)
        assert.deepEqual(refusal(await sendBytes(port, request)), [status, code], request);
    });
  });

  test("a request that does not arrive in time is 408, within a second of it", async () => {
    await withServer(
      async ({ port }) => {
        const host = `host: 127.0.0.1:${port}`;
        const half = [
          lines("GET / HTTP/1.1", host).slice(0, -2),
          lines("POST /v1/classify HTTP/1.1", host, JSON_BODY, "content-length: 9"),
        ];
        for (const reply of await Promise.all(half.map((bytes) => sendBytes(port, bytes))))
          assert.deepEqual(refusal(reply), [408, "TIMEOUT"]);
      },
      { requestTimeoutMs: 200 },
    );
  });

  test("a packed body and another charset are 415, and named", async () => {
    await withServer(async ({ port }, deps) => {
      for (const [headers, named] of [
        [{ "content-encoding": "gzip" }, /gzip/],
        [{ "content-encoding": "identity, br" }, /br/],
        [{ "content-type": "application/json; charset=utf-16" }, /utf-16/],
        [{ "content-type": 'application/json; charset="latin1"' }, /latin1/],
      ] as const) {
        const response = await classify(port, { text: "a" }, headers);
        assert.equal(response.status, 415, JSON.stringify(headers));
        assert.match(response.text, named);
      }
      assert.equal(deps.asked.length, 0);
      for (const headers of [
        { "content-encoding": "identity" },
        { "content-type": 'application/json;charset="UTF-8"' },
      ])
        assert.equal((await classify(port, { text: "a" }, headers)).status, 200, JSON.stringify(headers));
    });
  });

  test("a key given twice and names without end are refused in few words", async () => {
    await withServer(async ({ port }, deps) => {
      const twice = await classify(port, '{"text":"first",\n "text":"second"}');
      assert.equal(twice.status, 400);
      assert.match(twice.text, /\\"text\\" stands twice in one object; give it once \(line 2, column 2\)/);
      const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`${"k".repeat(30)}${i}`, 1]));
      const long = { text: "a", ["k".repeat(500_000)]: 1, "\n\u0000": 1 };
      for (const body of [many, long, { texts: Array.from({ length: 5000 }, () => 7) }, `"${"x".repeat(9e5)}`]) {
        const response = await classify(port, body);
        assert.equal(response.status, 400);
        assert.ok(response.text.length < 4000, `${response.text.length} characters in return`);
      }
      assert.equal(deps.asked.length, 0);
      const path = await ask(port, { path: `/v1/receipts/%zz${"x".repeat(10_000)}` });
      assert.ok(path.status === 400 && path.text.length < 4000);
    });
  });
});

describe("hosts of a server that is bound to more than loopback", () => {
  const other = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === "IPv4" && !one.internal)?.address;

  test("its own addresses are its names; the printed one is reachable; strangers' names are refused", async () => {
    await withServer(
      async ({ port, url }) => {
        assert.equal(url, `http://127.0.0.1:${port}`);
        for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `0.0.0.0:${port}`])
          assert.equal((await ask(port, { headers: { host } })).status, 200, host);
        for (const host of [`evil.example:${port}`, `192.0.2.7:${port}`, `127.0.0.2:${port}`])
          assert.equal((await ask(port, { headers: { host } })).status, 403, host);
      },
      { host: "0.0.0.0" },
    );
  });

  test(
    "from another address its own is right, and a loopback name is not unless allowed",
    { skip: other === undefined && "this machine has no address but loopback" },
    async () => {
      const answers = async (allowedHosts: readonly string[]): Promise<number[]> => {
        const statuses: number[] = [];
        await withServer(
          async ({ port }) => {
            for (const name of [other!, "localhost"]) {
              const socket = await open(
                port,
                lines("GET /healthz HTTP/1.1", `host: ${name}:${port}`, "connection: close"),
                other,
              );
              await once(socket, "close");
              statuses.push(Number(socket.received().slice(9, 12)));
            }
          },
          { host: "0.0.0.0", allowedHosts: [...allowedHosts] },
        );
        return statuses;
      };
      assert.deepEqual(await answers([]), [200, 403]);
      assert.deepEqual(await answers(["localhost"]), [200, 200]);
    },
  );
});

describe("clients that hold what they do not use", () => {
  test("probes are answered whatever the rate; everything else waits", async () => {
    await withServer(
      async ({ port }) => {
        assert.equal((await ask(port, { path: "/v1/status" })).status, 200);
        assert.equal((await ask(port, { path: "/v1/status" })).status, 200);
        assert.equal((await ask(port, { path: "/v1/status" })).status, 429);
        for (let i = 0; i < 20; i++)
          for (const path of ["/healthz", "/readyz", "/readyz?verbose"])
            assert.equal((await ask(port, { path })).status, 200);
        assert.equal((await ask(port, { path: "/v1/status" })).status, 429);
      },
      { rateLimit: 1, drainMs: 0 },
      { clock: new ManualClock() },
    );
  });

  for (const [what, limits] of [
    ["in all", { maxConnections: 3 }],
    ["from one address", { maxConnectionsPerAddress: 3 }],
  ] as const)
    test(`more idle connections ${what} than allowed: probes are answered, the rest is 503`, async () => {
      await withServer(async ({ port }) => {
        const idle = await Promise.all(Array.from({ length: 60 }, () => open(port, "")));
        for (const path of ["/healthz", "/readyz"]) {
          const response = await ask(port, { path });
          assert.deepEqual([response.status, response.headers.connection], [200, "close"], path);
        }
        const refused = await ask(port, { path: "/v1/status" });
        assert.deepEqual([refused.status, errorCode(refused)], [503, "OVERLOADED"]);
        for (const socket of idle) socket.destroy();
        await Promise.all(idle.map((socket) => ended(socket)));
        let status = 503;
        for (; status === 503; await delay(5)) ({ status } = await ask(port, { path: "/v1/status" }));
        assert.equal(status, 200, "who goes makes room");
      }, limits);
    });

  test("stalled large bodies have a bounded place together, and small questions need none", async () => {
    await withServer(
      async ({ port }, deps) => {
        const begin = (length: string): string =>
          lines("POST /v1/classify HTTP/1.1", `host: 127.0.0.1:${port}`, JSON_BODY, length);
        const stalled = await Promise.all(
          Array.from({ length: 4 }, (_, i) =>
            open(
              port,
              i % 2 === 0 ? `${begin("content-length: 300000")}{` : `${begin("transfer-encoding: chunked")}1\r\n{\r\n`,
            ),
          ),
        );
        await until(() => stalled.filter((socket) => socket.received() !== "").length === 3);
        for (const socket of stalled.filter((one) => one.received() !== ""))
          assert.deepEqual(refusal(socket.received()), [503, "OVERLOADED"]);
        assert.equal((await classify(port, { text: "a" })).status, 200);
        const large = { texts: Array.from({ length: 32 }, () => "x".repeat(8000)) };
        assert.equal((await classify(port, large)).status, 503);
        for (const socket of stalled) socket.destroy();
        let status = 503;
        for (; status === 503; await delay(5)) ({ status } = await classify(port, large));
        assert.equal(status, 200, "who goes makes room");
        assert.equal(deps.asked.length, 2);
      },
      { bodyMemory: 1 << 20, bodyLimit: 400_000 },
    );
  });
});

describe("closing", () => {
  test("half a request, or a reader of events that does not read, delays it by a second at most", async () => {
    await withServer(
      async (server, deps) => {
        const host = `host: 127.0.0.1:${server.port}`;
        const body = await open(
          server.port,
          `${lines("POST /v1/classify HTTP/1.1", host, JSON_BODY, "content-length: 30")}{"te`,
        );
        const headers = await open(server.port, "GET / HTTP/1.1\r\nho");
        const events = await open(server.port, lines("GET /v1/events HTTP/1.1", host));
        await until(() => events.received().includes("event: status"));
        events.pause();
        for (let i = 0; i < 40; i++) deps.emit({ state: "failed", code: "INTERNAL", message: "x".repeat(1 << 18) });
        await server.close(); // a test that waited for all of the ten minutes would be ended by the runner
        assert.deepEqual(refusal(body.received()), [503, "SHUTTING_DOWN"]);
        for (const socket of [headers, events]) socket.destroy();
        assert.equal(deps.asked.length, 0);
      },
      { drainMs: 600_000 },
    );
  });

  test("what lies unread in a socket is refused with 503, not reset; answers say that they are the last", async () => {
    await withServer(
      async (server, deps) => {
        const host = `host: 127.0.0.1:${server.port}`;
        const waiting = await Promise.all(
          Array.from({ length: 8 }, async () => {
            const socket = await open(server.port, lines("GET /healthz HTTP/1.1", host));
            await until(() => socket.received() !== "");
            return socket;
          }),
        );
        deps.delayMs = 60;
        const underWay = classify(server.port, { text: "a" });
        await until(() => deps.asked.length === 1);
        for (const socket of waiting) socket.write(lines("GET /v1/status HTTP/1.1", host));
        const closed = server.close();
        assert.equal((await underWay).headers.connection, "close");
        await closed;
        await Promise.all(waiting.map((socket) => ended(socket)));
        for (const socket of waiting) {
          const [, ...rest] = socket.received().split("HTTP/1.1 ");
          assert.deepEqual(refusal(`HTTP/1.1 ${rest[1] ?? ""}`), [503, "SHUTTING_DOWN"]);
          assert.match(rest[1]!, /\r\nconnection: close\r\n/i);
        }
      },
      { drainMs: 5_000 },
    );
  });
});
