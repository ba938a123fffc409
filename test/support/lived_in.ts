import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { signInDevice } from "./device.ts";
import { eventually, mintToken, storeKey, type Minted } from "./locker.ts";
import { confirmed, letIn } from "./mcp.ts";
import { connect, registerClient } from "./oauth.ts";
import type { Upstream } from "./upstream.ts";

/** A name that would do something if it were ever taken for more than text. */
export const HOSTILE = `<img src=x onerror="document.title='owned'">`;
export const HOSTILE_PATH = "/%3Cscript%3Edocument.title='owned'%3C/script%3E";

/** Ids of what somebody has who has used the locker for a while; `secrets` is what nobody may see of it, by what it is. */
export type LivedIn = {
  keys: Record<string, string>;
  tokens: Record<string, string>;
  client: string;
  secrets: Record<string, string>;
};

const MODEL_CALLS = 3;

/**
 * Gives a person one of everything that the dashboard can show: keys with versions, tokens with budgets and children, clients, a
 * device, calls that went well and calls that did not, an alert, a webhook, a trust, a price, a key to bring back, a question that
 * waits. Names that came from outside are hostile ones here and there.
 */
export async function moveIn(locker: LocalLocker, ada: Person, upstream: Upstream): Promise<LivedIn> {
  const at = { base_url: upstream.origin };
  const secret = "sk-0123456789abcdef";
  const stored = await Promise.all([
    ada.api<Minted>("POST", "/v1/keys", {
      name: "openai@prod",
      provider: "openai",
      secret,
      tags: ["llm", "prod"],
      ...at,
    }),
    ada.api<Minted>("POST", "/v1/keys", { name: "anthropic", provider: "anthropic", secret, tags: ["llm"], ...at }),
    ada.api<Minted>("POST", "/v1/keys", {
      name: "stripe@live",
      provider: "stripe",
      secret,
      tags: ["payments", "prod"],
      ...at,
      note: "The restricted key of the shop. Ask Grace before rotating it.",
    }),
    ada.api<Minted>("POST", "/v1/keys", { name: "github", provider: "github", secret, ...at }),
    storeKey(ada, "inventory", upstream.origin, { tags: [HOSTILE.slice(0, 40)], note: HOSTILE }),
    storeKey(ada, "old-crm", upstream.origin),
  ]);
  const keys = Object.fromEntries(stored.map(({ id }, index) => [NAMES[index] ?? "", id]));
  await ada.api("POST", "/v1/keys/github/pause");

  const [shop, agent, hostile, leaked, nightly, ci] = await Promise.all([
    mintToken(
      ada,
      { keys: ["stripe@live"], methods: ["GET", "POST"], paths: ["/v1/**"], rate: { per_minute: 120 } },
      "checkout",
    ),
    mintToken(
      ada,
      {
        keys: ["tag:llm"],
        spend: { usd_per_day: 5, usd_per_month: 80 },
        ask: { methods: ["DELETE"] },
        warn: { paths: ["/v1/chat/**"], rate: { per_minute: 30 } },
      },
      "support agent",
    ),
    mintToken(ada, { keys: ["inventory"], methods: ["GET"] }, HOSTILE),
    mintToken(ada, { keys: ["anthropic"] }, "old worker"),
    ada.api<Minted>("POST", "/v1/tokens", {
      name: "nightly report",
      rotation: "daily",
      policy: { keys: ["openai@prod"] },
    }),
    mintToken(ada, {}, "ci"),
  ]);
  const [summaries, drafts] = await Promise.all([
    derive(locker, agent, "summaries", { keys: ["openai@prod"] }),
    derive(locker, agent, "drafts", { methods: ["POST"] }),
  ]);
  const titles = await derive(locker, summaries, "titles", { max_uses: 100 });
  const minted = { shop, agent, hostile, leaked, nightly, ci, summaries, drafts, titles };

  upstream.answerWith((_request, response, { url }) => answer(response, url));
  await Promise.all([
    ...["/v1/charges", "/v1/charges", "/v1/customers"].map((path) => use(locker, shop, "stripe@live", path)),
    use(locker, shop, "stripe@live", "/v1/missing"),
    use(locker, shop, "stripe@live", "/v1/charges/ch_1", "DELETE"),
    use(locker, hostile, "inventory", "/v1/items"),
    use(locker, hostile, "inventory", HOSTILE_PATH),
    use(locker, ci, "anthropic", "/v1/models"),
    use(locker, titles, "openai@prod", "/v1/models"),
    use(locker, agent, "openai@prod", "/v1/chat/completions", "POST", CHAT),
    use(locker, summaries, "openai@prod", "/v1/chat/completions", "POST", CHAT),
    use(locker, agent, "anthropic", "/v1/messages", "POST", { ...CHAT, model: "claude-sonnet-4-5" }),
  ]);
  await ada.api("POST", "/v1/keys/openai@prod/rotate", { secret: ROTATED, overlap_seconds: 86_400 });
  await use(locker, titles, "openai@prod", "/v1/models");

  const [client] = await Promise.all([
    registerClient(locker, { client_name: "Claude Code" }).then((known) => connect(locker, ada, { client: known })),
    registerClient(locker, { client_name: HOSTILE }).then((known) => connect(locker, ada, { client: known })),
    signInDevice(locker, ada, { name: "Ada's laptop" }),
    bringToTrash(locker, ada),
    fetch(`${locker.publicOrigin}/v1/report-leak`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: leaked.token }),
    }),
    ada.api("POST", "/v1/webhooks", { url: `${upstream.origin}/hooks/locker`, events: ["alert.raised", "revocation"] }),
    ada.api("POST", "/v1/prices", { provider: "openai", model: "gpt-4o-mini", input: 0.12, output: 0.48 }),
    ada.api("POST", "/v1/trusts", {
      name: "deploys",
      issuer: "https://token.actions.githubusercontent.com",
      claims: { repository: "acme/shop", ref: "refs/heads/main" },
      policy: { keys: ["stripe@live"], methods: ["GET"] },
    }),
  ]);
  // What calls took is booked a moment after they have ended.
  await eventually(async () => {
    const { items } = await ada.api<{ items: { calls: number }[] }>("GET", "/v1/spend");
    return items.reduce((sum, { calls }) => sum + calls, 0) === MODEL_CALLS;
  }, 20_000);
  const { items: grants } = await ada.api<{ items: { id: string; client_id: string }[] }>("GET", "/v1/grants");
  const tokens = Object.fromEntries(Object.entries(minted).map(([name, { id }]) => [name, id]));
  const secrets = {
    "a key": secret,
    "a rotated key": ROTATED,
    ...Object.fromEntries(Object.entries(minted).map(([name, { token }]) => [name, token.slice(34, 77)])),
  };
  return {
    keys,
    tokens,
    secrets,
    client: grants.find(({ client_id }) => client_id === client.client.client_id)?.id ?? "",
  };
}

const ROTATED = "sk-fedcba9876543210";
const NAMES = ["openai", "anthropic", "stripe", "github", "inventory", "old"];
const CHAT = { model: "gpt-4o", max_tokens: 100, messages: [{ role: "user", content: "Hi" }] };

/** A call that waits for its owner's yes until it is left. */
export function askOwner(locker: LocalLocker, ada: Person): Promise<{ leave(): void }> {
  const abort = new AbortController();
  return mintToken(ada, { keys: ["stripe@live"], ask: {} }, "refunds").then((token) => {
    void use(locker, token, "stripe@live", "/v1/refunds", "POST", { charge: "ch_1" }, abort.signal).catch(() => {});
    return { leave: () => abort.abort() };
  });
}

async function use(
  locker: LocalLocker,
  { token }: Minted,
  key: string,
  path: string,
  method = "GET",
  body?: object,
  signal?: AbortSignal,
): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, "user-agent": HOSTILE, "content-type": "application/json" };
  const sent = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await fetch(`${locker.proxyOrigin}/v1/proxy/${key}${path}`, { ...sent, signal: signal ?? null });
  await response.text();
}

function answer(response: Parameters<Parameters<Upstream["answerWith"]>[0]>[1], url: string): void {
  const headers = { "content-type": "application/json", "x-evil": HOSTILE };
  if (url.startsWith("/v1/missing")) return void response.writeHead(404, headers).end("{}");
  const said = url.startsWith("/v1/messages")
    ? { model: "claude-sonnet-4-5", usage: { input_tokens: 12_400, output_tokens: 3_100 } }
    : { model: "gpt-4o", usage: { prompt_tokens: 41_000, completion_tokens: 9_200, total_tokens: 50_200 } };
  response.writeHead(200, headers).end(JSON.stringify({ ...said, html: HOSTILE }));
}

async function derive(locker: LocalLocker, { token }: Minted, name: string, policy: object): Promise<Minted> {
  const response = await fetch(`${locker.publicOrigin}/v1/tokens/derive`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ name, policy }),
  });
  if (response.status !== 201) throw new Error(`deriving: ${response.status} ${await response.text()}`);
  return response.json<Minted>();
}

/** A client that may write deletes a key, as a model that was talked into it would. */
async function bringToTrash(locker: LocalLocker, ada: Person): Promise<void> {
  const client = await letIn(locker, ada);
  const { error } = await confirmed(client, "delete_key", { key: "old-crm" });
  if (error !== undefined) throw new Error(`deleting: ${error.detail}`);
}
