import { randomBytes } from "node:crypto";
import { mintToken, newPerson, storeKey } from "../support/locker.ts";
import { register, REDIRECT_URI } from "../support/oauth.ts";
import { startUpstream } from "../support/upstream.ts";
import { inParallel, startMachine } from "./machine.ts";

const AT_ONCE = 16;

/** What nobody is entitled to, by the thousand: what it costs to refuse, and what it leaves behind. */
export async function floods({ requests }: { requests: number }): Promise<boolean> {
  const upstream = await startUpstream();
  // As deployed: these limits are what makes it cheap.
  const machine = await startMachine({
    limits: { SIGN_IN_LIMIT: 60, REGISTER_LIMIT: 30, REPORT_LIMIT: 60, WEAK_LIMIT: 300 },
  });
  const { locker } = machine;
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  const live = await mintToken(ada);
  const dead = await mintToken(ada);
  const narrow = await mintToken(ada, { methods: ["POST"] });
  await ada.api("DELETE", `/v1/tokens/${dead.id}`);
  const call = (token: string) =>
    fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });
  const spoiled = () => live.token.slice(0, 40) + randomBytes(4).toString("hex") + live.token.slice(48);
  const FLOODS: Record<string, () => Promise<Response>> = {
    "a call that is let through, to compare": () => call(live.token),
    "forged tokens": () => call(spoiled()),
    "a revoked token": () => call(dead.token),
    "calls that the policy refuses": () => call(narrow.token),
    "no token": () => fetch(`${locker.proxyOrigin}/v1/proxy/k/x`),
    registrations: () => register(locker, { client_name: "x", redirect_uris: [REDIRECT_URI] }),
    "device codes": () =>
      fetch(`${locker.publicOrigin}/device_authorization`, {
        method: "POST",
        body: new URLSearchParams({ client_id: "apilocker-cli" }),
      }),
    "sign-ins": () => fetch(`${locker.publicOrigin}/auth/oidc`, { redirect: "manual" }),
    "forged refreshes": () =>
      fetch(`${locker.publicOrigin}/v1/tokens/refresh`, {
        method: "POST",
        headers: { authorization: `Bearer ${spoiled().replace("alk_app_", "alk_ref_")}` },
      }),
    "leaks reported that are none": () =>
      fetch(`${locker.publicOrigin}/v1/report-leak`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token: spoiled() }),
      }),
  };
  let fine = true;
  for (const [what, ask] of Object.entries(FLOODS)) {
    const [cpu, stored] = [await machine.cpu(), (await machine.stored("do")) + (await machine.stored("d1"))];
    const statuses = new Map<number, number>();
    await inParallel(Array.from({ length: requests }), AT_ONCE, async () => {
      const answer = await ask();
      await answer.arrayBuffer();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    });
    const ms = ((await machine.cpu()) - cpu) / requests;
    const grown = (await machine.stored("do")) + (await machine.stored("d1")) - stored;
    console.log(
      `flood: ${what}: ${JSON.stringify(Object.fromEntries(statuses))}, ${ms.toFixed(2)} ms of CPU each, ${(grown / 1_024).toFixed(0)} KB stored`,
    );
    fine &&= ![...statuses.keys()].some((status) => status >= 500);
  }
  fine &&= (await call(live.token)).status === 200;
  await Promise.all([machine.stop(), upstream.stop()]);
  return fine;
}
