/**
 * Ordinary TypeScript projects are explored as they are: imports of `./bank.js` for bank.ts, of folders and mapped
 * paths, types imported without saying so, enums, parameter properties, namespaces, JSON; with the project's own
 * compiler and without. What is wrong says where. @concurrent
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { exploreFile, formatReport } from "../../src/edge/api/index.ts";

const root = join(import.meta.dirname, "..", "..");
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function project(files: Readonly<Record<string, string>>, compiler: boolean): string {
  const folder = mkdtempSync(join(tmpdir(), "lockstep-project-"));
  folders.push(folder);
  const all = { "package.json": `{ "name": "project", "type": "module" }`, ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "lockstep"));
  if (compiler) symlinkSync(join(root, "node_modules/typescript"), join(folder, "node_modules/typescript"));
  return folder;
}

const EXPLORER = JSON.stringify(new URL("../../src/threads/explore/index.ts", import.meta.url).href);
const BANK = {
  "tsconfig.json": `{
  // as editors write it
  "compilerOptions": { "module": "nodenext", "paths": { "@app/*": ["./src/*"] }, },
}`,
  "src/bank.ts": `import { Account } from "./types.js";
import { Kind } from "./kinds";
import limits from "./limits.json";
import { twice } from "@app/deep";
import { bytes } from "./module.mjs";
export class Bank {
  constructor(private readonly words: Int32Array, readonly kind: Kind = Kind.Shared) {}
  put(account: Account, amount: number): void {
    if (amount > limits.most) throw new Error("too much");
    const before = Atomics.load(this.words, account.index);
    Atomics.store(this.words, account.index, twice(before + amount) / bytes.two);
  }
}
`,
  "src/types.ts": `export interface Account {
  readonly index: number;
}
`,
  "src/kinds.ts": `export enum Kind { Own = 1, Shared = 2 }
export namespace Kinds {
  export const all = [Kind.Own, Kind.Shared];
}
`,
  "src/limits.json": `{ "most": 100 }`,
  "src/deep/index.ts": `export const twice = (value: number): number => 2 * value;
`,
  "src/module.mts": `export const bytes: { readonly two: number } = { two: 2 };
`,
  "src/bank.programs.ts": `import { program } from ${EXPLORER};
import { Bank } from "./bank.js";
const setup = () => ({ words: new Int32Array(new SharedArrayBuffer(8)) });
const one = ({ words }: { words: Int32Array }): void => new Bank(words).put({ index: 1 }, 3);
export const lost = program(import.meta.url, {
  setup,
  threads: [one, one],
  check: ({ words }) => {
    if (words[1] !== 6) throw new Error(\`\${words[1]} in the bank\`);
  },
});
`,
};

for (const compiler of [true, false]) {
  test(`a project ${compiler ? "with" : "without"} a compiler of its own`, async () => {
    const folder = project(BANK, compiler);
    const [report] = await exploreFile(join(folder, "src/bank.programs.ts"), { strategy: "classes" });
    assert.match(report!.failure?.message ?? "", /3 in the bank/, formatReport(report!));
    // The source's own lines, also where the compiler has moved them.
    assert.match(report!.failure!.trace, /load words\[1\] = 0 .*bank\.ts:10 Bank\.put/);
    assert.match(report!.failure!.trace, /store words\[1\]: 0 → 3 .*bank\.ts:11 Bank\.put/);
  });
}

test("a file that cannot be read says its line and column, wherever it stands", async () => {
  const broken = { ...BANK, "src/deep/index.ts": `export const twice = (value: number): number =>\n  2 * ;\n` };
  for (const compiler of [true, false]) {
    await assert.rejects(exploreFile(join(project(broken, compiler), "src/bank.programs.ts")), (error: Error) => {
      assert.match(error.message, /deep\/index\.ts:2:\d+: .*[Ee]xpression expected/);
      return (error as Error & { code: string }).code === "INPUT_INVALID";
    });
  }
});

test("decorators go through the project's compiler; without one they are refused by name", async () => {
  const decorated = {
    ...BANK,
    "src/deep/index.ts": `const noted = <T>(value: T, _: ClassMemberDecoratorContext): T => value;
class Twice {
  @noted
  of(value: number): number {
    return 2 * value;
  }
}
export const twice = (value: number): number => new Twice().of(value);
`,
  };
  const [report] = await exploreFile(join(project(decorated, true), "src/bank.programs.ts"), { strategy: "classes" });
  assert.match(report!.failure?.message ?? "", /3 in the bank/, formatReport(report!));
  await assert.rejects(exploreFile(join(project(decorated, false), "src/bank.programs.ts")), {
    code: "INPUT_INVALID",
    message: /deep\/index\.ts:3:3: decorators cannot be explored without the project's own compiler/,
  });
});
