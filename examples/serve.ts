/** Serves a store over HTTP with receipts: `node examples/serve.ts [store] [--once]`. Run examples/train.ts first. */
import { serve } from "lockstep";

const once = process.argv.includes("--once");
const [path = "./models/example"] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));

await using server = await serve(path, { threads: 2, http: { port: once ? 0 : { from: 7070 } } });
console.log(`serving ${server.model.version.slice(0, 12)} at ${server.url}`);

const response = await fetch(`${server.url}/v1/classify`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ text: "Where is my new card?", top_k: 3 }),
});
console.log(JSON.stringify(await response.json(), null, 2));

// The receipt in the answer can be replayed, bit for bit: `lockstep replay <store>`.
if (!once) await new Promise((resolve) => process.once("SIGINT", resolve));
