/** Versions, aliases and checkpoints on disk. */
export { openStore, Store, type RemovedVersion, type StoreOptions, type VersionRef } from "./store.ts";
export { type StoredVersion } from "./listing.ts";
export { type Allocate, type NamedFiles } from "./version-folder.ts";
export { openFolder, type ForeignFolder, type OpenFolderOptions } from "./foreign-folder.ts";
export { isGgufPath, openGgufFile } from "./gguf-file.ts";
export { loadLatestCheckpoint, saveCheckpoint, type LoadedCheckpoint } from "./checkpoint.ts";
export { type CheckpointContent, type JsonValue } from "./checkpoint-format.ts";
export { isAlias, shortName } from "./names.ts";
export { type FileInfo, type FileSystem, type NewFile, type ReadOptions } from "./file-system.ts";
export { nodeFileSystem } from "./node-file-system.ts";
export { withSteps, type OnStep } from "./steps.ts";
export { diskError, onDisk } from "./disk-errors.ts";
export { replaceFile } from "./durable.ts";
export { temporaryName } from "./temporary.ts";
export { versionName } from "./version-name.ts";
