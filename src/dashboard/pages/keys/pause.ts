import { useAct } from "../../data/queries.ts";
import { useTold } from "../../ui/told.ts";

/** Pauses a key, or resumes it, and says so. */
export function usePauseKey({ id, name, paused }: { id: string; name: string; paused: boolean }): () => void {
  const tell = useTold();
  const pause = useAct("POST /keys/{key}/pause");
  const resume = useAct("POST /keys/{key}/resume");
  return () =>
    void tell(
      (paused ? resume : pause).mutateAsync({ params: { key: id } }),
      paused ? `${name} is in use again` : `${name} is paused: nothing can use it`,
    );
}
