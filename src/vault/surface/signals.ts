import type { Alert, AlertFilter, AlertSetting } from "../alerts/alerts.ts";
import type { AlertKind } from "../alerts/kinds.ts";
import type { Answer } from "../answer.ts";
import type { Caller } from "../tokens/caller.ts";
import { acknowledgeAlert, changeAlertSettings, listAlerts, type SettingChanges } from "../alerts/manage_alerts.ts";
import type { Attempt, DeliveryRecord } from "../alerts/deliveries.ts";
import { createWebhook, deleteWebhook, redeliver, testWebhook } from "../alerts/manage_webhooks.ts";
import { change, forCaller, read } from "../surface.ts";
import type { Webhook } from "../alerts/webhooks.ts";
import type { WebhookEvent } from "../alerts/kinds.ts";
import { LiveSurface } from "./live.ts";

/** What the vault tells its owner: alerts, and where it sends them. */
export abstract class SignalSurface extends LiveSurface {
  listAlerts(caller: Caller, before: string | undefined, limit: number, filter: AlertFilter): Promise<Answer<Alert[]>> {
    return this[read](caller, (parts) => listAlerts(parts, before, limit, filter));
  }

  acknowledgeAlert(caller: Caller, id: string): Promise<Answer<Alert>> {
    return this[change](caller, (parts) => acknowledgeAlert(parts, caller, id));
  }

  alertSettings(caller: Caller): Promise<Answer<Record<AlertKind, AlertSetting>>> {
    return this[read](caller, ({ alerts }) => alerts.settings());
  }

  changeAlertSettings(caller: Caller, changes: SettingChanges): Promise<Answer<Record<AlertKind, AlertSetting>>> {
    return this[change](caller, (parts) => changeAlertSettings(parts, caller, changes));
  }

  createWebhook(
    caller: Caller,
    url: string,
    events: readonly WebhookEvent[] | null,
  ): Promise<Answer<{ webhook: Webhook; secret: string }>> {
    return this[change](caller, (parts) => createWebhook(parts, caller, url, events));
  }

  listWebhooks(caller: Caller): Promise<Answer<Webhook[]>> {
    return this[read](caller, ({ webhooks }) => webhooks.list());
  }

  deleteWebhook(caller: Caller, id: string): Promise<Answer<{ id: string; deleted_at: number }>> {
    return this[change](caller, (parts) => deleteWebhook(parts, caller, id));
  }

  /** Asked again it is sent again: a test is of this moment. */
  testWebhook(caller: Caller, id: string): Promise<Answer<Attempt>> {
    return this[forCaller](caller, (parts) => testWebhook(parts, caller, id));
  }

  listDeliveries(
    caller: Caller,
    id: string,
    before: string | undefined,
    limit: number,
  ): Promise<Answer<DeliveryRecord[]>> {
    return this[read](caller, ({ webhooks, deliveries }) => deliveries.list(webhooks.must(id).id, before, limit));
  }

  redeliver(caller: Caller, id: string, message: string): Promise<Answer<Attempt>> {
    return this[forCaller](caller, (parts) => redeliver(parts, caller, id, message));
  }
}
