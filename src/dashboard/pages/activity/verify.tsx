import { Button } from "@cloudflare/kumo/components/button";
import { useRef, useState, type ReactNode } from "react";
import { call, Refused, type Answer } from "../../data/api.ts";
import { Icon } from "../../shell/icons.tsx";
import { Modal } from "../../ui/dialog.tsx";
import { Facts } from "../../ui/page.tsx";
import { Failed, Loading } from "../../ui/states.tsx";

type Walked = Answer<"GET /activity/verify">;
type State =
  | { at: "closed" }
  | { at: "walking"; so_far?: Walked }
  | { at: "walked"; of: Walked }
  | { at: "failed"; error: Error };

/** A pause that the server asks for is made, however often: it walks a long log in many requests. */
const LONGEST_PAUSE_MS = 90_000;

/** Walks the chain from its head to its beginning, request after request, and says whether a row is missing or was changed. */
export function VerifyChain(): ReactNode {
  const [state, setState] = useState<State>({ at: "closed" });
  const walking = useRef(new AbortController());
  const close = () => {
    walking.current.abort();
    setState({ at: "closed" });
  };
  const walk = () => {
    walking.current = new AbortController();
    const { signal } = walking.current;
    const show = (next: State) => signal.aborted || setState(next);
    show({ at: "walking" });
    walkAll(signal, (so_far) => show({ at: "walking", so_far })).then(
      (of) => show({ at: "walked", of }),
      (error: unknown) => show({ at: "failed", error: error as Error }),
    );
  };
  return (
    <>
      <Button icon={<Icon name="shield" size={14} />} onClick={walk}>
        Verify
      </Button>
      <Modal title="The chain of the record" open={state.at !== "closed"} onClose={close}>
        {state.at === "walking" ? <Walking so_far={state.so_far} /> : null}
        {state.at === "failed" ? <Failed error={state.error} retry={walk} /> : null}
        {state.at === "walked" ? (
          <div className="stack">
            <p className={state.of.ok === true ? "note good" : "note bad"} role="status">
              <Icon name={state.of.ok === true ? "check" : "alert"} />
              <span>
                {state.of.ok === true
                  ? "Every row is there, and none was changed."
                  : (state.of.fault ?? "Something is amiss.")}
              </span>
            </p>
            <Facts
              of={[
                ["Rows walked", state.of.rows.toLocaleString()],
                ["Head", `row ${state.of.head.seq}`],
                ["Its hash", <code key="hash">{state.of.head.hash}</code>],
              ]}
            />
          </div>
        ) : null}
      </Modal>
    </>
  );
}

function Walking({ so_far }: { so_far: Walked | undefined }): ReactNode {
  if (so_far === undefined) return <Loading lines={3} />;
  const { rows, left = 0 } = so_far;
  return (
    <div className="stack" role="status">
      <progress value={rows} max={rows + left} aria-label="Rows walked" />
      <p>
        {rows.toLocaleString()} rows walked, {left.toLocaleString()} to go.
      </p>
    </div>
  );
}

async function walkAll(signal: AbortSignal, tell: (so_far: Walked) => void): Promise<Walked> {
  let walked = await call("GET /activity/verify", {}, signal);
  for (let cursor = walked.next_cursor; cursor !== undefined; cursor = walked.next_cursor) {
    tell(walked);
    walked = await further(cursor, signal);
  }
  return walked;
}

async function further(cursor: string, signal: AbortSignal): Promise<Walked> {
  try {
    return await call("POST /activity/verify", { body: { cursor } }, signal);
  } catch (fault) {
    const wait_ms = fault instanceof Refused && fault.status === 429 ? fault.wait_ms : undefined;
    if (wait_ms === undefined || wait_ms > LONGEST_PAUSE_MS) throw fault;
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
    return further(cursor, signal);
  }
}
