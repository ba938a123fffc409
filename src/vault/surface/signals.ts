import type { Alert, AlertFilter, AlertKind, AlertSetting } from "../alerts.ts";
import type { Answer } from "../answer.ts";
import type { Caller } from "../caller.ts";
import { acknowledgeAlert, changeAlertSettings, listAlerts, type SettingChanges } from "../manage_alerts.ts";
import { change, read } from "../surface.ts";
import { LiveSurface } from "./live.ts";

/** What the vault tells its owner: alerts. */
export abstract class SignalSurface extends LiveSurface {
  listAlerts(caller: Caller, before: string | undefined, limit: number, filter: AlertFilter): Answer<Alert[]> {
    return this[read](caller, (parts) => listAlerts(parts, before, limit, filter));
  }

  acknowledgeAlert(caller: Caller, id: string): Promise<Answer<Alert>> {
    return this[change](caller, (parts) => acknowledgeAlert(parts, caller, id));
  }

  alertSettings(caller: Caller): Answer<Record<AlertKind, AlertSetting>> {
    return this[read](caller, ({ alerts }) => alerts.settings());
  }

  changeAlertSettings(caller: Caller, changes: SettingChanges): Promise<Answer<Record<AlertKind, AlertSetting>>> {
    return this[change](caller, (parts) => changeAlertSettings(parts, caller, changes));
  }
}
