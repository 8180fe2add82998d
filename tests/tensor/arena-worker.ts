/** The other side of the attaching test: triples y.w in place. */
import { parentPort, workerData } from "node:worker_threads";
import { createKernels } from "../../src/numeric/kernels/index.ts";
import { Arena, type ArenaHandle } from "../../src/numeric/tensor/index.ts";

const arena = Arena.attach(workerData as ArenaHandle);
const { data } = arena.get("y.w");
const first = data[0];
const memory = arena.memories[arena.place("y.w").memory];
if (memory !== undefined) createKernels(memory).scale(data.byteOffset, 3, data.length);
parentPort?.postMessage({ names: [...arena.tensors.keys()], first });
