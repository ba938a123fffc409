/** Simulated traffic of tokens, to measure how often an alarm is false and how soon a true one comes. */
import { countCalls, countEnds, newNormal, type Normal } from "../../src/vault/alerts/normal.ts";
import { randomOf, type Random } from "./random.ts";

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
const START = Date.UTC(2026, 0, 5);

function normalOf(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function poisson(random: Random, mean: number): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normalOf(random)));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > limit; product *= random()) count++;
  return count;
}

/** Heavy-tailed: its median is 1. */
const lognormal = (random: Random, sigma: number) => Math.exp(sigma * normalOf(random));
const hourOf = (minute: number) => Math.floor((minute % DAY_MINUTES) / 60);
const weekend = (minute: number) => Math.floor(minute / DAY_MINUTES) % 7 >= 5;

/** How many calls a token makes in a minute, by its kind. What a kind remembers between minutes is its own. */
export const KINDS: Record<string, (random: Random) => (minute: number) => number> = {
  "a person who tries things now and then": (random) => {
    let left = 0;
    return () => {
      if (left === 0 && random() < 4 / DAY_MINUTES) left = 1 + Math.floor(random() * 20);
      if (left === 0) return 0;
      left--;
      return poisson(random, 2);
    };
  },
  "a job that runs on the hour": (random) => (minute) => (minute % 60 === 0 ? 50 + poisson(random, 10) : 0),
  "a batch at night beside a trickle by day": (random) => (minute) => {
    if (minute % DAY_MINUTES < 15) return poisson(random, 2_000 * lognormal(random, 0.3));
    return poisson(random, hourOf(minute) >= 8 && hourOf(minute) < 18 ? 1 : 0.05);
  },
  "a team's app in office hours": (random) => (minute) => {
    const busy = hourOf(minute) >= 8 && hourOf(minute) < 18 && !weekend(minute);
    return poisson(random, (busy ? 40 : 1) * lognormal(random, 0.6));
  },
  "a busy service around the clock": (random) => {
    let level = 1;
    return (minute) => {
      level = Math.exp(0.98 * Math.log(level) + 0.05 * normalOf(random));
      return poisson(random, 300 * level * (1 + 0.6 * Math.sin((2 * Math.PI * minute) / DAY_MINUTES)));
    };
  },
  "an agent with runs of any length and pace": (random) => {
    let [left, pace] = [0, 0];
    return () => {
      if (left === 0 && random() < 8 / DAY_MINUTES) {
        left = Math.ceil(15 * lognormal(random, 1));
        pace = 6 * lognormal(random, 0.8);
      }
      if (left === 0) return 0;
      left--;
      return poisson(random, pace * lognormal(random, 0.5));
    };
  },
  "a product that grows by a percent a day": (random) => (minute) =>
    poisson(random, 20 * 1.01 ** (minute / DAY_MINUTES) * (1 + 0.5 * Math.sin((2 * Math.PI * minute) / DAY_MINUTES))),
};

/** Lets tokens of a kind live, then a thief come who makes ten times the busiest minute of the last week, at least 120 calls. */
export function simulate(
  kind: string,
  { tokens, days, seed }: { tokens: number; days: number; seed: number },
): { alarms_a_year: number; seen: string; after_minutes: string } {
  let alarms = 0;
  const delays: number[] = [];
  for (let token = 0; token < tokens; token++) {
    const random = randomOf(seed * 1_000 + token);
    const callsIn = KINDS[kind]?.(random) ?? (() => 0);
    const normal = newNormal(START);
    let busiest = 0;
    let minute = 0;
    for (; minute < days * DAY_MINUTES; minute++) {
      const count = callsIn(minute);
      if (minute > (days - 7) * DAY_MINUTES) busiest = Math.max(busiest, count);
      alarms += Number(within(normal, minute, count));
    }
    const stolen = Math.max(120, 10 * busiest);
    const end = minute + 60;
    for (const begin = minute; minute < end; minute++) {
      if (!within(normal, minute, stolen)) continue;
      delays.push(minute - begin + 1);
      break;
    }
  }
  const alarms_a_year = (alarms / tokens / days) * 365;
  return { alarms_a_year, seen: `${delays.length}/${tokens}`, after_minutes: [...new Set(delays)].join(", ") };
}

function within(normal: Normal, minute: number, count: number): boolean {
  return count > 0 && countCalls(normal, START + minute * MINUTE_MS, count) !== undefined;
}

/** The share of calls that fail in one window of five minutes, by kind of upstream. Failures come in clusters. */
export const FAILING: Record<string, (random: Random) => number> = {
  "an upstream that hardly ever fails": (random) => 0.002 * lognormal(random, 1),
  "an upstream that fails now and then": (random) => 0.03 * lognormal(random, 1),
  "an upstream that limits often": (random) => Math.min(0.9, 0.15 * lognormal(random, 0.6)),
};

/** Lets tokens make some 20 calls in each window of office hours, then the key die. */
export function simulateFailures(
  kind: string,
  { tokens, days, seed }: { tokens: number; days: number; seed: number },
): { alarms_a_year: number; seen: string; after_calls: number } {
  let alarms = 0;
  const after: number[] = [];
  for (let token = 0; token < tokens; token++) {
    const random = randomOf(seed * 1_000 + token);
    const normal = newNormal(START);
    let minute = 0;
    for (; minute < days * DAY_MINUTES; minute += 5) {
      if (hourOf(minute) < 8 || hourOf(minute) >= 18) continue;
      const share = FAILING[kind]?.(random) ?? 0;
      for (let calls = poisson(random, 20 * lognormal(random, 0.7)); calls > 0; calls--) {
        const failed = Number(random() < share);
        alarms += Number(countEnds(normal, failed, 1, START + minute * MINUTE_MS) !== undefined);
      }
    }
    for (let calls = 1; calls <= 60; calls++)
      if (countEnds(normal, 1, 1, START + minute * MINUTE_MS) !== undefined) after.push(calls);
  }
  const alarms_a_year = (alarms / tokens / days) * 365;
  return { alarms_a_year, seen: `${after.length}/${tokens}`, after_calls: Math.max(...after) };
}
