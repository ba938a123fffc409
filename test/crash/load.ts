import { signIn } from "../../src/local/person.ts";
import { pick, type Random } from "../support/random.ts";
import { askAs, Fact, Unanswered } from "./asking.ts";
import { appFamily, lives, oauthFamily, type FamilyIs } from "./families.ts";
import { expecting, MAX_USES, type KeyIs, type Told, type TokenIs } from "./told.ts";

const CALLERS = 6;
const OWNERS = 3;
const MAX_FAMILIES = 6;

/** What there is before anything falls. */
export async function furnish(told: Told): Promise<void> {
  await store(told, "k");
  told.main = (await mint(told)).token;
  const { json } = await told.ask("POST", "/v1/tokens", { body: { name: "limited", policy: { max_uses: MAX_USES } } });
  told.limited = String(json.token);
  await openAppFamily(told);
  await openOAuthFamily(told);
}

/** Everything at once until the runtime is gone. Every choice comes from the random source. */
export async function load(told: Told, random: Random, over: AbortSignal): Promise<void> {
  const actors = [
    ...Array.from({ length: CALLERS }, (_, name) => () => call(told, `c${name}`, random)),
    ...Array.from({ length: OWNERS }, () => () => change(told, random)),
    ...told.families.map((family) => () => refresh(told, family)),
    () => useLimited(told),
  ];
  await Promise.all(actors.map((step) => untilItFalls(told, step, over)));
}

async function untilItFalls(told: Told, step: () => Promise<void>, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    try {
      await step();
    } catch (fault) {
      if (!(fault instanceof Unanswered) && !brokeOff(fault)) told.violations.push(`while it ran: ${String(fault)}`);
      told.counts.unanswered++;
      return;
    }
  }
}

function brokeOff(fault: unknown): boolean {
  return fault instanceof TypeError || (fault instanceof Error && /signing in|Signing in|\b503\b/.test(fault.message));
}

/** A call by a token that nothing stops; some stream for a while. */
async function call(told: Told, who: string, random: Random): Promise<void> {
  const key = random() < 0.5 ? "k" : pick(random, told.liveKeys());
  const answer = await told.call(told.main, key, random() < 0.1 ? `slow-${who}` : who);
  told.counts.calls++;
  if (![200, 404, 423].includes(answer.status)) told.violations.push(`a call was answered ${answer.status}`);
}

async function useLimited(told: Told): Promise<void> {
  const { status } = await told.call(told.limited, "k", "limited");
  if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 50));
}

const CHANGES: ((told: Told, random: Random) => Promise<unknown>)[] = [
  (told) => store(told, `s${told.next()}`),
  rotate,
  rotate,
  pauseKey,
  deleteKey,
  mint,
  pauseToken,
  revokeToken,
  endFamily,
  comeAndGo,
];

async function change(told: Told, random: Random): Promise<void> {
  await pick(random, CHANGES)(told, random);
  told.counts.changes++;
}

async function store(told: Told, name: string): Promise<void> {
  const secret = `sk-${name}-0123456789abcdef`;
  const stored: KeyIs = { secret: new Fact(secret), standing: new Fact<"live" | "paused" | "deleted">("live") };
  await told.wish("/v1/keys", { name, provider: "custom", secret, base_url: told.upstream.origin });
  told.keys.set(name, stored);
}

async function withKey(told: Told, random: Random, work: (name: string, key: KeyIs) => Promise<void>): Promise<void> {
  if (!(await told.withKey(random, work))) await store(told, `s${told.next()}`);
}

function rotate(told: Told, random: Random): Promise<void> {
  return withKey(told, random, async (name, key) => {
    const secret = `sk-${name}-${told.next()}-0123456789abcdef`;
    const asked = told.ask("POST", `/v1/keys/${name}/rotate`, { body: { secret } });
    expecting([200], await key.secret.becomes(secret, asked));
  });
}

function pauseKey(told: Told, random: Random): Promise<void> {
  return withKey(told, random, async (name, { standing }) => {
    expecting([200], await standing.becomes("paused", told.ask("POST", `/v1/keys/${name}/pause`)));
    const { status } = await told.call(told.main, name, "paused");
    if (status !== 423) told.violations.push(`a paused key was used: ${status}`);
    expecting([200], await standing.becomes("live", told.ask("POST", `/v1/keys/${name}/resume`)));
  });
}

function deleteKey(told: Told, random: Random): Promise<void> {
  return withKey(told, random, async (name, { standing }) => {
    expecting([200], await standing.becomes("deleted", told.ask("DELETE", `/v1/keys/${name}`)));
  });
}

async function mint(told: Told): Promise<TokenIs> {
  const { json } = await told.wish("/v1/tokens", { name: `t${told.next()}` });
  const standing = new Fact<"live" | "paused" | "revoked">("live");
  const made = { id: String(json.id), token: String(json.token), standing };
  told.tokens.push(made);
  return made;
}

async function withToken(told: Told, random: Random, work: (token: TokenIs) => Promise<void>): Promise<void> {
  if (!(await told.withToken(random, work))) await mint(told);
}

function pauseToken(told: Told, random: Random): Promise<void> {
  return withToken(told, random, async ({ id, token, standing }) => {
    expecting([200], await standing.becomes("paused", told.ask("POST", `/v1/tokens/${id}/pause`)));
    const { status } = await told.call(token, "k", "paused");
    if (status !== 423) told.violations.push(`a paused token was used: ${status}`);
    expecting([200], await standing.becomes("live", told.ask("POST", `/v1/tokens/${id}/resume`)));
  });
}

function revokeToken(told: Told, random: Random): Promise<void> {
  return withToken(told, random, async ({ id, standing }) => {
    expecting([200], await standing.becomes("revoked", told.ask("DELETE", `/v1/tokens/${id}`)));
  });
}

async function openAppFamily(told: Told): Promise<void> {
  const { json } = await told.wish("/v1/tokens", { name: `r${told.next()}`, rotation: "hourly" });
  const made = json as { id: string; token: string; refresh_token: string };
  told.families.push(appFamily(() => told.here, made));
}

async function openOAuthFamily(told: Told): Promise<void> {
  told.families.push(await oauthFamily(() => told.here));
}

/** Two processes of one client at once: they get the same, and whoever lost an answer gets it by asking again. */
async function refresh(told: Told, family: FamilyIs): Promise<void> {
  if (!lives(family)) return void (await new Promise((resolve) => setTimeout(resolve, 50)));
  const { refresh_token } = family;
  const both = await Promise.allSettled([family.refresh(refresh_token), family.refresh(refresh_token)]);
  for (const one of both) if (one.status === "rejected") throw one.reason;
  const [first, second] = both.map((one) => (one.status === "fulfilled" ? one.value : undefined));
  if (!lives(family)) return;
  if (first === undefined || second === undefined) {
    if (family.revoked.may.length === 1) told.violations.push("an honest refresh was refused");
    return;
  }
  if (first.refresh_token !== second.refresh_token) told.violations.push("one generation has two successors");
  family.refresh_token = first.refresh_token;
  family.access.push(first.access);
  told.counts.refreshes++;
}

async function endFamily(told: Told, random: Random): Promise<void> {
  const family = pick(random, told.families);
  // Rarely: a family is worth most while it lives.
  if (!lives(family) || told.families.length > MAX_FAMILIES || random() > 0.1) return;
  const asked = family.revoke().then((answer) => expecting([200], answer));
  await family.revoked.becomes(true, asked);
  await (random() < 0.5 ? openAppFamily(told) : openOAuthFamily(told));
}

/** A whole account: made, used, deleted. What comes of one that is never answered is looked at by its next visitor. */
async function comeAndGo(told: Told): Promise<void> {
  const guest = await signIn(told.here.locker.publicOrigin, `${told.next()}-${told.email}`);
  const stored = { name: "g", provider: "custom", secret: "sk-guest-0123456789", base_url: told.upstream.origin };
  expecting([201], await askAs(guest, "POST", "/v1/keys", { body: stored }));
  const { json } = expecting([201], await askAs(guest, "POST", "/v1/tokens", { body: { name: "g" } }));
  expecting([200], await askAs(guest, "DELETE", "/v1/me"));
  const { status } = await told.call(String(json.token), "g", "guest");
  if (status !== 401) told.violations.push(`a token of a deleted account was answered ${status}`);
}
