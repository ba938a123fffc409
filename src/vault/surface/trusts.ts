import { answer, type Answer } from "../answer.ts";
import type { Origin } from "../audit/row.ts";
import type { Caller } from "../tokens/caller.ts";
import { createTrust, deleteTrust, exchange, unknownTrust, type Presented } from "../tokens/manage_trusts.ts";
import type { Receipt } from "../receipt.ts";
import { caughtUp, change, held, read, stop } from "../surface.ts";
import type { NewTrust, Trust } from "../tokens/trusts.ts";
import { AuthorizationSurface } from "./authorizations.ts";

/** Machine identities: whose tokens are taken in exchange, and the exchange. */
export abstract class TrustSurface extends AuthorizationSurface {
  createTrust(caller: Caller, trust: NewTrust): Promise<Answer<Trust>> {
    return this[change](caller, (parts) => createTrust(parts, caller, trust));
  }

  listTrusts(caller: Caller, before: string | undefined, limit: number): Promise<Answer<Trust[]>> {
    return this[read](caller, ({ trusts, reach }) => trusts.list(before, limit, reach));
  }

  deleteTrust(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this[stop](caller, (parts) => deleteTrust(parts, caller, id));
  }

  /** What a machine's token must be verified against. Asked by our own token endpoint, never told to the machine. */
  trustFor(id: string): Answer<Pick<Trust, "issuer" | "audience" | "jwks">> {
    return answer(() => {
      const trust = this[held]?.trusts.find(id);
      if (trust === undefined) throw unknownTrust();
      const { issuer, audience, jwks } = trust;
      return { issuer, audience, jwks };
    });
  }

  exchange(
    id: string,
    presented: Presented,
    origin: Origin,
  ): Promise<Answer<{ token: string; id: string; expires_at: number }>> {
    return this[caughtUp]((parts) => exchange(parts, id, presented, origin));
  }
}
