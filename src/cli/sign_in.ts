import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ifReached, send } from "./client.ts";
import { Failure } from "./failure.ts";
import { plain } from "./terminal.ts";
import { USER_AGENT } from "./version.ts";

const CLIENT_ID = "apilocker-cli";
const LOGIN_MS = 10 * 60_000;
const LONGEST_WAIT_MS = 30_000;

/** The locker's endpoints, as it publishes them (RFC 8414). */
export type Server8414 = {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
  device_authorization_endpoint: string;
};

/** Who asks to be let in. */
export type Asking = { name: string; platform: string };

type Tokens = { access_token: string; device_id: string };

/** Asks the address whether it is a locker, and where its endpoints are; all must be on that very origin. */
export async function discover(url: string): Promise<Server8414> {
  const response = await send(new URL("/.well-known/oauth-authorization-server", url), {
    headers: { accept: "application/json" },
    redirect: "manual",
  });
  const server = response.ok ? ((await response.json().catch(() => ({}))) as Partial<Server8414>) : {};
  const { issuer, authorization_endpoint, token_endpoint, device_authorization_endpoint } = server;
  const endpoints = [authorization_endpoint, token_endpoint, device_authorization_endpoint];
  // RFC 8414 §3.3: an answer that speaks for somebody else is nobody's.
  if (issuer !== url || endpoints.some((one) => one === undefined || !one.startsWith(`${url}/`)))
    throw new Failure(`${url} is not a locker.`, { hint: "Check the address." });
  return server as Server8414;
}

/**
 * Signs in through the browser of this machine (RFC 8252): the answer comes to a port that only this process listens on, and a
 * code is worth nothing without the verifier that never leaves it (PKCE).
 */
export async function signInHere(server: Server8414, asking: Asking, show: (url: string) => void): Promise<Tokens> {
  const verifier = randomBytes(32).toString("base64url");
  const state = randomBytes(16).toString("base64url");
  const { createServer } = await import("node:http");
  const listener = createServer();
  await new Promise<void>((resolve, reject) => listener.once("error", reject).listen(0, "127.0.0.1", resolve));
  try {
    const redirect_uri = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/callback`;
    const url = new URL(server.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: "code",
      client_id: CLIENT_ID,
      redirect_uri,
      state,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      device_name: asking.name,
      device_platform: asking.platform,
    }).toString();
    const answer = answerAt(listener, new URL(redirect_uri), { state, issuer: server.issuer });
    show(url.href);
    const code = await answer;
    return await exchange(server, { grant_type: "authorization_code", code, redirect_uri, code_verifier: verifier });
  } finally {
    listener.closeAllConnections();
    listener.close();
  }
}

/** Waits for the browser to bring the code. What does not carry our state is not our answer, and is not believed. */
function answerAt(
  listener: Server,
  { host, pathname }: URL,
  wanted: { state: string; issuer: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Failure("Nobody answered in the browser within ten minutes.")), LOGIN_MS);
    listener.on("request", (request, response) => {
      const url = new URL(request.url ?? "/", `http://${host}`);
      const { searchParams } = url;
      const ours =
        request.headers.host === host && url.pathname === pathname && sameText(searchParams.get("state"), wanted.state);
      if (request.method !== "GET" || !ours) return void response.writeHead(404).end();
      clearTimeout(timer);
      const refused = refusalIn(searchParams, wanted.issuer);
      // `connection: close`, so that nothing keeps this process waiting for the browser.
      response.writeHead(200, {
        "content-type": "text/html; charset=utf-8",
        connection: "close",
        "cache-control": "no-store",
      });
      response.end(
        pageFor(
          refused === undefined
            ? "You are signed in. You can close this page."
            : "This device was not signed in. You can close this page.",
        ),
      );
      response.on("close", () => (refused === undefined ? resolve(searchParams.get("code") ?? "") : reject(refused)));
    });
  });
}

/** RFC 9207 §2.4: the answer must come from whom we asked; otherwise nothing in it is shown. */
function refusalIn(answer: URLSearchParams, issuer: string): Failure | undefined {
  if (answer.get("iss") !== issuer) return new Failure("The answer came from another server. Nothing was sent to it.");
  const error = answer.get("error");
  if (error === "access_denied") return new Failure("Signing in was denied in the browser.", { code: "denied" });
  if (error !== null || answer.get("code") === null)
    return new Failure(`Signing in did not work: ${plain(answer.get("error_description") ?? error ?? "no code came")}`);
  return undefined;
}

function pageFor(text: string): string {
  return `<!doctype html><meta charset="utf-8"><title>API Locker</title><body style="font:16px system-ui;margin:4rem auto;max-width:30rem"><h1>API Locker</h1><p>${text}</p>`;
}

function sameText(given: string | null, wanted: string): boolean {
  return given !== null && given.length === wanted.length && timingSafeEqual(Buffer.from(given), Buffer.from(wanted));
}

/** What a person types, and where. */
export type Prompt = { user_code: string; verification_uri: string; expires_in: number };

/** Signs in through a browser elsewhere (RFC 8628): a person types the code that `show` shows. */
export async function signInElsewhere(
  server: Server8414,
  asking: Asking,
  show: (prompt: Prompt) => void,
): Promise<Tokens> {
  const response = await post(server.device_authorization_endpoint, {
    device_name: asking.name,
    device_platform: asking.platform,
  });
  if (!response.ok) throw await refusalOf(response);
  const {
    device_code,
    interval = 5,
    ...prompt
  } = await response.json<Prompt & { device_code: string; interval?: number }>();
  show(prompt);
  const deadline = Date.now() + prompt.expires_in * 1_000;
  let wait_ms = interval * 1_000;
  while (Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
    const grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    const answer = await ifReached(post(server.token_endpoint, { grant_type, device_code }));
    // A network that fails is asked less often, and asked again (RFC 8628 §3.5).
    if (answer === undefined) {
      wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS);
      continue;
    }
    if (answer.ok) return await answer.json<Tokens>();
    const { error } = (await answer
      .clone()
      .json()
      .catch(() => ({}))) as { error?: string };
    if (error === "slow_down") wait_ms += 5_000;
    else if (answer.status >= 500 || answer.status === 429) wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS);
    else if (error === "access_denied") throw new Failure("Signing in was denied in the browser.", { code: "denied" });
    else if (error !== "authorization_pending") throw await refusalOf(answer);
  }
  throw new Failure("Nobody typed the code within ten minutes.", { hint: "Start again: apilocker login --headless" });
}

async function exchange(server: Server8414, fields: Record<string, string>): Promise<Tokens> {
  const response = await post(server.token_endpoint, fields);
  if (!response.ok) throw await refusalOf(response);
  return await response.json<Tokens>();
}

function post(endpoint: string, fields: Record<string, string>): Promise<Response> {
  return send(new URL(endpoint), {
    method: "POST",
    redirect: "manual",
    headers: { "user-agent": USER_AGENT, accept: "application/json" },
    body: new URLSearchParams({ client_id: CLIENT_ID, ...fields }),
  });
}

async function refusalOf(response: Response): Promise<Failure> {
  const { error, error_description } = (await response.json().catch(() => ({}))) as {
    error?: string;
    error_description?: string;
  };
  return new Failure(
    `Signing in did not work: ${plain(error_description ?? error ?? `the locker answered ${response.status}`)}`,
    { code: plain(error ?? "error") },
  );
}
