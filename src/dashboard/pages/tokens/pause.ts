import { useAct } from "../../data/queries.ts";
import { useTold } from "../../ui/told.ts";

/** Pauses a token, or resumes it, and says so. */
export function usePauseToken({ id, name, paused }: { id: string; name: string; paused: boolean }): () => void {
  const tell = useTold();
  const pause = useAct("POST /tokens/{id}/pause");
  const resume = useAct("POST /tokens/{id}/resume");
  return () =>
    void tell(
      (paused ? resume : pause).mutateAsync({ params: { id } }),
      paused ? `${name} works again` : `${name} is paused, and what it had open is cut`,
    );
}
