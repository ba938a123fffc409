import { describe, expect, it } from "vitest";
import { ALERT_KINDS, isOffence } from "../../src/vault/alerts/kinds.ts";
import type { Person } from "../../src/local/person.ts";
import { signInDevice } from "../support/device.ts";
import { feedOf } from "../support/live.ts";
import { mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { inVault } from "../support/mcp.ts";
import { signedInLongAgo } from "../support/session.ts";

const locker = await usualLocker();

const patch = (person: Person, settings: object) =>
  person.fetch("/v1/alerts/settings", {
    method: "PATCH",
    body: JSON.stringify(settings),
    headers: { "content-type": "application/json" },
  });

describe("how alerts behave", () => {
  it("is told for every kind, and nothing is off or stops anything by default", async () => {
    const ada = await newPerson(locker);
    const settings = await ada.api<Record<string, object>>("GET", "/v1/alerts/settings");
    expect(Object.keys(settings).toSorted()).toEqual([...ALERT_KINDS].toSorted());
    for (const kind of ALERT_KINDS)
      expect(settings[kind]).toEqual({ enabled: true, auto_freeze: "off", offence: isOffence(kind) });
  });

  it("is changed only by somebody who has just signed in", async () => {
    const ada = await newPerson(locker);
    expect((await patch(ada, { volume: { auto_freeze: "subject" } })).status).toBe(200);
    await signedInLongAgo(locker, ada);
    const late = await patch(ada, { volume: { enabled: false } });
    expect(late.status).toBe(403);
    expect(await ada.api("GET", "/v1/alerts/settings")).toMatchObject({
      volume: { enabled: true, auto_freeze: "subject" },
    });
  });

  it("takes no kind that there is not, and no freeze for what is no offence", async () => {
    const ada = await newPerson(locker);
    for (const settings of [
      { nonsense: { enabled: false } },
      { volume: { enabled: "no" } },
      { volume: { auto_freeze: "everything" } },
      { expiring: { auto_freeze: "vault" } },
      { identity_linked: { auto_freeze: "subject" } },
      { volume: { muted: true } },
    ])
      expect((await patch(ada, settings)).status, JSON.stringify(settings)).toBe(422);
  });

  it("tells a listener of what was set", async () => {
    const ada = await newPerson(locker);
    const feed = await feedOf(ada);
    await patch(ada, { volume: { enabled: false } });
    expect((await feed.next(({ row }) => row?.action === "alert.settings")).row).toMatchObject({ rule: "disabled" });
  });
});

describe("an alert that has stopped a token", () => {
  it("is seen to by a person in the browser: no device says that it was seen, and lets the token go on by that", async () => {
    const ada = await newPerson(locker);
    const device = await signInDevice(locker, ada);
    const { id } = await mintToken(ada);
    await ada.api("POST", `/v1/tokens/${id}/pause`);
    const insert = `INSERT INTO alert (id, kind, subject, facts, count, first_at, last_at, froze)
      VALUES ('alt_1', 'volume', ?, '{}', 1, 1, 1, 'subject'), ('alt_2', 'expiring', ?, '{}', 1, 1, 1, NULL)`;
    await inVault(locker, ada, insert, id, id);
    const status = async (path: string) => (await device.fetch(path, { method: "POST" })).status;
    expect(await status("/v1/alerts/alt_1/acknowledge")).toBe(403);
    expect(await status("/v1/alerts/alt_2/acknowledge")).toBe(200);
    expect(await status(`/v1/tokens/${id}/resume`)).toBe(403);
    await ada.api("POST", "/v1/alerts/alt_1/acknowledge");
    expect(await status(`/v1/tokens/${id}/resume`)).toBe(200);
  });
});
