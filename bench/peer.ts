/** A peer: a Python process that does the same work in rounds, asked line by line, so that rounds can be interleaved with ours. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface PeerRound { readonly seconds: number; readonly cpu_seconds: number; readonly loss: number }
export interface Peer {
  /** What it said when it was ready. */
  readonly about: Readonly<Record<string, unknown>>;
  readonly round: (from: number, to: number) => Promise<PeerRound>;
  readonly close: () => Promise<void>;
}

/** Why this Python cannot be the peer, or undefined. */
export function missingTorch(python: string): string | undefined {
  const { status, error } = spawnSync(python, ["-c", "import torch"], { stdio: "ignore" });
  if (error !== undefined) return `${python} cannot be started (${error.message}); name a Python with torch in LOCKSTEP_PEER_PYTHON`;
  return status === 0 ? undefined : `${python} has no torch; name one that has in LOCKSTEP_PEER_PYTHON`;
}

export async function openPeer(python: string, script: string, job: string): Promise<Peer> {
  const child = spawn(python, [script, job], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the peer ${script} ended early; its error is above`);
    return JSON.parse(value);
  };
  const about = (await next()) as Record<string, unknown>;
  return {
    about,
    round: async (from, to) => {
      child.stdin.write(`${JSON.stringify({ from, to })}\n`);
      return (await next()) as PeerRound;
    },
    close: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
