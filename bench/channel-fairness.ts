/**
 * `node tools/run.mjs bench/channel-fairness.ts [MESSAGES]`: how evenly a channel serves senders that always have a
 * message, for which it promises no bound. So many threads send their own number to one receiver; of the messages that
 * it gets (200,000 unless said otherwise): the largest share of a sender by the smallest, and the longest run of one
 * sender while the others wanted to send too. Nothing is timed; figures are those of this machine's scheduling.
 */
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { isLockstepError } from "../src/base/index.ts";
import { Barrier, NumberChannel, type BarrierHandle, type NumberChannelHandle } from "../src/threads/sync/index.ts";

interface Task {
  readonly channel: NumberChannelHandle<"int32">;
  readonly start: BarrierHandle;
  readonly sender: number;
}

function sendUntilClosed({ channel, start, sender }: Task): void {
  const own = NumberChannel.attach(channel);
  Barrier.attach(start).wait();
  try {
    for (;;) own.send(sender);
  } catch (thrown) {
    if (!isLockstepError(thrown) || thrown.code !== "SHUTTING_DOWN") throw thrown;
  }
}

/** In the order in which they were received. */
async function received(senders: number, capacity: number, messages: number): Promise<Int32Array> {
  const channel = NumberChannel.create({ capacity, type: "int32" });
  const start = Barrier.create(senders + 1);
  const workers = Array.from({ length: senders }, (_, sender) => {
    const task: Task = { channel: channel.handle, start: start.handle, sender };
    return new Worker(new URL(import.meta.url), { workerData: task });
  });
  const ended = workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
  await start.waitAsync();
  const order = new Int32Array(messages);
  for (let i = 0; i < messages; i++) order[i] = channel.receive()!;
  channel.close();
  await Promise.all(ended);
  return order;
}

function described(order: Int32Array, senders: number): string {
  const counts = new Array<number>(senders).fill(0);
  let longest = 0;
  for (let i = 0, run = 0; i < order.length; i++) {
    counts[order[i]!]!++;
    run = i > 0 && order[i] === order[i - 1] ? run + 1 : 1;
    longest = Math.max(longest, run);
  }
  const ratio = Math.max(...counts) / Math.min(...counts);
  const each = counts.map((count) => count.toLocaleString("en")).join(" ");
  return `${ratio.toFixed(2)} | ${longest.toLocaleString("en")} | ${each}`;
}

if (isMainThread) {
  const messages = Number(process.argv[2] ?? 200_000);
  console.log("| senders | capacity | largest share / smallest | longest run | messages of each |");
  console.log("| --- | --- | --- | --- | --- |");
  for (const senders of [2, 4, 8])
    for (const capacity of [1, 64, 1024])
      console.log(`| ${senders} | ${capacity} | ${described(await received(senders, capacity, messages), senders)} |`);
} else sendUntilClosed(workerData as Task);
