import { once } from "node:events";
import { text } from "node:stream/consumers";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
// Not the package's front door: that one warns about every Node that is not an LTS release yet.
import { createMemoryAdapter } from "oidc-provider/lib/adapters/memory_adapter.js";
import { Check, Prompt } from "oidc-provider/lib/helpers/interaction_policy/index.js";
import { Provider, type Context } from "oidc-provider/lib/provider.js";

/** A request of the token or revocation endpoint, as it came. */
type Asked = { path: string; authorization: string | undefined; body: URLSearchParams };

/** A real OAuth provider with an API behind it: refresh tokens rotate, and a second use of one kills what came of it. */
export type OAuthUpstream = {
  origin: string;
  client_id: string;
  client_secret: string;
  /** What the token endpoint was asked. */
  asked: Asked[];
  /** What the API saw: the access tokens that it was shown, whether it took them, and what came with them. */
  calls: { path: string; token: string; taken: boolean; body: string }[];
  /** From now on the API takes no token that was shown to it before. */
  forgetTokens(): void;
  /** What the token endpoint does with a question, and then with its answer, before either goes on. Replaced by a test. */
  before: { asking(): Promise<void> | void; answering(): Promise<void> | void };
  /** A refresh token that was used is answered the same again: what some call a grace period, or a reuse interval. */
  forgiving: boolean;
  /** How the token endpoint answers instead: once for each entry. */
  failWith(...answers: { status: number; body: string; headers?: Record<string, string> }[]): void;
  /** A refresh token as a person would paste it: granted without the locker. */
  issued(): Promise<string>;
  stop(): Promise<void>;
};

const SCOPES = "openid offline_access things:read";
const CLIENT = { client_id: "locker", client_secret: "client-secret_with-signs.0123456789" };

export async function startOAuthUpstream(redirect_uri: string): Promise<OAuthUpstream> {
  const server = createServer();
  // As in upstream.ts: what the runtime keeps is not closed under it.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(origin, {
    adapter: createMemoryAdapter(),
    clients: [
      {
        ...CLIENT,
        redirect_uris: [redirect_uri],
        grant_types: ["authorization_code", "refresh_token", "client_credentials"],
      },
    ],
    cookies: { keys: ["cookie-key-of-a-test"] },
    pkce: { required: () => true },
    scopes: ["openid", "offline_access", "things:read"],
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
    },
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    interactions: { policy: [everyTime], url: (_: Context, { uid }: { uid: string }) => `/sign-in/${uid}` },
    findAccount: (_: Context, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
    loadExistingGrant: async ({ oidc }: Context) => {
      const grant = new provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
      grant.addOIDCScope(oidc.params.scope ?? "openid");
      await grant.save();
      return grant;
    },
    ttl: {
      AccessToken: 3_600,
      AuthorizationCode: 60,
      RefreshToken: 86_400,
      Grant: 86_400,
      Interaction: 600,
      Session: 600,
    },
  });
  const protocol = provider.callback();
  const dead = new Set<string>();
  const given = new Map<string, string>();
  const failures: { status: number; body: string; headers?: Record<string, string> }[] = [];
  const upstream: OAuthUpstream = {
    origin,
    ...CLIENT,
    asked: [],
    calls: [],
    before: { asking: () => {}, answering: () => {} },
    forgiving: false,
    forgetTokens: () => upstream.calls.forEach(({ token }) => dead.add(token)),
    failWith: (...answers) => void failures.push(...answers),
    issued: async () => {
      const sub = "ada";
      const client = await provider.Client.find(CLIENT.client_id);
      const grant = new provider.Grant({ accountId: sub, clientId: CLIENT.client_id });
      grant.addOIDCScope(SCOPES);
      const grantId = await grant.save();
      const token = new provider.RefreshToken({
        accountId: sub,
        client,
        grantId,
        scope: SCOPES,
        gty: "authorization_code",
      });
      return token.save();
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const known = async (token: string) =>
    ((await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token))) !== undefined;
  server.on("request", (request: IncomingMessage, response) => {
    const path = request.url ?? "/";
    if (path.startsWith("/sign-in/")) {
      const done = { login: { accountId: "ada" } };
      return void provider
        .interactionDetails(request, response)
        .then(() => provider.interactionFinished(request, response, done));
    }
    if (path.startsWith("/api/")) {
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
      return void Promise.all([known(token), text(request)]).then(([found, body]) => {
        const taken = found && !dead.has(token);
        upstream.calls.push({ path, token, taken, body });
        return response.writeHead(taken ? 200 : 401).end(taken ? "{}" : "");
      });
    }
    if (path !== "/token" && path !== "/token/revocation") return void protocol(request, response);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const body = new URLSearchParams(text);
      upstream.asked.push({ path, authorization: request.headers.authorization, body });
      const failure = failures.shift();
      if (failure !== undefined) return void response.writeHead(failure.status, failure.headers).end(failure.body);
      const refresh_token = body.get("refresh_token") ?? "";
      const again = given.get(refresh_token);
      if (upstream.forgiving && again !== undefined)
        return void response.writeHead(200, { "content-type": "application/json" }).end(again);
      // The provider has decided by the time it ends its answer.
      const end = response.end.bind(response) as (chunk: string | Buffer) => ServerResponse;
      response.end = ((chunk: string | Buffer) => {
        if (response.statusCode === 200) given.set(refresh_token, String(chunk));
        void Promise.resolve(upstream.before.answering()).then(() => end(chunk));
        return response;
      }) as typeof response.end;
      // The provider takes a body that was read already from here.
      const asked = Object.assign(request, { body: Object.fromEntries(body) });
      void Promise.resolve(upstream.before.asking()).then(() => protocol(asked, response));
    });
  });
  return upstream;
}

/** Whoever comes is signed in, every time. */
const everyTime = new Prompt(
  { name: "login", requestable: true },
  new Check("every_time", "every sign-in is a new one", ({ oidc }) =>
    oidc.result?.login === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
  ),
);
