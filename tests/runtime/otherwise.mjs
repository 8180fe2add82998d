/**
 * As on other machines: `node --import` this, with LOCKSTEP_TEST_AS naming what is otherwise. "no-koffi": npm left it
 * out; "other-version": the runtime is one that nobody has tried; "other-platform": so is the platform.
 */
import { registerHooks } from "node:module";

const as = process.env.LOCKSTEP_TEST_AS;
const TABLE = {
  "other-version": [/PROVEN_VERSIONS([^=]*)= \[[^\]]*\]/, 'PROVEN_VERSIONS$1= ["0.0.1"]'],
  "other-platform": [/PROVEN_PLATFORMS([^=]*)= \[[^\]]*\]/, "PROVEN_PLATFORMS$1= []"],
};

registerHooks({
  resolve(specifier, context, next) {
    if (as === "no-koffi" && specifier === "koffi")
      throw Object.assign(new Error("Cannot find package 'koffi'"), { code: "ERR_MODULE_NOT_FOUND" });
    return next(specifier, context);
  },
  load(url, context, next) {
    const loaded = next(url, context);
    const change = TABLE[as];
    if (change === undefined || !url.includes("/runtime/c-table.")) return loaded;
    const source = String(loaded.source);
    const changed = source.replace(...change);
    if (changed === source) throw new Error("the table has another form");
    return { ...loaded, source: changed };
  },
});
