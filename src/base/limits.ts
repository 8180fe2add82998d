/**
 * What a version may hold of labels. One table, asked where a table of texts is read, before any training, and where a
 * version is opened, so that nothing is trained that cannot be opened.
 */
export const LABEL_LIMITS = Object.freeze({
  /** Classes. More are a wrong column (an id, say), not a task. */
  count: 20_000,
  /** UTF-16 code units of one label. */
  length: 1000,
  /** Bytes of all labels as a list in JSON: `config.json` holds it twice and `lockstep.json` once. */
  jsonBytes: 4 << 20,
});

/** Largest `config.json` and `lockstep.json` that are read, in bytes: room for all labels, numbered, twice. */
export const CONFIG_BYTES = 16 << 20;
