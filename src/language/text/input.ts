/** The edge of the room: what a text must be before any tokenizer sees it. */
import { LockstepError } from "../../base/index.ts";

/**
 * Longest text in UTF-16 code units. Only the first `maxLength` tokens of a text are used, so more would be wasted
 * work.
 */
export const MAX_TEXT_LENGTH = 1 << 20;

/**
 * Throws unless `text` is a string of well-formed UTF-16 of at most `limit` code units. `what` names it in the message.
 */
export function checkText(text: unknown, what = "the text", limit = MAX_TEXT_LENGTH): asserts text is string {
  if (typeof text !== "string") {
    throw new LockstepError(
      "INPUT_INVALID",
      `${what} is ${text === null ? "null" : `of type ${typeof text}`}; give a string`,
    );
  }
  if (text.length > limit) {
    throw new LockstepError(
      "INPUT_TOO_LARGE",
      `${what} has ${text.length} UTF-16 code units; at most ${limit} are taken`,
      { length: text.length, limit },
    );
  }
  if (!text.isWellFormed()) {
    const at = firstLoneSurrogate(text);
    throw new LockstepError(
      "INPUT_INVALID",
      `${what} is not well-formed Unicode: a surrogate without its partner at code unit ${at}; it was probably ` +
        "cut inside a character",
      { at },
    );
  }
}

function firstLoneSurrogate(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i) as number;
    if (code >= 0xd800 && code <= 0xdfff) return i;
    if (code > 0xffff) i++;
  }
  return -1;
}
