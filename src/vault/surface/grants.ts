import type { Answer } from "../answer.ts";
import type { Caller } from "../caller.ts";
import type { Grant, Narrowing } from "../grants.ts";
import { getGrant, listGrants, narrowGrant, revokeGrant } from "../manage_grants.ts";
import type { Receipt } from "../receipt.ts";
import { read, stop } from "../surface.ts";
import { TokenSurface } from "./tokens.ts";

/** What a person has let OAuth clients do. */
export abstract class GrantSurface extends TokenSurface {
  listGrants(caller: Caller, before: string | undefined, limit: number): Answer<Grant[]> {
    return this[read](caller, (parts) => listGrants(parts, before, limit));
  }

  getGrant(caller: Caller, id: string): Answer<Grant> {
    return this[read](caller, (parts) => getGrant(parts, id));
  }

  narrowGrant(caller: Caller, id: string, to: Narrowing): Promise<Answer<Grant>> {
    return this[stop](caller, (parts) => narrowGrant(parts, caller, id, to));
  }

  revokeGrant(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this[stop](caller, (parts) => revokeGrant(parts, caller, id));
  }
}
