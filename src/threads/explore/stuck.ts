/** Who sleeps, and on what, when nobody can go on. */
import { E, ELEMENTS, EVENT_WORDS, eventBase, H, KIND, MAX_WAITERS, W, waiterBase, type Control } from "./control.ts";
import { valueText } from "./report.ts";
import type { SharedPart } from "./state.ts";

export interface Stuck {
  readonly thread: number;
  readonly asynchronous: boolean;
  readonly buffer: number;
  readonly offset: number;
  readonly size: number;
  /** What the word was expected to be, and what it is. */
  readonly expected: string;
  readonly value: string;
}

export function stuckThreads(control: Control, parts: readonly SharedPart[]): Stuck[] {
  const found: Stuck[] = [];
  for (let index = 0; index < MAX_WAITERS; index++) {
    const at = waiterBase(index);
    if (control[at] === 0) continue;
    const [thread, buffer, offset] = [control[at + W.THREAD]!, control[at + W.BUFFER]!, control[at + W.OFFSET]!];
    const { element, size, before } = waitBy(control, thread, buffer, offset);
    const part = parts[buffer];
    found.push({
      thread,
      asynchronous: control[at + W.ID] !== 0,
      buffer,
      offset,
      size,
      value: part === undefined ? before : wordText(part.buffer, offset, element),
      expected: before,
    });
  }
  return found;
}

/** The last wait of that thread at that address: the kind of element, and what it had read. */
function waitBy(
  control: Control,
  thread: number,
  buffer: number,
  offset: number,
): { readonly element: number; readonly size: number; readonly before: string } {
  for (let at = eventBase(control[H.STEP]! - 1); at >= eventBase(0); at -= EVENT_WORDS) {
    const kind = control[at + E.KIND];
    if (
      control[at + E.THREAD] === thread &&
      control[at + E.BUFFER] === buffer &&
      control[at + E.OFFSET] === offset &&
      (kind === KIND.WAIT || kind === KIND.ASYNC_WAIT)
    ) {
      const element = control[at + E.ELEMENT]!;
      return {
        element,
        size: control[at + E.SIZE]!,
        before: valueText(element, control[at + E.BEFORE]!, control[at + E.BEFORE_HIGH]!),
      };
    }
  }
  return { element: 0, size: 4, before: "0" };
}

function wordText(buffer: SharedArrayBuffer, offset: number, element: number): string {
  const wide = ELEMENTS[element] === "BigInt64Array";
  const [low = 0, high = 0] = new Int32Array(buffer, offset, wide ? 2 : 1);
  return valueText(element, low, high);
}
