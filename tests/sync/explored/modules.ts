/** Every program of the primitives, by module. */
import { programsOf, type Program } from "../../../src/threads/explore/index.ts";
import * as alone from "./alone.programs.ts";
import * as aloneCells from "./alone-cells.programs.ts";
import * as aloneChannels from "./alone-channels.programs.ts";
import * as aloneSemaphore from "./alone-semaphore.programs.ts";
import * as aloneRwlock from "./alone-rwlock.programs.ts";
import * as channel from "./channel.programs.ts";
import * as channelValues from "./channel-values.programs.ts";
import * as condition from "./condition.programs.ts";
import * as counting from "./counting.programs.ts";
import * as epoch from "./epoch-cell.programs.ts";
import * as eventCount from "./event-count.programs.ts";
import * as held from "./held.programs.ts";
import * as lockDomain from "./lock-domain.programs.ts";
import * as mutex from "./mutex.programs.ts";
import * as mutexWords from "./mutex-words.programs.ts";
import * as once from "./once.programs.ts";
import * as parts from "./parts.programs.ts";
import * as rwlock from "./rwlock.programs.ts";
import * as semaphore from "./semaphore.programs.ts";
import * as seqlock from "./seqlock.programs.ts";
import * as turn from "./turn.programs.ts";

export const modules: Readonly<Record<string, ReadonlyMap<string, Program>>> = Object.fromEntries(
  Object.entries({
    alone,
    aloneCells,
    aloneChannels,
    aloneRwlock,
    aloneSemaphore,
    parts,
    mutex,
    mutexWords,
    lockDomain,
    held,
    turn,
    rwlock,
    semaphore,
    condition,
    once,
    channel,
    channelValues,
    seqlock,
    epoch,
    counting,
    eventCount,
  }).map(([name, exported]) => [name, programsOf(exported)]),
);
