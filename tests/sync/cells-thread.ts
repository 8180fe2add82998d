/** The threads of the tests of channels, seqlock cells and epoch cells: what each does, by scenario. */
import { parentPort, workerData } from "node:worker_threads";
import {
  AbortWord,
  Barrier,
  Channel,
  EpochCell,
  Latch,
  NumberChannel,
  SeqlockCell,
  type AbortHandle,
  type BarrierHandle,
  type ChannelHandle,
  type EpochHandle,
  type LatchHandle,
  type NumberChannelHandle,
  type SeqlockHandle,
} from "../../src/threads/sync/index.ts";

export interface Numbered {
  readonly sender: number;
  readonly number: number;
  readonly text: string;
}

export type CellScenario =
  | {
      readonly kind: "send";
      readonly channel: ChannelHandle<Numbered>;
      readonly sender: number;
      readonly count: number;
      readonly batch?: number;
    }
  | { readonly kind: "receive"; readonly channel: ChannelHandle<Numbered>; readonly batch?: number }
  | { readonly kind: "receive-async"; readonly channel: ChannelHandle<Numbered> }
  | {
      readonly kind: "receive-one";
      readonly channel: ChannelHandle<Numbered>;
      readonly abort?: AbortHandle;
      readonly timeoutMs?: number;
    }
  | { readonly kind: "send-one"; readonly channel: ChannelHandle<Numbered>; readonly abort?: AbortHandle }
  | { readonly kind: "flood"; readonly channel: ChannelHandle<Numbered>; readonly sender: number }
  | { readonly kind: "drain"; readonly channel: ChannelHandle<Numbered> }
  | {
      readonly kind: "send-numbers";
      readonly channel: NumberChannelHandle<"int32">;
      readonly sender: number;
      readonly count: number;
      readonly batch: number;
    }
  | { readonly kind: "receive-numbers"; readonly channel: NumberChannelHandle<"int32">; readonly batch: number }
  | { readonly kind: "seqlock-write"; readonly cell: SeqlockHandle; readonly rounds: number }
  | { readonly kind: "seqlock-read"; readonly cell: SeqlockHandle; readonly until: number }
  | { readonly kind: "seqlock-update"; readonly cell: SeqlockHandle; readonly rounds: number }
  | { readonly kind: "seqlock-stay"; readonly cell: SeqlockHandle; readonly inside: LatchHandle }
  | {
      readonly kind: "seqlock-write-one";
      readonly cell: SeqlockHandle;
      readonly timeoutMs?: number;
      readonly abort?: AbortHandle;
    }
  | {
      readonly kind: "epoch-hold";
      readonly cell: EpochHandle;
      readonly held: LatchHandle;
      readonly what: "pin" | "reservation";
    }
  | { readonly kind: "epoch-pin-first"; readonly cell: EpochHandle; readonly abort?: AbortHandle }
  | { readonly kind: "epoch-churn"; readonly cell: EpochHandle; readonly payload: Int32Array; readonly width: number }
  | { readonly kind: "barrier-abort"; readonly barrier: BarrierHandle; readonly abort: AbortHandle };

/** What a waiting operation is told. */
function limits(scenario: { readonly abort?: AbortHandle; readonly timeoutMs?: number }): {
  abort?: AbortWord;
  timeoutMs?: number;
} {
  return {
    ...(scenario.abort === undefined ? {} : { abort: AbortWord.attach(scenario.abort) }),
    ...(scenario.timeoutMs === undefined ? {} : { timeoutMs: scenario.timeoutMs }),
  };
}

function forEver(): never {
  Latch.create(1).wait();
  throw new Error("a latch that nobody opens has opened");
}

async function perform(scenario: CellScenario): Promise<unknown> {
  switch (scenario.kind) {
    case "send": {
      const channel = Channel.attach(scenario.channel);
      const all = Array.from({ length: scenario.count }, (_, number) => ({
        sender: scenario.sender,
        number,
        text: "x".repeat(number % 40),
      }));
      const { batch } = scenario;
      if (batch === undefined) for (const message of all) channel.send(message);
      else for (let from = 0; from < all.length; from += batch) channel.sendMany(all.slice(from, from + batch));
      return null;
    }
    case "receive": {
      const channel = Channel.attach(scenario.channel);
      const got: [number, number][] = [];
      const note = ({ sender, number, text }: Numbered): void => {
        if (text.length !== number % 40) throw new Error(`message ${number} came with ${text.length} letters`);
        got.push([sender, number]);
      };
      if (scenario.batch === undefined) for (const message of channel) note(message);
      else
        for (
          let some = channel.receiveMany(scenario.batch);
          some.length > 0;
          some = channel.receiveMany(scenario.batch)
        )
          some.forEach(note);
      return got;
    }
    case "receive-async": {
      const got: [number, number][] = [];
      for await (const { sender, number } of Channel.attach(scenario.channel)) got.push([sender, number]);
      return got;
    }
    case "receive-one":
      return Channel.attach(scenario.channel).receive(limits(scenario));
    case "send-one":
      Channel.attach(scenario.channel).send({ sender: 9, number: 9, text: "" }, limits(scenario));
      return "sent";
    case "flood": {
      const channel = Channel.attach(scenario.channel);
      for (let number = 0; ; number++) channel.send({ sender: scenario.sender, number, text: "" });
    }

    case "drain": {
      const channel = Channel.attach(scenario.channel);
      while (channel.receive() !== null);
      return null;
    }
    case "send-numbers": {
      const channel = NumberChannel.attach(scenario.channel);
      const { batch, count, sender } = scenario;
      for (let from = 0; from < count; from += batch) {
        const numbers = Int32Array.from(
          { length: Math.min(batch, count - from) },
          (_, i) => sender * 1_000_000 + from + i,
        );
        if (batch === 1) channel.send(numbers[0]!);
        else channel.sendMany(numbers);
      }
      return null;
    }
    case "receive-numbers": {
      const channel = NumberChannel.attach(scenario.channel);
      const got: [number, number][] = [];
      const note = (number: number): void => void got.push([Math.floor(number / 1_000_000), number % 1_000_000]);
      if (scenario.batch === 1)
        for (let number = channel.receive(); number !== null; number = channel.receive()) note(number);
      const into = new Int32Array(scenario.batch);
      for (let count = channel.receiveMany(into); count > 0; count = channel.receiveMany(into))
        into.subarray(0, count).forEach(note);
      return got;
    }
    case "seqlock-write": {
      const cell = SeqlockCell.attach(scenario.cell);
      const words = new Int32Array(cell.width);
      for (let round = 1; round <= scenario.rounds; round++) cell.write(words.fill(round));
      return null;
    }
    case "seqlock-read": {
      const cell = SeqlockCell.attach(scenario.cell);
      const words = new Int32Array(cell.width);
      let reads = 0;
      for (let newest = 0; newest < scenario.until; reads++) {
        cell.read(words);
        if (words.some((word) => word !== words[0])) throw new Error(`torn: ${words.join(" ")}`);
        if (words[0]! < newest) throw new Error(`went back from ${newest} to ${words[0]}`);
        newest = words[0]!;
      }
      return reads;
    }
    case "seqlock-update": {
      const cell = SeqlockCell.attach(scenario.cell);
      for (let i = 0; i < scenario.rounds; i++)
        cell.update((words) => words.forEach((word, at) => (words[at] = word + 1)));
      return null;
    }
    case "seqlock-stay": {
      const inside = Latch.attach(scenario.inside);
      SeqlockCell.attach(scenario.cell).update(() => {
        inside.countDown();
        forEver();
      });
      return null;
    }
    case "seqlock-write-one": {
      const cell = SeqlockCell.attach(scenario.cell);
      cell.write(new Int32Array(cell.width).fill(77), limits(scenario));
      return "written";
    }
    case "epoch-hold": {
      const cell = EpochCell.attach(scenario.cell);
      const held = scenario.what === "pin" ? [cell.pin(), cell.pin()] : [cell.reserve()];
      Latch.attach(scenario.held).countDown();
      forEver();
      return held.length;
    }

    case "epoch-pin-first": {
      using pin = EpochCell.attach(scenario.cell).pinWhenPublished(limits(scenario));
      return pin.version;
    }
    case "epoch-churn": {
      const cell = EpochCell.attach(scenario.cell);
      const { payload, width } = scenario;
      for (let version = 1; ; version++) {
        const reservation = cell.reserve();
        payload.fill(version, reservation.slot * width, (reservation.slot + 1) * width);
        reservation.publish(version);
        using pin = cell.pin();
        const words = payload.subarray(pin.slot * width, (pin.slot + 1) * width);
        if (words.some((word) => word !== words[0])) throw new Error(`torn: ${words.join(" ")}`);
      }
    }

    case "barrier-abort":
      return Barrier.attach(scenario.barrier).wait({ abort: AbortWord.attach(scenario.abort) });
  }
}

try {
  parentPort!.postMessage({ value: await perform(workerData as CellScenario) });
} catch (thrown) {
  parentPort!.postMessage({ code: (thrown as { code?: string }).code ?? "?", message: (thrown as Error).message });
}
