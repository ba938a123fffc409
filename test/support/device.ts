import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";

/** What a device is told when it asks to be let in. */
export type Login = {
  device_code: string;
  user_code: string;
  verification_uri: string;
  expires_in: number;
  interval: number;
};

/** What a person chooses on the page. */
export type Choices = { reveal?: string; keys?: readonly string[]; name?: string; per_minute?: string; ask?: string };

/** A device that is signed in. */
export type SignedIn = {
  token: string;
  id: string;
  api<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
};

const post = (url: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  fetch(url, { method: "POST", body: new URLSearchParams(fields), headers, redirect: "manual" });

export async function startLogin(locker: LocalLocker, more: Record<string, string> = {}): Promise<Login> {
  const fields = { client_id: "apilocker-cli", device_name: "laptop", device_platform: "Linux 6", ...more };
  const answer = await post(`${locker.publicOrigin}/device_authorization`, fields);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json<Login>();
}

/** One question of a waiting device. */
export async function poll(
  locker: LocalLocker,
  device_code: string,
): Promise<{ status: number } & Record<string, unknown>> {
  const fields = { client_id: "apilocker-cli", grant_type: DEVICE_CODE, device_code };
  const answer = await post(`${locker.publicOrigin}/token`, fields);
  return { status: answer.status, ...(await answer.json<Record<string, unknown>>()) };
}

/** A form as a page has it: where it goes, and what it carries unless the person changes it. */
export type Form = { action: string; fields: URLSearchParams };

/** The forms of a page, filled in as a browser would send them untouched. */
export function formsIn(html: string): Form[] {
  return [...html.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)].map(
    ([, action = "", inside = ""]) => {
      const fields = new URLSearchParams();
      for (const [tag] of inside.matchAll(/<input[^>]*>/g)) {
        const [name, value = "", type] = ["name", "value", "type"].map(
          (one) => new RegExp(`\\b${one}="([^"]*)"`).exec(tag)?.[1],
        );
        const isOff = (type === "checkbox" || type === "radio") && !/\bchecked\b/.test(tag);
        if (name !== undefined && !isOff) fields.append(name, unescaped(value));
      }
      for (const [, name = "", options = ""] of inside.matchAll(
        /<select[^>]*name="([^"]*)"[^>]*>([\s\S]*?)<\/select>/g,
      )) {
        const chosen = /<option value="([^"]*)"[^>]*selected/.exec(options) ?? /<option value="([^"]*)"/.exec(options);
        fields.append(name, chosen?.[1] ?? "");
      }
      return { action: unescaped(action), fields };
    },
  );
}

function unescaped(text: string): string {
  return text
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");
}

/** Fills in what the person chooses. */
export function choose({ action, fields }: Form, { reveal, keys, name, per_minute, ask }: Choices): Form {
  const chosen = new URLSearchParams(fields);
  if (reveal !== undefined) chosen.set("reveal", reveal);
  if (name !== undefined) chosen.set("name", name);
  if (ask !== undefined) chosen.set("ask", ask);
  if (per_minute !== undefined) chosen.set("per_minute", per_minute);
  if (keys !== undefined) {
    chosen.set("reach", "chosen");
    for (const key of keys) chosen.append("key", key);
  }
  return { action, fields: chosen };
}

export function submit(
  person: Person,
  { action, fields }: Form,
  headers: Record<string, string> = {},
): Promise<Response> {
  return person.fetch(action, { method: "POST", body: fields, headers });
}

/** Types a code on the page; the answer is the next page. */
export async function typeCode(person: Person, user_code: string): Promise<Response> {
  const [form] = formsIn(await (await person.fetch("/device")).text());
  if (form === undefined) throw new Error("the page has no form");
  form.fields.set("user_code", user_code);
  return submit(person, form);
}

/** The whole of `login --headless`, with a person who says yes. */
export async function signInDevice(locker: LocalLocker, person: Person, choices: Choices = {}): Promise<SignedIn> {
  const { device_code, user_code } = await startLogin(locker);
  const [approve] = formsIn(await (await typeCode(person, user_code)).text());
  if (approve === undefined) throw new Error("the code was not taken");
  const done = await submit(person, choose(approve, choices));
  if (!done.ok) throw new Error(`${done.status} ${await done.text()}`);
  const { access_token, device_id } = await poll(locker, device_code);
  return deviceOf(locker, String(access_token), String(device_id));
}

export function deviceOf(locker: LocalLocker, token: string, id: string): SignedIn {
  const send = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, locker.publicOrigin), {
      ...init,
      headers: { ...(init.headers as object), authorization: `Bearer ${token}` },
    });
  return {
    token,
    id,
    fetch: send,
    async api<T>(method: string, path: string, body?: unknown): Promise<T> {
      const sent =
        body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
      const answer = await send(path, { method, ...sent });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      return answer.json<T>();
    },
  };
}
