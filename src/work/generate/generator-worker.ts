/** A generator's thread: loads one version from its bytes, packed, and runs steps until it is asked to end. */
import { createExecutor, type ScopeHandle } from "../../numeric/runtime/index.ts";
import { markBusy, serveWorker } from "../../threads/pool/index.ts";
import { readVersion } from "../infer/index.ts";
import { openDecoder } from "./decoder.ts";
import { endTokens } from "./end-tokens.ts";
import type { GeneratorReply, GeneratorRequest, GeneratorSetup } from "./generator-messages.ts";
import { Runner } from "./runner.ts";

await serveWorker<GeneratorRequest, GeneratorReply>(async (context) => {
  const { files, slots, packed, prefixTokens, ...setup } = context.data as GeneratorSetup;
  const scope = context.scope as ScopeHandle | undefined;
  const executor = await (setup.executor === "native"
    ? createExecutor("native", { scope, intraOpThreads: setup.intraOpThreads })
    : createExecutor("portable", { scope }));
  const version = readVersion(files);
  const decoder = await markBusy(() => openDecoder(version, executor, { slots, ...(packed && { packed }) }));
  const { tokenizer } = version;
  const runner = new Runner({ decoder, prefixTokens, tokenizer, ends: endTokens(files, version) });
  const { profile, vocabulary } = decoder;
  return [
    {
      describe: () => ({ kind: "describe", profile, vocabulary, context: decoder.context }),
      step: async (order) => ({ kind: "step", outcomes: await markBusy(() => runner.step(order)) }),
    },
    {
      onClose: async () => {
        runner.clear();
        await markBusy(() => decoder.dispose());
      },
    },
  ];
});
