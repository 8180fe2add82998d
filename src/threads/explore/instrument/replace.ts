/** Puts functions in the place of built-ins that look as those do: name, length, descriptor, and none twice. */
export type Args = readonly unknown[];
export type Native = (this: unknown, ...args: Args) => unknown;
/** Reports what a call is about to touch. */
export type Rule = (self: unknown, args: Args) => void;

/** As it was before anything was replaced. */
export const { apply } = Reflect;

export interface Replacer {
  /** Does nothing where this Node does not have it. */
  replace(owner: object, name: string | symbol, wrap: (native: Native) => Native): void;
  /** Each of these first follows its rule, and then does what it did. */
  before(owner: object, table: Readonly<Record<string, Rule>>): void;
}

/** One built-in under two names gets one replacement. */
export function replacer(): Replacer {
  const wrappers = new Map<Native, Native>();
  const replace: Replacer["replace"] = (owner, name, wrap) => {
    const descriptor = Object.getOwnPropertyDescriptor(owner, name);
    const native = descriptor?.value as Native | undefined;
    if (typeof native !== "function" || (descriptor?.configurable !== true && descriptor?.writable !== true)) return;
    let wrapper = wrappers.get(native);
    if (wrapper === undefined) {
      wrapper = Object.defineProperties<Native>(wrap(native), {
        name: { value: native.name, configurable: true },
        length: { value: native.length, configurable: true },
      });
      wrappers.set(native, wrapper);
    }
    Object.defineProperty(owner, name, { ...descriptor, value: wrapper });
  };
  return {
    replace,
    before: (owner, table) => {
      for (const [name, rule] of Object.entries(table))
        replace(
          owner,
          name,
          (native) =>
            ({
              method(this: unknown, ...args: Args): unknown {
                rule(this, args);
                return apply(native, this, args);
              },
            }).method,
        );
    },
  };
}
