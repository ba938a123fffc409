/** How long anybody waits for KV or D1. Their own limits lie beyond what a client has patience for. */
const PATIENCE_MS = 10_000;

/** The thing behind each wrapping, for methods that take one of their own kind (D1's `batch`). */
const behind = new WeakMap<object, object>();
const patients = new WeakMap<object, object>();

/**
 * The same environment, but nothing waits for a store for ever: one that hangs is a fault after ten seconds, as if it had refused.
 * What it may have done all the same is safe: names in KV are written once, statements in D1 may be repeated.
 */
export function withPatience<Stores extends { BLOBS: KVNamespace; DB: D1Database }>(env: Stores): Stores {
  let patient = patients.get(env);
  if (patient === undefined) {
    patient = { ...env, BLOBS: inTime("KV", env.BLOBS), DB: inTime("D1", env.DB) };
    patients.set(env, patient);
  }
  return patient as Stores;
}

/** Gives a deadline to whatever the store promises. */
function inTime<Store extends object>(what: string, store: Store): Store {
  const patient = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        const answer: unknown = member.apply(target, given.map(unwrapped));
        if (answer instanceof Promise) return beforeLong(what, answer);
        return typeof answer === "object" && answer !== null ? inTime(what, answer) : answer;
      };
    },
  });
  behind.set(patient, store);
  return patient;
}

function unwrapped(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(unwrapped);
  return typeof given === "object" && given !== null ? (behind.get(given) ?? given) : given;
}

async function beforeLong<T>(what: string, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} did not answer in time`)), PATIENCE_MS);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
    // One that comes too late is nobody's any more.
    answer.catch(() => {});
  }
}
