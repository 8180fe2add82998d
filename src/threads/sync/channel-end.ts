/** What channels of values and of numbers have in common: all but what a message is. */
import type { Wakeable } from "./abort.ts";
import { checkWait } from "./arguments.ts";
import { RECEIVERS, type ChannelCore } from "./channel-core.ts";
import type { Supervised } from "./owner-died.ts";
import type { AsyncWaitOptions, WaitOptions } from "./wait.ts";

/** `R`: what is received. */
export abstract class ChannelEnd<R> implements Supervised, Wakeable {
  readonly #core: ChannelCore;

  constructor(core: ChannelCore) {
    this.#core = core;
  }

  /** Undefined if there is none at this moment; null once the channel is closed and drained. */
  abstract tryReceive(): R | null | undefined;

  get capacity(): number {
    return this.#core.capacity;
  }

  /** Messages that are waiting; for metrics, as it may have changed when the caller looks. */
  get size(): number {
    return this.#core.size;
  }

  get closed(): boolean {
    return this.#core.closed;
  }

  /** Blocks while the channel is empty. Null once it is closed and drained. Throws TIMEOUT or the abort's reason. */
  receive(options?: WaitOptions): R | null {
    if (options !== undefined) checkWait(options);
    const received = this.tryReceive();
    return received === undefined
      ? this.#core.block(RECEIVERS, () => this.tryReceive(), "receiving from a channel", options ?? {})
      : received;
  }

  /** The form for a thread that must not block. */
  async receiveAsync(options: AsyncWaitOptions = {}): Promise<R | null> {
    checkWait(options);
    const received = this.tryReceive();
    return received === undefined
      ? await this.#core.blockAsync(RECEIVERS, () => this.tryReceive(), "receiving from a channel", options)
      : received;
  }

  /** What is there is still received; further sends throw. True when this call closed it. */
  close(): boolean {
    return this.#core.close();
  }

  /** For a channel of one sender or receiver: lets another take this one's place. */
  leave(): void {
    this.#core.leave();
  }

  wakeAll(): void {
    this.#core.wakeAll();
  }

  /**
   * Takes back the side that the dead thread was at; what it had not finished sending or taking is as if it had not
   * begun.
   */
  threadDied(deadThreadId: number): boolean {
    return this.#core.threadDied(deadThreadId);
  }
}
