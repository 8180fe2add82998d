/**
 * The page in a real browser: training and asking, by keyboard alone, with hostile texts, on a narrow screen, in both
 * themes.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { LockstepError } from "../../src/base/index.ts";
import { createHttpServer, type Status } from "../../src/edge/http/index.ts";
import { FakeDeps, MODEL, SERVING, TRAINING } from "../http/fake.ts";
import { launch, skip } from "./browser.ts";
import { FAINT, onPage, text } from "./page.ts";

describe("the page", { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launch();
  });
  after(async () => {
    await browser.close();
  });

  const withPage = (
    body: Parameters<typeof onPage>[1],
    deps?: FakeDeps,
    options?: Parameters<Browser["newPage"]>[0],
    expected?: RegExp,
  ) => onPage(browser, body, { deps, options, expected });
  const focused = (page: Page): Promise<string> =>
    page.evaluate("document.activeElement.id || document.activeElement.textContent");

  test("shows training as it goes on, then becomes the place to ask", async () => {
    const deps = new FakeDeps();
    const history = Array.from({ length: 100 }, (_, i) => ({
      phase: i < 60 ? "pre-training" : "fine-tuning",
      step: i < 60 ? i : i - 60,
      loss: 8 - i / 20,
    }));
    deps.status_ = { ...TRAINING, history };
    await withPage(async (page) => {
      const progress = page.getByRole("progressbar", { name: "Training progress" });
      assert.equal(await progress.getAttribute("aria-valuenow"), "42");
      assert.equal(await progress.getAttribute("aria-valuetext"), "42 percent, fine-tuning, 1 min 23 s left");
      assert.equal(await text(page, "[aria-current=step]"), "fine-tuning");
      assert.deepEqual(
        [
          await text(page, "#step"),
          await text(page, "#loss"),
          await text(page, "#accuracy"),
          await text(page, "#speed"),
          await text(page, "#left"),
        ],
        ["120 / 2,504", "1.234", "71.0 %", "18,250", "1 min 23 s"],
      );
      await page.getByRole("img", { name: /Loss curve: 8.00 at the start, 1.23 now, in phase fine-tuning/ }).waitFor();
      assert.equal(await page.locator("#curve path").count(), 2);

      deps.emit({ ...TRAINING, step: 121, loss: 1.111, fraction: 0.43, seconds_left: null, accuracy: null });
      await page.getByText("121 / 2,504").waitFor();
      assert.equal(await text(page, "#left"), "–");
      assert.equal(await page.title(), "Training · Lockstep");

      deps.emit(SERVING);
      await page.getByRole("heading", { name: "Ask a question" }).waitFor();
      assert.equal(await page.locator("#training").isHidden(), true);
      assert.equal(await page.title(), "Ready · Lockstep");
      assert.match(
        await text(page, "#facts"),
        /5,312,845 parameters.*77 intents.*Test accuracy 88\.1 %.*86\.9 % to 89\.2 %.*baseline reaches 86\.4 %\.$/,
      );

      const curve = page.getByRole("img", { name: /Loss curve: 8.00 at the start, 1.11 now/ });
      await curve.waitFor(); // it stays
      await page.getByText("Loss while this version was trained").waitFor();
      deps.emit({
        ...SERVING,
        model: { ...MODEL, version: "v2-another" },
        accuracy: { value: 0.5, low: 0.4, high: 0.6, split: "validation" },
      } as Status);
      await page.getByText(/Validation accuracy 50\.0 % .*baseline reaches 86\.4 % on the test split\./).waitFor();
      assert.equal(await curve.isHidden(), true, "another version was not made by this training");
      deps.emit({
        ...SERVING,
        model: { ...MODEL, version: "v3-vectors", labels: 0, routes: ["/v1/embed", "/v1/similarity"] },
        accuracy: null,
      } as Status);
      await page.getByText("A model of 5,312,845 parameters turns a text into a vector.").waitFor();
      assert.match(await text(page, "#curl"), /\/v1\/embed/);
      const later = { ...MODEL, version: "v4-later", routes: ["/v1/divine"] };
      deps.emit({ ...SERVING, model: later, accuracy: null } as Status);
      await page.getByText("A model of 5,312,845 parameters, asked over HTTP at /v1/divine.").waitFor();
      assert.equal(await page.locator("#ask").isHidden(), true, "nothing that this page can ask");
      assert.match(await text(page, "#curl"), /\/v1\/divine/);
    }, deps);
  });

  test("a training that is over still shows its curve, and a server without examples offers none", async () => {
    const deps = new FakeDeps();
    const history = Array.from({ length: 20 }, (_, i) => ({ phase: "fine-tuning", step: i, loss: 4 - i / 10 }));
    deps.status_ = { ...SERVING, examples: [], history } as Status;
    await withPage(async (page) => {
      await page.getByRole("img", { name: /Loss curve: 4.00 at the start, 2.10 now/ }).waitFor();
      assert.equal(await page.getByText("Or try one of these").isHidden(), true);
    }, deps);
  });

  test("a failed training says what happened", async () => {
    const deps = new FakeDeps();
    deps.status_ = { state: "failed", code: "DATA_INVALID", message: "my.csv has no column <b>label</b>" };
    await withPage(
      async (page) => assert.equal(await text(page, "#failure"), "my.csv has no column <b>label</b> (DATA_INVALID)"),
      deps,
    );
  });

  test("by keyboard alone: ask, ask an example, reach the receipt and the copy button", async () => {
    await withPage(async (page, deps) => {
      assert.equal(await focused(page), "question", "the question box has the focus at once");
      await page.keyboard.type("Where is my card?");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Card arrival" }).waitFor();
      assert.deepEqual(
        deps.asked.map((asked) => asked.texts),
        [["Where is my card?"]],
      );
      assert.equal(await focused(page), "question", "and keeps it");
      assert.equal(await page.getByRole("status").and(page.locator("#announce")).textContent(), "Card arrival, 93.1 %");
      assert.equal(await text(page, "#asked"), "Where is my card?");
      assert.equal(await text(page, "#version"), MODEL.version);
      assert.equal(await text(page, "#latency"), "4.2 ms");
      assert.match(
        await text(page, "#curl"),
        /curl http:\/\/127\.0\.0\.1:\d+\/v1\/classify[\s\S]*-d '\{"text":"Where is my card\?"\}'/,
      );
      assert.equal(await page.getByRole("list", { name: "Most probable intents" }).getByRole("listitem").count(), 5);

      const order: string[] = [];
      for (let i = 0; i < 7; i++) {
        await page.keyboard.press("Tab");
        order.push(await focused(page));
        const outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
        assert.notEqual(outline, "none", `the focus can be seen on ${order.at(-1)}`);
      }
      const examples = SERVING.state === "serving" ? SERVING.examples : [];
      assert.deepEqual(order, ["send", ...examples, "receipt", "curl", "copy"]);

      for (let i = 0; i < 4; i++) await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("Space");
      await page.locator("#asked", { hasText: examples[1]! }).waitFor();
      assert.equal(await page.getAttribute("#receipt", "href"), "/v1/receipts/r-2-0");
    });
  });

  test("markup in labels, questions, examples and errors is shown as text", async () => {
    const hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
    const deps = new FakeDeps();
    deps.label = hostile;
    deps.status_ = { ...SERVING, examples: [hostile] } as typeof SERVING;
    await withPage(
      async (page) => {
        await page.getByRole("button", { name: hostile }).click();
        await page.waitForSelector("#answer:not([hidden])");
        assert.equal(await text(page, "#answer-label"), hostile);
        assert.equal(await text(page, "#asked"), hostile);
        assert.equal(await text(page, ".bars li .name >> nth=0"), hostile);
        deps.failure = new LockstepError("INPUT_INVALID", hostile);
        await page.getByRole("button", { name: "Ask", exact: true }).click();
        await page.waitForSelector("#problem:not(:empty)");
        assert.equal(await text(page, "#problem"), hostile);
        assert.equal(await page.locator("main img, main script").count(), 0);
      },
      deps,
      {},
      /status of 400/,
    );
  });

  test("what goes wrong is said beside the box, which keeps the focus", async () => {
    await withPage(
      async (page, deps) => {
        await page.keyboard.press("Enter");
        assert.equal(await text(page, "#problem"), "Type a question first.");
        assert.equal(await page.getAttribute("#question", "aria-invalid"), "true");
        assert.equal(await focused(page), "question");
        deps.failure = new LockstepError("OVERLOADED", "the queue is full");
        await page.keyboard.type("a");
        await page.keyboard.press("Enter");
        await page.getByText("the queue is full. Try again in a moment.").waitFor();
        deps.failure = undefined;
        await page.keyboard.type(" unsure");
        await page.keyboard.press("Enter");
        await page.getByText("only its best guess").waitFor();
        assert.equal(await text(page, "#problem"), "");
        assert.equal(await page.getAttribute("#question", "aria-invalid"), null);
      },
      new FakeDeps(),
      {},
      /status of 503/,
    );
  });

  test("only the latest of two questions is shown", async () => {
    await withPage(async (page, deps) => {
      deps.delayMs = 1000;
      await page.fill("#question", "first");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#send[aria-disabled=true]");
      deps.delayMs = 0;
      await page.fill("#question", "second");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#answer:not([hidden])");
      await page.waitForTimeout(1100);
      assert.equal(await text(page, "#asked"), "second");
    });
  });

  test("a lost server is noticed, and found again", async () => {
    const deps = new FakeDeps();
    const first = await createHttpServer(deps, { port: 0, drainMs: 0 });
    const page = await browser.newPage();
    try {
      await page.goto(first.url);
      await page.getByText("Ready").waitFor();
      await first.close();
      await page.getByText("Connection lost, trying again").waitFor();
      await page.fill("#question", "Anyone?");
      await page.keyboard.press("Enter");
      await page.getByText("The server does not answer. Is it still running?").waitFor();
      const second = await createHttpServer(deps, { port: first.port, drainMs: 0 });
      try {
        await page.locator("#state", { hasText: "Ready" }).waitFor();
      } finally {
        await second.close();
      }
    } finally {
      await page.close();
    }
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`360 px wide, ${colorScheme}: nothing runs over, and every text has contrast`, async () => {
      const deps = new FakeDeps();
      deps.label = `a_${"very_".repeat(30)}long_label`;
      deps.status_ = TRAINING;
      await withPage(
        async (page) => {
          assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 360);
          assert.deepEqual(await page.evaluate(FAINT), []);
          deps.emit(SERVING);
          await page.fill("#question", "w".repeat(300));
          await page.keyboard.press("Enter");
          await page.waitForSelector("#answer:not([hidden])");
          assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 360);
          assert.deepEqual(await page.evaluate(FAINT), []);
        },
        deps,
        { viewport: { width: 360, height: 740 }, colorScheme },
      );
    });
  }
});
