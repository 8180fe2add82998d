/**
 * What replicas and publishing cost in memory, in a process of its own. `memory-program.ts replicas N SIZE` prints the
 * resident MiB at first and after each of N replicas; `… publishes N SIZE` those after each publication under load.
 * SIZE: "large", about 160 MiB of weights, or "small".
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { seedFrom } from "../src/base/index.ts";
import {
  formatModelConfig,
  modelParameters,
  parseModelConfig,
  initializeParameters,
  type Head,
} from "../src/language/models/index.ts";
import { trainWordPiece } from "../src/language/text/index.ts";
import { encodeSafetensors } from "../src/numeric/tensor/index.ts";
import { createScheduler, openThreadReplica } from "../src/work/serve/index.ts";

const LABELS = ["yes", "no"];
const HEAD: Head = { kind: "sequence", labels: LABELS.length, pooling: "first" };

function versionFiles(hidden: number, layers: number): ReadonlyMap<string, Uint8Array> {
  const tokenizer = trainWordPiece(["my card has not arrived"], { vocabSize: 64, minFrequency: 1 });
  const { config } = parseModelConfig({
    model_type: "bert",
    vocab_size: 64,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: 12,
    intermediate_size: 4 * hidden,
    max_position_embeddings: 64,
    type_vocab_size: 2,
  });
  const parameters = modelParameters(config, HEAD);
  const text = new TextEncoder();
  const files: readonly (readonly [string, Uint8Array])[] = [
    ["config.json", text.encode(formatModelConfig(config, HEAD, LABELS))],
    ["model.safetensors", encodeSafetensors(initializeParameters(parameters, 0.02, seedFrom(1)))],
    ...Object.entries(tokenizer.files).map(([name, content]) => [name, text.encode(content)] as const),
  ];
  return new Map(
    files.map(([name, bytes]) => {
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
      shared.set(bytes);
      return [name, shared];
    }),
  );
}

async function resident(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await sleep(20);
  }
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
}

const [what, count = "4", size = "large"] = process.argv.slice(2);
const files = size === "small" ? versionFiles(48, 1) : versionFiles(768, 6);
const mib: number[] = [await resident()];

if (what === "replicas") {
  const open = [];
  for (let i = 0; i < Number(count); i++) {
    open.push(await openThreadReplica({ files, executor: "native" }));
    mib.push(await resident());
  }
  for (const replica of open) await replica.close();
  mib.push(await resident());
} else {
  const scheduler = createScheduler<{ readonly name: string; readonly files: typeof files }>({
    replicas: 2,
    openReplica: (version) => openThreadReplica({ files: version.files, executor: "native" }),
  });
  let loading = true;
  const load = async (): Promise<void> => {
    const ids = Int32Array.from({ length: 16 }, (_, i) => i + 1);
    while (loading) await scheduler.submit({ id: "load", encode: () => [{ ids }] });
  };
  const askers: Promise<void>[] = [];
  for (let i = 0; i < Number(count); i++) {
    // The same bytes under another name: what is new of a version is what is made of it.
    await scheduler.publish({ name: `version ${i}`, files: new Map(files) });
    if (i === 0) askers.push(load(), load(), load());
    mib.push(await resident());
  }
  loading = false;
  await Promise.all(askers);
  await scheduler.close();
  mib.push(await resident());
}
console.log(JSON.stringify(mib.map((value) => Math.round(value))));
