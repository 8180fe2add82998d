/**
 * A step of a disk (`withSteps`) by its kind: which checkpoint, which version, which of its files, which of the store's
 * folders and how often do not matter. tests/store/kill.long.test.ts has every single step of publishing. With
 * LOCKSTEP_STEPS=all each file and folder is a kind of its own everywhere.
 */
export function kindOf(step: string): string {
  const named = step
    .replaceAll(/step-\d+/g, "step-*")
    .replaceAll(/[0-9a-f]{64}/g, "<version>")
    .replaceAll(/runs\/[0-9a-f]{16}/g, "runs/<run>");
  if (process.env["LOCKSTEP_STEPS"] === "all") return named;
  return named
    .replaceAll(/tmp-\*\/[^ ]+/g, "tmp-*/<file>")
    .replace(/^make (?:versions|aliases|runs|tmp)$/, "make <folder>");
}
