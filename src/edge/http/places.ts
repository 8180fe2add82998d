/**
 * Who may have a socket, and who may send a large body: bounds on what clients hold by doing nothing. Above the bounds
 * on sockets a small reserve stays for probes, so that a server full of idle clients still says how it is.
 */
import type { Socket } from "node:net";
import { LockstepError } from "../../base/index.ts";

/** Sockets above the bounds, for probes; the one that came first goes when another comes. */
const RESERVE = 32;
/** What a client of the reserve has to ask in, milliseconds. */
const RESERVE_MS = 2_000;

export class Connections {
  readonly #most: number;
  readonly #mostAnAddress: number;
  readonly #byAddress = new Map<string, number>();
  readonly #reserve = new Set<Socket>();
  #count = 0;

  constructor(most: number, mostAnAddress: number) {
    this.#most = most;
    this.#mostAnAddress = mostAnAddress;
  }

  add(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    const here = this.#byAddress.get(address) ?? 0;
    if (this.#count >= this.#most || here >= this.#mostAnAddress) {
      this.#keepForProbes(socket);
      return;
    }
    this.#count += 1;
    this.#byAddress.set(address, here + 1);
    socket.once("close", () => {
      this.#count -= 1;
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
  }

  /** Throws OVERLOADED for a socket that is above the bounds. */
  admit(socket: Socket): void {
    if (this.#reserve.has(socket))
      throw new LockstepError(
        "OVERLOADED",
        `this server has as many connections as it takes: ${this.#most} in all, ${this.#mostAnAddress} from one ` +
          "address",
      );
  }

  isReserve(socket: Socket): boolean {
    return this.#reserve.has(socket);
  }

  #keepForProbes(socket: Socket): void {
    this.#reserve.add(socket);
    socket.once("close", () => this.#reserve.delete(socket));
    setTimeout(() => socket.destroy(), RESERVE_MS).unref();
    if (this.#reserve.size > RESERVE) {
      const [first] = this.#reserve;
      first?.destroy();
    }
  }
}

/** Bodies up to this size need no place: there are never more of them than connections. */
const SMALL = 1 << 16;
/** Of all places, those that one address may take. */
const SHARE = 0.5;

export class BodyPlaces {
  readonly #most: number;
  readonly #byAddress = new Map<string, number>();
  #bytes = 0;

  /** `most`: bytes of all bodies that are arriving or being answered. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Takes a place for `bytes` from `address`; the result gives it back. Throws OVERLOADED when there is none. One body
   * always has a place, however large it may be.
   */
  take(address: string, bytes: number): () => void {
    if (bytes <= SMALL) return () => undefined;
    const here = this.#byAddress.get(address) ?? 0;
    const full = this.#bytes + bytes > this.#most || here + bytes > this.#most * SHARE;
    if (full && this.#bytes > 0)
      throw new LockstepError(
        "OVERLOADED",
        "too many large requests are arriving: send fewer at once, or smaller ones",
      );
    this.#bytes += bytes;
    this.#byAddress.set(address, here + bytes);
    return () => {
      this.#bytes -= bytes;
      const left = (this.#byAddress.get(address) ?? bytes) - bytes;
      if (left <= 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    };
  }
}
