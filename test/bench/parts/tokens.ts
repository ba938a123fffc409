import { pkce, registerClient, authorizePath, consent, type OAuthClient } from "../../support/oauth.ts";
import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import { interleave } from "../rounds.ts";
import { median } from "../statistics.ts";
import type { Account } from "../targets/accounts.ts";

/** An authorization server under test. `consentTo` answers where the browser is sent, with the code; `who` is one of many people. */
export type AuthorizationServer = {
  name: string;
  origin: string;
  resource: string;
  client: OAuthClient;
  consentTo(path: string, who: number): Promise<URL>;
};

/** Codes exchanged and refresh tokens used, a second. */
export type Tokens = { name: string; exchanges: number; refreshes: number };

type Proof = { code: string; verifier: string };

const CONNECTIONS = 16;
const CODES_EACH = 3;
const SCOPE = "vault:read offline_access";

/** Each round: people consent (not timed), their codes are exchanged at once, then every client refreshes again and again. */
export async function measureTokens(
  servers: readonly AuthorizationServer[],
  { rounds, window_ms }: { rounds: number; window_ms: number },
): Promise<Tokens[]> {
  const given = await interleave(servers, rounds, (server) => oneRound(server, window_ms));
  return [...given].map(([name, all]) => ({
    name,
    exchanges: median(all.map(({ exchanges }) => exchanges)),
    refreshes: median(all.map(({ refreshes }) => refreshes)),
  }));
}

/** Ours: each of these people in turn. With one of them everything happens in one vault. */
export async function lockerServer(
  name: string,
  origin: string,
  accounts: readonly Account[],
): Promise<AuthorizationServer> {
  const client = await registerClient({ publicOrigin: origin });
  const consentTo = (path: string, who: number) => consent((accounts[who % accounts.length] as Account).person, path);
  return { name, origin, resource: `${origin}/v1/mcp`, client, consentTo };
}

/** One that lets everybody in who asks. */
export async function providerServer(name: string, origin: string): Promise<AuthorizationServer> {
  const client = await registerClient({ publicOrigin: origin });
  const consentTo = async (path: string, who: number) => {
    const address = new URL(path, origin);
    address.searchParams.set("state", `person-${who}`);
    const answer = await fetch(address, { redirect: "manual" });
    const location = answer.headers.get("location");
    if (location === null) throw new Error(`${name} answered ${answer.status}: ${await answer.text()}`);
    return new URL(location);
  };
  return { name, origin, resource: `${origin}/mcp`, client, consentTo };
}

async function oneRound(
  server: AuthorizationServer,
  window_ms: number,
): Promise<{ exchanges: number; refreshes: number }> {
  const { client, resource } = server;
  const proofs = Array.from({ length: CONNECTIONS }, (): Proof[] => []);
  // A person has only so many pages open at once.
  for (let code = 0; code < CODES_EACH; code++)
    await Promise.all(proofs.map(async (own, who) => own.push(await codeOf(server, who))));
  const port = Number(new URL(server.origin).port);
  const connections = await Promise.all(proofs.map(() => Connection.open(port)));
  const post = async (connection: Connection, form: Record<string, string>): Promise<string> => {
    let text = "";
    const status = await connection.exchange(tokenRequest(port, form), (bytes) => (text += bytes.toString("latin1")));
    const { refresh_token } = (status === 200 ? JSON.parse(text) : {}) as { refresh_token?: string };
    if (refresh_token === undefined) throw new Error(`${server.name} answered ${status}: ${text}`);
    return refresh_token;
  };
  const exchange = (connection: Connection, { code, verifier }: Proof) =>
    post(connection, {
      grant_type: "authorization_code",
      client_id: client.client_id,
      redirect_uri: client.redirect_uri,
      code,
      code_verifier: verifier,
      resource,
    });
  const began = now();
  const tokens = await Promise.all(
    connections.map(async (connection, i) => {
      let last = "";
      for (const proof of proofs[i] ?? []) last = await exchange(connection, proof);
      return last;
    }),
  );
  const exchanged_s = (now() - began) / 1000;

  const until = now() + window_ms;
  const started = now();
  const counts = await Promise.all(
    connections.map(async (connection, i) => {
      let count = 0;
      for (let refresh_token = tokens[i] as string; now() < until; count++) {
        const form = { grant_type: "refresh_token", client_id: client.client_id, refresh_token, resource };
        refresh_token = await post(connection, form);
      }
      return count;
    }),
  );
  const refreshed_s = (now() - started) / 1000;
  for (const connection of connections) connection.close();
  return {
    exchanges: (CONNECTIONS * CODES_EACH) / exchanged_s,
    refreshes: counts.reduce((sum, count) => sum + count, 0) / refreshed_s,
  };
}

async function codeOf({ client, resource, consentTo }: AuthorizationServer, who: number): Promise<Proof> {
  const { verifier, challenge } = pkce();
  const answered = await consentTo(authorizePath(client, challenge, { scope: SCOPE, resource }), who);
  const code = answered.searchParams.get("code");
  if (code === null) throw new Error(`There is no code in ${answered.href}.`);
  return { code, verifier };
}

function tokenRequest(port: number, form: Record<string, string>): Buffer {
  const body = new URLSearchParams(form).toString();
  const head = [
    "POST /token HTTP/1.1",
    `host: localhost:${port}`,
    "content-type: application/x-www-form-urlencoded",
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
}
