/**
 * Builds and packs what would be published, and checks the archive: everything that package.json points to is in it,
 * and nothing of the sources is. Prints the archive's name last. `--destination FOLDER` puts it there.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);
const flag = process.argv.indexOf("--destination");
const destination = flag === -1 ? root : process.argv[flag + 1];

execFileSync(process.execPath, [join(root, "tools", "build.mjs")], { stdio: ["ignore", process.stderr, "inherit"] });
const output = execFileSync("npm", ["pack", "--json", "--pack-destination", destination], {
  cwd: root,
  encoding: "utf8",
  shell: process.platform === "win32",
});
const packed = JSON.parse(output);
// npm 12 answers with an object by package name, earlier ones with a list.
const [archive] = Array.isArray(packed) ? packed : Object.values(packed);
const files = new Set(archive.files.map((file) => file.path));

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const targets = (value) =>
  typeof value === "string"
    ? [value]
    : Object.entries(value)
        .filter(([condition]) => condition !== "lockstep-source")
        .flatMap(([, inner]) => targets(inner));
const wanted = [...targets(manifest.exports), ...targets(manifest.imports), ...targets(manifest.bin)]
  .filter((path) => !path.includes("*"))
  .map((path) => path.replace(/^\.\//, ""))
  .concat("LICENSE", "README.md", "dist/edge/cli/index.js", "dist/edge/http/page/index.html");
const missing = wanted.filter((path) => !files.has(path));
const strange = [...files].filter(
  (path) => /^(src|tests|tools|bench)\//.test(path) || (/^(?!examples\/).*\.ts$/.test(path) && !path.endsWith(".d.ts")),
);

if (missing.length > 0 || strange.length > 0) {
  console.error(
    `the archive is wrong: missing ${missing.join(", ") || "nothing"}; not wanted ${strange.join(", ") || "nothing"}`,
  );
  process.exit(1);
}
console.error(
  `${files.size} files, ${(archive.size / 1024).toFixed(0)} KiB packed, ` +
    `${(archive.unpackedSize / 1024).toFixed(0)} KiB unpacked`,
);
console.log(join(destination, archive.filename));
