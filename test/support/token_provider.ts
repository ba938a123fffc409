import { vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { Destination } from "../../src/vault/keys/key.ts";
import { authorize, keyNamed, mintApp, newVault, type App, type Vault } from "./vault.ts";

const TOKEN_URL = "https://id.example/token";
const REVOKE_URL = "https://id.example/revoke";

/** Where a key of that provider goes, and by what it renews itself. */
export const DESTINATION = {
  provider: "custom",
  origin: "https://api.example",
  base_path: "",
  placement: { in: "oauth", token_url: TOKEN_URL, revoke_url: REVOKE_URL } as const,
  headers: {},
};

/** What a fault may do with the question that it got in the way of. */
type Fault = (question: URLSearchParams) => Promise<Response> | Response;

/** A provider whose refresh tokens are good for one use: a second one kills the grant, as strict ones do. */
export class TokenProvider {
  asked = 0;
  dead = false;
  /** Refresh tokens that were revoked. */
  readonly revoked: string[] = [];
  /** What it does instead of answering, once each. */
  readonly faults: Fault[] = [];
  /** What its answers say over the usual. */
  says: object = {};
  #next = 1;

  /** Whatever is fetched from now on is asked here; undone by `vi.restoreAllMocks()`. */
  static standIn(): TokenProvider {
    const provider = new TokenProvider();
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const url = input instanceof Request ? input.url : String(input);
      const question = new URLSearchParams(init?.body as string);
      if (url === REVOKE_URL) {
        provider.revoked.push(question.get("token") ?? "");
        return new Response(null, { status: 200 });
      }
      if (url !== TOKEN_URL) throw new Error(`nobody should ask ${url}`);
      provider.asked++;
      return (provider.faults.shift() ?? ((asked: URLSearchParams) => provider.grant(asked)))(question);
    });
    return provider;
  }

  /** Takes the refresh token for the next pair. */
  grant(question: URLSearchParams): Response {
    if (question.get("refresh_token") !== `refresh-${this.#next}`) this.dead = true;
    if (this.dead) return Response.json({ error: "invalid_grant" }, { status: 400 });
    const n = ++this.#next;
    const usual = { access_token: `access-${n}`, refresh_token: `refresh-${n}`, expires_in: 3_600 };
    return Response.json({ ...usual, ...this.says });
  }
}

/** A vault with a key that was given a refresh token, and a token for it. */
export async function connectedVault(
  destination: Destination = DESTINATION,
): Promise<{ vault: Vault; app: App; use: () => Promise<string> }> {
  const vault = await newVault();
  const secret = { client_id: "c", client_secret: "client-secret-1", refresh_token: "refresh-1" };
  await ask(vault.stub.createKey(vault.ada, keyNamed("k", { destination }), secret));
  const app = await mintApp(vault);
  const use = async () => (await authorize(vault, app, "k")).secret.secret ?? "";
  return { vault, app, use };
}

/** How the key stands with its provider, and what has happened to that, newest first. */
export async function connectionOf(vault: Vault) {
  const { oauth } = await ask(vault.stub.getKey(vault.ada, "k"));
  return oauth ?? undefined;
}
