/**
 * The learner's thread. It keeps the program of the version that it made last: updates in a row, which all have one
 * encoder, load it once.
 */
import { createExecutor, type ScopeHandle } from "../../numeric/runtime/index.ts";
import { markBusy, serveWorker } from "../../threads/pool/index.ts";
import { openFeatures, readVersion, type FeatureExtractor, type Version } from "../infer/index.ts";
import type { LearnReply, LearnRequest } from "./head-messages.ts";
import { updateHead } from "./head-update.ts";

interface Open {
  readonly name: string;
  readonly executor: string;
  readonly version: Version;
  readonly features: FeatureExtractor;
}

await serveWorker<LearnRequest, LearnReply>(({ scope }) => {
  let last: Open | undefined;

  const opened = async ({ parent, executor }: LearnRequest): Promise<Open> => {
    if (last?.name === parent.name && last.executor === executor) return last;
    await close();
    const version = readVersion(parent.files);
    const runtime = await createExecutor(executor, { scope: scope as ScopeHandle | undefined });
    return (last = {
      name: parent.name,
      executor,
      version,
      features: await markBusy(() => openFeatures(version, runtime)),
    });
  };

  const close = async (): Promise<void> => {
    const { features } = last ?? {};
    last = undefined;
    if (features !== undefined) await markBusy(() => features.dispose());
  };

  return [
    {
      learn: async (request) => {
        const { parent, examples, rates } = request;
        const { version, features, executor } = await opened(request);
        const {
          next,
          version: made,
          lineage,
          lossBefore,
          lossAfter,
        } = await markBusy(() => updateHead(parent, version, features, examples, rates));
        last = { name: next.name, executor, version: made, features };
        const changed = new Map([...next.files].filter(([name, bytes]) => parent.files.get(name) !== bytes));
        return { kind: "learn", name: next.name, changed, lineage, lossBefore, lossAfter };
      },
    },
    { onClose: close },
  ];
});
