import { configOf } from "../../config.ts";
import { wordsOf } from "./alert_words.ts";
import type { Alert, Facts } from "./alerts.ts";
import type { Parts } from "../parts.ts";

/** An alert as it is told to people and programs. */
export type ToldAlert = Pick<Alert, "id" | "kind" | "subject" | "count"> & {
  name?: string | undefined;
  key?: string | undefined;
  title: string;
  detail: string;
  fix: string;
  facts: Facts;
  first_at: string;
  last_at: string;
  froze?: "subject" | "vault" | undefined;
  acknowledged_at?: string | undefined;
};

export function toldAlert(alert: Alert): ToldAlert {
  const { id, kind, subject, count, facts, name, key, froze, first_at, last_at, acknowledged_at } = alert;
  return {
    id,
    kind,
    subject,
    name: name ?? undefined,
    key: key ?? undefined,
    ...wordsOf(alert),
    facts,
    count,
    first_at: new Date(first_at).toISOString(),
    last_at: new Date(last_at).toISOString(),
    froze: froze ?? undefined,
    acknowledged_at: acknowledged_at === null ? undefined : new Date(acknowledged_at).toISOString(),
  };
}

/** Tells whoever listens; a webhook hears of an alert once, when it is opened. */
export function tellAlert({ live, webhooks, env }: Parts, alert: Alert, isNew: boolean): void {
  if (isNew) {
    const link = `${configOf(env).public_origin}/alerts`;
    webhooks.queue("alert.raised", { ...toldAlert(alert), link }, alert.last_at);
  }
  live.say({ type: "alert", alert: toldAlert(alert) }, { key: alert.key ?? undefined, actor: { id: alert.subject } });
}
