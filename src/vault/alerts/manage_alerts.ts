import { Problem } from "../../problem.ts";
import type { Alert, AlertFilter, AlertSetting } from "./alerts.ts";
import type { AlertKind } from "./kinds.ts";
import { tellAlert } from "./alert_told.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import { record, type Parts } from "../parts.ts";

/** What is changed about how a kind of alert behaves; absent stays. */
export type SettingChanges = {
  [Kind in AlertKind]?: { [Name in keyof AlertSetting]?: AlertSetting[Name] | undefined } | undefined;
};

export function listAlerts({ alerts }: Parts, before: string | undefined, limit: number, filter: AlertFilter): Alert[] {
  return alerts.list(before, limit, filter);
}

/** Somebody has seen it; one that has stopped something only its person, whose leave it goes on by then (SECURITY S15). Doing it again changes nothing. */
export function acknowledgeAlert(parts: Parts, caller: Caller, id: string): Alert {
  const by = recognise(parts.tokens, caller, Date.now());
  const before = parts.alerts.find(id);
  if (by.kind !== "ses" && before?.froze != null)
    throw new Problem("insufficient_scope", "This alert has stopped something: a person sees to it in the browser.");
  const alert = parts.alerts.acknowledge(id, Date.now());
  if (before?.acknowledged_at === null) {
    record(parts, by, caller, "alert.acknowledge", { subject: id, rule: alert.kind, key: alert.key ?? undefined });
    tellAlert(parts, alert, false);
  }
  return alert;
}

/** Changes how kinds of alert behave; each change leaves a row that says to what. */
export function changeAlertSettings(
  parts: Parts,
  caller: Caller,
  changes: SettingChanges,
): Record<AlertKind, AlertSetting> {
  const by = recognise(parts.tokens, caller, Date.now());
  for (const [kind, change] of Object.entries(changes) as [AlertKind, Partial<AlertSetting>][]) {
    const before = parts.alerts.setting(kind);
    const after = {
      enabled: change.enabled ?? before.enabled,
      auto_freeze: change.auto_freeze ?? before.auto_freeze,
    };
    if (after.enabled === before.enabled && after.auto_freeze === before.auto_freeze) continue;
    parts.alerts.set(kind, after);
    const rule = after.enabled ? `auto_freeze ${after.auto_freeze}` : "disabled";
    record(parts, by, caller, "alert.settings", { subject: kind, rule });
  }
  return parts.alerts.settings();
}
