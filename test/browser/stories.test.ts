import { describe } from "vitest";
import { CHROMIUM } from "../support/chromium.ts";
import { setStage } from "../support/stage.ts";
import { badDays } from "./stories/bad_days.ts";
import { firstCall } from "./stories/first_call.ts";
import { keysAndTokens } from "./stories/keys_and_tokens.ts";
import { lettingIn } from "./stories/letting_in.ts";
import { lookingAfter } from "./stories/looking_after.ts";
import { stopping } from "./stories/stopping.ts";

// One locker and one browser for all; each story has a person, and so a vault and a window, of its own.
describe.skipIf(CHROMIUM === undefined)("in a real browser", () => {
  const stage = setStage();
  describe("somebody who has never been here", () => firstCall(stage));
  describe("at work on keys and tokens", () => keysAndTokens(stage));
  describe("somebody who lets others in", () => lettingIn(stage));
  describe("somebody who looks after what they have", () => lookingAfter(stage));
  describe("on a bad day", () => badDays(stage));
  describe("somebody who wants it to stop", () => stopping(stage));
});
