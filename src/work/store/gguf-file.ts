/**
 * A GGUF file as the model folder that it was converted from: `config.json`, the tokenizer's files and
 * `model.safetensors` (float32), all made in memory of its metadata and tensors. A stranger may have made it:
 * everything but the weights is settled before memory for them is taken, and then one tensor is read after the other,
 * into its place.
 */
import { setImmediate } from "node:timers/promises";
import { formatBytes, LockstepError } from "../../base/index.ts";
import { modelOfGguf } from "../../language/models/index.ts";
import { tokenizerOfGguf } from "../../language/text/index.ts";
import { allocateSafetensors, elements, openGguf, type OpenGguf } from "../../numeric/tensor/index.ts";
import { onDisk } from "./disk-errors.ts";
import type { ForeignFolder, OpenFolderOptions } from "./foreign-folder.ts";
import { isMissing, nodeFileSystem } from "./node-file-system.ts";
import { versionName } from "./version-name.ts";

const WEIGHTS = "model.safetensors";
const WEIGHT_BYTES = 16 * 1024 * 1024 * 1024;

/** Whether a path is that of a GGUF file, by its name. */
export function isGgufPath(path: string): boolean {
  return path.toLowerCase().endsWith(".gguf");
}

/**
 * Reads a file. A link is followed, since the file is named itself; what it leads to must be a regular file.
 * @throws NOT_FOUND; MODEL_INVALID, TOKENIZER_INVALID, WEIGHTS_INVALID for what is in it; INPUT_TOO_LARGE
 */
export async function openGgufFile(path: string, options: OpenFolderOptions = {}): Promise<ForeignFolder> {
  const { fs = nodeFileSystem, allocate, beforeWeights, maxWeightBytes = WEIGHT_BYTES } = options;
  const real = await onDisk("look at", path, async () => {
    try {
      return await fs.realPath(path);
    } catch (thrown) {
      if (isMissing(thrown)) throw new LockstepError("NOT_FOUND", `there is no file ${path}; check the path`, { path });
      throw thrown;
    }
  });
  if ((await onDisk("look at", real, () => fs.info(real)))?.kind !== "file")
    throw new LockstepError("MODEL_INVALID", `${path} cannot be used as a model: it is not a regular file`, { path });
  using file = openGguf(real);
  const { config, weights, copies } = modelOfGguf(file);
  const files = new Map(Object.entries(filesOf(file, config)).map(([name, text]) => [name, encode(text)]));
  const bytes = weights.reduce((sum, { shape }) => sum + 4 * elements(shape), 0);
  if (bytes > maxWeightBytes)
    throw new LockstepError(
      "INPUT_TOO_LARGE",
      `${path} has ${formatBytes(bytes)} of weights in float32; the limit is ${formatBytes(maxWeightBytes)}`,
      { path, bytes, limit: maxWeightBytes },
    );
  beforeWeights?.(files, bytes);
  const made = allocateSafetensors(weights, { format: "pt" }, (size) =>
    allocate === undefined ? new Uint8Array(size) : allocate(WEIGHTS, size),
  );
  for (const { source, name, arrange } of weights) {
    const values = made.tensors.get(name) as Float32Array;
    file.read(source, values);
    arrange(values);
    // Others have their turn between two tensors.
    await setImmediate();
  }
  for (const { source, of } of copies) requireCopy(file, source, of);
  files.set(WEIGHTS, made.bytes);
  return { name: await versionName(files), files, ignored: [] };
}

const UTF8 = new TextEncoder();
const encode = (text: string): Uint8Array => UTF8.encode(text);

function filesOf(file: OpenGguf, config: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const longest = config["max_position_embeddings"] ?? config["n_positions"];
  return {
    "config.json": `${JSON.stringify(config, null, 2)}\n`,
    ...tokenizerOfGguf(file.metadata, longest as number),
  };
}

/** The layout has one tensor for both; two that differ (stored in different types) would be another model. */
function requireCopy(file: OpenGguf, source: string, of: string): void {
  const [copy, whole] = [file.read(source).data, file.read(of).data];
  if (copy.length === whole.length && copy.every((value, i) => value === whole[i])) return;
  throw new LockstepError(
    "MODEL_INVALID",
    `the GGUF file has "${source}" and "${of}" with other values, and its architecture has one table for both; fetch ` +
      "the model in a form that stores both alike, such as F16 or Q8_0",
    { tensor: source },
  );
}
