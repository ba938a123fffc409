import * as z from "zod";
import { ALERT_KINDS, isOffence } from "../../vault/alerts/kinds.ts";
import { listOf, pagesOf, PEOPLE, time, type Operation } from "./common.ts";

export const AlertKind = z.enum(ALERT_KINDS);

export const Alert = z.object({
  id: z.string(),
  kind: AlertKind,
  subject: z.string().meta({ description: "The id of what it is about" }),
  name: z.string().optional(),
  key: z.string().optional(),
  title: z.string(),
  detail: z.string(),
  fix: z.string(),
  facts: z.record(z.string(), z.union([z.string(), z.number()])),
  count: z.int().meta({ description: "How often it happened while this alert was open" }),
  first_at: time,
  last_at: time,
  froze: z.enum(["subject", "vault"]).optional().meta({ description: "What was stopped because of it, unasked" }),
  acknowledged_at: time.optional(),
});

const AutoFreeze = z.enum(["off", "subject", "vault"]);
const Setting = z.object({ enabled: z.boolean(), auto_freeze: AutoFreeze });

export const AlertSettings = z.record(AlertKind, Setting);
export const AlertRules = z.record(
  AlertKind,
  Setting.extend({
    offence: z
      .boolean()
      .meta({ description: "It means that somebody else may be using something, and so can stop it" }),
  }),
);
const SettingsPatch = z
  .partialRecord(AlertKind, z.strictObject({ enabled: z.boolean().optional(), auto_freeze: AutoFreeze.optional() }))
  .superRefine((patch, context) => {
    for (const kind of ALERT_KINDS)
      if (!isOffence(kind) && (patch[kind]?.auto_freeze ?? "off") !== "off")
        context.addIssue({ code: "custom", path: [kind, "auto_freeze"], message: "must be off for this kind" });
  });

const AlertQuery = z.strictObject({
  ...pagesOf("alt"),
  state: z.enum(["open", "acknowledged"]).optional(),
  kind: AlertKind.optional(),
});

/** What its owner should know. */
export const ALERT_OPERATIONS = {
  listAlerts: {
    method: "get",
    path: "/alerts",
    summary: "Alerts, newest first",
    may: PEOPLE,
    query: AlertQuery,
    answer: listOf(Alert),
    status: 200,
  },
  acknowledgeAlert: {
    method: "post",
    path: "/alerts/{id}/acknowledge",
    summary: "Say that an alert was seen",
    may: PEOPLE,
    answer: Alert,
    status: 200,
  },
  alertSettings: {
    method: "get",
    path: "/alerts/settings",
    summary: "Which kinds of alert are on, and what each stops by itself",
    may: PEOPLE,
    answer: AlertRules,
    status: 200,
  },
  changeAlertSettings: {
    method: "patch",
    path: "/alerts/settings",
    summary: "Turn kinds of alert on or off, and say what each stops by itself",
    may: ["session_recent"],
    body: SettingsPatch,
    answer: AlertRules,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
