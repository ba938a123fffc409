import { readFile } from "node:fs/promises";
import type { Answer } from "./client.ts";
import { Failure, usage } from "./failure.ts";
import { askText, mayAsk, readSecret } from "./prompts.ts";

type Placement = Answer<"GET /providers">["items"][number]["placement"];

/** A secret as it is sent: one text, or several fields. */
type Sent = { secret: string } | { fields: Record<string, string> };

/** A field of a secret. */
type SecretField = { name: string; optional: boolean };

/** The fields of a secret, as its placement wants them. */
export function fieldsOf(placement: Placement): SecretField[] {
  switch (placement.in) {
    case "basic":
      return wanted("username", "password");
    case "sigv4":
      return [...wanted("access_key_id", "secret_access_key"), ...maybe("session_token")];
    case "headers": {
      const templates = Object.values(placement.headers).join(" ");
      return wanted(...new Set(Array.from(templates.matchAll(/\{([a-z_]+)\}/g), ([, name]) => name as string)));
    }
    case "oauth":
      if (placement.grant === "jwt_bearer")
        return [...wanted("client_id", "private_key"), ...maybe("private_key_id", "subject")];
      return [
        ...wanted("client_id"),
        ...maybe(placement.client_auth === "private_key_jwt" ? "private_key" : "client_secret"),
        ...(placement.grant === "client_credentials" ? [] : maybe("refresh_token")),
      ];
    default:
      return wanted("secret");
  }
}

function wanted(...names: string[]): SecretField[] {
  return names.map((name) => ({ name, optional: false }));
}

function maybe(...names: string[]): SecretField[] {
  return names.map((name) => ({ name, optional: true }));
}

/** A key's first secret: each of its fields asked for, or, from a pipe, the one secret or JSON with all of them. */
export async function firstSecret(key: string, placement: Placement): Promise<Sent> {
  const fields = fieldsOf(placement);
  if (fields.length > 1 && mayAsk()) return { fields: await askFields(key, fields, "leave it empty if there is none") };
  return sent(await readSecret(`The secret of ${key}`), fields);
}

/** A key's next secret. What an OAuth credential is not given anew stays as it is. */
export async function nextSecret(key: string, placement: Placement): Promise<Sent> {
  const fields = fieldsOf(placement).map((field) => ({
    ...field,
    optional: field.optional || placement.in === "oauth",
  }));
  if (fields.length === 1 || !mayAsk()) return sent(await readSecret(`The new secret of ${key}`), fields);
  const given = await askFields(key, fields, "leave it empty to keep it");
  if (Object.keys(given).length === 0) throw usage("Nothing was typed; the key has the secret that it had.");
  return { fields: given };
}

/** Whoever has one field need not say its name. */
function sent(secret: string, [only, another]: readonly SecretField[]): Sent {
  if (only === undefined || another !== undefined || only.name === "secret" || secret.startsWith("{"))
    return fieldsIn(secret);
  return { fields: { [only.name]: secret } };
}

async function askFields(key: string, fields: readonly SecretField[], empty: string): Promise<Record<string, string>> {
  const given: Record<string, string> = {};
  for (const { name, optional } of fields) {
    const message = `${name} of ${key}${optional ? ` (${empty})` : ""}`;
    // A key in PEM has lines, and a line's end sends what is typed.
    const value = name === "private_key" ? await inFile(message) : await readSecret(message, { optional });
    if (value !== "") given[name] = value;
  }
  return given;
}

async function inFile(message: string): Promise<string> {
  const path = await askText(`${message}: in which file?`);
  if (!path) return "";
  return readFile(path, "utf8").catch((fault: NodeJS.ErrnoException) => {
    throw new Failure(`${path} cannot be read: ${fault.code ?? fault.message}.`);
  });
}

/** One text, or several fields, which are piped in as JSON. */
function fieldsIn(secret: string): Sent {
  if (!secret.startsWith("{")) return { secret };
  try {
    const fields: unknown = JSON.parse(secret);
    const entries = Object.entries(fields as Record<string, unknown>);
    if (
      entries.length > 0 &&
      entries.every(([name, value]) => /^[a-z_]{1,40}$/.test(name) && typeof value === "string")
    )
      return { fields: fields as Record<string, string> };
  } catch {
    // Not JSON: it is the secret itself.
  }
  return { secret };
}
