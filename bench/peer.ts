/**
 * A peer: a Python process that does the same work in rounds, asked line by line, so that rounds can be interleaved
 * with ours. Its OpenMP threads may spin or sleep between loops: spinning is a little faster on an idle machine, and
 * ruinous on a busy one (one sixth of the speed was seen). Both are tried, and the faster one is measured. Between its
 * rounds the peer is stopped: threads that spin while they wait would take our processors from us.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface PeerRound {
  readonly seconds: number;
  readonly cpu_seconds: number;
  readonly loss: number;
}
export interface Peer {
  /** What it said when it was ready. */
  readonly about: Readonly<Record<string, unknown>>;
  readonly round: (from: number, to: number) => Promise<PeerRound>;
  readonly close: () => Promise<void>;
}

/** Why this Python cannot be the peer, or undefined. */
export function missingTorch(python: string): string | undefined {
  const { status, error } = spawnSync(python, ["-c", "import torch"], { stdio: "ignore" });
  if (error !== undefined)
    return `${python} cannot be started (${error.message}); name a Python with torch in LOCKSTEP_PEER_PYTHON`;
  return status === 0 ? undefined : `${python} has no torch; name one that has in LOCKSTEP_PEER_PYTHON`;
}

/** The faster of the two ways to wait, judged by the rounds `trial` says; the other one is ended. */
export async function openFasterPeer(
  start: (policy: WaitPolicy) => Promise<Peer>,
  trial: { readonly from: number; readonly to: number },
): Promise<Peer & { readonly policy: WaitPolicy }> {
  const timed: { readonly policy: WaitPolicy; readonly peer: Peer; readonly seconds: number }[] = [];
  for (const policy of ["ACTIVE", "PASSIVE"] as const) {
    const peer = await start(policy);
    await peer.round(trial.from, trial.to); // warms up
    timed.push({ policy, peer, seconds: (await peer.round(trial.from, trial.to)).seconds });
  }
  const [first, second] = timed.sort((a, b) => a.seconds - b.seconds);
  await second!.peer.close();
  return { ...first!.peer, policy: first!.policy };
}

export type WaitPolicy = "ACTIVE" | "PASSIVE";

export async function openPeer(python: string, script: string, job: string, policy: WaitPolicy): Promise<Peer> {
  const child = spawn(python, [script, job], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, OMP_WAIT_POLICY: policy },
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the peer ${script} ended early; its error is above`);
    return JSON.parse(value);
  };
  const about = (await next()) as Record<string, unknown>;
  child.kill("SIGSTOP");
  return {
    about,
    round: async (from, to) => {
      child.kill("SIGCONT");
      child.stdin.write(`${JSON.stringify({ from, to })}\n`);
      const round = (await next()) as PeerRound;
      child.kill("SIGSTOP");
      return round;
    },
    close: async () => {
      child.kill("SIGCONT");
      child.stdin.end();
      await exited;
    },
  };
}
