import type { ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { signedInRecently, useMe } from "../../data/me.ts";
import { useAct, useAnswer } from "../../data/queries.ts";
import { Choice } from "../../ui/choice.tsx";
import { Card } from "../../ui/page.tsx";
import { RecentSignIn } from "../../ui/recent_sign_in.tsx";
import { Answered } from "../../ui/states.tsx";
import { useTold } from "../../ui/told.ts";

type Rules = Answer<"GET /alerts/settings">;
type Kind = keyof Rules;

const KINDS: Record<Kind, readonly [name: string, note: string]> = {
  refresh_reuse: ["A refresh token was used twice", "A thief and the owner both hold it. The family is already dead."],
  refresh_shared: ["A refresh token is shared", "Several places use one token, again and again."],
  volume: ["Far more calls than usual", "Against what the token has done before."],
  new_country: ["A call from a new country", "Where the token was never used."],
  error_burst: ["Many refusals or errors", "Somebody tries what is not allowed, or something broke."],
  token_leak: ["A token was found in public", "Whoever found it told us. It is already revoked."],
  identity_linked: ["A way to sign in was linked", "To this account, or taken from it."],
  expiring: ["A key or token ends soon", "In time to renew it."],
  reconnect_required: ["An OAuth key has to be connected again", "Its provider takes the refresh token no more."],
  webhook_dead: ["A webhook is not answered", "It took nothing for a day, and is sent no more."],
};

/** Which kinds are told, and what each stops by itself. */
export function AlertRules(): ReactNode {
  const rules = useAnswer("GET /alerts/settings", {});
  const me = useMe();
  const recent = signedInRecently(me);
  const change = useAct("PATCH /alerts/settings");
  const tell = useTold();
  const set = (kind: Kind, next: Partial<Omit<Rules[Kind], "offence">>) =>
    void tell(change.mutateAsync({ body: { [kind]: next } }), `${KINDS[kind][0]}: saved`);
  return (
    <Card flush id="rules" title="Rules" lead="What is told, and what stops by itself when it happens.">
      {recent ? null : (
        <div className="pad">
          <RecentSignIn what="change these" />
        </div>
      )}
      <Answered of={rules} lines={6}>
        {(found) => (
          <ul className="lines" aria-label="Rules">
            {(Object.keys(KINDS) as Kind[]).map((kind) => {
              const rule = found[kind];
              if (rule === undefined) return null;
              const [name, note] = KINDS[kind];
              return (
                <li key={kind} className="rule">
                  <label className="tick">
                    <input
                      type="checkbox"
                      checked={rule.enabled}
                      disabled={!recent}
                      onChange={(event) => set(kind, { enabled: event.target.checked })}
                    />
                    <span>
                      {name}
                      <small>{note}</small>
                    </span>
                  </label>
                  {rule.offence ? (
                    <Choice
                      label={`What ${name.toLowerCase()} stops`}
                      hideLabel
                      disabled={!recent || !rule.enabled}
                      value={rule.auto_freeze}
                      onChange={(auto_freeze) => set(kind, { auto_freeze })}
                      options={[
                        ["off", "Stops nothing"],
                        ["subject", "Pauses the offender"],
                        ["vault", "Freezes everything"],
                      ]}
                    />
                  ) : null}
                </li>
              );
            })}
          </ul>
        )}
      </Answered>
    </Card>
  );
}
