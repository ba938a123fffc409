import { toldAlert } from "../vault/alerts/alert_told.ts";
import { ask } from "../vault/answer.ts";
import { paged, type Handlers } from "./operation.ts";
import type { ALERT_OPERATIONS } from "./schema.ts";

export const alertHandlers: Handlers<typeof ALERT_OPERATIONS> = {
  listAlerts: async ({ vault, who, query }) => {
    const { limit, cursor, ...filter } = query;
    const alerts = await ask(vault.listAlerts(who.caller, cursor, limit + 1, filter));
    return paged(alerts.map(toldAlert), limit, ({ id }) => id);
  },
  acknowledgeAlert: async ({ vault, who, param }) =>
    toldAlert(await ask(vault.acknowledgeAlert(who.caller, param("id")))),
  alertSettings: ({ vault, who }) => ask(vault.alertSettings(who.caller)),
  changeAlertSettings: ({ vault, who, body }) => ask(vault.changeAlertSettings(who.caller, body)),
};
