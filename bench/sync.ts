/**
 * The primitives of `lockstep/sync` beside what npm and Node have, each on its own ground: locks that cross threads,
 * locks within one, rings of numbers, messages, round trips. Rounds are interleaved, and the median of the rounds'
 * ratios counts. Needs two idle cores.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { locks, MessageChannel, Worker } from "node:worker_threads";
import { Mutex as AsyncMutex } from "async-mutex";
import { Piscina } from "piscina";
import { RingBuffer } from "ringbuf.js";
import { createSyncFn } from "synckit";
import { Barrier, Channel, Mutex, NumberChannel } from "../src/threads/sync/index.ts";
import type { Benchmark, Figure } from "./report.ts";
import type { Order, Start } from "./sync-worker.ts";
import { median, medianRatio } from "./timing.ts";

const UNCONTENDED = 200_000;
const CONTENDED = 100_000;
const REQUESTS = 4_000;
const NUMBERS = 2_000_000;
const SINGLES = 400_000;
const POSTS = 100_000;
const TRIPS = 3_000;
const BATCH = 128;
const RING = 4096;
const ECHO = fileURLToPath(new URL("./peers/echo.mjs", import.meta.url));

/** Seconds that these orders take when they begin together; `meanwhile` is this thread's part. */
async function together(orders: readonly Order[], meanwhile: () => void | Promise<void> = () => {}): Promise<number> {
  const gate = Barrier.create(orders.length + 1);
  const workers = orders.map((order) => {
    const data: Start = { barrier: gate.handle, order };
    return new Worker(new URL("./sync-worker.ts", import.meta.url), {
      workerData: data,
      transferList: order.kind === "post" ? [order.port] : [],
    });
  });
  const done = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.once("message", () => {
          resolve();
        });
        worker.once("error", reject);
      }),
  );
  await gate.waitAsync();
  const start = performance.now();
  await meanwhile();
  await Promise.all(done);
  const seconds = (performance.now() - start) / 1000;
  await Promise.all(workers.map((worker) => worker.terminate()));
  return seconds;
}

async function seconds(work: () => void | Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Rounds of several cases, one after the other; the first round warms up. Seconds a unit. */
async function compare(
  rounds: number,
  cases: Readonly<Record<string, () => Promise<number>>>,
): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = Object.fromEntries(Object.keys(cases).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(cases)) {
      const time = await run();
      if (round > 0) times[name]!.push(time);
    }
  }
  return times;
}

async function uncontended(rounds: number): Promise<Figure[]> {
  const mutex = Mutex.create();
  const peer = new AsyncMutex();
  const times = await compare(rounds, {
    blocking: async () =>
      (await seconds(() => {
        for (let i = 0; i < UNCONTENDED; i++) mutex.lock().release();
      })) / UNCONTENDED,
    async: async () =>
      (await seconds(async () => {
        for (let i = 0; i < UNCONTENDED; i++) (await mutex.lockAsync()).release();
      })) / UNCONTENDED,
    peer: async () =>
      (await seconds(async () => {
        for (let i = 0; i < UNCONTENDED; i++) (await peer.acquire())();
      })) / UNCONTENDED,
    node: async () =>
      (await seconds(async () => {
        for (let i = 0; i < REQUESTS; i++) await locks.request("uncontended", () => {});
      })) / REQUESTS,
  });
  return [
    { what: "lock and unlock, nobody else", value: median(times["blocking"]!) * 1e9, unit: "ns" },
    {
      what: "  times as fast as worker_threads.locks",
      value: medianRatio(times["node"]!, times["blocking"]!),
      unit: "x",
      bar: { min: 1 },
    },
    { what: "lockAsync and unlock, nobody else", value: median(times["async"]!) * 1e9, unit: "ns" },
    {
      what: "  times as fast as async-mutex (which does not cross threads)",
      value: medianRatio(times["peer"]!, times["async"]!),
      unit: "x",
      bar: { min: 1 },
    },
  ];
}

async function contended(rounds: number, threads: number): Promise<Figure[]> {
  const each = (times: number): number => Math.ceil(times / threads);
  const times = await compare(rounds, {
    ours: async () => {
      const cell = new Int32Array(new SharedArrayBuffer(4));
      const mutex = Mutex.create();
      const time = await together(
        Array.from({ length: threads }, () => ({ kind: "mutex", mutex: mutex.handle, cell, times: each(CONTENDED) })),
      );
      if (cell[0] !== each(CONTENDED) * threads) throw new Error(`updates were lost: ${cell[0]}`);
      return time / (each(CONTENDED) * threads);
    },
    node: () => locksOfNode(threads, each(REQUESTS)),
  });
  const own = {
    what: `locks a second, ${threads} threads on one mutex`,
    value: 1 / median(times["ours"]!),
    unit: "/s",
  };
  const pairs = times["node"]!.map((node, round) => [node, times["ours"]![round]!] as const);
  const alive = pairs.filter(([node]) => Number.isFinite(node));
  if (alive.length === 0) return [own]; // the peer's process died in every round
  const ratio = medianRatio(
    alive.map(([node]) => node),
    alive.map(([, ours]) => ours),
  );
  return [own, { what: "  times as many as worker_threads.locks", value: ratio, unit: "x", bar: { min: 1 } }];
}

/** Seconds a request, in a process that may die of it (peers/locks.mjs): NaN if it did so before it had a figure. */
async function locksOfNode(threads: number, times: number): Promise<number> {
  const peer = fileURLToPath(new URL("./peers/locks.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [peer, String(threads), String(times)]).catch(
    (error: unknown) => error as { stdout: string },
  );
  return stdout === "" ? NaN : Number(stdout) / (threads * times);
}

async function numbers(rounds: number, batch: number, count: number): Promise<Figure[]> {
  const times = await compare(rounds, {
    ours: async () => {
      const channel = NumberChannel.create({ capacity: RING, type: "float32", senders: "one", receivers: "one" });
      const into = new Float32Array(batch);
      return (
        (await together([{ kind: "send", channel: channel.handle, batch, count }], () => {
          if (batch === 1) for (let got = 0; got < count; got++) channel.receive();
          else for (let got = 0; got < count;) got += channel.receiveMany(into);
        })) / count
      );
    },
    ring: async () => {
      const buffer = RingBuffer.getStorageForCapacity(RING, Float32Array);
      const ring = new RingBuffer(buffer, Float32Array);
      const into = new Float32Array(batch);
      return (
        (await together([{ kind: "ring-push", buffer, batch, count }], () => {
          for (let got = 0; got < count;) got += ring.pop(into);
        })) / count
      );
    },
  });
  return [
    { what: `numbers through a channel, ${batch} at a time`, value: 1 / median(times["ours"]!), unit: "/s" },
    {
      what: "  times as many as ringbuf.js (which cannot sleep)",
      value: medianRatio(times["ring"]!, times["ours"]!),
      unit: "x",
      bar: { min: 1 },
    },
  ];
}

async function messages(rounds: number): Promise<Figure[]> {
  const times = await compare(rounds, {
    ours: async () => {
      const channel = NumberChannel.create({ capacity: RING, type: "float32" });
      return (
        (await together([{ kind: "send", channel: channel.handle, batch: 1, count: POSTS }], () => {
          for (let got = 0; got < POSTS; got++) channel.receive();
        })) / POSTS
      );
    },
    port: async () => {
      const { port1, port2 } = new MessageChannel();
      const time = await together([{ kind: "post", port: port2, count: POSTS }], async () => {
        let got = 0;
        await new Promise<void>((resolve) => {
          port1.on("message", () => {
            if (++got === POSTS) resolve();
          });
        });
      });
      port1.close();
      return time / POSTS;
    },
  });
  return [
    {
      what: "messages of one number, any number of senders and receivers",
      value: 1 / median(times["ours"]!),
      unit: "/s",
    },
    {
      what: "  times as many as a MessagePort",
      value: medianRatio(times["port"]!, times["ours"]!),
      unit: "x",
      bar: { min: 1 },
    },
  ];
}

async function trips(rounds: number): Promise<Figure[]> {
  const pool = new Piscina({ filename: ECHO, minThreads: 1, maxThreads: 1 });
  const sync = createSyncFn(ECHO) as (value: number) => number;
  const times = await compare(rounds, {
    ours: async () => {
      const requests = Channel.create<number>({ capacity: 8, bytes: 16 });
      const replies = Channel.create<number>({ capacity: 8, bytes: 16 });
      return (
        (await together([{ kind: "echo", requests: requests.handle, replies: replies.handle }], () => {
          for (let i = 0; i < TRIPS; i++) {
            requests.send(i);
            replies.receive();
          }
          requests.close();
        })) / TRIPS
      );
    },
    sync: async () =>
      (await seconds(() => {
        for (let i = 0; i < TRIPS; i++) sync(i);
      })) / TRIPS,
    pool: async () =>
      (await seconds(async () => {
        for (let i = 0; i < TRIPS; i++) await pool.run(i);
      })) / TRIPS,
  });
  await pool.destroy();
  return [
    { what: "round trip of a message and its answer", value: median(times["ours"]!) * 1e6, unit: "µs" },
    {
      what: "  times as fast as synckit",
      value: medianRatio(times["sync"]!, times["ours"]!),
      unit: "x",
      bar: { min: 1 },
    },
    {
      what: "  times as fast as piscina",
      value: medianRatio(times["pool"]!, times["ours"]!),
      unit: "x",
      bar: { min: 1 },
    },
  ];
}

/** The same loop in a thread that has loaded the explorer's door, and in one that has not. */
async function explorerCost(rounds: number): Promise<Figure[]> {
  const run = (withExplorer: boolean) => async (): Promise<number> => {
    const worker = new Worker(new URL("./sync-cost-worker.ts", import.meta.url), {
      workerData: { withExplorer, times: UNCONTENDED * 5 },
    });
    return await new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  };
  const times = await compare(rounds, { with: run(true), without: run(false) });
  return [
    {
      what: "lock and unlock with the explorer loaded, against without",
      value: medianRatio(times["with"]!, times["without"]!),
      unit: "x",
      bar: { max: 1.05 },
    },
  ];
}

export const sync: Benchmark = async ({ rounds, progress }) => {
  const figures: Figure[] = [];
  const parts: readonly (readonly [string, () => Promise<Figure[]>])[] = [
    ["uncontended locks", () => uncontended(rounds)],
    ["two threads", () => contended(rounds, 2)],
    ["four threads", () => contended(rounds, 4)],
    ["numbers in batches", () => numbers(rounds, BATCH, NUMBERS)],
    ["single numbers", () => numbers(rounds, 1, SINGLES)],
    ["messages", () => messages(rounds)],
    ["round trips", () => trips(rounds)],
    ["the explorer's cost", () => explorerCost(rounds)],
  ];
  for (const [name, part] of parts) {
    progress(`primitives: ${name}`);
    figures.push(...(await part()));
  }
  return { name: "sync", note: "one process, worker threads; each peer on what it is made for", figures };
};
