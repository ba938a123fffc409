import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { now } from "../../data/clock.ts";
import { useAct } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { useTold } from "../../ui/told.ts";
import type { Row } from "./words.tsx";

const KEPT_MS = 7 * 86_400_000;

/** What a client deleted or revoked can be had back for a week: a model may have been talked into it (SECURITY S21). */
export function BringBack({ of }: { of: Row }): ReactNode {
  const acts = useUndoing(of.key ?? of.subject ?? "", of.subject ?? "");
  const tell = useTold();
  const act = of.actor.kind === "oauth" && of.subject !== of.actor.id ? acts[of.action] : undefined;
  if (act === undefined || Date.parse(of.at) < now() - KEPT_MS) return null;
  return (
    <div className="note">
      <Icon name="rotate" />
      <div className="row">
        <span>A client did this. For seven days you can undo it.</span>
        <Button size="sm" loading={act.isPending} onClick={() => void tell(act.undo(), act.done)}>
          Bring it back
        </Button>
      </div>
    </div>
  );
}

type Undoing = { isPending: boolean; undo: () => Promise<unknown>; done: string };

/** How each action of a client is undone. */
function useUndoing(key: string, id: string): Partial<Record<string, Undoing>> {
  const [keys, tokens] = [useAct("POST /keys/{key}/restore"), useAct("POST /tokens/{id}/restore")];
  const [devices, grants] = [useAct("POST /devices/{id}/restore"), useAct("POST /grants/{id}/restore")];
  const by_id = { params: { id } };
  return {
    "key.delete": { ...keys, undo: () => keys.mutateAsync({ params: { key } }), done: "The key is back" },
    "token.revoke": { ...tokens, undo: () => tokens.mutateAsync(by_id), done: "The token works again" },
    "device.revoke": { ...devices, undo: () => devices.mutateAsync(by_id), done: "The device is signed in again" },
    "grant.revoke": { ...grants, undo: () => grants.mutateAsync(by_id), done: "The client is connected again" },
  };
}
