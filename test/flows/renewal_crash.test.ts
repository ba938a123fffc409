import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { personOf } from "../../src/local/person.ts";
import { connectedKey } from "../support/connecting.ts";
import { activity, eventually, mintToken, newPerson, startLocker } from "../support/locker.ts";
import { startOAuthUpstream, type OAuthUpstream } from "../support/oauth_upstream.ts";
import { killRuntime } from "../support/runtime.ts";

/** A renewal that is broken off by a power cut, at every step of it; the provider detects a refresh token that is used twice. */
const NAMES = ["asked", "strict", "forgiving", "answered", "stored", "parallel"] as const;
type Name = (typeof NAMES)[number];

let stateDir: string;
const providers = {} as Record<Name, OAuthUpstream>;
beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "apilocker-renewal-"));
  for (const name of NAMES) providers[name] = await startOAuthUpstream("http://localhost/connect/callback");
});
afterAll(async () => {
  for (const provider of Object.values(providers)) await provider.stop();
  await rm(stateDir, { recursive: true, force: true });
});

const renewals = (name: Name) => providers[name].asked.filter(({ path }) => path === "/token").length;
/** Was a refresh token used that the provider had taken already? */
const spentTwice = (name: Name) => {
  const used = providers[name].asked.map(({ body }) => body.get("refresh_token") ?? "");
  return new Set(used).size < used.length;
};

function never(): { reached: Promise<void>; hold: () => Promise<void> } {
  let here = () => {};
  const reached = new Promise<void>((resolve) => void (here = resolve));
  return {
    reached,
    hold: () => {
      here();
      return new Promise(() => {});
    },
  };
}

type Details = { connection: string; oauth: { trouble?: string; history: { what: string }[] } };

it.skipIf(process.platform === "win32")(
  "killed at any step of a renewal, a key works on or says truly why not; nothing is spent twice that could be helped, and nobody asks for ever",
  async () => {
    let locker = await startLocker({ stateDir });
    try {
      let ada = await newPerson(locker);
      for (const name of NAMES) {
        const { client_id, client_secret } = providers[name];
        const fields = { client_id, client_secret, refresh_token: await providers[name].issued() };
        await ada.api("POST", "/v1/keys", connectedKey(providers[name], { name, fields }));
      }
      const { token } = await mintToken(ada);
      const call = (name: Name) =>
        fetch(`${locker.proxyOrigin}/v1/proxy/${name}/x`, { headers: { authorization: `Bearer ${token}` } });
      const fallen = (name: Name) => void call(name).catch(() => {});

      // What was on disk when it fell: tokens that a call has shown the upstream.
      expect((await call("stored")).status).toBe(200);
      // Asked, and nothing decided yet. Decided, and not yet said: by a strict provider, and by one that says it again.
      const steps = { asked: never(), strict: never(), forgiving: never(), parallel: never() };
      providers.asked.before.asking = steps.asked.hold;
      for (const name of ["strict", "forgiving", "parallel"] as const)
        providers[name].before.answering = steps[name].hold;
      providers.forgiving.forgiving = true;
      fallen("asked");
      fallen("strict");
      await Promise.all([steps.asked.reached, steps.strict.reached]);
      fallen("forgiving");
      await steps.forgiving.reached;
      await killRuntime(locker);
      for (const name of ["asked", "strict", "forgiving"] as const)
        providers[name].before = { asking: () => {}, answering: () => {} };

      locker = await startLocker({ stateDir });
      ada = personOf(locker.publicOrigin, ada.cookie);
      // Nobody has called yet: what a provider may still forgive is asked for by itself.
      await eventually(async () => renewals("forgiving") === 2 && renewals("asked") === 2 && renewals("strict") === 2);

      expect((await call("asked")).status).toBe(200);
      expect((await call("forgiving")).status).toBe(200);
      expect((await call("stored")).status).toBe(200);
      expect([renewals("asked"), renewals("forgiving"), renewals("stored")]).toEqual([2, 2, 1]);
      expect(spentTwice("stored")).toBe(false);
      for (let n = 0; n < 3; n++) expect((await call("strict")).status).toBe(424);
      expect(renewals("strict")).toBe(2);
      const { connection, oauth } = await ada.api<Details>("GET", "/v1/keys/strict");
      expect([connection, oauth.trouble]).toEqual(["reconnect_required", "answer_lost"]);
      expect(oauth.history.map(({ what }) => what)).toEqual(["reconnect_required", "interrupted"]);

      // Once more, with everybody at the door: killed just after the answer was sent, it was kept or it was not.
      providers.answered.before.answering = () => void setTimeout(() => killing.begin(), 0);
      const killing = begun(() => killRuntime(locker));
      const calls = Array.from({ length: 10 }, () => [fallen("answered"), fallen("parallel")]);
      expect(calls).toHaveLength(10);
      await steps.parallel.reached;
      await killing.done;
      for (const name of ["answered", "parallel"] as const) {
        providers[name].before = { asking: () => {}, answering: () => {} };
        expect([name, renewals(name)]).toEqual([name, 1]);
      }
      locker = await startLocker({ stateDir });
      ada = personOf(locker.publicOrigin, ada.cookie);
      for (const name of ["answered", "parallel"] as const) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => call(name)));
        const [status, ...others] = new Set(answers.map((answer) => answer.status));
        expect([name, others]).toEqual([name, []]);
        const details = await ada.api<Details>("GET", `/v1/keys/${name}`);
        // Where it had got through, it is used; where it had not, one more question, and the truth.
        expect([name, status, details.oauth.trouble, renewals(name)]).toEqual(
          spentTwice(name) ? [name, 424, "answer_lost", 2] : [name, 200, undefined, 1],
        );
      }
      // Each asking has its row, and those that fell are told as such, or will be.
      const rows = (await activity(ada, 200)).filter(({ action }) => action === "connection.renew");
      expect(rows).toHaveLength(NAMES.reduce((sum, name) => sum + renewals(name), 0));
      const fell = rows.filter(({ outcome }) => outcome === "interrupted" || outcome === "pending");
      expect(fell.length).toBeGreaterThanOrEqual(4);
      expect(await ada.api("GET", "/v1/activity/verify")).toMatchObject({ ok: true });
    } finally {
      await locker.stop();
    }
  },
  180_000,
);

/** Something that is begun once, by whoever comes first. */
function begun(work: () => Promise<void>): { begin: () => void; done: Promise<void> } {
  let begin = () => {};
  const done = new Promise<void>((resolve) => void (begin = resolve)).then(work);
  return { begin: () => begin(), done };
}
