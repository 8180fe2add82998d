/** Texts of a domain and labelled rows for small trainings, as files and in memory. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sentences } from "../train/prepared.ts";
import { TINY } from "../stress/tiny-store.ts";

const { data: _, pretrain: __, finetune: ___, ...SIZES } = TINY;
export { SIZES };
export const RATES = { epochs: 1, batch_size: 16, shards: 2, learning_rate: 5e-3 } as const;
export const LABELLED = sentences(40).map(({ words, n }) => ({
  text: words.join(" "),
  label: n % 2 === 0 ? "even" : "odd",
}));
export const ABSTRACTS = sentences(24).map(({ n }) => `The myocardial infarction number ${n} was treated.`);

/** A folder with both as files. */
export class DomainFiles implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "lockstep-phases-"));
  readonly labelled = this.file("rows.jsonl", LABELLED.map((row) => `${JSON.stringify(row)}\n`).join(""));
  readonly abstracts = this.file("abstracts.txt", ABSTRACTS.join("\n\n"));

  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
