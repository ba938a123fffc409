import { configOf } from "../../config.ts";
import { accountIdOf, accountNameOf } from "../account/account.ts";
import { answer, answerAsync, type Answer } from "../answer.ts";
import { READINGS } from "../calls/readings.ts";
import { narrows, type ActivityFilter } from "../audit/activity_filter.ts";
import { LOOKS } from "../audit/allowance.ts";
import type { Bucket, Tally } from "../audit/tally.ts";
import type { AuditRow, ChainHeads, Origin } from "../audit/row.ts";
import type { Caller } from "../tokens/caller.ts";
import { beginDeletion } from "../account/manage_account.ts";
import type { Device } from "../tokens/devices.ts";
import type { Finding } from "../account/doctor.ts";
import type { Identity, IdentityRef, LinkedIdentity } from "../account/identities.ts";
import { freezeVault, unfreezeVault } from "../account/freeze.ts";
import type { Freeze } from "../account/frozen.ts";
import {
  heldKeys,
  heldTokens,
  holdings,
  otherHoldings,
  type Holdings,
  type OtherHoldings,
} from "../account/inventory.ts";
import type { KeyDetails } from "../keys/change_keys.ts";
import type { AppTokenDetails } from "../tokens/manage_tokens.ts";
import { endLeaked, type Leaked } from "../alerts/leaks.ts";
import { endToken } from "../tokens/manage_tokens.ts";
import { assemble } from "../assemble.ts";
import { activityWithin } from "../policy/reach.ts";
import { REACTIONS } from "../alerts/reactions.ts";
import type { Parts } from "../parts.ts";
import type { Receipt } from "../receipt.ts";
import { Sealer } from "../keys/sealer.ts";
import {
  assertAccount,
  layFoundation,
  linkIdentity,
  nameAccount,
  startSession,
  unlinkIdentity,
} from "../account/sign_in.ts";
import { bury, change, forCaller, live, held, read, stop } from "../surface.ts";
import type { Token } from "../tokens/token.ts";
import { TrustSurface } from "./trusts.ts";

/** Whose vault it is, and as whom the caller is signed in. */
type Me = {
  account_id: string;
  name: string | null;
  identities: LinkedIdentity[];
  session: Token;
  device: Device | undefined;
  frozen: Freeze | null;
};

/** The person: signing in and out, what they look at. */
export abstract class AccountSurface extends TrustSurface {
  /** Makes this vault for its first identity. Doing it again changes nothing; for another account it is refused. */
  create(account_id: string, identity: Identity): Promise<Answer<void>> {
    return answerAsync(async () => {
      const { storage } = this.ctx;
      if (this[held] === undefined) {
        const sealer = new Sealer(storage.sql, this.env.BLOBS, configOf(this.env).root_keys, this.name);
        const data_key = await sealer.data_keys.prepare();
        if (this[held] === undefined) {
          layFoundation(storage, sealer, account_id, data_key, Date.now());
          this[held] = assemble(storage, this.env, this.name, this, REACTIONS);
          return this[held].identities.put(identity, Date.now());
        }
        await sealer.data_keys.discard(data_key);
      }
      assertAccount(this[live]("gone"), account_id);
    });
  }

  signIn(account_id: string, identity: Identity, origin: Origin): Answer<{ token: string; expires_at: number }> {
    return answer(() => startSession(this[live]("gone"), account_id, identity, origin));
  }

  /** Lets another identity sign in here. */
  link(caller: Caller, identity: Identity): Promise<Answer<void>> {
    return this[forCaller](caller, (parts) => linkIdentity(parts, caller, identity));
  }

  /** Lets an identity sign in here no more. */
  unlink(caller: Caller, which: IdentityRef): Promise<Answer<Receipt>> {
    return this[stop](caller, (parts) => unlinkIdentity(parts, caller, which));
  }

  signOut(caller: Caller): Promise<Answer<Receipt>> {
    const work = (parts: Parts) => endToken(parts, caller, "session.revoke", (self) => self, "leave");
    return this[forCaller](caller, work, "leave");
  }

  /** Stops everything for everyone, until somebody signs in afresh and unfreezes (SECURITY S15). */
  freeze(caller: Caller): Promise<Answer<Receipt>> {
    return this[forCaller](caller, (parts) => freezeVault(parts, caller), "always");
  }

  /** Ends what a token stands for that somebody has found. */
  endLeaked(leaked: Leaked, origin: Origin): Promise<Answer<void>> {
    return answerAsync(() => endLeaked(this[live](), leaked, origin));
  }

  unfreeze(caller: Caller): Promise<Answer<void>> {
    return this[forCaller](caller, (parts) => unfreezeVault(parts, caller), "stop");
  }

  /** Whether the caller may change anything here now. Asked before something is done elsewhere that this vault is to follow. */
  mayChange(caller: Caller): Promise<Answer<void>> {
    return this[forCaller](caller, () => {});
  }

  me(caller: Caller): Promise<Answer<Me>> {
    return this[read](caller, (parts, session) => ({
      account_id: accountIdOf(parts),
      name: accountNameOf(parts),
      identities: parts.identities.list(),
      session,
      device: session.kind === "dev" ? parts.devices.of(session) : undefined,
      frozen: parts.tokens.frozen,
    }));
  }

  nameAccount(caller: Caller, name: string): Promise<Answer<void>> {
    return this[change](caller, (parts) => nameAccount(parts, caller, name));
  }

  /** The end of this vault. Nothing is served from the first step on; what is not done when this answers goes on by itself. */
  deleteAccount(caller: Caller): Promise<Answer<Receipt>> {
    const work = async (parts: Parts) => {
      const receipt = await beginDeletion(parts, caller);
      await this[bury]();
      return receipt;
    };
    return this[forCaller](caller, work, "stop");
  }

  /** What the owner should look at. */
  doctor(caller: Caller): Promise<Answer<Finding[]>> {
    return this[read](caller, (parts) => READINGS.doctor(parts));
  }

  /** Everything that is kept about this account, but for secrets and activity, and for what there may be very many of: that is read page by page. */
  otherHoldings(caller: Caller): Promise<Answer<OtherHoldings>> {
    return this[read](caller, otherHoldings);
  }

  /** All of it in one answer, as the router of the release before asks. */
  holdings(caller: Caller): Promise<Answer<Holdings>> {
    return this[read](caller, holdings);
  }

  heldKeys(caller: Caller, before: string | undefined, limit: number): Promise<Answer<KeyDetails[]>> {
    return this[read](caller, (parts) => heldKeys(parts, before, limit));
  }

  heldTokens(caller: Caller, before: string | undefined, limit: number): Promise<Answer<AppTokenDetails[]>> {
    return this[read](caller, (parts) => heldTokens(parts, before, limit));
  }

  /**
   * Rows that are not yet in D1, newest first below `before`, and the heads of both chains. `seen` is the filter under which
   * this caller sees the rest, too.
   */
  activity(
    caller: Caller,
    before: number,
    limit: number,
    filter: ActivityFilter = {},
  ): Promise<Answer<{ rows: AuditRow[]; heads: ChainHeads; seen: ActivityFilter }>> {
    return this[read](caller, (parts, by) => {
      const seen = activityWithin(parts, by, filter);
      parts.allowance.take(narrows(seen) ? Math.max(limit, LOOKS[0] ?? 0) : limit, Date.now());
      return { rows: parts.audit.latest(before, limit, seen), heads: parts.audit.heads, seen };
    });
  }

  /** Whether so many more rows of the archive may be looked through for this vault; a refusal says when. */
  lookFurther(caller: Caller, rows: number): Promise<Answer<void>> {
    return this[read](caller, ({ allowance }) => allowance.take(rows, Date.now()));
  }

  /** How calls ended, from the bucket on in which `since` lies, and whether some of them are still being counted. */
  tally(caller: Caller, bucket: Bucket, since: string): Promise<Answer<{ tally: Tally[]; counting: boolean }>> {
    return this[read](caller, ({ tallies }) => tallies.of(bucket, since));
  }
}
