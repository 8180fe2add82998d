/** The OpenAPI 3.1 document, made from the very schemas that requests are parsed by. */
import { z } from "zod";
import { TASK_NAMES, TASKS, type TaskName } from "../../work/tasks/index.ts";
import {
  errorResponse,
  modelInfo,
  modelsResponse,
  publishRequest,
  readyResponse,
  receiptResponse,
  responseOf,
  statusResponse,
} from "./contract.ts";

/** `token-classify` as `TokenClassify`. */
function typeName(task: TaskName): string {
  return task.replace(/(^|-)([a-z])/g, (_, _dash, letter: string) => letter.toUpperCase());
}

const TASK_SCHEMAS = Object.fromEntries(
  TASK_NAMES.flatMap((task): readonly (readonly [string, z.ZodType])[] => [
    [`${typeName(task)}Request`, TASKS[task].body],
    [`${typeName(task)}Response`, responseOf(task)],
  ]),
);

const OTHER_SCHEMAS = {
  ErrorResponse: errorResponse,
  ModelInfo: modelInfo,
  ModelsResponse: modelsResponse,
  PublishRequest: publishRequest,
  Ready: readyResponse,
  Receipt: receiptResponse,
  Status: statusResponse,
} as const;
/** A name in one of the two tables above. */
type SchemaName = keyof typeof OTHER_SCHEMAS | `${string}Request` | `${string}Response`;

interface Operation {
  readonly summary: string;
  readonly body?: SchemaName;
  /** A schema, or a media type that is not JSON; without either, some JSON. */
  readonly answer?: SchemaName | `${string}/${string}`;
  readonly refusals?: readonly number[];
  /** What 503 answers with, where it is no refusal. */
  readonly unavailable?: SchemaName;
  readonly key?: true;
}

function asking(task: TaskName): Operation {
  return {
    summary: TASKS[task].about,
    body: `${typeName(task)}Request`,
    answer: `${typeName(task)}Response`,
    refusals: [400, 403, 404, 413, 415, 429, 503, 504],
  };
}

const PATHS: Readonly<Record<string, Readonly<Partial<Record<"get" | "post", Operation>>>>> = {
  ...Object.fromEntries(TASK_NAMES.map((task) => [TASKS[task].route, { post: asking(task) }])),
  "/v1/models": { get: { summary: "The versions that this server has.", answer: "ModelsResponse" } },
  "/v1/models/publish": {
    post: {
      summary: "Publishes a version into the running server.",
      body: "PublishRequest",
      answer: "ModelInfo",
      refusals: [400, 401, 403, 404, 415, 422],
      key: true,
    },
  },
  "/v1/receipts/{id}": {
    get: {
      summary: "The record of one answer, from which it can be replayed, or of an erasure (`kind`).",
      answer: "Receipt",
      refusals: [404],
    },
  },
  "/v1/status": { get: { summary: "What the server is doing: training, serving or failed.", answer: "Status" } },
  "/v1/events": {
    get: {
      summary: "The same as server-sent events, one at each change.",
      answer: "text/event-stream",
      refusals: [503],
    },
  },
  "/healthz": { get: { summary: "200 while the process lives." } },
  "/readyz": {
    get: {
      summary:
        "200 when questions are answered; 503 before, while receipts cannot be written, and while closing, with why.",
      answer: "Ready",
      unavailable: "Ready",
    },
  },
  "/metrics": { get: { summary: "Prometheus metrics.", answer: "text/plain" } },
  "/openapi.json": { get: { summary: "This document." } },
};

const reference = (name: SchemaName): object => ({
  "application/json": { schema: { $ref: `#/components/schemas/${name}` } },
});

function operation(path: string, { summary, body, answer, refusals = [], unavailable, key }: Operation): object {
  const content =
    answer === undefined
      ? { "application/json": {} }
      : answer.includes("/")
        ? { [answer]: {} }
        : reference(answer as SchemaName);
  return {
    summary,
    ...(path.includes("{id}")
      ? { parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }] }
      : {}),
    ...(body === undefined ? {} : { requestBody: { required: true, content: reference(body) } }),
    ...(key === undefined ? {} : { security: [{ key: [] }] }),
    responses: {
      200: { description: "Done.", content },
      ...Object.fromEntries(
        refusals.map((status) => [status, { description: "Refused.", content: reference("ErrorResponse") }]),
      ),
      ...(unavailable === undefined ? {} : { 503: { description: "Not now.", content: reference(unavailable) } }),
    },
  };
}

export function openApi(): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "Lockstep",
      version: "1",
      description:
        "Answers that can be repeated: one version per answer, the same bits for the same question, a receipt " +
        "for each.",
    },
    paths: Object.fromEntries(
      Object.entries(PATHS).map(([path, methods]) => [
        path,
        Object.fromEntries(Object.entries(methods).map(([method, described]) => [method, operation(path, described)])),
      ]),
    ),
    components: {
      schemas: Object.fromEntries(
        Object.entries({ ...TASK_SCHEMAS, ...OTHER_SCHEMAS }).map(([name, schema]) => [
          name,
          withoutDialect(z.toJSONSchema(schema, { io: /Request$/.test(name) ? "input" : "output" })),
        ]),
      ),
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
    },
  };
}

/** OpenAPI 3.1 states the dialect once, for the whole document. */
function withoutDialect({ $schema: _dialect, ...schema }: Record<string, unknown>): object {
  return schema;
}
