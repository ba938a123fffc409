import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../src/local/project.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, startLocker, storeKey } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const OPERATOR_TOKEN = randomBytes(32).toString("base64url");
const [R1, R2] = ["r1", "r2"].map((id) => `${id}:${randomBytes(32).toString("base64")}`) as [string, string];

let stateDir: string;
let upstream: Upstream;
beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "apilocker-roots-"));
  upstream = await startUpstream();
});
afterAll(async () => {
  await upstream.stop();
  await rm(stateDir, { recursive: true, force: true });
});

function locker(ROOT_KEYS: string): Promise<LocalLocker> {
  return startLocker({ stateDir, vars: { ROOT_KEYS, OPERATOR_TOKEN } });
}

function call({ proxyOrigin }: LocalLocker, token: string): Promise<number> {
  return fetch(`${proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } }).then(
    async (answer) => {
      await answer.arrayBuffer();
      return answer.status;
    },
  );
}

/** `npm run rotate-root`, as an operator runs it. */
async function rotateRoot({ publicOrigin }: LocalLocker, token = OPERATOR_TOKEN) {
  const program = join(ROOT, "src/local/rotate_root.ts");
  const run = promisify(execFile)(process.execPath, [program, "--url", publicOrigin], {
    env: { ...process.env, OPERATOR_TOKEN: token },
  });
  return run.then(
    ({ stdout }) => stdout,
    (failed: { stderr: string }) => failed.stderr,
  );
}

describe("npm run rotate-root", () => {
  it("moves every vault to the first root key while calls go on without one failure, and the old key can go", async () => {
    const first = await locker(R1);
    const tokens: string[] = [];
    for (let n = 0; n < 4; n++) {
      const person = await newPerson(first, `p${n}`);
      await storeKey(person, "k", upstream.origin);
      tokens.push((await mintToken(person)).token);
    }
    await first.stop();

    const second = await locker(`${R2},${R1}`);
    let over = false;
    const statuses: number[] = [];
    const load = tokens.map(async (token) => {
      while (!over) statuses.push(await call(second, token));
    });
    const told = await rotateRoot(second);
    over = true;
    await Promise.all(load);
    expect(told).toContain("root r2: 4 re-wrapped, 0 left");
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await rotateRoot(second)).toContain("0 re-wrapped, 0 left");
    await second.stop();

    const third = await locker(R2);
    for (const token of tokens) expect(await call(third, token)).toBe(200);
    await third.stop();
  }, 180_000);
});

describe("the operator's doors", () => {
  it("open to the operator's token only, and are not there where there is none", async () => {
    const [open, closed] = await Promise.all([
      startLocker({ vars: { OPERATOR_TOKEN, SECURITY_CONTACT: "mailto:ada@example.com" } }),
      startLocker(),
    ]);
    const ask = ({ publicOrigin }: LocalLocker, path: string, token?: string) =>
      fetch(publicOrigin + path, {
        method: path.startsWith("/operator") ? "POST" : "GET",
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      });
    for (const path of [
      "/operator/rotate-root",
      "/operator/vaults/x/restored",
      "/operator/vaults/x/rotate-data-key",
      "/health/deep",
    ]) {
      for (const token of [undefined, "", "wrong", `${OPERATOR_TOKEN}x`])
        expect((await ask(open, path, token)).status).toBe(401);
      expect((await ask(closed, path, OPERATOR_TOKEN)).status).toBe(404);
    }
    const ada = await newPerson(open);
    const { token } = await mintToken(ada);
    expect((await ask(open, "/operator/rotate-root", token)).status).toBe(401);
    expect((await ada.fetch("/operator/rotate-root", { method: "POST" })).status).toBe(401);

    expect(await (await ask(open, "/health")).json()).toEqual({ ok: true });
    expect(await (await ask(closed, "/health")).json()).toEqual({ ok: true });
    const deep = await ask(open, "/health/deep", OPERATOR_TOKEN);
    expect(await deep.json()).toEqual({ ok: true, d1: true, kv: true, vault: true });
    expect((await fetch(`${open.proxyOrigin}/health`)).status).not.toBe(200);

    // Whom to tell of a hole is told where somebody is named.
    const told = await ask(open, "/.well-known/security.txt");
    expect(await told.text()).toMatch(/^Contact: mailto:ada@example\.com\nExpires: /);
    expect((await ask(closed, "/.well-known/security.txt")).status).toBe(404);
    expect(await rotateRoot(open, "wrong".repeat(10))).toContain("401");
    await Promise.all([open.stop(), closed.stop()]);
  }, 180_000);
});
