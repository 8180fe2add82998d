/** Counters and measures of serving as samples for /metrics. */
import { nativeInUse } from "../../numeric/runtime/index.ts";
import type { ServeHooks } from "../../work/serve/index.ts";
import type { MetricSample } from "../http/index.ts";

export class ServingFigures {
  readonly #counts = new Map<string, number>();
  readonly #sums = new Map<string, { sum: number; count: number }>();

  readonly hooks: ServeHooks = {
    count: (name, by) => {
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
    },
    observe: (name, value) => {
      const { sum, count } = this.#sums.get(name) ?? { sum: 0, count: 0 };
      this.#sums.set(name, { sum: sum + value, count: count + 1 });
    },
  };

  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  samples(): readonly MetricSample[] {
    const counters = [...this.#counts].map(([name, value]) => ({
      name: `lockstep_serve_${name}_total`,
      help: `Serving: ${name.replaceAll("_", " ")}.`,
      kind: "counter" as const,
      value,
    }));
    const measures = [...this.#sums].flatMap(([name, { sum, count }]) => [
      {
        name: `lockstep_serve_${name}_sum_total`,
        help: `Serving: sum of ${name.replaceAll("_", " ")}.`,
        kind: "counter" as const,
        value: sum,
      },
      {
        name: `lockstep_serve_${name}_count_total`,
        help: `Serving: observations of ${name.replaceAll("_", " ")}.`,
        kind: "counter" as const,
        value: count,
      },
    ]);
    return [...counters, ...measures, ...nativeSample()];
  }
}

function nativeSample(): readonly MetricSample[] {
  const reached = nativeInUse();
  if (reached === undefined) return [];
  return [
    {
      name: "lockstep_native_interface",
      help: "How the native runtime is reached: its C interface, or the binding of its package.",
      kind: "gauge",
      value: 1,
      labels: { interface: reached },
    },
  ];
}
