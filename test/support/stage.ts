import type { Browser } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { launchChromium } from "./chromium.ts";
import { usualLocker } from "./locker.ts";

/** Where stories of a browser play: the usual locker and a Chromium, started once for all of them. */
export type Stage = { locker: LocalLocker; browser: Browser };

/** Sets the stage before the tests of the suite that it is called in, and strikes it after the last. */
export function setStage(): Stage {
  // Filled before any test looks at it.
  const stage = {} as Stage;
  beforeAll(async () => {
    [stage.locker, stage.browser] = await Promise.all([usualLocker(), launchChromium()]);
  }, 120_000);
  afterAll(() => stage.browser.close());
  return stage;
}
