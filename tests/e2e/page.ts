/** A page on a server of its own, for the page's tests, and what is looked for in it. */
import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import { FakeDeps } from "../http/fake.ts";
import { withServer } from "../http/raw.ts";
import { complaints } from "./browser.ts";

interface PageOptions<Deps extends FakeDeps> {
  readonly deps?: Deps | undefined;
  readonly options?: Parameters<Browser["newPage"]>[0];
  /** Complaints that are no fault. */
  readonly expected?: RegExp | undefined;
}

/** Fails on anything the page complained about that is not expected. */
export async function onPage<Deps extends FakeDeps = FakeDeps>(
  browser: Browser,
  body: (page: Page, deps: Deps, url: string) => Promise<void>,
  { deps = new FakeDeps() as Deps, options = {}, expected = /^$/ }: PageOptions<Deps> = {},
): Promise<void> {
  await withServer(
    async ({ url }) => {
      const page = await browser.newPage({ viewport: { width: 1000, height: 800 }, ...options });
      page.setDefaultTimeout(10_000);
      const found = complaints(page);
      try {
        await page.goto(url);
        await page.waitForSelector("main > section:not([hidden])");
        await body(page, deps, url);
        assert.deepEqual(
          found.filter((words) => !expected.test(words)),
          [],
        );
      } finally {
        await page.close();
      }
    },
    { drainMs: 100 },
    {},
    deps,
  );
}

export const text = async (page: Page, selector: string): Promise<string> => (await page.textContent(selector))!.trim();

/** Runs in the page: elements with text of their own whose contrast (WCAG 2.2) is under 4.5:1. */
export const FAINT = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) =>
    [r, g, b].map((c) => linear(c / 255)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility())
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => {
      const style = getComputedStyle(element);
      const ink = channels(element instanceof SVGElement ? style.fill : style.color);
      const [a, b] = [luminance(ink), luminance(ground(element))].sort((x, y) => y - x);
      return { name: element.id || element.className || element.tagName, contrast: (a + 0.05) / (b + 0.05) };
    })
    .filter(({ contrast }) => contrast < 4.5);
})()`;
