import { expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { RefusedTokens } from "../../src/proxy/refused_tokens.ts";

const paused = new Problem("paused", "This token is paused.", { rule: "token_paused" });
const revoked = new Problem("invalid_token", "This token was revoked.", { rule: "revoked", request_id: "aud_1" });

/** How a token is refused without asking; undefined where it is asked. */
function refusal(tokens: RefusedTokens, mac: string, now: number): string | undefined {
  try {
    tokens.check(mac, now);
    return undefined;
  } catch (problem) {
    return (problem as Problem).code;
  }
}

test("a token that is dead for ever is answered from memory for a minute, and named no row of another call", () => {
  const tokens = new RefusedTokens();
  tokens.note("m", revoked, 0);
  expect(refusal(tokens, "m", 59_999)).toBe("invalid_token");
  expect(() => tokens.check("m", 1)).toThrow(expect.objectContaining({ extras: { rule: "revoked" } }));
  expect(refusal(tokens, "m", 60_000)).toBeUndefined();
  expect(refusal(tokens, "another", 1)).toBeUndefined();
});

test("a token that is refused 500 times in a second must wait, and no longer than that second", () => {
  const tokens = new RefusedTokens();
  for (let n = 0; n < 499; n++) tokens.note("m", paused, n);
  expect(refusal(tokens, "m", 500)).toBeUndefined();
  tokens.note("m", paused, 500);
  expect(refusal(tokens, "m", 501)).toBe("rate_limited");
  expect(refusal(tokens, "another", 501)).toBeUndefined();
  expect(refusal(tokens, "m", 1_000)).toBeUndefined();
});

test("a few refusals a second never add up", () => {
  const tokens = new RefusedTokens();
  for (let n = 0; n < 5_000; n++) {
    expect(refusal(tokens, "m", n * 10)).toBeUndefined();
    tokens.note("m", paused, n * 10);
  }
});
