import { once } from "node:events";
import { request, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { onTestFinished } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { activity, eventually, mintToken, newPerson, storeKey, type ActivityRow } from "./locker.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

/** What a key holds unless a test says otherwise. Unlike anything else on the wire, so that a leak is a find. */
export const SECRET = "sk-live-7Qx/Zp+41mNv==Tr09";

/** An answer as it came over the socket: nothing decoded, nothing followed. */
export type Answer = {
  status: number;
  headers: IncomingHttpHeaders;
  raw_headers: string[];
  body: Buffer;
  text: string;
};
export type Sent = { method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer };

/** Somebody with one key for an upstream of their own and one token that reaches it. */
export type Holder = {
  person: Person;
  upstream: Upstream;
  key: { id: string; name: string };
  token: string;
  token_id: string;
  /** The address that stands for the upstream. */
  base: string;
  /** A call with the token as Bearer. */
  call(path: string, sent?: Sent): Promise<Answer>;
  /** The newest row about a path, once it has ended. */
  row(path: string): Promise<ActivityRow>;
};

type Wishes = { key?: object; policy?: object; base_path?: string };

export async function newHolder(
  locker: LocalLocker,
  { key: more, policy, base_path = "" }: Wishes = {},
): Promise<Holder> {
  const upstream = await startUpstream();
  onTestFinished(() => upstream.stop());
  const person = await newPerson(locker);
  const key = await storeKey(person, "api", upstream.origin + base_path, { secret: SECRET, ...more });
  const { id: token_id, token } = await mintToken(person, policy);
  const base = `${locker.proxyOrigin}/v1/proxy/api`;
  const call = (path: string, { headers, ...sent }: Sent = {}) =>
    send(base + path, { ...sent, headers: { authorization: `Bearer ${token}`, ...headers } });
  const row = (path: string) =>
    eventually(async () => (await activity(person)).find((one) => one.path === path && one.outcome !== "pending"));
  return { person, upstream, key, token, token_id, base, call, row };
}

/** One request over a socket of its own, exactly as it is written here: the path is not normalised, no header is added. */
export function send(url: string, { method = "GET", headers = {}, body }: Sent = {}): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const path = url.slice(url.indexOf("/", url.indexOf("//") + 2));
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const whole = Buffer.concat(chunks);
        const { statusCode: status = 0, headers, rawHeaders } = response;
        resolve({ status, headers, raw_headers: rawHeaders, body: whole, text: whole.toString() });
      });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Begins a call with the token; the test writes the body, reads the answer and ends both when it likes. */
export function begin(
  { base, token }: Holder,
  path: string,
  { method = "GET", headers = {} }: Sent = {},
): { asked: ClientRequest; answered: Promise<IncomingMessage> } {
  const asked = request(base + path, {
    method,
    agent: false,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  const answered = once(asked, "response").then(([response]) => response as IncomingMessage);
  return { asked, answered };
}

/** Begins a call without a body and waits for the head of the answer. */
export async function opened(holder: Holder, path: string, sent: Sent = {}): Promise<IncomingMessage> {
  const { asked, answered } = begin(holder, path, sent);
  asked.end();
  return answered;
}

/** Resolves when a stream has ended, well or badly; reads on meanwhile. */
export function ended(answer: IncomingMessage): Promise<"whole" | "broken off"> {
  answer.resume();
  return new Promise((resolve) => {
    answer.on("end", () => resolve("whole"));
    answer.on("error", () => resolve("broken off"));
  });
}

/** The problem in an answer that is one. */
export function problemIn({ text }: Answer): { code: string; detail: string; rule?: string; request_id?: string } {
  return JSON.parse(text) as { code: string; detail: string };
}
