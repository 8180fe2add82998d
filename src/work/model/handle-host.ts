/**
 * The owner's side of model handles: one connection a handle. States of a connection:
 *   open ── model closes ──▶ closing (answers what is under way) ──▶ closed
 *   open or closing ── the other thread detaches, or ends (its port closes, whatever it was doing) ──▶ closed
 * On the way to closed every request of it is cancelled, every pin let go, and the port closed: a thread that dies
 * leaves nothing behind.
 */
import { MessageChannel, threadId, type MessagePort } from "node:worker_threads";
import { encodeError, LockstepError, parseOptions } from "../../base/index.ts";
import { EventCount } from "../../threads/sync/index.ts";
import { checkQuestions, rowsOf, type Question, type TaskName } from "../tasks/index.ts";
import type {
  Answers,
  AskOptions,
  Example,
  HandleOptions,
  LearnOptions,
  LearnResult,
  ModelHandle,
  VersionFacts,
} from "./contract.ts";
import { handleSchema, parseAskOptions } from "./contract.ts";
import { requireRoom, toOwnerSchema, type FromOwner, type ToOwner } from "./messages.ts";

/** Handles of one model, and pins of one handle. */
const MAX_HANDLES = 1024;
const MAX_PINS = 64;

/** What the host needs of its model. `Pin` is the model's own. */
export interface HostedModel<Pin extends HostedPin> {
  /** Of the current version. @throws SHUTTING_DOWN */
  facts(): VersionFacts;
  factsOf(pin: Pin): VersionFacts;
  readonly timeoutMs: number;
  ask<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: AskOptions<T>,
    pin: Pin | undefined,
  ): Promise<Answers<T>>;
  pin(): Pin;
  learn(examples: readonly Example[], options: LearnOptions): Promise<LearnResult>;
}

export interface HostedPin {
  release(): void;
}

export class HandleHost<Pin extends HostedPin> {
  readonly #model: HostedModel<Pin>;
  readonly #connections = new Set<Connection<Pin>>();
  #closing = false;

  constructor(model: HostedModel<Pin>) {
    this.#model = model;
  }

  /** Handles that are attached, or may yet be. */
  get size(): number {
    return this.#connections.size;
  }

  open(options: HandleOptions): ModelHandle {
    const { maxInFlight } = parseOptions(handleSchema, options, "the options of handle");
    const facts = this.#model.facts();
    const { port1, port2 } = new MessageChannel();
    const bell = EventCount.create();
    const refused = this.#connect(port1, bell, maxInFlight);
    if (refused !== undefined) throw refused;
    return {
      kind: "lockstep.model",
      port: port2,
      bell: bell.handle,
      owner: threadId,
      maxInFlight,
      timeoutMs: this.#model.timeoutMs,
      facts,
    };
  }

  /** Tells every thread of the version that is published now. */
  announce(): void {
    if (this.#closing) return;
    const facts = this.#model.facts();
    for (const connection of this.#connections) connection.post({ kind: "facts", facts });
  }

  /** Nothing more is taken. */
  beginClosing(): void {
    this.#closing = true;
    for (const connection of this.#connections) connection.post({ kind: "closing" });
  }

  /** Once everything that was under way is answered. */
  close(): void {
    for (const connection of [...this.#connections]) connection.close();
  }

  /** What it gives is why not; the other end of the port has been told the same. */
  #connect(port: MessagePort, bell: EventCount, maxInFlight: number): LockstepError | undefined {
    const connection: Connection<Pin> = new Connection(this.#model, port, bell, maxInFlight, {
      onClose: () => {
        this.#connections.delete(connection);
      },
      onDerive: ({ port: derived, bell: own, maxInFlight: most }) => {
        this.#connect(derived, EventCount.attach(own), Math.min(most, maxInFlight));
      },
    });
    this.#connections.add(connection);
    const refused = this.#refusal();
    if (refused === undefined) return undefined;
    connection.post({ kind: "failure", id: undefined, error: encodeError(refused) });
    connection.close();
    return refused;
  }

  #refusal(): LockstepError | undefined {
    if (this.#closing) return new LockstepError("SHUTTING_DOWN", "the model is closing and takes no more handles");
    if (this.#connections.size > MAX_HANDLES)
      return new LockstepError(
        "OVERLOADED",
        `the model has ${MAX_HANDLES} handles, which is the most; close some, or share one thread's`,
        { handles: MAX_HANDLES, retryAfterSeconds: 1 },
      );
    return undefined;
  }
}

interface ConnectionEvents {
  readonly onClose: () => void;
  readonly onDerive: (message: Extract<ToOwner, { readonly kind: "derive" }>) => void;
}

interface Open {
  readonly weight: number;
  readonly controller: AbortController;
}

class Connection<Pin extends HostedPin> {
  readonly #model: HostedModel<Pin>;
  readonly #port: MessagePort;
  readonly #bell: EventCount;
  readonly #maxInFlight: number;
  readonly #events: ConnectionEvents;
  readonly #open = new Map<number, Open>();
  readonly #pins = new Map<number, Pin>();
  #pinned = 0;
  #inFlight = 0;
  #closed = false;

  constructor(
    model: HostedModel<Pin>,
    port: MessagePort,
    bell: EventCount,
    maxInFlight: number,
    events: ConnectionEvents,
  ) {
    this.#model = model;
    this.#port = port;
    this.#bell = bell;
    this.#maxInFlight = maxInFlight;
    this.#events = events;
    port.on("message", (message: unknown) => {
      this.#receive(message);
    });
    port.on("messageerror", (error: Error) => {
      this.#fail(
        undefined,
        new LockstepError("INPUT_INVALID", `a message to the model could not be read: ${error.message}`),
      );
    });
    port.on("close", () => {
      this.close();
    });
    port.unref(); // a handle that nobody uses keeps no process alive
  }

  post(message: FromOwner): void {
    if (this.#closed) return;
    this.#port.postMessage(message);
    // First the message, then the bell: who has read the bell before looking for messages, and sleeps on what it read,
    // misses none.
    this.#bell.advance();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const { controller } of open) controller.abort();
    for (const pin of this.#pins.values()) pin.release();
    this.#pins.clear();
    this.#port.close();
    this.#events.onClose();
  }

  #receive(received: unknown): void {
    const id = idOf(received);
    try {
      this.#handle(parseOptions(toOwnerSchema, received, "a message to the model", "INPUT_INVALID"));
    } catch (thrown) {
      this.#fail(id, thrown);
    }
  }

  #handle(message: ToOwner): void {
    switch (message.kind) {
      case "ask":
        return this.#ask(message);
      case "learn": {
        const { id, examples, options } = message;
        return this.#answer(id, examples.length, async (signal): Promise<FromOwner> => ({
          kind: "learned",
          id,
          result: await this.#model.learn(examples, { ...options, signal }),
        }));
      }
      case "cancel":
        return this.#open.get(message.id)?.controller.abort();
      case "pin":
        return this.#pin(message.id);
      case "release": {
        this.#pins.get(message.pin)?.release();
        this.#pins.delete(message.pin);
        return this.post({ kind: "done", id: message.id });
      }
      case "derive":
        return this.#events.onDerive(message);
      case "detach": {
        this.post({ kind: "done", id: message.id });
        return this.close();
      }
    }
  }

  #ask({ id, task, questions: given, pin, options: own }: Extract<ToOwner, { readonly kind: "ask" }>): void {
    checkQuestions(task, given);
    parseAskOptions(task, own, { code: "INPUT_INVALID", sync: true });
    this.#answer(id, rowsOf(task, given), async (signal): Promise<FromOwner> => ({
      kind: "answers",
      id,
      ...(await this.#model.ask(task, given, { ...own, signal }, pin === undefined ? undefined : this.#held(pin))),
    }));
  }

  #answer(id: number, weight: number, ask: (signal: AbortSignal) => Promise<FromOwner>): void {
    if (this.#open.has(id))
      throw new LockstepError(
        "INPUT_INVALID",
        `a request with the number ${id} is under way; number them differently`,
        { id },
      );
    requireRoom(this.#inFlight, weight, this.#maxInFlight);
    const own: Open = { weight, controller: new AbortController() };
    this.#open.set(id, own);
    this.#inFlight += weight;
    void this.#settle(id, own, ask(own.controller.signal));
  }

  async #settle(id: number, own: Open, answer: Promise<FromOwner>): Promise<void> {
    const reply = await answer.catch((thrown: unknown): FromOwner => ({
      kind: "failure",
      id,
      error: encodeError(thrown),
    }));
    this.#open.delete(id);
    this.#inFlight -= own.weight;
    this.post(reply);
  }

  #pin(id: number): void {
    if (this.#pins.size >= MAX_PINS)
      throw new LockstepError("OVERLOADED", `this handle holds ${MAX_PINS} pins, which is the most; release some`, {
        pins: MAX_PINS,
        retryAfterSeconds: 1,
      });
    const pin = this.#model.pin();
    const number = this.#pinned++;
    this.#pins.set(number, pin);
    this.post({ kind: "pinned", id, pin: number, facts: this.#model.factsOf(pin) });
  }

  #held(number: number): Pin {
    const pin = this.#pins.get(number);
    if (pin === undefined)
      throw new LockstepError("INPUT_INVALID", "this pinned version was released; pin again before asking it", {
        pin: number,
      });
    return pin;
  }

  #fail(id: number | undefined, thrown: unknown): void {
    this.post({ kind: "failure", id, error: encodeError(thrown) });
  }
}

function idOf(message: unknown): number | undefined {
  return typeof message === "object" && message !== null && "id" in message && typeof message.id === "number"
    ? message.id
    : undefined;
}
