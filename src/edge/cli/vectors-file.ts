/**
 * Vectors as one file of float32, little-endian, one after another: as NumPy reads it (.npy, format version 1.0), or
 * the numbers alone (.f32). Written beside its name and moved there when it is whole.
 */
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { LockstepError } from "../../base/index.ts";

/** Bytes before the numbers. */
type Header = (rows: number, dimensions: number) => Uint8Array;
const FORMATS: Readonly<Record<string, Header>> = {
  ".npy": npyHeader,
  ".f32": () => new Uint8Array(0),
};

/** Of any .npy file here: the count of rows is filled in at the end. */
const HEADER_BYTES = 128;

function npyHeader(rows: number, dimensions: number): Uint8Array {
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimensions}), }`;
  const header = Buffer.alloc(HEADER_BYTES, " ");
  header.write("\u0093NUMPY\u0001\u0000", 0, "latin1");
  header.writeUInt16LE(HEADER_BYTES - 10, 8);
  header.write(description, 10, "latin1");
  header.write("\n", HEADER_BYTES - 1, "latin1");
  return header;
}

export class VectorsFile implements AsyncDisposable {
  readonly #path: string;
  readonly #header: Header;
  readonly #file: FileHandle;
  #rows = 0;
  #dimensions = 0;
  #place = 0;
  #isDone = false;

  private constructor(path: string, header: Header, file: FileHandle) {
    this.#path = path;
    this.#header = header;
    this.#file = file;
  }

  /** @throws OPTION_INVALID: the name says no format; DISK_FAILED */
  static async create(path: string): Promise<VectorsFile> {
    const header = Object.entries(FORMATS).find(([ending]) => path.toLowerCase().endsWith(ending))?.[1];
    if (header === undefined)
      throw new LockstepError("OPTION_INVALID", `${path} does not end in ${Object.keys(FORMATS).join(" or ")}`, {
        path,
      });
    return new VectorsFile(path, header, await failing(path, () => open(partOf(path), "w")));
  }

  /** All of one length. */
  async add(vector: Float32Array): Promise<void> {
    const bytes = new DataView(new ArrayBuffer(vector.byteLength));
    vector.forEach((value, at) => {
      bytes.setFloat32(4 * at, value, true);
    });
    if (this.#rows++ === 0) {
      this.#dimensions = vector.length;
      this.#place = this.#header(0, this.#dimensions).length;
    }
    await failing(this.#path, () => this.#file.write(bytes, 0, bytes.byteLength, this.#place));
    this.#place += bytes.byteLength;
  }

  /** Makes it whole, under its name. @throws DISK_FAILED */
  async finish(): Promise<void> {
    await failing(this.#path, async () => {
      const header = this.#header(this.#rows, this.#dimensions);
      await this.#file.write(header, 0, header.length, 0);
      await this.#file.sync();
      await this.#file.close();
      this.#isDone = true;
      await rename(partOf(this.#path), this.#path);
    });
  }

  /** What is not finished is taken away. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDone) return;
    await this.#file.close();
    await rm(partOf(this.#path), { force: true });
  }
}

function partOf(path: string): string {
  return `${path}.part`;
}

async function failing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new LockstepError("DISK_FAILED", `${path} cannot be written: ${why}`, { path }, { cause: thrown });
  }
}
