/** The page: a few static files, read once, each with a tag so that a browser asks again and is told "unchanged". */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";

const FILES: readonly (readonly [route: string, file: string, type: string])[] = [
  ["/", "index.html", "text/html; charset=utf-8"],
  ["/app.js", "app.js", "text/javascript; charset=utf-8"],
  ["/ask.js", "ask.js", "text/javascript; charset=utf-8"],
  ["/tasks.js", "tasks.js", "text/javascript; charset=utf-8"],
  ["/draw.js", "draw.js", "text/javascript; charset=utf-8"],
  ["/style.css", "style.css", "text/css; charset=utf-8"],
  ["/icon.svg", "icon.svg", "image/svg+xml"],
];

export function addPage(app: FastifyInstance): void {
  for (const [route, file, type] of FILES) {
    const body = readFileSync(new URL(`./page/${file}`, import.meta.url));
    const tag = `"${createHash("sha256").update(body).digest("base64url")}"`;
    app.get(route, (request, reply) => {
      reply.header("etag", tag).header("cache-control", "no-cache");
      return request.headers["if-none-match"] === tag ? reply.code(304).send() : reply.type(type).send(body);
    });
  }
}
