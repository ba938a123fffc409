import type { Identified } from "../auth/caller.ts";
import { configOf } from "../config.ts";
import { JSON_HEADERS } from "../json.ts";
import { toldAlert } from "../vault/alerts/alert_told.ts";
import { ask, type Answer } from "../vault/answer.ts";
import type { UserVault } from "../vault/vault.ts";
import { wireTrust } from "./trusts.ts";
import { wireWebhook } from "./webhooks.ts";
import { wireDevice, wireGrant, wireIdentity, wireSession, wireSpend, wireTokenDetails } from "./wire.ts";
import { wireDeletedKey, wireKeyDetails } from "./wire_keys.ts";

/** What one answer of the vault holds, well below the 32 MiB that it may have. */
const PAGE = 500;

/** Everything but secrets and activity, as one JSON text that is made as it is read: keys and tokens may be more than any memory holds. */
export async function exportedAccount(
  env: Env,
  vault: DurableObjectStub<UserVault>,
  { vault_id, caller }: Identified,
): Promise<Response> {
  const held = await ask(vault.otherHoldings(caller));
  const rest = {
    account_id: held.account_id,
    name: held.name ?? undefined,
    identities: held.identities.map(wireIdentity),
    sessions: held.sessions.map((session) => wireSession(session, session.hash === caller.hash)),
    devices: held.devices.map((device) => wireDevice(device, false)),
    grants: held.grants.map(wireGrant),
    alerts: held.alerts.map(toldAlert),
    alert_settings: held.alert_settings,
    webhooks: held.webhooks.map(wireWebhook),
    deleted_keys: held.deleted_keys.map(wireDeletedKey),
    prices: held.prices,
    spend: held.spend.map(wireSpend),
    trusts: held.trusts.map((trust) => wireTrust(trust, configOf(env).public_origin, vault_id)),
  };
  async function* text() {
    yield JSON.stringify(rest).slice(0, -1);
    yield* list("keys", (before) => vault.heldKeys(caller, before, PAGE), wireKeyDetails);
    yield* list("tokens", (before) => vault.heldTokens(caller, before, PAGE), wireTokenDetails);
    yield "}";
  }
  const headers = { ...JSON_HEADERS, "content-type": "application/json", date: new Date().toUTCString() };
  return new Response(streamOf(text()), { headers });
}

/** A list as one more member of an object, page by page. */
async function* list<Item extends { id: string }>(
  name: string,
  read: (before: string | undefined) => Promise<Answer<Item[]>>,
  wire: (item: Item) => unknown,
): AsyncGenerator<string> {
  yield `,"${name}":[`;
  for (let before: string | undefined, page: Item[] | undefined; page === undefined || page.length === PAGE;) {
    page = await ask(read(before));
    const items = page.map((item) => JSON.stringify(wire(item))).join(",");
    yield before === undefined || items === "" ? items : `,${items}`;
    before = page.at(-1)?.id;
  }
  yield "]";
}

function streamOf(texts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await texts.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}
