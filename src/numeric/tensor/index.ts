export * from "./tensor.ts";
export { Arena, type ArenaHandle, type ArenaOptions, type Place, type TensorSpec } from "./arena.ts";
export * from "./memory.ts";
export { digestTensors, firstNonFinite, type NamedTensors } from "./inspect.ts";
export {
  allocateSafetensors,
  encodeSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  type Safetensors,
  type SafetensorsLimits,
} from "./safetensors.ts";
export {
  isShard,
  joinShards,
  parseShardIndex,
  readShard,
  SHARD_INDEX,
  shardHeaderEnd,
  type JoinedShards,
  type Shard,
  type ShardIndex,
  type ShardPart,
} from "./shards.ts";
export { type SafetensorsHeader, type StoredTensor, type UnreadTensor } from "./header.ts";
export { openGguf, type OpenGguf } from "./gguf.ts";
export { type GgufArray, type GgufHeader, type GgufLimits, type GgufTensor, type GgufValue } from "./gguf-header.ts";
export { type GgufType } from "./gguf-types.ts";
