/** Numbers for people. */

/** Milliseconds as `340 ms`, `4.2 s`, `3 min 05 s` or `2 h 07 min`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${twoDigits(seconds % 60)} s`;
  const minutes = Math.round(ms / 60_000);
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** `987`, `12.3 k`, `4.56 M`, `1.20 G`: three digits. */
export function formatCount(n: number): string {
  return scaled(n, 1000, ["", " k", " M", " G", " T"]);
}

/** `512 B`, `1.50 KiB`, `45.2 MiB`: three digits. */
export function formatBytes(n: number): string {
  return scaled(n, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
}

function scaled(n: number, base: number, units: readonly string[]): string {
  let value = n;
  let unit = 0;
  // 999.5 would round up to 1000 of the smaller unit.
  while (Math.abs(value) >= Math.min(base, 999.5) && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  const digits =
    unit === 0 ? (Number.isInteger(value) ? 0 : 2) : Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)}${units[unit] ?? ""}`;
}

function twoDigits(n: number): string {
  return String(n).padStart(2, "0");
}
