import type * as z from "zod";
import { toldAlert } from "../vault/alerts/alert_told.ts";
import { isOffence, type AlertKind } from "../vault/alerts/kinds.ts";
import type { AlertSetting } from "../vault/alerts/alerts.ts";
import { ask } from "../vault/answer.ts";
import { paged, type Handlers } from "./operation.ts";
import type { AlertRules, ALERT_OPERATIONS } from "./schema.ts";

export const alertHandlers: Handlers<typeof ALERT_OPERATIONS> = {
  listAlerts: async ({ vault, who, query }) => {
    const { limit, cursor, ...filter } = query;
    const alerts = await ask(vault.listAlerts(who.caller, cursor, limit + 1, filter));
    return paged(alerts.map(toldAlert), limit, ({ id }) => id);
  },
  acknowledgeAlert: async ({ vault, who, param }) =>
    toldAlert(await ask(vault.acknowledgeAlert(who.caller, param("id")))),
  alertSettings: async ({ vault, who }) => wireRules(await ask(vault.alertSettings(who.caller))),
  changeAlertSettings: async ({ vault, who, body }) =>
    wireRules(await ask(vault.changeAlertSettings(who.caller, body))),
};

function wireRules(settings: Record<AlertKind, AlertSetting>): z.output<typeof AlertRules> {
  const kinds = Object.entries(settings) as [AlertKind, AlertSetting][];
  return Object.fromEntries(
    kinds.map(([kind, setting]) => [kind, { ...setting, offence: isOffence(kind) }]),
  ) as z.output<typeof AlertRules>;
}
