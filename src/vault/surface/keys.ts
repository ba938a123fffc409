import type { Answer } from "../answer.ts";
import { READINGS } from "../calls/readings.ts";
import type { Caller } from "../tokens/caller.ts";
import { changeKey, rollBackKey, rotateKey, type KeyDetails, type NewVersion } from "../keys/change_keys.ts";
import { takeAgreement, type Deed } from "../keys/agreement.ts";
import { createPageLink, readPageLink, usePageLink, type Done, type ShownPage, type Wish } from "../keys/page_links.ts";
import type { ApiKey, KeyChanges, NewKey } from "../keys/key.ts";
import type { KeyFilter } from "../keys/keys.ts";
import { versionUses, type UsedVersion } from "../keys/key_uses.ts";
import { createKey, deleteKey, pauseKey, resumeKey } from "../keys/manage_keys.ts";
import type { Receipt } from "../receipt.ts";
import { revealKeys } from "../keys/reveal.ts";
import type { Secret } from "../keys/sealer.ts";
import { restoreKey } from "../keys/restore_key.ts";
import { assertFor } from "../tokens/lineage.ts";
import { reachOf } from "../tokens/derive_token.ts";
import { thrown, type Thrown } from "../keys/trash.ts";
import { change, forCaller, read, stop, Surface } from "../surface.ts";

/** Keys: stored, changed, rotated, shown to their owner, deleted. */
export abstract class KeySurface extends Surface {
  createKey(caller: Caller, key: NewKey, secret: Secret): Promise<Answer<ApiKey>> {
    return this[change](caller, (parts) => createKey(parts, caller, key, secret));
  }

  listKeys(caller: Caller, before: string | undefined, limit: number, filter: KeyFilter): Promise<Answer<ApiKey[]>> {
    return this[read](caller, (parts) => READINGS.listKeys(parts, before, limit, filter));
  }

  /** The keys that an app token reaches, as those that it was derived from let it. */
  allowedKeys(caller: Caller, before: string | undefined, limit: number): Promise<Answer<ApiKey[]>> {
    return this[read](caller, ({ keys, tokens }, by) => {
      const lineage = tokens.lineage(by);
      assertFor(lineage, "vault:read");
      return keys.within(reachOf(lineage) ?? null).list(before, limit, {});
    });
  }

  getKey(caller: Caller, ref: string): Promise<Answer<KeyDetails>> {
    return this[read](caller, (parts) => READINGS.getKey(parts, ref));
  }

  keyVersions(caller: Caller, ref: string): Promise<Answer<{ key: ApiKey; versions: UsedVersion[] }>> {
    return this[read](caller, (parts) => versionUses(parts, ref));
  }

  pauseKey(caller: Caller, ref: string): Promise<Answer<ApiKey>> {
    return this[stop](caller, (parts) => pauseKey(parts, caller, ref));
  }

  resumeKey(caller: Caller, ref: string): Promise<Answer<ApiKey>> {
    return this[change](caller, (parts) => resumeKey(parts, caller, ref));
  }

  /** A new secret, with where it may go. */
  rotateKey(caller: Caller, ref: string, next: NewVersion): Promise<Answer<ApiKey>> {
    return this[change](caller, (parts) => rotateKey(parts, caller, ref, next));
  }

  rollBackKey(caller: Caller, ref: string, version: number | undefined): Promise<Answer<ApiKey>> {
    return this[change](caller, (parts) => rollBackKey(parts, caller, ref, version));
  }

  changeKey(caller: Caller, ref: string, changes: KeyChanges): Promise<Answer<ApiKey>> {
    return this[change](caller, (parts) => changeKey(parts, caller, ref, changes));
  }

  /** Never repeated from memory: each reveal is asked for and recorded. */
  revealKeys(caller: Caller, refs: readonly string[]): Promise<Answer<{ key: ApiKey; secret: Secret }[]>> {
    return this[forCaller](caller, (parts) => revealKeys(parts, caller, refs));
  }

  /** A one-time page for this vault's person, on which a secret passes that no program or model may see. */
  createPageLink(caller: Caller, wish: Wish): Promise<Answer<{ handle: string; expires_at: number }>> {
    return this[change](caller, (parts) => createPageLink(parts, caller, wish));
  }

  readPageLink(caller: Caller, handle: string): Promise<Answer<ShownPage>> {
    return this[forCaller](caller, (parts) => readPageLink(parts, caller, handle));
  }

  usePageLink(caller: Caller, handle: string, secret: Secret): Promise<Answer<Done>> {
    return this[forCaller](caller, (parts) => usePageLink(parts, caller, handle, secret));
  }

  deletedKeys(caller: Caller): Promise<Answer<Thrown[]>> {
    return this[read](caller, ({ sql }) => thrown(sql, Date.now()));
  }

  /** Whether its person has agreed on a page of ours to what a client wants to do. It counts once. */
  takeAgreement(caller: Caller, deed: Deed): Promise<Answer<boolean>> {
    return this[forCaller](caller, (parts) => takeAgreement(parts, caller, deed));
  }

  /** Brings back what a client deleted within the last seven days. */
  restoreKey(caller: Caller, ref: string): Promise<Answer<ApiKey>> {
    return this[change](caller, (parts) => restoreKey(parts, caller, ref));
  }

  deleteKey(caller: Caller, ref: string): Promise<Answer<Receipt>> {
    return this[stop](caller, (parts) => deleteKey(parts, caller, ref));
  }
}
