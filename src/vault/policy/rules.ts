import type { Budget } from "../calls/budget.ts";
import { readNetwork, type Network } from "./network.ts";
import { readGlob, type Glob } from "./path.ts";
import type { AllowedCall, AskRule, Policy, Terms } from "./policy.ts";
import { counts, type Limits } from "./limits.ts";
import { grantsScope } from "./scopes.ts";

const ALLOWED_ADDRESSES = 100;

/** Which calls need a yes first, read once. */
export type Ask = {
  methods: ReadonlySet<string> | undefined;
  paths: readonly Glob[] | undefined;
  allowed: ReadonlySet<string>;
};

/** A policy, read once: what the judgement of a call works with. */
export type Rules = {
  keys: ReadonlySet<string> | undefined;
  methods: ReadonlySet<string> | undefined;
  paths: readonly Glob[] | undefined;
  ip_allow: readonly Network[] | undefined;
  countries: ReadonlySet<string> | undefined;
  not_before: number | undefined;
  /** Of rules on trial only: a token's own end stands in its row. */
  expires_at: number | undefined;
  ask: Ask | undefined;
  refuses_credentials: boolean;
  /** An access token without the scope that calls need. */
  refuses_calls: boolean;
  limits: Limits | undefined;
  spend: Budget | undefined;
  /** Rules on trial. */
  warn: Rules | undefined;
};

export function readPolicy({ warn, ...policy }: Policy): Rules {
  const trial = warn && {
    ...read(warn),
    expires_at: warn.expires_at,
    refuses_credentials: warn.allow_credential_endpoints === false,
  };
  return { ...read(policy), warn: trial };
}

function read(terms: Terms): Rules {
  const { keys, methods, paths, ip_allow, countries, not_before, allow_credential_endpoints = false } = terms;
  const { max_uses, daily_quota, rate, max_concurrent, spend, scopes } = terms;
  const limits = { max_uses, daily_quota, rate, max_concurrent };
  return {
    keys: keys && new Set(keys),
    methods: methods && new Set(methods),
    paths: paths?.map(readGlob),
    ip_allow: ip_allow?.map(readNetwork).filter((network) => network !== undefined),
    countries: countries && new Set(countries),
    not_before,
    expires_at: undefined,
    ask: terms.ask && {
      methods: terms.ask.methods && new Set(terms.ask.methods),
      paths: terms.ask.paths?.map(readGlob),
      allowed: new Set(terms.ask.allowed?.map(addressOf)),
    },
    refuses_credentials: !allow_credential_endpoints,
    refuses_calls: scopes !== undefined && !grantsScope(scopes, "vault:proxy"),
    limits: counts(limits) ? limits : undefined,
    spend,
    warn: undefined,
  };
}

/** The same rule with one more address that need not be asked for; the oldest of many make way. */
export function allowing(rule: AskRule, call: AllowedCall): AskRule {
  const others = (rule.allowed ?? []).filter((one) => addressOf(one) !== addressOf(call));
  return { ...rule, allowed: [...others, call].slice(-ALLOWED_ADDRESSES) };
}

/** An address in one text, to look it up by. */
export function addressOf({ key, host, method, path }: AllowedCall): string {
  return JSON.stringify([key, host, method, path]);
}
