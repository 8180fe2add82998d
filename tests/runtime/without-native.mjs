/** As on a machine where npm left out the native runtime: `node --import` this, and every thread lacks it. */
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === "onnxruntime-node")
      throw Object.assign(new Error("Cannot find package 'onnxruntime-node'"), { code: "ERR_MODULE_NOT_FOUND" });
    return next(specifier, context);
  },
});
