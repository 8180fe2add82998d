/** From files to batches: readers, splits, packed datasets, batch plans, masking. */
export { readTable, requireLabels, type ReadTableOptions, type Table } from "./table.ts";
export { LABEL_NAMES, TEXT_NAMES, type Columns } from "./columns.ts";
export { labelIds, labelSpace, type LabelSpace } from "./labels.ts";
export { labelWarnings } from "./label-warnings.ts";
export { LineSplitter } from "./lines.ts";
export { splitByHash, type Split } from "./split.ts";
export { encodeDataset, type EncodeDatasetOptions, type PackedDataset } from "./pack.ts";
export { planEpoch, shardBatch, type EpochOptions } from "./batches.ts";
export { maskTokens, type Masked, type MaskOptions, type MaskReplacement } from "./mask.ts";
