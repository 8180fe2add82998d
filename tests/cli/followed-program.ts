/** What a launcher runs: says that it is there, ends with 7 when it is asked to, and never by itself. */
const { followLauncher } = (await import(new URL("../../bin/runtime.mjs", import.meta.url).href)) as {
  followLauncher: () => void;
};
followLauncher();
setInterval(() => undefined, 1000);
process.on("SIGTERM", () => {
  console.log("asked to end");
  process.exit(7);
});
console.log(`running ${String(process.env["LOCKSTEP_LAUNCHER"])}`);
