/**
 * Methods of typed arrays that hand elements to somebody: iterators, and methods with a callback. Between two elements
 * other code runs, and with it other threads, so each element is reported just before it is read, not the range at the
 * start.
 */
import { isSharedElements, lengthOf, reportElements } from "./accessors.ts";
import { apply, type Native } from "./replace.ts";
import type { AccessSink } from "./sink.ts";

interface NativeIterator {
  next: () => unknown;
}

/**
 * For `values` and `entries`: the iterator gets a `next` of its own, which for-of, spread, patterns and `from` all
 * call.
 */
export function reportingIterator(sink: AccessSink, view: unknown, iterator: unknown): unknown {
  if (!isSharedElements(view)) return iterator;
  const native = (iterator as NativeIterator).next;
  let index = 0;
  const { next } = {
    next(this: unknown): unknown {
      if (this === iterator) reportElements(sink, view, index++, 1, false);
      return apply(native, this, []);
    },
  };
  Object.defineProperty(iterator as object, "next", { value: next, writable: true, configurable: true });
  return iterator;
}

/** After which results of the callback the method reads another element. */
type GoesOn = "always" | "truthy" | "falsy";

interface CallbackMethod {
  readonly goesOn: GoesOn;
  readonly backwards?: true;
  readonly folds?: true;
}

export const CALLBACK_METHODS: Readonly<Record<string, CallbackMethod>> = {
  forEach: { goesOn: "always" },
  map: { goesOn: "always" },
  filter: { goesOn: "always" },
  every: { goesOn: "truthy" },
  some: { goesOn: "falsy" },
  find: { goesOn: "falsy" },
  findIndex: { goesOn: "falsy" },
  findLast: { goesOn: "falsy", backwards: true },
  findLastIndex: { goesOn: "falsy", backwards: true },
  reduce: { goesOn: "always", folds: true },
  reduceRight: { goesOn: "always", folds: true, backwards: true },
};

/** The arguments with a callback that, when it returns, reports the element that will be read next. */
export function reportingCallback(
  sink: AccessSink,
  view: unknown,
  args: readonly unknown[],
  { goesOn, backwards, folds }: CallbackMethod,
): readonly unknown[] {
  const [callback, ...rest] = args;
  if (!isSharedElements(view) || typeof callback !== "function") return args;
  const step = backwards ? -1 : 1;
  let index = backwards ? lengthOf(view) - 1 : 0;
  const reportNext = (): void => {
    if (index >= 0) reportElements(sink, view, index, 1, false);
    index += step;
  };
  reportNext();
  if (folds && rest.length === 0) reportNext(); // the first element is where the fold starts
  const reporting = function (this: unknown, ...given: readonly unknown[]): unknown {
    const result: unknown = apply(callback as Native, this, given);
    if (goesOn === "always" || Boolean(result) === (goesOn === "truthy")) reportNext();
    return result;
  };
  return [reporting, ...rest];
}
