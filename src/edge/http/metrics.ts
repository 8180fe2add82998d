/**
 * Prometheus metrics: the server's own, in a registry of its own, and the samples that the rest of Lockstep hands over.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { MetricSample } from "./contract.ts";

export class Metrics {
  readonly #registry = new Registry();
  readonly #samples: () => readonly MetricSample[];
  readonly #requests = new Counter({
    name: "lockstep_http_requests_total",
    help: "Requests answered, by route and status.",
    labelNames: ["route", "method", "status"],
    registers: [this.#registry],
  });
  readonly #seconds = new Histogram({
    name: "lockstep_http_request_seconds",
    help: "Time from the arrival of a request to the end of its answer.",
    labelNames: ["route"],
    buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
    registers: [this.#registry],
  });
  readonly #texts = new Counter({
    name: "lockstep_http_texts_total",
    help: "Texts answered.",
    registers: [this.#registry],
  });

  constructor(streams: () => number, samples: () => readonly MetricSample[]) {
    this.#samples = samples;
    const registers = [this.#registry];
    new Gauge({
      name: "lockstep_http_event_streams",
      help: "Event streams open now.",
      registers,
      collect() {
        this.set(streams());
      },
    });
    new Gauge({
      name: "process_resident_memory_bytes",
      help: "Resident memory of the process.",
      registers,
      collect() {
        this.set(process.memoryUsage.rss());
      },
    });
  }

  request(route: string, method: string, status: number, seconds: number): void {
    this.#requests.inc({ route, method, status: String(status) });
    this.#seconds.observe({ route }, seconds);
  }

  texts(count: number): void {
    this.#texts.inc(count);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async render(): Promise<string> {
    const handed = new Registry();
    const byName = new Map<string, Gauge | Counter>();
    for (const { name, help, kind, value, labels = {} } of this.#samples()) {
      let metric = byName.get(name);
      if (metric === undefined) {
        metric = new (kind === "gauge" ? Gauge : Counter)({
          name,
          help,
          labelNames: Object.keys(labels),
          registers: [handed],
        });
        byName.set(name, metric);
      }
      metric.inc(labels, value);
    }
    return (await this.#registry.metrics()) + (await handed.metrics());
  }
}
