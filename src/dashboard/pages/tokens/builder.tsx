import type { ReactNode } from "react";
import type { Key } from "../../data/key_names.ts";
import { faultOf } from "../../ui/form.tsx";
import { Count, Lines, Moment, Some } from "./fields.tsx";
import { METHODS, type Policy, type Terms } from "./policy.ts";

type BuilderProps = {
  value: Policy;
  onChange: (policy: Policy) => void;
  keys: readonly Key[];
  error: Error | undefined;
};

/** Makes a policy of choices. What is left open is left out, so that the policy says only what was meant. */
export function PolicyBuilder({ value, onChange, keys, error }: BuilderProps): ReactNode {
  const { warn, ...terms } = value;
  const withWarn = (next: Terms | undefined) =>
    onChange(next === undefined || Object.keys(next).length === 0 ? terms : { ...terms, warn: next });
  return (
    <>
      <TermFields
        value={terms}
        onChange={(next) => onChange(warn === undefined ? next : { ...next, warn })}
        keys={keys}
        fault={(name) => faultOf(error, `policy.${name}`)}
      />
      <Ask
        value={value.ask}
        onChange={(next) => onChange(next === undefined ? without(value, "ask") : { ...value, ask: next })}
        fault={(name) => faultOf(error, `policy.ask.${name}`)}
      />
      <Budget
        value={value.spend}
        onChange={(next) => onChange(next === undefined ? without(value, "spend") : { ...value, spend: next })}
        fault={faultOf(error, "policy.spend")}
      />
      <label className="tick">
        <input
          type="checkbox"
          checked={value.allow_credential_endpoints ?? false}
          onChange={({ target }) =>
            onChange(
              target.checked
                ? { ...value, allow_credential_endpoints: true }
                : without(value, "allow_credential_endpoints"),
            )
          }
        />
        <span>
          Allow calls that make or show credentials
          <small>
            A provider's own operations for keys and tokens. With them whoever holds this token could mint keys.
          </small>
        </span>
      </label>
      <details>
        <summary>Rules on trial</summary>
        <div className="form">
          <p className="lead">
            What these would refuse is let through and recorded. Look in the activity for a while, then move them above.
          </p>
          <TermFields
            value={warn ?? {}}
            onChange={withWarn}
            keys={keys}
            fault={(name) => faultOf(error, `policy.warn.${name}`)}
          />
        </div>
      </details>
    </>
  );
}

function without<Whole extends object, Name extends keyof Whole>(whole: Whole, name: Name): Omit<Whole, Name> {
  const { [name]: _left_out, ...others } = whole;
  return others;
}

type AskProps = {
  value: Policy["ask"];
  onChange: (ask: Policy["ask"]) => void;
  fault: (name: string) => string | undefined;
};

/** Calls that wait for a person's yes. */
function Ask({ value, onChange, fault }: AskProps): ReactNode {
  const field = (name: "methods" | "paths") => ({
    value: value?.[name],
    onChange: (next: string[] | undefined) =>
      onChange(next === undefined ? without(value ?? {}, name) : { ...value, [name]: next }),
    fault: fault(name),
  });
  return (
    <div className="stack">
      <label className="tick">
        <input
          type="checkbox"
          checked={value !== undefined}
          onChange={({ target }) => onChange(target.checked ? {} : undefined)}
        />
        <span>
          Ask me first
          <small>Such calls wait up to two minutes for your yes, here or on a webhook's link.</small>
        </span>
      </label>
      {value === undefined ? null : (
        <>
          <Some legend="Ask for methods" note="None chosen: every method." all={METHODS} {...field("methods")} />
          <Lines label="Ask for paths" note="One a line. Empty: every path." {...field("paths")} />
        </>
      )}
    </div>
  );
}

type BudgetProps = {
  value: Policy["spend"];
  onChange: (budget: Policy["spend"]) => void;
  fault: string | undefined;
};

/** What calls to models may cost. */
function Budget({ value = {}, onChange, fault }: BudgetProps): ReactNode {
  const field = (name: "usd_per_day" | "usd_per_month") => ({
    value: value[name],
    onChange: (next: number | undefined) => {
      const others = without(value, name);
      const budget = next === undefined ? others : { ...others, [name]: next };
      onChange(Object.keys(budget).length === 0 ? undefined : budget);
    },
    fault: undefined,
  });
  return (
    <fieldset className="group">
      <legend>Budget</legend>
      <p className="field-note">For calls to models whose answers say what they took.</p>
      <div className="form-row">
        <Count label="US dollars a day" fraction {...field("usd_per_day")} />
        <Count label="US dollars a month" fraction {...field("usd_per_month")} />
      </div>
      {fault === undefined ? null : <p className="problem">{fault}</p>}
    </fieldset>
  );
}

type TermProps = {
  value: Terms;
  onChange: (terms: Terms) => void;
  keys: readonly Key[];
  fault: (name: string) => string | undefined;
};

function TermFields({ value, onChange, keys, fault }: TermProps): ReactNode {
  const field = <Name extends keyof Terms>(name: Name) => ({
    value: value[name],
    onChange: (next: Terms[Name]) => onChange(next === undefined ? without(value, name) : { ...value, [name]: next }),
    fault: fault(name),
  });
  const rate = (name: "per_second" | "per_minute") => ({
    value: value.rate?.[name],
    onChange: (next: number | undefined) => {
      const others = without(value.rate ?? {}, name);
      const together = next === undefined ? others : { ...others, [name]: next };
      onChange(Object.keys(together).length === 0 ? without(value, "rate") : { ...value, rate: together });
    },
    fault: fault(`rate.${name}`),
  });
  const tags = [...new Set(keys.flatMap((key) => key.tags))].toSorted();
  const choices = [
    ...tags.map((tag) => [`tag:${tag}`, `those tagged ${tag}`] as const),
    ...keys.map(({ id, name }) => [id, name] as const),
  ];
  return (
    <>
      <Some legend="Keys" note="None chosen: every key, also those that come later." all={choices} {...field("keys")} />
      <Some legend="Methods" note="None chosen: every method." all={METHODS} {...field("methods")} />
      <Lines
        label="Paths"
        note="One a line, such as /v1/chat/**. A * stands for one segment, ** for any number. Empty: every path."
        {...field("paths")}
      />
      <Moment label="Ends" quick {...field("expires_at")} />
      <details open={hasMore(value)}>
        <summary>Limits, places and times</summary>
        <div className="form">
          <div className="form-row">
            <Count label="Calls a second" {...rate("per_second")} />
            <Count label="Calls a minute" {...rate("per_minute")} />
            <Count label="Calls a day" note="In UTC." {...field("daily_quota")} />
          </div>
          <div className="form-row">
            <Count label="Calls at once" {...field("max_concurrent")} />
            <Count label="Calls in all" {...field("max_uses")} />
          </div>
          <Lines
            label="Addresses"
            note="Addresses or ranges, such as 203.0.113.0/24. Empty: from anywhere."
            {...field("ip_allow")}
          />
          <Lines label="Countries" note="Two letters each, such as DE. Empty: every country." {...field("countries")} />
          <Moment label="Begins" {...field("not_before")} />
        </div>
      </details>
    </>
  );
}

const MORE = ["rate", "daily_quota", "max_concurrent", "max_uses", "ip_allow", "countries", "not_before"] as const;

function hasMore(value: Terms): boolean {
  return MORE.some((name) => value[name] !== undefined);
}
