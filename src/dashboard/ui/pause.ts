import { call } from "../data/api.ts";
import { useDoing } from "../data/queries.ts";
import { useTold } from "./told.ts";

const OPERATIONS = {
  key: {
    pause: (key: string) => call("POST /keys/{key}/pause", { params: { key } }),
    resume: (key: string) => call("POST /keys/{key}/resume", { params: { key } }),
  },
  token: {
    pause: (id: string) => call("POST /tokens/{id}/pause", { params: { id } }),
    resume: (id: string) => call("POST /tokens/{id}/resume", { params: { id } }),
  },
  client: {
    pause: (id: string) => call("POST /grants/{id}/pause", { params: { id } }),
    resume: (id: string) => call("POST /grants/{id}/resume", { params: { id } }),
  },
};

/** Pauses something, or lets it go on. It looks so at once; that it is so is said when the vault has said it. */
export function usePause(
  kind: keyof typeof OPERATIONS,
  { id, name, paused }: { id: string; name: string; paused: boolean },
): () => void {
  const tell = useTold();
  const change = useDoing((pause: boolean): Promise<unknown> => OPERATIONS[kind][pause ? "pause" : "resume"](id), {
    shows: (pause) => ({ id, shown: { paused: pause } }),
    turn: id,
  });
  return () =>
    void tell(
      change.mutateAsync(!paused),
      paused ? `${name} is in use again` : `${name} is paused, and what was open is cut`,
    );
}
