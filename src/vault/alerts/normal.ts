/**
 * What is normal for one token, and what is not: pure arithmetic over a state of bounded size, learned as calls go by
 * (docs/design/alerts.md has the reasons and the measured rate of false alarms).
 */

/** Counts of calls in buckets of one length. Moments decay by bucket, not by time, and empty buckets are not learned. */
type Rate = {
  bucket: number;
  count: number;
  limit: number | null;
  buckets: number;
  weight: number;
  sum: number;
  squares: number;
  peak: number;
};

/** Calls and failures of the window that runs, and those learned before. */
type Failures = {
  window: number;
  calls: number;
  errors: number;
  learned_calls: number;
  learned_errors: number;
  /** The worst share of a window, decaying. */
  worst: number;
};

/** Days on which a country was seen, and the last of them. */
type Country = { days: number; last_day: number };

/** What was learned of one token. Plain data. */
export type Normal = {
  since: number;
  minute: Rate;
  hour: Rate;
  failures: Failures;
  countries: Record<string, Country>;
};

type Scale = { span_ms: number; floor: number; learning_ms: number; learning_buckets: number };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Below the floor nobody is alarmed, however quiet the token is otherwise. */
const SCALES = {
  minute: { span_ms: MINUTE_MS, floor: 60, learning_ms: DAY_MS, learning_buckets: 30 },
  hour: { span_ms: HOUR_MS, floor: 300, learning_ms: 3 * DAY_MS, learning_buckets: 12 },
} as const satisfies Record<string, Scale>;

/** Buckets after which what was learned counts half. */
const HALF_LIFE = 1_000;
const DECAY = 2 ** (-1 / HALF_LIFE);
/** ln(1/α) with α = 10⁻⁶: the chance that a bucket of a token whose counts are as assumed is taken for an alarm. */
const SURPRISE = Math.log(1e6);
/** Never before it is twice, always when it is four times the busiest bucket known. */
const [AT_LEAST, AT_MOST] = [2, 4];

const LEARNED_OF_LIMIT = 0.75;

const WINDOW_MS = 5 * MINUTE_MS;
const ERRORS_FLOOR = 10;
const ERROR_SHARE = 0.3;
const ERRORS_LEARNED_CALLS = 50;
const WINDOW_DECAY = 2 ** (-1 / 200);
const WORST_DECAY = 2 ** (-1 / 2_000);
/** An upstream that was down for a while does not make every failure normal. */
const WORST_LEARNED = 0.75;

const LEARNED_DAYS = 5;
const COUNTRIES = 32;
/** Where a tenth of all that was seen was seen but once, one more new country is no news (Good and Turing). */
const UNSEEN_SHARE = 0.1;
/** Not a country: unknown to the network. */
const NOWHERE = "XX";

const EMPTY_RATE: Rate = { bucket: 0, count: 0, limit: null, buckets: 0, weight: 0, sum: 0, squares: 0, peak: 0 };

export function newNormal(now: number): Normal {
  return {
    since: now,
    minute: { ...EMPTY_RATE },
    hour: { ...EMPTY_RATE },
    failures: { window: 0, calls: 0, errors: 0, learned_calls: 0, learned_errors: 0, worst: 0 },
    countries: {},
  };
}

/** Too many calls: how many there were, within what, and how many are usual where there are any. */
export type Surge = { calls: number; within: keyof typeof SCALES; usual: number };

/** Counts calls. Tells of a surge once a bucket: with the call that reaches the limit. */
export function countCalls(normal: Normal, now: number, count = 1): Surge | undefined {
  let surge: Surge | undefined;
  for (const within of ["minute", "hour"] as const) {
    const scale = SCALES[within];
    const rate = normal[within];
    const bucket = Math.floor(now / scale.span_ms);
    if (bucket !== rate.bucket) {
      learn(rate, bucket);
      rate.limit = limitOf(rate, scale, now - normal.since);
    }
    const before = rate.count;
    rate.count += count;
    if (rate.limit !== null && before < rate.limit && rate.count >= rate.limit)
      surge ??= { calls: rate.count, within, usual: Math.round(meanOf(rate)) };
  }
  return surge;
}

/** From how many calls on a bucket is no longer normal; null while that is still being learned. */
function limitOf(rate: Rate, { floor, learning_ms, learning_buckets }: Scale, age_ms: number): number | null {
  if (age_ms < learning_ms || rate.buckets < learning_buckets) return null;
  return surprising(rate, Math.max(floor, Math.ceil(AT_LEAST * rate.peak)));
}

/** The smallest count from `known` on that the model does not explain, or four times the peak. */
function surprising(rate: Rate, known: number): number {
  let [low, high] = [known, Math.max(known, Math.ceil(AT_MOST * rate.peak))];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isSurprising(middle, rate)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Chernoff's bound on the tail of a negative binomial of that mean and variance (of a Poisson where the variance is no
 * greater): never less than the tail itself, in closed form.
 */
function isSurprising(count: number, rate: Rate): boolean {
  const mean = meanOf(rate);
  if (count <= mean) return false;
  const variance = rate.squares / rate.weight - mean ** 2;
  if (variance <= mean * 1.000_001) return count * Math.log(count / mean) - count + mean >= SURPRISE;
  const size = mean ** 2 / (variance - mean);
  const exponent =
    count * Math.log((count * (size + mean)) / (mean * (size + count))) +
    size * Math.log((size + mean) / (size + count));
  return exponent >= SURPRISE;
}

function meanOf({ sum, weight }: Rate): number {
  return weight === 0 ? 0 : sum / weight;
}

/** Learns the bucket that has ended, and of a surge only a part: what stays becomes normal, what comes once does not. */
function learn(rate: Rate, next: number): void {
  if (rate.count > 0) {
    const count = Math.min(rate.count, LEARNED_OF_LIMIT * (rate.limit ?? Infinity));
    rate.buckets++;
    rate.weight = rate.weight * DECAY + 1;
    rate.sum = rate.sum * DECAY + count;
    rate.squares = rate.squares * DECAY + count ** 2;
    rate.peak = Math.max(rate.peak * DECAY, count);
  }
  rate.bucket = next;
  rate.count = 0;
}

/** Counts how calls ended. Tells of a burst of failures once a window. */
export function countEnds(
  { failures }: Normal,
  errors: number,
  calls: number,
  now: number,
): { errors: number; calls: number } | undefined {
  const window = Math.floor(now / WINDOW_MS);
  if (window !== failures.window) learnFailures(failures, window);
  const before = isBurst(failures);
  failures.calls += calls;
  failures.errors += errors;
  return !before && isBurst(failures) ? { errors: failures.errors, calls: failures.calls } : undefined;
}

/**
 * A share that is high, higher than in the worst window known, and no accident even if that one were usual: failures come in
 * clusters, so a mean alone would cry wolf. The bound is Chernoff's, on a binomial tail.
 */
function isBurst({ calls, errors, learned_calls, learned_errors, worst }: Failures): boolean {
  if (errors < ERRORS_FLOOR || learned_calls < ERRORS_LEARNED_CALLS) return false;
  const usual = Math.max((learned_errors + 0.5) / (learned_calls + 10), worst);
  const share = errors / calls;
  if (share < Math.max(ERROR_SHARE, Math.min(1.25 * usual, 0.95))) return false;
  return calls * divergence(share, usual) >= SURPRISE;
}

/** Kullback and Leibler's, of two shares. */
function divergence(share: number, usual: number): number {
  return surpriseOf(share, usual) + surpriseOf(1 - share, 1 - usual);
}

function surpriseOf(p: number, q: number): number {
  return p === 0 ? 0 : p * Math.log(p / q);
}

function learnFailures(failures: Failures, next: number): void {
  if (failures.calls > 0) {
    failures.learned_calls = failures.learned_calls * WINDOW_DECAY + failures.calls;
    failures.learned_errors = failures.learned_errors * WINDOW_DECAY + failures.errors;
    const share = failures.calls < ERRORS_FLOOR ? 0 : Math.min(failures.errors / failures.calls, WORST_LEARNED);
    failures.worst = Math.max(failures.worst * WORST_DECAY, share);
  }
  failures.window = next;
  failures.calls = 0;
  failures.errors = 0;
}

/** Notes where a call came from. True where that is news: a country never seen, of a token that is used from few. */
export function countCountry({ countries }: Normal, country: string, now: number): boolean {
  if (country === NOWHERE || country === "") return false;
  const day = Math.floor(now / DAY_MS);
  const known = countries[country];
  if (known !== undefined) {
    if (known.last_day !== day) countries[country] = { days: known.days + 1, last_day: day };
    return false;
  }
  const seen = Object.entries(countries);
  const days = seen.reduce((sum, [, each]) => sum + each.days, 0);
  const once = seen.filter(([, each]) => each.days === 1).length;
  if (seen.length >= COUNTRIES) {
    const [oldest] = seen.toSorted(([, a], [, b]) => a.last_day - b.last_day);
    if (oldest !== undefined) delete countries[oldest[0]];
  }
  countries[country] = { days: 1, last_day: day };
  return days >= LEARNED_DAYS && once / days <= UNSEEN_SHARE;
}
