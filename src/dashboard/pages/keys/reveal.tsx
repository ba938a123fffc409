import { Button } from "@cloudflare/kumo/components/button";
import { useEffect, useState, type ReactNode } from "react";
import { call, type Answer } from "../../data/api.ts";
import { Copy } from "../../ui/copy.tsx";
import { Modal } from "../../ui/dialog.tsx";
import { Failed } from "../../ui/states.tsx";
import type { KeyDetails } from "./key.tsx";

const SHOWN_S = 30;

type RevealProps = { of: KeyDetails; open: boolean; onClose: () => void };

/** Shows a secret to its owner for half a minute; then, or when the dialog closes, it is gone from the page. */
export function Reveal({ of, open, onClose }: RevealProps): ReactNode {
  return (
    <Modal
      title={`Reveal ${of.name}`}
      lead={`It is recorded that you looked. The secret is hidden again after ${SHOWN_S} seconds.`}
      open={open}
      onClose={onClose}
    >
      <Secret id={of.id} onClose={onClose} />
    </Modal>
  );
}

function Secret({ id, onClose }: { id: string; onClose: () => void }): ReactNode {
  const [state, setState] = useState<
    | { at: "asking" | "loading" }
    | { at: "shown"; of: Answer<"POST /keys/{key}/reveal">; until: number; left_s: number }
    | { at: "failed"; error: Error }
  >({ at: "asking" });
  const shown = state.at === "shown";
  useEffect(() => {
    if (!shown) return;
    const timer = setInterval(
      () =>
        setState((now) => {
          if (now.at !== "shown") return now;
          // By the clock: a computer that slept meanwhile has not counted.
          const left_s = Math.ceil((now.until - Date.now()) / 1_000);
          return left_s <= 0 ? { at: "asking" } : { ...now, left_s };
        }),
      1_000,
    );
    return () => clearInterval(timer);
  }, [shown]);
  const reveal = () => {
    setState({ at: "loading" });
    call("POST /keys/{key}/reveal", { params: { key: id } }).then(
      (of) => setState({ at: "shown", of, until: Date.now() + SHOWN_S * 1_000, left_s: SHOWN_S }),
      (error: unknown) => setState({ at: "failed", error: error as Error }),
    );
  };
  if (state.at === "failed") return <Failed error={state.error} retry={reveal} />;
  if (state.at !== "shown") {
    return (
      <div className="modal-foot">
        <Button onClick={onClose}>Cancel</Button>
        <Button variant="primary" onClick={reveal} loading={state.at === "loading"}>
          Show it
        </Button>
      </div>
    );
  }
  return (
    <div className="stack">
      {Object.entries(state.of.fields).map(([field, value]) => (
        <div key={field} className="field">
          <span className="field-label">{field.replaceAll("_", " ")}</span>
          <div className="secret">
            <code>{value}</code>
            <Copy text={value} />
          </div>
        </div>
      ))}
      <div className="modal-foot">
        <span className="muted" role="timer">
          Hidden in {state.left_s} s
        </span>
        <Button onClick={() => setState({ at: "asking" })}>Hide now</Button>
      </div>
    </div>
  );
}
