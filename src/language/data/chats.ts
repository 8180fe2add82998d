/**
 * Conversations as tokens, with what is learned of each: the assistant's words, by the chat template of the tokenizer.
 * A conversation is a list of messages (`[{ "role": "user", "content": "…" }, …]`), or an instruction with its answer,
 * and with an input and a system message where there are columns of them.
 */
import { z } from "zod";
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { tokensInSpans, type ChatMessage, type Tokenizer } from "../text/index.ts";
import type { EncodedRow } from "./pack.ts";
import { placeOf, type Table } from "./table-builder.ts";
import { IGNORED } from "./words.ts";

/** Usual names of the column that holds whole conversations, or the first message. */
export const CHAT_NAMES = ["messages", "instruction", "prompt"] as const;

const conversation = z.array(z.looseObject({ role: z.string().min(1).max(64), content: z.string() })).min(1);

/** The messages of a row. @throws DATA_INVALID with its line */
export function messagesOf(table: Table, row: number): readonly ChatMessage[] {
  const { texts, cells } = table;
  const text = texts[row]!;
  if (cells.answer === undefined) return parsed(table, row);
  const [system, input] = [cells.system?.[row] ?? "", cells.input?.[row] ?? ""];
  return [
    ...(system === "" ? [] : [{ role: "system", content: system }]),
    { role: "user", content: input === "" ? text : `${text}\n\n${input}` },
    { role: "assistant", content: cells.answer[row]! },
  ];
}

function parsed(table: Table, row: number): readonly ChatMessage[] {
  const { columns, texts } = table;
  const refuse = (what: string): LockstepError =>
    invalid(
      table,
      row,
      `there is no column of answers, so ${JSON.stringify(columns.text)} is to hold a list of messages, each with ` +
        `"role" and "content": ${what}`,
    );
  let value: unknown;
  try {
    value = JSON.parse(texts[row]!);
  } catch {
    throw refuse("it is no JSON");
  }
  const { data, error } = conversation.safeParse(value);
  if (data === undefined) {
    const { path = [], message = "" } = error.issues[0] ?? {};
    throw refuse(`${path.length === 0 ? "" : `${path.join(".")}: `}${message}`);
  }
  if (!data.some(({ role }) => role === "assistant")) throw refuse("none is the assistant's, so nothing is learned");
  return data;
}

/** A conversation's words by themselves, for the split and for a tokenizer that is trained on them. */
export function wordsOfChat(table: Table, row: number): string {
  return messagesOf(table, row)
    .map(({ role, content }) => `${role}: ${String(content)}`)
    .join("\n");
}

/**
 * A row's tokens, and for each what is learned there: the token itself where it is the assistant's, else −100. What is
 * longer than the tokenizer's rows is cut; one that has no word of an answer left is refused.
 * @throws DATA_INVALID with its line
 */
export async function encodeChat(
  tokenizer: Tokenizer,
  table: Table,
  row: number,
  maxLength: number | undefined,
): Promise<EncodedRow & { readonly labels: Int32Array }> {
  const { text, answers } = await tokenizer.answeredChat(messagesOf(table, row)).catch((thrown: unknown) => {
    if (!isLockstepError(thrown) || thrown.code !== "INPUT_INVALID") throw thrown;
    throw invalid(table, row, thrown.message, thrown);
  });
  const encoded = await tokenizer.encode(text, {
    ...(maxLength === undefined ? {} : { maxLength }),
    offsets: true,
    addSpecialTokens: false,
  });
  const isAnswer = tokensInSpans(encoded.offsets, answers);
  const labels = encoded.ids.map((id, t) => (t > 0 && isAnswer[t] === 1 ? id : IGNORED));
  if (labels.every((label) => label === IGNORED))
    throw invalid(
      table,
      row,
      `no word of an answer is within its first ${encoded.ids.length} tokens; raise max_tokens, or leave the row out`,
    );
  return { ...encoded, labels };
}

function invalid(table: Table, row: number, problem: string, cause?: Error): LockstepError {
  const { where, details } = placeOf(table, row);
  return new LockstepError("DATA_INVALID", `${where}: ${problem}`, details, cause === undefined ? {} : { cause });
}
