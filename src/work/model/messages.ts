/**
 * What passes between the thread that owns a model and one that has attached a handle. Plain data; errors are encoded.
 * What the owner gets is parsed: a thread can post anything, and a wrong message must be an error of its sender's, not
 * the owner's end.
 */
import { MessagePort } from "node:worker_threads";
import { z } from "zod";
import { LockstepError, type EncodedError } from "../../base/index.ts";
import type { EventCountHandle } from "../../threads/sync/index.ts";
import { TASK_NAMES, type TaskName } from "../tasks/index.ts";
import { examplesSchema, learnSchema, type Answers, type LearnResult, type VersionFacts } from "./contract.ts";

/** Requests are answered by `id`; the sender numbers them. */
const id = z.int().min(0);

export const toOwnerSchema = z.discriminatedUnion("kind", [
  /**
   * `pin`: the number of a pin that this thread holds; without one, the current version answers. What questions and
   * options are, the task's own schemas say.
   */
  z.strictObject({
    kind: z.literal("ask"),
    id,
    task: z.enum(TASK_NAMES),
    questions: z.array(z.unknown()).min(1).max(65_536).readonly(),
    pin: z.int().optional(),
    options: z.record(z.string(), z.unknown()),
  }),
  z.strictObject({
    kind: z.literal("learn"),
    id,
    examples: examplesSchema,
    options: learnSchema.omit({ signal: true }),
  }),
  z.strictObject({ kind: z.literal("cancel"), id }),
  z.strictObject({ kind: z.literal("pin"), id }),
  z.strictObject({ kind: z.literal("release"), id, pin: z.int() }),
  /** A port of another handle, which the sender gives away. */
  z.strictObject({
    kind: z.literal("derive"),
    port: z.instanceof(MessagePort),
    bell: z.custom<EventCountHandle>(isBell, "expected the handle of an event count"),
    maxInFlight: z.int().min(1).max(65_536),
  }),
  /** The sender asks nothing more: everything of its is let go, answered, and the port closed. */
  z.strictObject({ kind: z.literal("detach"), id }),
]);

export type ToOwner = z.output<typeof toOwnerSchema>;

export type FromOwner =
  /** Another version is published. */
  | { readonly kind: "facts"; readonly facts: VersionFacts }
  | ({ readonly kind: "answers"; readonly id: number } & Answers<TaskName>)
  | { readonly kind: "learned"; readonly id: number; readonly result: LearnResult }
  | { readonly kind: "pinned"; readonly id: number; readonly pin: number; readonly facts: VersionFacts }
  /** Of `release` and `detach`. */
  | { readonly kind: "done"; readonly id: number }
  /** Without an id: the owner could not tell which request it was, or has no place for this handle. */
  | { readonly kind: "failure"; readonly id: number | undefined; readonly error: EncodedError }
  /** The owner is closing: what is under way is answered, nothing more is taken. */
  | { readonly kind: "closing" };

function isBell(value: unknown): boolean {
  const { kind, words } = (value ?? {}) as Partial<EventCountHandle>;
  return (
    kind === "event-count" &&
    words instanceof Int32Array &&
    words.buffer instanceof SharedArrayBuffer &&
    words.length > 0
  );
}

/** Both sides ask: the one that attached to post nothing in vain, the owner because it cannot trust that. */
export function requireRoom(inFlight: number, weight: number, most: number): void {
  if (weight > most)
    throw new LockstepError(
      "INPUT_TOO_LARGE",
      `a request of ${weight} texts is more than this handle may have under way (${most}); send smaller ones, ` +
        "or make the handle with a larger maxInFlight",
      { texts: weight, maxInFlight: most },
    );
  if (inFlight + weight > most)
    throw new LockstepError(
      "OVERLOADED",
      `${inFlight} texts of this handle are under way and it may have ${most}; wait for answers before asking more`,
      { inFlight, maxInFlight: most, retryAfterSeconds: 1 },
    );
}
