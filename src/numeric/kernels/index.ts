export {
  compileKernels,
  createKernels,
  type Kernels,
  type AdamwRegion,
  type GatherRegion,
  type ScatterRegion,
} from "./kernels.ts";
export { adamwConstants, type AdamwConstants, type AdamwSettings } from "./adamw.ts";
export { BLOCK_LIMIT } from "./limits.ts";
export * as plain from "./plain.ts";
