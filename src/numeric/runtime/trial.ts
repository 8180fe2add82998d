/** The process that tries ONNX Runtime's C interface where nobody has run it: `trial.ts LIBRARY`. */
import { openCApi } from "./c-api.ts";
import { tryOut } from "./try-out.ts";

const path = process.argv[2];
if (path === undefined) throw new Error("the library's path is missing");
await tryOut(await openCApi(path));
process.stdout.write("works\n");
