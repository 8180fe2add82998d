/** The digest of an answer's bits, which its receipt keeps and replay compares. */
import { createHash } from "node:crypto";

/** SHA-256 (hex) of float32 bits, little-endian, one row after another. */
export function digestBits(...rows: readonly Float32Array[]): string {
  const hash = createHash("sha256");
  for (const row of rows) {
    const bytes = new DataView(new ArrayBuffer(row.length * 4));
    row.forEach((value, i) => {
      bytes.setFloat32(i * 4, value, true);
    });
    hash.update(new Uint8Array(bytes.buffer));
  }
  return hash.digest("hex");
}
