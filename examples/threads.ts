/** One model, called from every thread: `node examples/threads.ts [store or folder]`. Run examples/train.ts first. */
import { isMainThread, parentPort, threadId, Worker, workerData } from "node:worker_threads";
import { attachModel, loadModel, type ModelHandle } from "lockstep";

const TEXTS = ["Where is my new card?", "I was charged twice for one payment.", "How do I change my PIN?"];

if (isMainThread) {
  const [path = "./models/example"] = process.argv.slice(2);
  await using model = await loadModel(path, { threads: 2 });
  const alone = await model.classify(TEXTS);

  // A handle a thread. Whatever happens to the thread, nothing of it stays behind here.
  const workers = Array.from({ length: 4 }, () => {
    const handle = model.handle();
    return new Worker(new URL(import.meta.url), { workerData: handle, transferList: [handle.port] });
  });
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.on("message", ({ thread, digests }: { thread: number; digests: string[] }) => {
            const same = digests.every((digest, index) => digest === alone[index]?.digest);
            console.log(`thread ${thread}: ${same ? "the same bits" : "OTHER BITS"}`);
            if (!same) process.exitCode = 1;
          });
          worker.on("error", reject);
          worker.on("exit", () => {
            resolve();
          });
        }),
    ),
  );

  // Feedback becomes a version of its own; who holds the version before it goes on being answered by that.
  await using before = await model.pin();
  const text = TEXTS[2] ?? "";
  const { top } = await before.classify(text, { topK: 2 });
  const label = top[1]?.label ?? "";
  const { version, lossBefore, lossAfter } = await model.learn([{ text, label }]);
  console.log(
    `version ${version.slice(0, 12)} learnt "${label}": loss ${lossBefore.toFixed(2)} → ${lossAfter.toFixed(2)}`,
  );
  console.log(`"${text}": ${(await before.classify(text)).label} before, ${(await model.classify(text)).label} now`);
} else {
  await using model = attachModel(workerData as ModelHandle);
  const [first, ...others] = TEXTS;
  // blocking, or not
  const answers = [model.classifySync(first ?? ""), ...(await Promise.all(others.map((text) => model.classify(text))))];
  parentPort?.postMessage({ thread: threadId, digests: answers.map(({ digest }) => digest) });
}
