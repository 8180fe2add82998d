/**
 * Functions of the language that take any object and read or write its elements inside the engine: methods of
 * `Array.prototype` called on a typed array, `Reflect`, `Object`, `JSON.stringify`, `apply`. Where they are given
 * nothing shared they do what they do, after one look. What would make elements reachable through another object
 * (`new Proxy(words, …)`, `Object.create(words)`) is refused: nobody would see them being touched there.
 */
import {
  isSharedElements,
  refuseAsPrototype,
  reportAll,
  reportElements,
  reportKey,
  toElement,
  toKey,
} from "./accessors.ts";
import { CALLBACK_METHODS, reportingCallback, reportingIterator } from "./iteration.ts";
import { apply, replacer, type Args, type Native, type Rule } from "./replace.ts";
import { refuse, type AccessSink } from "./sink.ts";

type Replaceable = Record<string, Native>;
const { isView } = ArrayBuffer;

export function installReflection(sink: AccessSink, typedArray: Readonly<Record<string, Rule>>): void {
  const { replace, before } = replacer();
  const key = (target: unknown, name: unknown, write: boolean): void => {
    if (isSharedElements(target)) reportKey(sink, target, toKey(name), write);
  };
  const first: Rule = (_self, [target]) => reportAll(sink, target);
  const prototype: Rule = (_self, [, given]) => refuseAsPrototype(sink, given);
  const define: Rule = (_self, [target, name, descriptor]) => {
    if (typeof descriptor === "object" && descriptor !== null && "value" in descriptor) key(target, name, true);
  };

  installArrayMethods(sink, typedArray);
  before(Object, {
    values: first,
    entries: first,
    getOwnPropertyDescriptors: first,
    getOwnPropertyDescriptor: (_self, [target, name]) => key(target, name, false),
    defineProperty: define,
    defineProperties: (self, [target, all]) => {
      if (!isSharedElements(target) || typeof all !== "object" || all === null) return;
      for (const [name, descriptor] of Object.entries(all)) define(self, [target, name, descriptor]);
    },
    assign: (_self, [target, ...sources]) => {
      for (const source of sources) {
        reportAll(sink, source);
        if (!isSharedElements(target) || typeof source !== "object" || source === null) continue;
        if (isView(source)) reportElements(sink, target, 0, (source as unknown as ArrayLike<unknown>).length, true);
        else for (const name of Object.keys(source)) reportKey(sink, target, name, true);
      }
    },
    create: (_self, [given]) => refuseAsPrototype(sink, given),
    setPrototypeOf: prototype,
  });
  before(Reflect, {
    get: (_self, [target, name]) => key(target, name, false),
    getOwnPropertyDescriptor: (_self, [target, name]) => key(target, name, false),
    defineProperty: define,
    setPrototypeOf: prototype,
    apply: (_self, [, , list]) => reportAll(sink, list),
    construct: (_self, [, list]) => reportAll(sink, list),
  });
  replace(Reflect, "set", (native) => reflectSet(sink, native));
  before(Function.prototype, { apply: (_self, [, list]) => reportAll(sink, list) });
  before(String, {
    raw: (_self, [strings]) => {
      if (typeof strings === "object" && strings !== null && "raw" in strings) reportAll(sink, strings.raw);
    },
  });
  replace(JSON, "stringify", (native) => stringify(sink, native));
  refuseElsewhere(sink);
}

/** Its value is converted before it is told, as it is before it is stored. */
function reflectSet(sink: AccessSink, native: Native): Native {
  return {
    method(this: unknown, ...args: Args): unknown {
      const [target, name, value] = args;
      const written = args.length > 3 ? args[3] : target;
      if (!isSharedElements(written)) {
        // What is not its own receiver is looked at, for what it has there.
        if (isSharedElements(target)) reportKey(sink, target, toKey(name), false);
        return apply(native, this, args);
      }
      const [own, element] = [toKey(name), toElement(written, value)];
      reportKey(sink, written, own, true);
      return apply(native, this, [target, own, element, ...args.slice(3)]);
    },
  }.method;
}

/**
 * Every value comes by a function that replaces values, when `toJSON` has been asked and before its elements are read.
 * A list of names in its place knows the values of the whole only.
 */
function stringify(sink: AccessSink, native: Native): Native {
  return {
    method(this: unknown, ...args: Args): unknown {
      const [value, replace, ...rest] = args;
      if ((typeof value !== "object" && typeof value !== "function") || value === null || Array.isArray(replace)) {
        reportAll(sink, value);
        return apply(native, this, args);
      }
      const told = function (this: unknown, name: string, given: unknown): unknown {
        const replaced = typeof replace === "function" ? apply(replace as Native, this, [name, given]) : given;
        reportAll(sink, replaced);
        return replaced;
      };
      return apply(native, this, [value, told, ...rest]);
    },
  }.method;
}

/** The same rules as for the typed arrays' own methods of these names. */
function installArrayMethods(sink: AccessSink, typedArray: Readonly<Record<string, Rule>>): void {
  const { replace } = replacer();
  const array = Array.prototype as unknown as Replaceable;
  const onShared = (name: string | symbol, made: (native: Native, self: unknown, args: Args) => unknown): void =>
    replace(
      array,
      name,
      (native) =>
        ({
          method(this: unknown, ...args: Args): unknown {
            return isView(this) && isSharedElements(this) ? made(native, this, args) : apply(native, this, args);
          },
        }).method,
    );
  const ruled = (name: string, rule: Rule): void =>
    onShared(name, (native, self, args) => {
      rule(self, args);
      return apply(native, self, args);
    });
  for (const [name, rule] of Object.entries(typedArray)) if (name !== "set") ruled(name, rule);
  for (const name of ["flat", "toSpliced"]) ruled(name, (self) => reportAll(sink, self));
  for (const name of ["pop", "push", "shift", "splice", "unshift"])
    ruled(name, (self) => {
      reportAll(sink, self);
      reportAll(sink, self, true);
    });
  for (const [name, how] of Object.entries({ ...CALLBACK_METHODS, flatMap: { goesOn: "always" } as const }))
    onShared(name, (native, self, args) => apply(native, self, reportingCallback(sink, self, args, how)));
  for (const name of ["values", "entries", Symbol.iterator])
    onShared(name, (native, self, args) => reportingIterator(sink, self, apply(native, self, args)));
}

function refuseElsewhere(sink: AccessSink): void {
  const native = Proxy;
  const construct = (target: ProxyConstructor, args: Args, newTarget: Native): object => {
    if (isSharedElements(args[0]))
      refuse(sink, "a Proxy of a typed array over shared memory cannot be watched: use the typed array itself");
    return Reflect.construct(target, args, newTarget) as object;
  };
  const watched: ProxyConstructor = new native(native, { construct });
  Object.defineProperty(globalThis, "Proxy", { value: watched, writable: true, configurable: true });
  const own = Object.getOwnPropertyDescriptor(Object.prototype, "__proto__")!;
  Object.defineProperty(Object.prototype, "__proto__", {
    ...own,
    set(this: unknown, value: unknown) {
      refuseAsPrototype(sink, value);
      apply(own.set as Native, this, [value]);
    },
  });
}
