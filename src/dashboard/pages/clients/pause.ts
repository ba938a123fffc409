import { useAct } from "../../data/queries.ts";
import { useTold } from "../../ui/told.ts";
import type { Client } from "./list.tsx";

/** Pauses a client, or lets it go on, and says so. */
export function usePauseClient({ id, client_name, paused }: Client): () => void {
  const tell = useTold();
  const pause = useAct("POST /grants/{id}/pause");
  const resume = useAct("POST /grants/{id}/resume");
  return () =>
    void tell(
      (paused ? resume : pause).mutateAsync({ params: { id } }),
      paused ? `${client_name} works again` : `${client_name} is paused, and what it had open is cut`,
    );
}
