/**
 * Transformed code does what the code does: snippets and random programs, run as they are and transformed and compared
 * in result, kind of error, order of side effects and final state; every source of this package still parses and keeps
 * its lines. The controls are wrong transforms that the same comparison finds. @concurrent
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
import { SNIPPETS } from "./snippets.ts";

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
        // A Proxy in a pattern is asked once more than it would be.
        if (!String(key).startsWith("Symbol(lockstep: ")) log(`${name}.get ${String(key)}`);
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
  const native = await run(body, mode, "native", makeWorld);
  assert.deepEqual(await run(body, mode, "transformed", makeWorld), native, body);
  assert.deepEqual(await run(body, mode, "branches", makeWorld), native, `${body}, with branches`);
}

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
    assert.equal((await run(body, "strict", "branches", makeWorld)).outcome, "'6'");
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
      fc.tuple(object, expression, expression).map(([x, y, z]) => `${x}?.x[${y}]?.[${z}][${z}]`),
      fc.tuple(object, expression, expression).map(([x, y, z]) => `${x}?.[${y}][${z}]`),
      fc.tuple(object, expression, expression).map(([x, y, z]) => `${x}?.f?.(${y})[${z}]`),
      fc.tuple(object, expression, expression).map(([x, y, z]) => `(({ [${y}]: j = ${z} } = ${x}))`),
      object.map((x) => `(({ 1: p, [log(j)]: q = log(words[0]), ...r }) => [p, q, r])(${x})`),
      fc.tuple(object, reference).map(([x, y]) => `(({ 0: ${y}, ...o.rest } = { ...${x} }))`),
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
          await run(body, "strict", "native", makeWorld),
          await run(broken(body), "strict", "native", makeWorld),
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
      const noted = transform(source, file, "module", { branches: true });
      assert.equal(noted.split("\n").length, source.split("\n").length + 1, file);
      parse(noted, { ecmaVersion: "latest", sourceType: "module" });
      accesses += output.split("__lockstep_").length - 1;
    }
    assert.ok(accesses > 500, `only ${accesses} accesses were found`);
  });
});
