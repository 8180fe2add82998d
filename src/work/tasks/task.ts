/**
 * What a task is: everything that one kind of question needs between a caller and the numbers of a version's program.
 * A task is a value of this type in a file of its own; `table.ts` has all of them. Nothing else in Lockstep says by
 * itself what a question or an answer looks like: HTTP routes and their schemas, handles, receipts, replay, the command
 * line and measuring go through the table.
 *
 * Words: a request is a list of questions with options that they share; each question gets one answer and one receipt,
 * and is one row of tokens or more.
 */
import type { z } from "zod";
import type { TokenRow, VersionInfo } from "../infer/index.ts";

export interface TaskAnswer {
  /** SHA-256 (hex) of the bits of the outputs that the answer was made of: what replay compares. */
  readonly digest: string;
}

/** What every request over HTTP may say beside its task's own fields. */
export interface WireRequest {
  readonly model?: string | undefined;
  readonly seed?: number | undefined;
}

/** The types that one task deals in. */
export interface TaskTypes {
  /** Plain data: it crosses threads. */
  readonly question: unknown;
  /** The options of a request, complete. */
  readonly options: object;
  /** The same as a caller may leave them. */
  readonly asked: object;
  readonly answer: TaskAnswer;
  /** The parsed body of a request over HTTP. */
  readonly body: WireRequest;
  /** What an answer's own part is over HTTP. */
  readonly wire: object;
  /** What encoding finds out and the answer is made with. */
  readonly notes: unknown;
}

/** An answer with where it comes from. */
export type Answered<Answer> = Answer & {
  /** The one version that the answer comes from: 64 hexadecimal characters. */
  readonly version: string;
  /** Whether the text had more tokens than the version reads (`info.maxTokens`), so that only a part was read. */
  readonly truncated: boolean;
};

export interface EncodedQuestion<Notes> {
  /** As many as the task's `rows` said, or more where it `grows`. */
  readonly rows: readonly TokenRow[];
  readonly truncated: boolean;
  readonly notes: Notes;
}

/** A version as a task sees it where texts become rows: with its tokenizer. */
export type TaskVersion = VersionInfo;
/** The same where answers are made. */
export type TaskFacts = Omit<VersionInfo, "tokenizer">;

export interface Task<Name extends string, T extends TaskTypes> {
  readonly name: Name;
  /** What a question is, in messages: "text". */
  readonly noun: string;
  /** What it does, for people: "Classifies one text or up to 64." */
  readonly about: string;
  /** Of what receipts of it record. What an earlier format wrote is read for good. */
  readonly format: number;
  /** Why a version has no answer to it; undefined: it has. */
  readonly refusal: (version: TaskFacts) => string | undefined;
  /** Whether a version that was made for it can learn from feedback (`Model.learn`). */
  readonly learns: boolean;

  readonly options: z.ZodObject & z.ZodType<T["options"], T["asked"]>;
  /** Whatever a caller gave. @throws INPUT_INVALID, INPUT_TOO_LARGE naming the question by `what` */
  readonly check: (question: unknown, what: string) => asserts question is T["question"];
  /**
   * Rows of tokens that a question is, known before it is encoded: admission counts them. Where only its tokens say
   * how many there are (`grows`), one.
   */
  readonly grows?: true;
  readonly rows: (question: T["question"]) => number;
  /** Characters of a question: what encoding it costs the thread that does it. */
  readonly length: (question: T["question"]) => number;
  readonly encode: (
    version: TaskVersion,
    question: T["question"],
  ) => EncodedQuestion<T["notes"]> | Promise<EncodedQuestion<T["notes"]>>;
  /**
   * `outputs`: of the question's rows, in order. @throws NON_FINITE: what is no number is never turned into an answer
   */
  readonly answer: (
    version: TaskVersion,
    outputs: readonly Float32Array[],
    options: T["options"],
    notes: T["notes"],
  ) => T["answer"];

  /** Where it is asked over HTTP. */
  readonly route: `/v1/${string}`;
  readonly body: z.ZodType<T["body"]>;
  readonly ofBody: (body: T["body"]) => Request<T>;
  /** An answer's own fields; the server adds which version it is, its receipt and how long it took. */
  readonly wire: z.ZodObject & z.ZodType<T["wire"]>;
  readonly toWire: (answer: Answered<T["answer"]>) => T["wire"];

  /** What a receipt commits to: plain JSON, from which `recall` makes the question again. */
  readonly record: (question: T["question"], options: T["options"]) => Readonly<Record<string, unknown>>;
  /** Of a record of `format`, or of one before it. @throws LOG_CORRUPT: it is no record of this task */
  readonly recall: (record: unknown) => Recalled<T>;
  /** What a receipt keeps of an answer for people, and for comparing across profiles: plain JSON. */
  readonly summary: (answer: Answered<T["answer"]>) => Readonly<Record<string, unknown>>;
  /** Fields of that which it has not always had. */
  readonly laterFields: readonly string[];

  /** The question that one line of text is, in a file of questions; undefined: it takes more than a text to ask. */
  readonly ofText: ((text: string) => T["question"]) | undefined;
  /** Whether any text that is not blank is such a question. */
  readonly anyText: boolean;
}

/** Questions with the options that they share. */
export interface Request<T extends TaskTypes> {
  readonly questions: readonly T["question"][];
  readonly options: T["options"];
}

/** One question as it was recorded. */
export interface Recalled<T extends TaskTypes> {
  readonly question: T["question"];
  readonly options: T["options"];
}
