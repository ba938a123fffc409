/** What anybody may ask of the authorization server, so often from one address (CONTRACT §2). */
import { expect, it } from "vitest";
import { newPerson, startLocker } from "../support/locker.ts";
import { connect, tokenRequest } from "../support/oauth.ts";

it("clients that are made up, and devices' questions, are counted by address; who shows a token of theirs is not", async () => {
  const locker = await startLocker({ limits: { WEAK_LIMIT: 4 } });
  try {
    const post = async (path: string, parameters: Record<string, string>, ip: string) => {
      const init = { method: "POST", body: new URLSearchParams(parameters), headers: { "cf-connecting-ip": ip } };
      return fetch(locker.publicOrigin + path, init);
    };
    const made_up = { grant_type: "refresh_token", refresh_token: "x", token: "x", client_id: "cli_unknown" };
    const asked = [];
    for (const path of ["/token", "/revoke", "/introspect"]) asked.push(await post(path, made_up, "192.0.2.1"));
    const managing = { headers: { "cf-connecting-ip": "192.0.2.1" } };
    asked.push(await fetch(`${locker.publicOrigin}/register/cli_unknown`, managing));
    asked.push(await post("/token", { ...made_up, grant_type: "authorization_code", code: "alk_oac_x" }, "192.0.2.1"));
    asked.push(await fetch(`${locker.publicOrigin}/register/cli_unknown`, managing));
    expect(asked.map(({ status }) => status)).toEqual([401, 401, 401, 401, 429, 429]);
    expect(asked.at(-1)?.headers.get("retry-after")).toBe("60");
    expect(await asked.at(-1)?.json()).toMatchObject({ error: "temporarily_unavailable" });

    const device = { client_id: "apilocker-cli", grant_type: "urn:ietf:params:oauth:grant-type:device_code" };
    const begun = await post("/device_authorization", device, "192.0.2.2");
    const { device_code } = await begun.json<{ device_code: string }>();
    const polls = [];
    for (let n = 0; n < 4; n++) polls.push((await post("/token", { ...device, device_code }, "192.0.2.2")).status);
    expect(polls).toEqual([400, 400, 400, 429]);

    let { client, refresh_token = "" } = await connect(locker, await newPerson(locker));
    const refreshed = [];
    for (let n = 0; n < 8; n++) {
      const { client_id } = client;
      const answer = await tokenRequest(locker, { grant_type: "refresh_token", client_id, refresh_token });
      refreshed.push(answer.status);
      ({ refresh_token = "" } = await answer.json<{ refresh_token?: string }>());
    }
    expect(refreshed).toEqual(Array.from({ length: 8 }, () => 200));
  } finally {
    await locker.stop();
  }
});
