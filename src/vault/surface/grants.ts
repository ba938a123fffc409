import type { Answer } from "../answer.ts";
import { READINGS } from "../calls/readings.ts";
import type { Caller } from "../tokens/caller.ts";
import type { Narrowing } from "../tokens/grants.ts";
import {
  getGrant,
  giveGrantBack,
  narrowGrant,
  pauseGrant,
  resumeGrant,
  revokeGrant,
  type GrantDetails,
} from "../tokens/manage_grants.ts";
import type { Receipt } from "../receipt.ts";
import { change, narrow, read, stop } from "../surface.ts";
import { TokenSurface } from "./tokens.ts";

/** What a person has let OAuth clients do. */
export abstract class GrantSurface extends TokenSurface {
  listGrants(caller: Caller, before: string | undefined, limit: number): Promise<Answer<GrantDetails[]>> {
    return this[read](caller, (parts) => READINGS.listGrants(parts, before, limit));
  }

  getGrant(caller: Caller, id: string): Promise<Answer<GrantDetails>> {
    return this[read](caller, (parts) => getGrant(parts, id));
  }

  narrowGrant(caller: Caller, id: string, to: Narrowing): Promise<Answer<GrantDetails>> {
    return this[narrow](caller, (parts) => narrowGrant(parts, caller, id, to));
  }

  giveGrantBack(caller: Caller, id: string): Promise<Answer<GrantDetails>> {
    return this[change](caller, (parts) => giveGrantBack(parts, caller, id));
  }

  pauseGrant(caller: Caller, id: string): Promise<Answer<GrantDetails>> {
    return this[stop](caller, (parts) => pauseGrant(parts, caller, id));
  }

  resumeGrant(caller: Caller, id: string): Promise<Answer<GrantDetails>> {
    return this[change](caller, (parts) => resumeGrant(parts, caller, id));
  }

  revokeGrant(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this[stop](caller, (parts) => revokeGrant(parts, caller, id));
  }
}
