/**
 * Transformed code does what the code does: snippets and random programs, run as they are and transformed and compared
 * in result, kind of error, order of side effects and final state; every source of this package still parses and keeps
 * its lines. The controls are wrong transforms that the same comparison finds.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import { parse } from "acorn";
import fc from "fast-check";
import { installAccessors } from "../../src/threads/explore/instrument/accessors.ts";
import { transform } from "../../src/threads/explore/instrument/transform.ts";
import { strip } from "../../src/threads/explore/instrument/typescript.ts";
import { run, type Mode, type World } from "./compare.ts";

const root = dirname(dirname(import.meta.dirname));
let reported = 0;
before(() =>
  installAccessors({
    plain: () => {
      reported++;
    },
  }),
);

/** Arrays, typed arrays (shared and not), objects that note how they are used, and nothing at all. */
function makeWorld(log: World["log"]): Omit<World, "log"> {
  const watched = (name: string, values: Record<PropertyKey, unknown>): unknown =>
    new Proxy(values, {
      get: (target, key, receiver) => {
        log(`${name}.get ${String(key)}`);
        return Reflect.get(target, key, receiver);
      },
      set: (target, key, value, receiver) => {
        log(`${name}.set ${String(key)}`);
        return Reflect.set(target, key, value, receiver);
      },
      deleteProperty: (target, key) => {
        log(`${name}.delete ${String(key)}`);
        return Reflect.deleteProperty(target, key);
      },
    });
  return {
    a: [10, 20, [30, 31]],
    s: Int32Array.from([1, 2, 3, 4]),
    w: Int32Array.from({ length: 4 }, (_, i) => i + 1),
    shared: new Int32Array(new SharedArrayBuffer(16)).map((_, i) => i),
    words: sharedInts(),
    f: new Float64Array(new SharedArrayBuffer(24), 8),
    big: new BigInt64Array(new SharedArrayBuffer(16)),
    o: watched("o", {
      0: "zero",
      1: 1,
      x: 5,
      f(this: unknown, ...args: unknown[]) {
        return [this === undefined, args.length];
      },
    }),
    frozen: Object.freeze([1, 2]),
    nothing: null,
    undef: undefined,
    text: "text",
    key: (name: unknown) => ({
      toString: () => {
        log(`key ${String(name)}`);
        return String(name);
      },
    }),
    num: (value: unknown) => ({
      valueOf: () => {
        log(`value ${String(value)}`);
        return value;
      },
    }),
    i: 1,
    j: 2,
    later: (value: unknown) => Promise.resolve(value),
    methods: [
      function (this: unknown) {
        return Array.isArray(this);
      },
      (strings: readonly string[]) => strings.length,
    ],
    classes: [
      class Made {
        given: unknown[];
        constructor(...args: unknown[]) {
          this.given = args;
        }
      },
      {
        Made: class {
          self: string;
          constructor() {
            this.self = new.target.name;
          }
        },
      },
    ],
  };
}

function sharedInts(): Int32Array {
  const view = new Int32Array(new SharedArrayBuffer(32), 8, 4);
  view.set([5, 6, 7, 8]);
  return view;
}

async function same(body: string, mode: Mode): Promise<void> {
  const [native, transformed] = [await run(body, mode, false, makeWorld), await run(body, mode, true, makeWorld)];
  assert.deepEqual(transformed, native, body);
}

const SNIPPETS: Readonly<Record<string, readonly string[]>> = {
  reads: [
    "return [a[0], a[2][1], words[1], words[9], words[-1], words['2'], words['-0'], words[1.5], words['x'], " +
      "words[2n], f[0], big[1]]",
    "return a[a = log('then'), 0]",
    "return words[(i, j)]",
    "return log(a)[log(1)]",
    "return typeof a[1] + typeof[a][0]",
    "return typeof nope[0]",
    "return nothing[log(0)]",
    "return undef[key('never')]",
    "return text[1] + text['length']",
    "return words[key(1)]",
    "return words['length'] + words[Symbol.toStringTag]",
    "return words[words[0] - 4]",
    "return a /* [ */ [ // ]\n 2 /* ] */ ]\n [ 1 ]",
    "return 'abc'[1] + `${a[0]}${`${words[1]}`}`",
    "return/x/['source']",
    "return[7,8][1]",
    "const{length}=a[2];return length",
    "return (function () { return arguments[1] })(1, 2)",
    "return (() => [a[0]])()",
    "return (x => ({ y: x })['y'])(3)",
    "return [...words].concat(a[2])",
    "return words[words.length - 1]",
  ],
  writes: [
    "a[1] = 5; words[1] = 6; words[9] = 7; words[-1] = 8; words['3'] = 9; words.extra = 1; return [a, words.length]",
    "return log(a)[log(0)] = log(9)",
    "log(words)[log(0)] = log(9)",
    "nothing[log('key')] = log('value')",
    "nothing[key('k')] = log('value')",
    "undef[0] = 1",
    "words[key(1)] = num(7); return words[1]",
    "words[key(9)] = num(7)",
    "words[1] = 1n",
    "words[1] = Symbol()",
    "words[1] = '12'; words[2] = undefined; f[0] = undefined; f[1] = '0x10'; return [words[1], words[2], f[0]]",
    "big[0] = 5n; big[1] = '7'; return [big[0], big[1]]",
    "big[0] = 5",
    "big[0] = num(3n)",
    "big[0] = true",
    "return words[0] = '3'",
    "return words[0] = 2.7",
    "frozen[0] = 9",
    "frozen[5] = 9",
    "text[0] = 'x'",
    "text.y = 1",
    "o[0] = 1; o[key('x')] = 2; return o[0]",
    "const setter = { set 1(v) { log(['set', v, this === setter]) } }; setter[1] = 4",
    "Object.defineProperty(Number.prototype, '7', { set(v) { log(typeof this) }, configurable: true }); (5)[7] " +
      "= 1; delete Number.prototype[7]",
    "a[0] = function () {}; a[1] = class {}; a[2] = () => {}; return a.map((x) => x.name)",
    "words[NaN] = 1; words[1.5] = 1; words['1e3'] = num(1); return Object.keys(words)",
  ],
  compound: [
    "a[0] += 5; words[0] += 5; words[1] -= 1; words[2] *= 2; words[3] **= 2; f[0] ||= 2.5; f[1] ??= 3; return [a, f]",
    "o[0] += log('x')",
    "o[key('x')] *= num(3)",
    "words[key(1)] += num(3); return words[1]",
    "words[0]++; ++words[1]; words[2]--; --words[3]; return [words[0]++, ++words[1], words[2]--, --words[3]]",
    "return [o[1]++, o[1]]",
    "return big[0]++ + ++big[0]",
    "nothing[0] += log('never')",
    "nothing[0]++",
    "a[9] ??= log('assigned'); a[0] ??= log('not'); a[0] ||= log('not'); a[0] &&= log('and'); return a",
    "o[9] ??= log('set'); o[0] ??= log('not')",
    "words[0] &&= 0; words[0] ||= log(4); words[1] ??= log('not')",
    "words[0] += await later(1); words[1] = await later(words[0]); return words[1]",
    "words[0] = words[1] = words[2] += 3",
    "words[i++] = i; words[i] += i++; return i",
    "words[0] <<= 3; words[1] >>>= 1; words[2] ^= 5; words[3] |= 1; words[0] %= 7; words[1] &= 3; words[2] >>= " +
      "1; words[3] /= 2",
    "a[0]\n++\ni",
    "frozen[0]++",
    "frozen[0] ??= 1; frozen[0] ||= 2",
  ],
  patterns: [
    "[a[0], words[1]] = [1, 2]; return a",
    "[log(a)[log(0)], log(a)[log(1)] = log('default')] = [1]",
    "({ x: a[0], y: words[1], ...o[7] } = { x: 1, y: 2, z: 3 })",
    "[...a[0]] = 'abc'; return a",
    "[a[i], a[a[0]]] = [0, 7]; return a",
    "[[a[0]], { q: a[1] = words[2] }] = [[1], {}]; return a",
    "for (a[0] of [1, 2, 3]) log(a[0]); for (words[1]of[4, 5]) log(words[1])",
    "for (a[1] in { p: 1, q: 2 }) log(a[1]); for(a[0]in[9]);return a",
    "for ([a[0], words[0]] of [[1, 2], [3, 4]]) log(a[0])",
    "for (const x of words) log(x)",
    "for await (a[0] of [later(1), 2]) log(a[0])",
    "const { [a[0]]: x = words[0], ...rest } = { 10: undefined, k: words[1] }; return [x, rest]",
    "const [x = a[0], y = words[1]] = [undefined, 3]; return [x, y]",
    "(({ p = a[0], q: [r = words[2]] = [] }, ...s) => log([p, r, s[0]]))({}, a[1])",
    "let k = 0; [a[k++], a[k++]] = [k, k]; return a",
    "var x; ({ x = a[0] } = {}); return x",
    "for (var x = (0 in a)[0]; i < 3; i++) log(i)",
    "for (words[0] = 0; words[0] < 3; words[0]++) log(words[0])",
    "try { throw [1, 2] } catch ([x, y = a[0]]) { return x + y + a[0] }",
  ],
  calls: [
    "return [methods[0](), (methods[0])(), (0, methods[0])(), methods[1]`x${1}y`, methods?.[0]()]",
    "return o['f'](1, a[0])",
    "return o[key('f')](a[0])",
    "return new classes[0](a[0], ...words).given",
    "return [new classes[0], new classes[1].Made, new (classes[1].Made)().self]",
    "return new (class { made = a[0] })().made",
    "const make = [() => class { v = words[0] }]; return new (make[0]())().v",
    "const make = [function () { this.q = function () { this.ok = a[0] } }]; return new new make[0]().q().ok",
    "return nothing[0]()",
    "return a[0]()",
    "return a[7].x()",
    "return (methods[0].bind(a))()",
    "return methods[0].call(undef)",
    "return a[2].map((x, k) => x + words[k])",
    "return a.map((_, k) => k)[a.length - 1]",
  ],
  chains: [
    "return [a?.[0], nothing?.[log('never')], a?.[2]?.[1], a[2]?.[0], nothing?.[0][log('never')].x, a?.[2][1], " +
      "words?.[1], words?.['length']]",
    "return a?.[9]?.[log('never')]",
    "return (nothing?.x)[0]",
    "return (a?.[2])[1]",
    "return nothing?.x[log('never')]",
    "return [methods?.[0](), (methods?.[0])(), methods[0]?.(), nothing?.[0]()]",
    "return delete a?.[0]",
    "return delete nothing?.[log('never')]",
    "return [delete a[0], delete words[9], a.length, 0 in a]",
    "return delete words[0]",
    "return a?.[await later(1)]",
    "return log(a)?.[log(1)]",
    "return undef?.[key('k')]",
    "return o?.[key('x')]",
    "return a?.  // note\n [ 1 ]",
    "return a?.[(() => arguments.length)()]",
    "return i?.5:1",
    "return i?[a][0]:1",
    "return new (classes?.[0])(a?.[1]).given",
    "return a?.[i]?.toString()?.[0]",
  ],
  "classes, generators, scopes": [
    "class A { static [a[0]] = words[1]; #p = [1, 2]; q = this.#p[1]; static { log(A[a[0]]); this.z = a[2][0] " +
      "} get(k) { return #p in this ? this.#p[k] : 0 } put(k, v) { this.#p[k] = v; this.#p[k] += v; return " +
      "this.#p } } const x = new A(); return [x.q, x.get(0), x.put(1, 4), A.z]",
    "class B { m(k) { return [k] } get 1() { return 'one' } } class C extends B { m(k) { return " +
      "super['m'](a[k])[0] } get 1() { return super[1] + 'more' } set 3(v) { super[3] = v } } const c = new C(); " +
      "c[3] = 5; return [c.m(0), c[1], c[3]]",
    "class D extends [Array][0] { last() { return this[this.length - 1] } } const d = new D(); d[0] = 3; " +
      "return d.last()",
    "function* g() { const k = yield a[0]; a[yield k] = yield words[0]; return a[1] } const it = g(); return " +
      "[it.next(), it.next(5), it.next(1), it.next('set'), a]",
    "async function* g() { for (const x of a[2]) { words[0] += x; yield words[0] } } const out = []; for await " +
      "(const x of g()) out.push(x); return out",
    "{ using x = { [Symbol.dispose]() { log(words[0]) } }; words[0] = 77 } { await using y = { async " +
      "[Symbol.asyncDispose]() { log(a[0]) } }; a[0]++ }",
    "label: for (const x of words) { if (words[0] === x) continue label; break label }",
    "switch (a[0]) { case[10][0]: return 'ten'; case words[1]: default: return 'no' }",
    "if (i)a[0]=1;else[a][0][1]=2;do words[0]--;while(words[0]>0)return a",
    "var q = a[0]\n;[1].map((x) => a[x] = x)\nreturn a",
    "throw[new TypeError(a[0])][0]",
    "return void[log(1)][0]",
    "return i in[0, 1][1]?1:[2][0]",
    "return new Function('return 3')() + [1][0]",
    "const h = async () => { return await[later(4)][0] }; return h()",
    "return ((p = a[0], { q = words[1] } = {}) => p + q)()",
    "let m = { a: { b: [[1, 2]] } }; m.a.b[0][1] += m['a']['b'][0][0]; return m",
    "var \u00e9 = [1]; return typeof\u00e9[0]",
    "return [[[1]]][0][0][0]",
    "return a[2][a[2][a[2].length - 2] - 30]",
    "return { [a[0]]: words[1], get [words[0]]() { return 1 }, ...a[2], async *[a[1]]() {} }",
    "return `${a[0]}` + String.raw`\\${a[1]}[0]`",
    "return /[a[0]]/.test('a]') + (4 / a[0] / 2)",
    "return (a, o)[0]",
    "return (a[0], a)[1]",
    "return !a[0] || -words[0] + +a[1] - -words[1]",
    "return a[0] ? a[1] : a[2]",
    "return (await later(a))[await later(1)]",
    "return a\n[\n1\n]",
    "return (async (k) => a[await k])(later(0))",
    "return Math.max(...words, ...a[2])",
  ],
};

describe("transformed code does what the code does", () => {
  for (const [name, snippets] of Object.entries(SNIPPETS)) {
    for (const mode of ["strict", "sloppy"] as const) {
      test(`${name}, ${mode}`, async () => {
        reported = 0;
        for (const body of snippets) await same(body, mode);
        if (name !== "calls") assert.ok(reported > 0, "and accesses to shared memory are seen");
      });
    }
  }

  test("lines are kept: a stack names the source's own line", async () => {
    const body = "a[0];\nwords[\n1\n] = a[2]\n[0];\nreturn new Error('x').stack.match(/body\\.js:(\\d+)/)[1]";
    assert.equal((await run(body, "strict", true, makeWorld)).outcome, "'6'");
  });

  test("hashbang, directives, imports and exports survive", () => {
    const source =
      "#!/usr/bin/env node\n'use strict';\nimport data from './x.json' with { type: 'json' };\nexport default " +
      "data[0];\nexport const x = await data[1], y = import.meta['url'];\nexport { x as 'a[0]' };\n";
    assert.equal(
      transform(source, "m.js"),
      source.replace("data[0]", "__lockstep_read(data,(0))").replace("data[1]", "__lockstep_read(data,(1))"),
    );
  });

  test("a wrong source says where", () => {
    assert.throws(
      () => transform("let x = 1;\nlet y = ;\n", "/some/file.js", "module"),
      (error: Error) => error instanceof SyntaxError && error.message === "/some/file.js:2:9: Unexpected token",
    );
    assert.throws(
      () => transform("let x;\nlet x;", "f.js"),
      /^SyntaxError: f\.js:2:5: Identifier 'x' has already been declared/,
    );
  });

  test("CommonJS: what is no module is read as a script", () => {
    assert.equal(transform("with (x) y = z[0];", "f.js"), "with (x) y = __lockstep_read(z,(0));");
    assert.equal(
      transform("z[0] = 1; (() => { 'use strict'; z[0] = 1 })", "f.js", "commonjs"),
      "__lockstep_at_sloppy(z,(0)).v = 1; (() => { 'use strict'; __lockstep_at(z,(0)).v = 1 })",
    );
  });
});

/** Expressions over the world's names: any of them anywhere, so many throw; then the errors must agree. */
const EXPRESSIONS = fc.letrec<Record<"expression" | "object" | "reference", string>>((tie) => {
  const expression = tie("expression");
  const object = tie("object");
  const reference = tie("reference");
  const binary = fc.constantFrom("+", "-", "*", "===", "<", "&&", "||", "??", ",");
  const assign = fc.constantFrom("=", "+=", "-=", "*=", "||=", "&&=", "??=", "|=", ">>>=");
  return {
    expression: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      fc.constantFrom(
        "0",
        "1",
        "2",
        "3",
        "-1",
        "1.5",
        "'1'",
        "'x'",
        "i",
        "j",
        "log(i)",
        "log(2)",
        "2n",
        "key(1)",
        "num(2)",
        "undef",
      ),
      reference,
      object,
      fc.tuple(expression, binary, expression).map(([x, op, y]) => `((${x}) ${op} (${y}))`),
      fc.tuple(reference, assign, expression).map(([to, op, x]) => `(${to} ${op} ${x})`),
      fc
        .tuple(reference, fc.constantFrom("++", "--"), fc.boolean())
        .map(([to, op, prefix]) => (prefix ? `(${op}${to})` : `(${to}${op})`)),
      fc.tuple(reference, reference, expression).map(([x, y, z]) => `([${x}, ${y} = ${z}] = [${z}])`),
      fc.tuple(reference, expression).map(([x, y]) => `({ p: ${x}, q: i = ${y} } = { p: ${y} })`),
      fc.tuple(expression, expression, expression).map(([x, y, z]) => `(${x} ? ${y} : ${z})`),
      fc.tuple(object, expression).map(([x, y]) => `${x}?.[${y}]`),
      fc.tuple(object, expression, expression).map(([x, y, z]) => `${x}?.[${y}]?.[${z}]`),
      fc.tuple(object, expression).map(([x, y]) => `${x}?.x?.[${y}]`),
      fc.tuple(object, expression, expression).map(([x, y, z]) => `${x}[${y}]?.(${z})`),
      fc.tuple(reference, expression).map(([x, y]) => `${x}(${y})`),
      fc.tuple(reference).map(([x]) => `(delete ${x})`),
      fc.tuple(reference).map(([x]) => `(typeof ${x})`),
      fc.tuple(reference).map(([x]) => `(await later(${x}))`),
      expression.map((x) => `(await (async () => ${x})())`),
      expression.map((x) => `\`\${${x}}\``),
      expression.map((x) => `log(${x})`),
    ),
    object: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      fc.constantFrom(
        "a",
        "s",
        "words",
        "words",
        "f",
        "big",
        "o",
        "frozen",
        "nothing",
        "text",
        "[i, j]",
        "log(words)",
        "log(a)",
      ),
      reference,
      fc.tuple(expression, object).map(([x, y]) => `(${x}, ${y})`),
      fc.tuple(expression, expression).map(([x, y]) => `[${x}, ${y}]`),
    ),
    reference: fc.tuple(object, expression).map(([x, y]) => `${x}[${y}]`),
  };
});

describe("random programs", () => {
  test("are the same transformed", async () => {
    reported = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(EXPRESSIONS.expression, { minLength: 1, maxLength: 4 }),
        fc.constantFrom<Mode>("strict", "sloppy"),
        async (parts, mode) => {
          await same(
            `${parts.map((part) => `try { log(${part}); } catch (e) { log(e.name); }`).join("\n")} return i`,
            mode,
          );
        },
      ),
      { numRuns: 1500, seed: 20_250_101 },
    );
    assert.ok(reported > 100, `only ${reported} accesses to shared memory`);
  });

  test("control: the comparison finds an accessor that evaluates its key late, and a write that is lost", async () => {
    const wrong = async (broken: (code: string) => string): Promise<number> => {
      let different = 0;
      for (const body of [
        "return [log(words)[log(0)], log(1)]",
        "words[i] = i++; return words[1]",
        "log(a)[log(0)] += log(1)",
      ]) {
        const [native, changed] = [
          await run(body, "strict", false, makeWorld),
          await run(broken(body), "strict", false, makeWorld),
        ];
        if (JSON.stringify(native) !== JSON.stringify(changed)) different++;
      }
      return different;
    };
    assert.equal(await wrong((code) => code), 0);
    assert.equal(
      await wrong((code) =>
        code
          .replace("log(words)[log(0)]", "((k, t) => t[k])(log(0), log(words))")
          .replace("words[i] = i++", "i++; words[i] = i")
          .replace("log(a)[log(0)] += log(1)", "((v) => log(a)[log(0)] += v)(log(1))"),
      ),
      3,
    );
  });
});

describe("every source of this package", () => {
  test("parses when transformed, and keeps its lines; array-heavy ones are changed", () => {
    const files = globSync("src/**/*.ts", { cwd: root, exclude: ["src/numeric/kernels/assembly/**"] });
    assert.ok(files.length > 100);
    let accesses = 0;
    for (const file of files) {
      const source = strip(readFileSync(join(root, file), "utf8"), file);
      const output = transform(source, file, "module");
      assert.equal(output.split("\n").length, source.split("\n").length, file);
      parse(output, { ecmaVersion: "latest", sourceType: "module" });
      assert.equal(transform(source, file, "module"), output, `${file} twice`);
      accesses += output.split("__lockstep_").length - 1;
    }
    assert.ok(accesses > 500, `only ${accesses} accesses were found`);
  });
});
