/** Receipts: written, verified, exported and replayed. */
export { openAuditLog, AuditLog, type AuditLogOptions } from "./audit-log.ts";
export { type ErasureResult, type ListQuery } from "./messages.ts";
export { GENESIS, type Receipt, type ReceiptInput } from "./receipt.ts";
export { verifyLog } from "./verify.ts";
export { type Problem, type ProblemKind, type VerifyOptions, type VerifyReport } from "./chain-checker.ts";
export { exportLog, verifyExport } from "./export.ts";
export { replayLog, type Recompute, type ReplayDetail, type ReplayOptions, type ReplayReport } from "./replay.ts";
export { compareAnswers, type Comparison, type Recomputed, type Verdict } from "./compare.ts";
export { refersTo } from "./pins.ts";
export { headFile } from "./head-file.ts";
