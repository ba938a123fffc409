import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The Chromium of this machine, if it has one. */
export const CHROMIUM = process.env.CHROMIUM ?? PATHS.find((path) => existsSync(path));

/** A headless browser that talks to nobody but the pages of a test. */
export function launchChromium(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error("There is no Chromium on this machine.");
  const quiet = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  return chromium.launch({ executablePath: CHROMIUM, args: quiet });
}
