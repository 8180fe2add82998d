/** From files and rows to batches: readers, splits, packed datasets, batch plans, masking. */
export { readTable, requireLabels, TABLE_FORMATS, type ReadTableOptions } from "./table.ts";
export { readRows, type ReadRowsOptions, type Rows } from "./rows.ts";
export type { Table, TableFormat } from "./table-builder.ts";
export {
  LABEL_NAMES,
  ROLE_NAMES,
  ROLES,
  TEXT_NAMES,
  type Columns,
  type Need,
  type PreferredColumns,
  type Role,
  type RoleChoices,
} from "./columns.ts";
export { entitiesOf } from "./entities.ts";
export { labelIds, labelSpace, type LabelSpace } from "./labels.ts";
export { labelWarnings } from "./label-warnings.ts";
export {
  cellsOf,
  listOf,
  numberOf,
  plainTexts,
  READINGS,
  type ExampleData,
  type Reading,
  type ReadingName,
} from "./readings.ts";
export { IGNORED, tagIds, wordPlaces, wordsOf, type TaggedWords } from "./words.ts";
export { LineSplitter } from "./lines.ts";
export { splitByHash, splitKey, type Split } from "./split.ts";
export { encodeDataset, type EncodeDatasetOptions, type PackedDataset } from "./pack.ts";
export { planEpoch, shardBatch, type EpochOptions } from "./batches.ts";
export { maskTokens, type Masked, type MaskOptions, type MaskReplacement } from "./mask.ts";
