/** Which methods a path takes: for the `Allow` of a 405. Made from the routes as they are added. */
import type { FastifyInstance } from "fastify";

export class Allowed {
  readonly #routes = new Map<string, { readonly path: RegExp; readonly methods: Set<string> }>();

  /** Sees every route that is added to `app` from now on. */
  constructor(app: FastifyInstance) {
    app.addHook("onRoute", ({ url, method }) => {
      const route = this.#routes.get(url) ?? { path: pattern(url), methods: new Set<string>() };
      for (const one of [method].flat()) route.methods.add(one);
      this.#routes.set(url, route);
    });
  }

  /** In the order of the alphabet; none: there is no such path. */
  methods(path: string): readonly string[] {
    const methods = [...this.#routes.values()].filter((route) => route.path.test(path));
    return [...new Set(methods.flatMap((route) => [...route.methods]))].sort();
  }
}

/** `/v1/receipts/:id` as an expression; routes have no other kind of parameter. */
function pattern(url: string): RegExp {
  const parts = url.split("/").map((part) => (part.startsWith(":") ? "[^/]+" : RegExp.escape(part)));
  return new RegExp(`^${parts.join("/")}$`);
}
