import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { Config } from "../config.ts";
import { utf8 } from "../crypto/encoding.ts";
import { deriveKey } from "../crypto/seal.ts";
import { Problem } from "../problem.ts";
import type { Visit } from "./visit.ts";

/** What we want to know again when a client comes back with an answer. `nonce` makes it good for one time only. */
export type RequestState = {
  tool: string;
  digest: string;
  nonce: string;
  asked_at: number;
  expires_at: number;
};

const LIFE_MS = 5 * 60_000;

/** State for a call's next round. It goes through the client, so it is sealed, and bound to who asked, to the tool and to its arguments. */
export function newState(tool: string, given: unknown, life_ms = LIFE_MS): RequestState {
  const nonce = randomBytes(16).toString("base64url");
  const asked_at = Date.now();
  return { tool, digest: digestOf(given), nonce, asked_at, expires_at: asked_at + life_ms };
}

export function sealState({ root_keys }: Config, visit: Visit, state: RequestState): string {
  const root = root_keys.current;
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", deriveKey(root, "mcp-request-state"), iv);
  cipher.setAAD(bindingOf(visit));
  const text = Buffer.concat([cipher.update(utf8(JSON.stringify(state))), cipher.final()]);
  return `${root.id}.${Buffer.concat([iv, text, cipher.getAuthTag()]).toString("base64url")}`;
}

/** Opens what came back, for the same caller, tool and arguments, in time; whatever else it is, it is refused alike. */
export function openState(
  { root_keys }: Config,
  visit: Visit,
  sealed: string,
  tool: string,
  given: unknown,
): RequestState {
  const [root_id = "", box = ""] = sealed.split(".");
  const root = root_keys.by_id.get(root_id);
  const bytes = Buffer.from(box, "base64url");
  if (root === undefined || bytes.length < 28) throw refused();
  let state: RequestState;
  try {
    const decipher = createDecipheriv("aes-256-gcm", deriveKey(root, "mcp-request-state"), bytes.subarray(0, 12));
    decipher.setAAD(bindingOf(visit));
    decipher.setAuthTag(bytes.subarray(-16));
    const text = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
    state = JSON.parse(text.toString("utf8")) as RequestState;
  } catch {
    throw refused();
  }
  if (state.tool !== tool || state.digest !== digestOf(given) || state.expires_at <= Date.now()) throw refused();
  return state;
}

function bindingOf({ vault_id, guest }: Visit): Uint8Array {
  return utf8(`${vault_id} ${guest.id}`);
}

/** Of the arguments however their fields are ordered. */
function digestOf(given: unknown): string {
  return createHash("sha256").update(canonical(given)).digest("base64url");
}

function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(",")}}`;
}

function refused(): Problem {
  return new Problem(
    "invalid_request",
    "The requestState is not valid, or too old. Call the tool again from the beginning.",
    {
      rule: "request_state",
    },
  );
}
