/** A real browser for the page's tests: the machine's own Chromium, where there is one. */
import { existsSync } from "node:fs";
import { chromium, type Browser, type Page } from "playwright-core";

const PLACES = [
  process.env["CHROMIUM_PATH"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

export const executablePath = PLACES.find((path) => path !== undefined && path !== "" && existsSync(path));

/** For node:test's `skip`: false, or the reason. */
export const skip =
  executablePath === undefined &&
  "no Chromium on this machine (looked for chromium and google-chrome; " +
    "`apt-get install chromium`, or set CHROMIUM_PATH)";

export async function launch(): Promise<Browser> {
  // Chromium's sandbox refuses to run as root, which is what containers are.
  return await chromium.launch({
    executablePath: executablePath!,
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
}

/** Everything that a page complains about: exceptions, console errors, and what the content security policy blocked. */
export function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on("pageerror", (error) => found.push(`exception: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") found.push(message.text());
  });
  page.on("dialog", (dialog) => {
    found.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return found;
}
