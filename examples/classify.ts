/** Asks a model: `node examples/classify.ts [store or folder] [text …]`. Run examples/train.ts first. */
import { loadModel } from "lockstep";

const [path = "./models/example", ...given] = process.argv.slice(2);
const texts = given.length > 0 ? given : ["Where is my new card?", "I was charged twice for one payment."];

// Replicas run on worker threads; this thread stays free. `await using` ends them.
await using model = await loadModel(path, { threads: 2 });
console.log(`version ${model.version.slice(0, 12)}, ${model.labels.length} labels, ${model.profile.executor}`);

// One call or many at once, alone or together: the same bits.
const together = await model.classify(texts, { topK: 3 });
const alone = await Promise.all(texts.map((text) => model.classify(text, { topK: 3 })));

together.forEach(({ label, probability, abstained, digest }, index) => {
  console.log(`${texts[index] ?? ""}\n  ${abstained ? "(not sure) " : ""}${label} ${(100 * probability).toFixed(1)} %`);
  if (digest !== alone[index]?.digest) throw new Error("an answer depended on its batch mates");
});
