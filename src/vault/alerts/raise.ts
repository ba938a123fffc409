import { BY_VAULT, type Origin } from "../audit/row.ts";
import type { Alert, NewAlert } from "./alerts.ts";
import { isOffence } from "./kinds.ts";
import { tellAlert } from "./alert_told.ts";
import { cutTokens } from "../tokens/ending.ts";
import { freeze } from "../account/freeze.ts";
import { expiring } from "../tokens/expiries.ts";
import type { Parts } from "../parts.ts";

/**
 * Raises an alert: counted where one of its kind and subject is open, else stored, recorded and told to whoever listens. Where
 * its owner has said so, what offends is stopped in the same step, so that the very call which showed it is refused.
 */
export function raiseAlert(parts: Parts, raised: NewAlert, { ip, country, user_agent }: Origin = BY_VAULT): void {
  const now = Date.now();
  const { enabled, auto_freeze } = parts.alerts.setting(raised.kind);
  if (!enabled) return;
  const { alert, isNew } = parts.alerts.raise(raised, now);
  if (isNew) {
    const { kind: rule, subject, key } = alert;
    const about = { rule, subject, key: key ?? undefined };
    parts.audit.append(
      { actor: BY_VAULT.actor, action: "alert.raise", outcome: "ok", ...about, ip, country, user_agent },
      now,
    );
  }
  const stops = auto_freeze !== "off" && alert.froze === null && isOffence(alert.kind);
  tellAlert(parts, stops ? stop(parts, alert, auto_freeze) : alert, isNew);
}

/** Stops what offends: nobody is asked, and a session is needed to let it go on (SECURITY S15). */
function stop(parts: Parts, { id, kind, subject }: Alert, what: "subject" | "vault"): Alert {
  const { tokens, grants, gate, alerts, audit } = parts;
  if (what === "vault") {
    void freeze(parts, BY_VAULT.actor, BY_VAULT);
    return alerts.noteFrozen(id, "vault");
  }
  const now = Date.now();
  if (subject.startsWith("grt_")) grants.pause(subject, now);
  else tokens.pause(subject, now);
  gate.bump();
  const action = subject.startsWith("grt_") ? "grant.pause" : "token.pause";
  audit.append({ ...BY_VAULT, action, outcome: "ok", rule: kind, subject }, now);
  void cutTokens(parts, [subject, ...tokens.descendants(subject)], "token_paused");
  return alerts.noteFrozen(id, "subject");
}

/** Tells what ends within a week, once, and plans when to look again. */
export function watch(parts: Parts): void {
  const now = Date.now();
  const { alerts, again } = expiring(parts.sql, now);
  for (const alert of alerts) if (!parts.alerts.wasTold(alert)) raiseAlert(parts, alert);
  parts.anomalies.forget(now);
  if (again !== null) parts.jobs.plan("watch", Math.max(again, now + 60_000));
}
