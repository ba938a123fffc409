import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { call, type Answer } from "../../data/api.ts";
import { Icon } from "../../shell/icons.tsx";
import { Modal } from "../../ui/dialog.tsx";
import { Facts } from "../../ui/page.tsx";
import { Failed, Loading } from "../../ui/states.tsx";

type Verified = Answer<"GET /activity/verify">;

/** Walks the chain from its beginning to its head and says whether a row is missing or was changed. */
export function VerifyChain(): ReactNode {
  const [state, setState] = useState<
    { at: "closed" | "walking" } | { at: "walked"; of: Verified } | { at: "failed"; error: Error }
  >({
    at: "closed",
  });
  const walk = () => {
    setState({ at: "walking" });
    call("GET /activity/verify", {}).then(
      (of) => setState({ at: "walked", of }),
      (error: unknown) => setState({ at: "failed", error: error as Error }),
    );
  };
  return (
    <>
      <Button icon={<Icon name="shield" size={14} />} onClick={walk}>
        Verify
      </Button>
      <Modal title="The chain of the record" open={state.at !== "closed"} onClose={() => setState({ at: "closed" })}>
        {state.at === "walking" ? <Loading lines={3} /> : null}
        {state.at === "failed" ? <Failed error={state.error} retry={walk} /> : null}
        {state.at === "walked" ? (
          <div className="stack">
            <p className={state.of.ok ? "note good" : "note bad"} role="status">
              <Icon name={state.of.ok ? "check" : "alert"} />
              <span>
                {state.of.ok ? "Every row is there, and none was changed." : (state.of.fault ?? "Something is amiss.")}
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
