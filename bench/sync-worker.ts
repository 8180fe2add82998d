/** The other threads of the benchmark of primitives: what each does, by order. */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { RingBuffer } from "ringbuf.js";
import {
  Barrier,
  Channel,
  Mutex,
  NumberChannel,
  type BarrierHandle,
  type ChannelHandle,
  type MutexHandle,
  type NumberChannelHandle,
} from "../src/threads/sync/index.ts";

export type Order =
  | { readonly kind: "mutex"; readonly mutex: MutexHandle; readonly cell: Int32Array; readonly times: number }
  | {
      readonly kind: "send";
      readonly channel: NumberChannelHandle<"float32">;
      readonly batch: number;
      readonly count: number;
    }
  | { readonly kind: "ring-push"; readonly buffer: SharedArrayBuffer; readonly batch: number; readonly count: number }
  | { readonly kind: "post"; readonly port: MessagePort; readonly count: number }
  | { readonly kind: "echo"; readonly requests: ChannelHandle<number>; readonly replies: ChannelHandle<number> };

/** Everybody begins together. */
export interface Start {
  readonly barrier: BarrierHandle;
  readonly order: Order;
}

const { barrier, order } = workerData as Start;
const gate = Barrier.attach(barrier);

async function perform(): Promise<void> {
  switch (order.kind) {
    case "mutex": {
      const mutex = Mutex.attach(order.mutex);
      gate.wait();
      for (let i = 0; i < order.times; i++) {
        using _guard = mutex.lock();
        order.cell[0] = order.cell[0]! + 1;
      }
      return;
    }
    case "send": {
      const channel = NumberChannel.attach(order.channel);
      const values = new Float32Array(order.batch).fill(1);
      gate.wait();
      if (order.batch === 1) for (let i = 0; i < order.count; i++) channel.send(1);
      else for (let i = 0; i < order.count; i += order.batch) channel.sendMany(values);
      return;
    }
    case "ring-push": {
      const ring = new RingBuffer(order.buffer, Float32Array);
      const values = new Float32Array(order.batch).fill(1);
      gate.wait();
      for (let sent = 0; sent < order.count;) sent += ring.push(values);
      return;
    }
    case "post":
      gate.wait();
      for (let i = 0; i < order.count; i++) order.port.postMessage(1);
      return;
    case "echo": {
      const requests = Channel.attach<number>(order.requests);
      const replies = Channel.attach<number>(order.replies);
      gate.wait();
      for (let message = requests.receive(); message !== null; message = requests.receive()) replies.send(message);
      return;
    }
  }
}

await perform();
parentPort!.postMessage("done");
