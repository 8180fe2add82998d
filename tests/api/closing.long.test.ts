/** Closing goes through every part whatever fails, and says what failed first. @concurrent */
import assert from "node:assert/strict";
import { test } from "node:test";
import { closeAll, runningServer } from "../../src/edge/api/serve.ts";
import type { HttpServer } from "../../src/edge/http/index.ts";
import type { Model } from "../../src/edge/api/index.ts";

test("a server and every part end, last opened first, though the first two fail", async () => {
  const closed: string[] = [];
  const part = (name: string, failure?: Error): AsyncDisposable => ({
    [Symbol.asyncDispose]: async () => {
      closed.push(name);
      await Promise.resolve();
      if (failure !== undefined) throw failure;
    },
  });
  const http = {
    url: "",
    port: 0,
    close: async () => {
      closed.push("http");
      await Promise.reject(new Error("http cannot close"));
    },
  } satisfies HttpServer;
  const parts = [part("model"), part("log", new Error("the disk is full"))];
  const server = runningServer(http, {} as unknown as Model, undefined, parts);
  for (let i = 0; i < 2; i++) await assert.rejects(server.close(), /http cannot close/);
  assert.deepEqual(closed, ["http", "log", "model"]);
  await assert.rejects(closeAll(parts), /the disk is full/);
});
