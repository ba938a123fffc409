import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { connect, tokenRequest } from "../support/oauth.ts";
import { ask, askAs, Fact, Unanswered, type Answered } from "./asking.ts";

/** A token that rotates, in its client's hands. */
export type FamilyIs = {
  refresh_token: string;
  /** One access token a generation, as far as answers came. */
  access: string[];
  revoked: Fact<boolean>;
  refresh: (refresh_token: string) => Promise<{ access: string; refresh_token: string } | undefined>;
  revoke: () => Promise<Answered>;
};

export type Here = { locker: LocalLocker; person: Person };

/** As far as anybody knows for certain. */
export function lives({ revoked }: FamilyIs): boolean {
  return revoked.sure === false;
}

type Made = { id: string; token: string; refresh_token: string };

export function appFamily(here: () => Here, { id, token, refresh_token }: Made): FamilyIs {
  return {
    refresh_token,
    access: [token],
    revoked: new Fact(false),
    refresh: async (shown) => {
      const answer = await ask(`${here().locker.publicOrigin}/v1/tokens/refresh`, {
        method: "POST",
        headers: { authorization: `Bearer ${shown}` },
      });
      const { token: access, refresh_token } = answer.json as { token: string; refresh_token: string };
      return answer.status === 200 ? { access, refresh_token } : undefined;
    },
    revoke: () => askAs(here().person, "DELETE", `/v1/tokens/${id}`),
  };
}

/** An MCP client that its person has just let in. */
export async function oauthFamily(here: () => Here): Promise<FamilyIs> {
  const { locker, person } = here();
  const connected = await connect(locker, person, { scope: "vault:read vault:proxy" });
  const { client_id } = connected.client;
  const { json } = await askAs(person, "GET", "/v1/grants");
  const [newest] = json.items as { id: string }[];
  return {
    refresh_token: String(connected.refresh_token),
    access: [connected.access_token],
    revoked: new Fact(false),
    refresh: async (shown) => {
      const form = { grant_type: "refresh_token", client_id, refresh_token: shown };
      const answer = await asAnswered(tokenRequest(here().locker, form));
      const { access_token: access, refresh_token } = answer.json as { access_token: string; refresh_token: string };
      return answer.status === 200 ? { access, refresh_token } : undefined;
    },
    revoke: () => askAs(here().person, "DELETE", `/v1/grants/${newest?.id}`),
  };
}

async function asAnswered(asked: Promise<Response>): Promise<Answered> {
  try {
    const answer = await asked;
    const text = await answer.text();
    if (answer.status >= 500) throw new Unanswered(`${answer.status} ${text}`);
    return { status: answer.status, headers: answer.headers, json: JSON.parse(text) };
  } catch (fault) {
    throw fault instanceof TypeError ? new Unanswered("broke off", { cause: fault }) : fault;
  }
}
