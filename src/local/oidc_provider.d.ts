// The package brings no types; these are the few things that we use.

declare module "oidc-provider/lib/provider.js" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  export type Context = {
    oidc: {
      params: Record<string, string>;
      result?: { login?: unknown };
      session: { accountId: string };
      client: { clientId: string };
    };
  };

  export class Provider {
    constructor(issuer: string, configuration: object);
    Grant: new (properties: { accountId: string; clientId: string }) => {
      addOIDCScope(scope: string): void;
      save(): Promise<string>;
    };
    Client: { find(client_id: string): Promise<object> };
    RefreshToken: new (properties: object) => { save(): Promise<string> };
    AccessToken: { find(token: string): Promise<object | undefined> };
    ClientCredentials: { find(token: string): Promise<object | undefined> };
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    interactionDetails(
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<{ uid: string; params: Record<string, string> }>;
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: { login: { accountId: string } },
    ): Promise<void>;
  }
}

declare module "oidc-provider/lib/helpers/interaction_policy/index.js" {
  import type { Context } from "oidc-provider/lib/provider.js";

  export class Check {
    static readonly REQUEST_PROMPT: boolean;
    static readonly NO_NEED_TO_PROMPT: boolean;
    constructor(reason: string, description: string, check: (context: Context) => boolean);
  }

  export const Prompt: new (info: { name: string; requestable: boolean }, ...checks: Check[]) => object;
}

declare module "oidc-provider/lib/adapters/memory_adapter.js" {
  export function createMemoryAdapter(): (model: string) => object;
}
