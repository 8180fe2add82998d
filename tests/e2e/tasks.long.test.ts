/** The page in a real browser, asking every task: what is sent, what is shown, by keyboard, hostile, narrow, dark. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { HttpRequest, Status, WireAnswer } from "../../src/edge/http/index.ts";
import { TASK_NAMES, TASKS, type Question, type TaskName, type TypesOf } from "../../src/work/tasks/index.ts";
import { FakeDeps, MODEL, SERVING } from "../http/fake.ts";
import { launch, skip } from "./browser.ts";
import { FAINT, onPage, text } from "./page.ts";

/** Hostile where a text is shown. */
const EVIL = '<img src=x onerror="alert(1)">';

interface Case<T extends TaskName> {
  readonly routes: readonly string[];
  /** What is typed into which box. */
  readonly typed: Readonly<Record<string, string>>;
  readonly question: Question<T>;
  readonly answer: TypesOf[T]["wire"];
  readonly headline: string;
  /** Words that stand below it. */
  readonly below: RegExp;
}

const routesOf = (...names: readonly TaskName[]): readonly string[] => names.map((name) => TASKS[name].route);
const TEXT = "Ada Lovelace wrote to Charles Babbage in London about the engine that he never finished.";

const CASES: { readonly [T in TaskName]: Case<T> } = {
  classify: {
    routes: routesOf("classify"),
    typed: { question: "Where is my card?" },
    question: "Where is my card?",
    answer: {
      label: EVIL,
      probability: 0.9,
      abstained: false,
      truncated: true,
      top: [{ label: EVIL, probability: 0.9 }],
    },
    headline: EVIL,
    below: /onerror.*90\.0 %/s,
  },
  "multi-label": {
    routes: routesOf("multi-label"),
    typed: { question: TEXT },
    question: TEXT,
    answer: {
      labels: [
        { label: "letters", probability: 0.91 },
        { label: EVIL, probability: 0.62 },
      ],
      truncated: false,
      top: [
        { label: "letters", probability: 0.91 },
        { label: EVIL, probability: 0.62 },
        { label: "steam_power", probability: 0.08 },
      ],
    },
    headline: `Letters, ${EVIL}`,
    below: /Letters given91\.0 %.*given62\.0 %Steam power8\.0 %/s,
  },
  score: {
    routes: routesOf("score", "rerank"),
    typed: { question: "A man eats.", second: "Someone is eating." },
    question: { text: "A man eats.", pair: "Someone is eating." },
    answer: { score: 0.8125, truncated: false },
    headline: "0.8125",
    below: /Score0\.8125/,
  },
  rerank: {
    routes: routesOf("rerank"),
    typed: { question: "lost card", documents: `Opening hours\n\n${EVIL}\nWhat to do when a card is lost` },
    question: { query: "lost card", documents: ["Opening hours", EVIL, "What to do when a card is lost"] },
    answer: {
      ranking: [
        { index: 2, score: 7.25 },
        { index: 1, score: 0.5 },
        { index: 0, score: -4 },
      ],
      truncated: false,
    },
    headline: "What to do when a card is lost",
    below: /card is lost7\.2500.*onerror.*0\.5000Opening hours-4\.0000/s,
  },
  "token-classify": {
    routes: routesOf("token-classify"),
    typed: { question: TEXT },
    question: TEXT,
    answer: {
      spans: [
        { label: "person", start: 0, end: 12, text: "Ada Lovelace", probability: 0.97 },
        { label: "person", start: 22, end: 37, text: "Charles Babbage", probability: 0.95 },
        { label: EVIL, start: 41, end: 47, text: "London", probability: 0.88 },
      ],
      truncated: false,
    },
    headline: "3 spans",
    below: /Ada Lovelaceperson wrote to Charles Babbageperson in London.*97\.0 %/s,
  },
  embed: {
    routes: routesOf("embed", "similarity"),
    typed: { question: "A text." },
    question: "A text.",
    answer: { embedding: Array.from({ length: 384 }, (_, i) => (i % 7) / 10 - 0.3), truncated: false },
    headline: "384 numbers",
    below: /-0\.3000\s+-0\.2000.*…/s,
  },
  similarity: {
    routes: routesOf("similarity"),
    typed: { question: "One.", second: EVIL },
    question: { text: "One.", pair: EVIL },
    answer: { similarity: 0.7831, truncated: false },
    headline: "0.7831",
    below: /Cosine of the two vectors0\.7831/,
  },
  "fill-mask": {
    routes: routesOf("fill-mask", "perplexity"),
    typed: { question: `The [MASK] of ${EVIL} is [MASK].` },
    question: `The [MASK] of ${EVIL} is [MASK].`,
    answer: {
      masks: ["capital", "Paris"].map((token) => ({
        top: [
          { token: ` ${token}`, id: 5, probability: 0.7 },
          { token: EVIL, id: 6, probability: 0.1 },
        ],
      })),
      truncated: false,
    },
    headline: `The capital of ${EVIL} is Paris.`,
    below: /capital70\.0 %.*Paris70\.0 %/s,
  },
  perplexity: {
    routes: routesOf("perplexity"),
    typed: { question: TEXT },
    question: TEXT,
    answer: { perplexity: 21.7182, log_likelihood: -61.56, tokens: 20, truncated: false },
    headline: "Perplexity 21.72",
    below: /Tokens scored20Nats a token3\.078Log-likelihood-61\.56/,
  },
};

/** Answers every task with what the table has. */
class TaskDeps extends FakeDeps {
  readonly requests: { task: TaskName; questions: readonly unknown[] }[] = [];

  constructor(routes: readonly string[]) {
    super();
    this.status_ = {
      ...SERVING,
      model: { ...MODEL, labels: 3, mask_token: "[MASK]", routes: [...routes] },
      accuracy: null,
      figure: { name: "entity F1", value: 0.54321, low: 0.5, high: 0.58, split: "test" },
      baseline: null,
    } as Status;
  }

  override async ask<T extends TaskName>(task: T, { questions }: HttpRequest<T>): Promise<readonly WireAnswer<T>[]> {
    this.requests.push({ task, questions });
    const delivered = { version: MODEL.version, receipt: `r-${this.requests.length}-0`, latency_ms: 4.2 };
    return [{ ...CASES[task].answer, ...delivered }];
  }
}

async function type(page: Page, typed: Readonly<Record<string, string>>): Promise<void> {
  for (const [box, value] of Object.entries(typed)) await page.fill(`#${box}`, value);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.waitForSelector("#answer:not([hidden])");
}

describe("the page asks every task", { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launch();
  });
  after(async () => {
    await browser.close();
  });

  for (const name of TASK_NAMES)
    test(`${name}: asked as its route takes it, shown as text, on a wide page and a narrow one`, async () => {
      const { routes, typed, question, headline, below, answer }: Case<TaskName> = CASES[name];
      await onPage(
        browser,
        async (page, deps) => {
          await type(page, typed);
          assert.deepEqual(deps.requests, [{ task: name, questions: [question] }]);
          assert.equal(await text(page, "#answer-label"), headline);
          assert.match(await text(page, "#detail"), below);
          assert.equal(await page.locator("#truncated").isHidden(), !answer.truncated);
          assert.equal(await page.getAttribute("#receipt", "href"), "/v1/receipts/r-1-0");
          assert.match(await text(page, "#curl"), new RegExp(`${TASKS[name].route} `));
          assert.equal(await page.locator("main img, main script").count(), 0);
          assert.notEqual(await text(page, "#announce"), "");
          assert.deepEqual(await page.evaluate(FAINT), []);
          await page.setViewportSize({ width: 360, height: 740 });
          await page.emulateMedia({ colorScheme: "dark" });
          assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 360);
          assert.deepEqual(await page.evaluate(FAINT), []);
        },
        { deps: new TaskDeps(routes) },
      );
    });

  test("a version with two tasks: chosen by keyboard, what is offered follows, the last answer goes", async () => {
    const routes = routesOf("fill-mask", "perplexity");
    await onPage(
      browser,
      async (page, deps) => {
        await page
          .getByText("guesses what stands where a mask is. Test entity F1 0.543 (95 % interval 0.500")
          .waitFor();
        const offered = page.locator("#examples button");
        assert.match((await offered.allTextContents()).join(), /\[MASK\]/);
        await page.fill("#question", "nothing is missing");
        await page.keyboard.press("Enter");
        await page.getByText("Write [MASK] where a word is missing.").waitFor();
        assert.equal(deps.requests.length, 0);
        await offered.first().click();
        await page.waitForSelector("#answer:not([hidden])");
        const choice = page.getByRole("group", { name: "What to ask" });
        await choice.getByRole("button", { name: "Likelihood" }).focus();
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: "How likely is a text?" }).waitFor();
        assert.equal(await page.locator("#answer").isHidden(), true);
        assert.equal(await page.evaluate("document.activeElement.textContent"), "Likelihood");
        assert.doesNotMatch((await offered.allTextContents()).join(), /MASK/);
        await type(page, { question: TEXT });
        assert.deepEqual(
          deps.requests.map(({ task }) => task),
          ["fill-mask", "perplexity"],
        );
      },
      { deps: new TaskDeps(routes) },
    );
  });

  test("a box that is left empty is named, and keeps what was typed in the others", async () => {
    await onPage(
      browser,
      async (page, deps) => {
        await page.fill("#question", "One.");
        await page.keyboard.press("Enter");
        await page.getByText("Fill this in too.").waitFor();
        assert.equal(await page.evaluate("document.activeElement.id"), "second");
        assert.equal(await page.getAttribute("#second", "aria-invalid"), "true");
        assert.equal(await page.inputValue("#question"), "One.");
        deps.emit({ ...deps.status_, model: { ...MODEL, version: "v2", routes: ["/v1/similarity"] } } as Status);
        await page.getByText("5,312,845 parameters says how alike").waitFor();
        assert.equal(await page.inputValue("#question"), "One.", "another version leaves the boxes as they are");
        await page.locator("#examples button").first().click();
        await page.waitForSelector("#answer:not([hidden])");
        assert.deepEqual(deps.requests[0]!.questions, [
          { text: "I am still waiting on my card?", pair: "Why was I charged a fee for a transfer?" },
        ]);
      },
      { deps: new TaskDeps(routesOf("similarity")) },
    );
  });

  test("a vector is copied whole", async () => {
    await onPage(
      browser,
      async (page) => {
        await type(page, CASES.embed.typed);
        await page.getByRole("button", { name: "Copy all" }).click();
        await page.locator("#detail .copied:not(:empty)").waitFor();
        assert.deepEqual(JSON.parse(await text(page, "#detail pre")), CASES.embed.answer.embedding);
      },
      { deps: new TaskDeps(CASES.embed.routes) },
    );
  });
});
