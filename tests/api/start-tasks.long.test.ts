/** `start` of versions without classes: checked by a task that takes any text, served, and shown as what they are. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { start, type TrainInput } from "../../src/edge/api/index.ts";
import { TABLE, TINY, tinyStore } from "../stress/tiny-store.ts";

const { pretrain: _pretrain, finetune: _finetune, ...SIZES } = TINY;
const CONLL = Array.from({ length: 40 }, (_, n) => `in O\ncity${n % 9} B-place\nhall I-place\n`).join("\n");

interface Served {
  readonly model: { readonly routes: readonly string[]; readonly mask_token: string | null };
  readonly accuracy: null;
  readonly figure: { readonly name: string } | null;
  readonly examples: readonly string[];
}

for (const [task, table, routes, shows] of [
  [
    "masked-lm",
    undefined,
    ["/v1/fill-mask", "/v1/perplexity"],
    ({ model, figure }: Served) => assert.deepEqual([model.mask_token, figure], ["[MASK]", null]),
  ],
  [
    "token-classify",
    CONLL,
    ["/v1/token-classify"],
    ({ figure, examples }: Served) => {
      assert.equal(figure?.name, "entity F1");
      assert.match(examples[0]!, /^in city\d hall$/);
    },
  ],
] as const)
  test(`start: ${task}`, async () => {
    await using tiny = await tinyStore([]);
    const data = table === undefined ? TABLE : join(tiny.folder, "table.conll");
    if (table !== undefined) writeFileSync(data, table);
    const text = table === undefined ? { text: "question" } : {};
    const input = { ...SIZES, ...text, data, task, phases: undefined } as TrainInput;
    let asked = { route: "", question: "" };
    await using server = await start(input, {
      out: tiny.store,
      threads: 1,
      sample: 8,
      http: { port: 0 },
      audit: false,
      onEvent: (event) => {
        if (event.kind === "serving") asked = event;
      },
    });
    const status = (await (await fetch(`${server.url}/v1/status`)).json()) as Served;
    assert.deepEqual(status.model.routes, routes);
    shows(status);
    const response = await fetch(`${server.url}${asked.route}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text: asked.question }),
    });
    assert.equal(response.status, 200);
  });
