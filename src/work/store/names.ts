/** What things in a store may be called. Every name is checked before it becomes part of a path. */
import { LockstepError } from "../../base/index.ts";

/** The manifest of a version: its own name in the folder, so nothing else may have it. */
export const MANIFEST_FILE = "manifest.json";

const ALIAS = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const VERSION = /^[0-9a-f]{64}$/;
const VERSION_PREFIX = /^[0-9a-f]{4,64}$/;
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$/;

export const SHORT = 12;

export function isVersionName(text: string): boolean {
  return VERSION.test(text);
}
export function isVersionPrefix(text: string): boolean {
  return VERSION_PREFIX.test(text);
}

/** The first twelve characters of a version's name, for people. */
export function shortName(version: string): string {
  return version.slice(0, SHORT);
}

/** An alias that could be read as the beginning of a version's name would be ambiguous, so it is not one. */
export function isAlias(text: string): boolean {
  return ALIAS.test(text) && !VERSION_PREFIX.test(text);
}

export function requireAlias(alias: string): string {
  if (isAlias(alias)) return alias;
  throw new LockstepError(
    "OPTION_INVALID",
    VERSION_PREFIX.test(alias)
      ? `"${alias}" cannot be an alias: it reads like the beginning of a version's name (0-9 and a-f only); ` +
          "choose another word"
      : `${JSON.stringify(alias.slice(0, 80))} is not an alias: use 1 to 64 of a-z, 0-9, ".", "_" and "-", ` +
          "beginning with a letter or a digit",
  );
}

/** A file of a version: a plain name, or one in a folder one level down such as `1_Pooling/config.json`. */
export function isFileName(name: string): boolean {
  return FILE.test(name) && name.toLowerCase() !== MANIFEST_FILE;
}

export function requireFileName(name: string): string {
  if (isFileName(name)) return name;
  throw new LockstepError(
    "INPUT_INVALID",
    `${JSON.stringify(name.slice(0, 80))} cannot be the name of a file in a version: use letters, digits, ".", ` +
      `"_" and "-", at most one folder deep, and not ${MANIFEST_FILE}`,
  );
}

/** The name of a run's folder, chosen by the caller. */
export function requireRunName(name: string): string {
  if (ALIAS.test(name)) return name;
  throw new LockstepError(
    "OPTION_INVALID",
    `${JSON.stringify(name.slice(0, 80))} is not the name of a run: use 1 to 64 of a-z, 0-9, ".", "_" and "-", ` +
      "beginning with a letter or a digit",
  );
}
