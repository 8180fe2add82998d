/**
 * The files that the package finds by its own `imports`: modules of worker threads and the kernels. A program that was
 * bundled into one file has none of them beside it, and says so instead of Node's ERR_PACKAGE_IMPORT_NOT_DEFINED.
 */
import { LockstepError } from "./errors.ts";

const NOT_FOUND: ReadonlySet<unknown> = new Set([
  "ERR_PACKAGE_IMPORT_NOT_DEFINED",
  "ERR_MODULE_NOT_FOUND",
  "ERR_INVALID_MODULE_SPECIFIER",
]);

/**
 * The URL that `resolve` finds: `ownFile(() => import.meta.resolve("#entry/…"))`, so that the caller's own place
 * counts.
 * @throws RUNTIME_MISSING where the package is not whole
 */
export function ownFile(resolve: () => string): string {
  try {
    return resolve();
  } catch (thrown) {
    // In a bundle of the CommonJS form there is no such function at all.
    const bundled = thrown instanceof TypeError && /resolve/.test(thrown.message);
    if (!bundled && !NOT_FOUND.has((thrown as { readonly code?: unknown } | undefined)?.code)) throw thrown;
    throw new LockstepError(
      "RUNTIME_MISSING",
      "lockstep does not find its own files, the modules of its worker threads; it was probably bundled into another " +
        "file: leave the package out of the bundle (esbuild: --external:lockstep) and install it beside the program",
      {},
      { cause: thrown },
    );
  }
}
