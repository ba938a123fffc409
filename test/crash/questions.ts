import { Fact, patiently } from "./asking.ts";
import type { FamilyIs } from "./families.ts";
import type { KeyIs, Told, TokenIs } from "./told.ts";

/** After a restart: is all that was acknowledged still so, and nothing half done? */
export async function look(told: Told): Promise<void> {
  await patiently(() => told.ask("GET", "/v1/me"));
  await lookAtWishes(told);
  await inPieces([...told.keys], ([name, key]) => lookAtKey(told, name, key));
  await inPieces(told.tokens, (token) => lookAtToken(told, token));
  await inPieces(told.families, (family) => lookAtFamily(told, family));
  told.violations.push(...(await patiently(() => told.log.look(told.here))));
}

/** Nothing is under way any more: what the crashes left pending has been given its end. */
export async function lookAtTheEnd(told: Told): Promise<void> {
  told.violations.push(...(await told.log.look(told.here, Infinity)), ...told.log.pending());
}

/** What was never answered is asked for again: it is done once, whether it had been done or not. */
async function lookAtWishes(told: Told): Promise<void> {
  for (const wish of told.wishes.filter(({ answered }) => !answered)) {
    const answer = await patiently(() => told.ask(wish.method, wish.path, wish));
    wish.answered = true;
    if (answer.status !== 201) {
      told.violations.push(`asked again after a lost answer: ${answer.status} ${JSON.stringify(answer.json)}`);
      continue;
    }
    const { name, secret, rotation } = wish.body as { name: string; secret?: string; rotation?: string };
    if (secret !== undefined) told.keys.set(name, { secret: new Fact(secret), standing: new Fact("live" as const) });
    else if (rotation === undefined)
      told.tokens.push({ ...(answer.json as { id: string; token: string }), standing: new Fact("live" as const) });
  }
  const { json } = await patiently(() => told.ask("GET", "/v1/tokens?limit=200"));
  const names = (json.items as { name: string }[]).map(({ name }) => name);
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  if (twice.length > 0) told.violations.push(`made twice: ${twice.join()}`);
}

async function lookAtKey(told: Told, name: string, key: KeyIs): Promise<void> {
  const { status, path } = await patiently(() => told.call(told.main, name, "look"));
  const standing = ({ 200: "live", 423: "paused", 404: "deleted" } as const)[status];
  if (standing === undefined) return void told.violations.push(`the key ${name} is answered ${status}`);
  if (!key.standing.found(standing)) told.violations.push(`the key ${name} is ${standing}`);
  if (standing === "paused") {
    const resume = patiently(() => told.ask("POST", `/v1/keys/${name}/resume`));
    await key.standing.becomes("live", resume);
  }
  if (standing !== "live") return;
  const sent = told.upstream.seen.findLast(({ url }) => url === path)?.headers.authorization;
  if (!key.secret.found(String(sent).replace(/^Bearer /, "")))
    told.violations.push(`the key ${name} sent another secret`);
}

async function lookAtToken(told: Told, { id, token, standing }: TokenIs): Promise<void> {
  const { status } = await patiently(() => told.call(token, "k", "look"));
  const found = ({ 200: "live", 423: "paused", 401: "revoked" } as const)[status];
  if (found === undefined || !standing.found(found)) told.violations.push(`a token is answered ${status}`);
  if (found !== "paused") return;
  const resume = patiently(() => told.ask("POST", `/v1/tokens/${id}/resume`));
  await standing.becomes("live", resume);
}

async function lookAtFamily(told: Told, family: FamilyIs): Promise<void> {
  const next = await patiently(() => family.refresh(family.refresh_token));
  if (!family.revoked.found(next === undefined))
    told.violations.push(next === undefined ? "a family is dead" : "a family that was ended lives");
  const works = async (token: string) => (await patiently(() => told.call(token, "k", "look"))).status === 200;
  if (next === undefined) {
    for (const token of family.access.slice(-3))
      if (await works(token)) told.violations.push("an access token of an ended family works");
    return;
  }
  family.refresh_token = next.refresh_token;
  family.access.push(next.access);
  if (!(await works(next.access))) told.violations.push("a fresh access token does not work");
  const old = family.access.at(-5);
  if (old !== undefined && (await works(old))) told.violations.push("an access token of long ago works");
}

/** A few at a time. */
async function inPieces<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += 16) await Promise.all(items.slice(at, at + 16).map(work));
}
