/**
 * Where keys lie that must not lie beside what they protect: the receipts' signing key and the key that publishing
 * needs.
 */
import { homedir } from "node:os";
import { join } from "node:path";

/** `$LOCKSTEP_HOME`, else `$XDG_STATE_HOME/lockstep`, else `~/.local/state/lockstep`. */
export function stateFolder(): string {
  const { LOCKSTEP_HOME: own, XDG_STATE_HOME: xdg } = process.env;
  if (own !== undefined && own !== "") return own;
  return join(xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".local", "state"), "lockstep");
}
