/**
 * Versions in memory: the scheduler of serving, which publishes, pins and lets go, with replicas in explored threads of
 * their own that answer whenever the schedule lets them. Every order of their replies, and of a replica that opens
 * beside them, is one of the schedules.
 */
import assert from "node:assert/strict";
import { LockstepError, ManualClock } from "../../../src/base/index.ts";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";
import {
  createScheduler,
  type EncodedRow,
  type ReplicaBackend,
  type Scheduler,
  type ServeAnswer,
} from "../../../src/work/serve/index.ts";
import { LoadedVersion } from "../../../src/work/serve/loaded-version.ts";
import { sharedInts } from "./shared.ts";

/** For each replica: ASKED and ANSWERED count messages and replies; between them go KIND, ARGUMENT and REPLY. */
interface State {
  readonly words: Int32Array<SharedArrayBuffer>;
}
const ASKED = 0,
  ANSWERED = 1,
  KIND = 2,
  ARGUMENT = 3,
  REPLY = 4,
  WORDS = 5;
const OPEN = 1,
  RUN = 2,
  CLOSE = 3;

interface Version {
  readonly name: string;
  readonly salt: number;
}
const version = (salt: number): Version => ({ name: `v${salt}`, salt });
const truth = (salt: number, token: number): number => salt * 1000 + token;
const row = (token: number): EncodedRow => ({ ids: Int32Array.of(token, token) });

/** A worker with one version in it. It ends when it is closed. */
const replica =
  (index: number): ThreadBody<State> =>
  ({ words }) => {
    const at = index * WORDS;
    let salt = 0;
    for (let served = 0; ; served++) {
      while (Atomics.load(words, at + ASKED) === served) Atomics.wait(words, at + ASKED, served);
      const kind = words[at + KIND];
      if (kind === OPEN) salt = words[at + ARGUMENT]!;
      else if (kind === RUN) words[at + REPLY] = truth(salt, words[at + ARGUMENT]!);
      Atomics.store(words, at + ANSWERED, served + 1);
      Atomics.notify(words, at + ANSWERED);
      if (kind === CLOSE) return;
    }
  };

/** The scheduler's side of such a worker: one message at a time, and none to one that was closed. */
class Remote implements ReplicaBackend {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #at: number;
  #asked = 0;
  #running = 0;
  #closed = false;

  constructor(words: Int32Array<SharedArrayBuffer>, index: number) {
    this.#words = words;
    this.#at = index * WORDS;
  }

  async open(salt: number): Promise<this> {
    await this.#ask(OPEN, salt);
    return this;
  }

  async run(rows: readonly EncodedRow[]): Promise<Float32Array[]> {
    if (this.#closed) throw new LockstepError("INTERNAL", "a replica was run after it was closed");
    this.#running++;
    const answers: Float32Array[] = [];
    for (const { ids } of rows) answers.push(Float32Array.of(await this.#ask(RUN, ids[0]!)));
    this.#running--;
    return answers;
  }

  async close(): Promise<void> {
    if (this.#closed || this.#running > 0)
      throw new LockstepError("INTERNAL", "a replica was closed twice, or while it ran");
    this.#closed = true;
    await this.#ask(CLOSE, 0);
  }

  async #ask(kind: number, argument: number): Promise<number> {
    const [words, at, number] = [this.#words, this.#at, ++this.#asked];
    words[at + KIND] = kind;
    words[at + ARGUMENT] = argument;
    Atomics.store(words, at + ASKED, number);
    Atomics.notify(words, at + ASKED);
    for (
      let answered = Atomics.load(words, at + ANSWERED);
      answered < number;
      answered = Atomics.load(words, at + ANSWERED)
    ) {
      const wait = Atomics.waitAsync(words, at + ANSWERED, answered);
      if (wait.async) await wait.value;
    }
    return words[at + REPLY]!;
  }
}

interface Told {
  readonly asked: string;
  readonly version: string;
  readonly right: boolean;
}

class Server {
  readonly scheduler: Scheduler<Version>;
  readonly errors: string[] = [];
  readonly #told: Promise<Told>[] = [];

  /** Replicas take the explored threads in the order in which they are opened. */
  constructor({ words }: State, verifySample = 0) {
    let opened = 0;
    this.scheduler = createScheduler<Version>({
      replicas: 1,
      maxBatchRows: 1,
      clock: new ManualClock(),
      verifySample,
      openReplica: ({ salt }) => new Remote(words, opened++).open(salt),
      hooks: {
        onError: (error) => {
          this.errors.push(String(error));
        },
      },
    });
  }

  /** Notes which version answered, and whether the answer is that version's. */
  ask(
    token: number,
    options: { readonly pin?: ReturnType<Scheduler<Version>["pin"]>; readonly signal?: AbortSignal } = {},
  ): Promise<Told> {
    const asked = (options.pin?.version ?? this.scheduler.current)?.name ?? "";
    const told = this.scheduler.submit({ id: `r${token}`, encode: () => [row(token)], ...options }).then(
      ({ version: { name, salt }, outputs: [logits] }: ServeAnswer<Version>) => ({
        asked,
        version: name,
        right: logits?.[0] === truth(salt, token),
      }),
      (thrown: unknown) => ({
        asked,
        version: thrown instanceof LockstepError ? thrown.code : String(thrown),
        right: true,
      }),
    );
    this.#told.push(told);
    return told;
  }

  /** Closes, and says what was told, what is still in memory, and what went wrong. */
  async end(): Promise<{
    readonly told: readonly Told[];
    readonly loaded: readonly string[];
    readonly errors: readonly string[];
  }> {
    await this.scheduler.close();
    return {
      told: await Promise.all(this.#told),
      loaded: this.scheduler.loaded.map(({ name }) => name),
      errors: this.errors,
    };
  }
}

type Ending = Awaited<ReturnType<Server["end"]>>;

function serving(
  title: string,
  replicas: number,
  body: (state: State) => Promise<Ending>,
  codes: readonly string[] = [],
) {
  return program<State>(import.meta.url, {
    title,
    setup: () => ({ words: sharedInts(Array.from({ length: replicas * WORDS }, () => 0)) }),
    threads: [body, ...Array.from({ length: replicas }, (_, index) => replica(index))],
    check: (_, { results: [ending] }) => {
      const { told, loaded, errors } = ending as Ending;
      assert.deepEqual(errors, []);
      assert.deepEqual(loaded, [], "a version was not let go");
      for (const { asked, version: by, right } of told) {
        assert.ok(
          by === asked || codes.includes(by),
          `a request that was admitted under ${asked} was answered by ${by}`,
        );
        assert.ok(right, `an answer of ${by} is not that version's`);
      }
    },
  });
}

export const swap = serving("a version is published while requests run", 2, async (state) => {
  const server = new Server(state);
  await server.scheduler.publish(version(1));
  const first = server.ask(1);
  void server.ask(2);
  const published = server.scheduler.publish(version(2));
  await first;
  void server.ask(3);
  await published;
  void server.ask(4);
  return await server.end();
});

export const pinned = serving("a pin keeps a version that was replaced", 2, async (state) => {
  const server = new Server(state);
  await server.scheduler.publish(version(1));
  const pin = server.scheduler.pin();
  const published = server.scheduler.publish(version(2));
  const first = server.ask(1, { pin });
  await published;
  const second = server.ask(2, { pin });
  void server.ask(3);
  await first;
  pin.release();
  await second;
  return await server.end();
});

export const twoPublishers = serving(
  "two versions are published one after another, and the server closes meanwhile",
  3,
  async (state) => {
    const server = new Server(state);
    await server.scheduler.publish(version(1));
    void server.ask(1);
    const published = server.scheduler
      .publish(version(2))
      .then(() => server.scheduler.publish(version(3)))
      .catch(() => undefined);
    void server.ask(2);
    const [ending] = await Promise.all([published.then(() => server.end()), server.ask(3)]);
    return ending;
  },
);

export const cancelled = serving(
  "a request is given up while it runs, and its version is replaced",
  2,
  async (state) => {
    const server = new Server(state);
    await server.scheduler.publish(version(1));
    const controller = new AbortController();
    const doomed = server.ask(1, { signal: controller.signal });
    const published = server.scheduler.publish(version(2));
    void server.ask(2).then(() => controller.abort());
    await Promise.all([published, doomed]);
    void server.ask(3);
    return await server.end();
  },
  ["CANCELLED"],
);

export const verified = serving("every answer is computed twice while a version is published", 2, async (state) => {
  const server = new Server(state, 1);
  await server.scheduler.publish(version(1));
  void server.ask(1);
  const published = server.scheduler.publish(version(2));
  void server.ask(2);
  await published;
  return await server.end();
});

/**
 * `LoadedVersion` by itself: somebody takes a replica, has its row made elsewhere, and runs it, while the version is
 * replaced as soon as another reply has come.
 */
function using(title: string, holds: boolean) {
  return program<State>(import.meta.url, {
    title,
    setup: () => ({ words: sharedInts(Array.from({ length: 3 * WORDS }, () => 0)) }),
    threads: [
      async ({ words }) => {
        const errors: string[] = [];
        const remote = await new Remote(words, 0).open(7);
        const loaded = new LoadedVersion(version(7), [remote], {
          onFree: () => {},
          onError: (error) => {
            errors.push(String(error));
          },
        });
        const [encoder, successor] = [new Remote(words, 1), new Remote(words, 2)];
        const used = (async (): Promise<number> => {
          if (holds) loaded.pin();
          const taken = loaded.leastLoaded()!;
          await encoder.open(0);
          const [logits] = await taken.run([row(3)]);
          if (holds) loaded.unpin();
          return logits![0]!;
        })();
        await successor.open(8);
        loaded.supersede();
        const answer = await used;
        await Promise.all([loaded.closed, encoder.close(), successor.close()]);
        return { answer, errors };
      },
      replica(0),
      replica(1),
      replica(2),
    ],
    check: (_, { results: [ending] }) => assert.deepEqual(ending, { answer: truth(7, 3), errors: [] }),
  });
}

export const held = using("a version is pinned by who uses it", true);
export const unheld = using("a version is used without a pin", false);
