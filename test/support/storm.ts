import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { personOf, signIn, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { violations, wronglyArrived, type CallSeen, type ChangeSeen } from "./history.ts";
import { mintToken, portsOf, startLocker, storeKey, type Minted } from "./locker.ts";
import { killRuntime } from "./runtime.ts";
import { startUpstream } from "./upstream.ts";
import { verdictOn, type Verdict } from "./verdict.ts";

/**
 * How much of everything there is, and how often the runtime is killed in the middle of it, or everybody is still until the vault
 * has left memory.
 */
export type StormOptions = {
  calls: number;
  kills: number;
  lulls?: number;
  callers?: number;
  say?: (line: string) => void;
};

type Call = CallSeen & { path: string; request_id: string | null };

/** What happened, and what of it could not have been. */
export type Storm = {
  calls: number;
  passed: number;
  refused: number;
  stops: number;
  kills: number;
  lulls: number;
  /** Calls that were answered and of which no row is left. */
  lost: string[];
  /** Calls that were let through although stopped, or refused although nothing stopped them, as the callers saw it. */
  violations: Call[];
  /** Calls that reached the upstream although they were refused and nobody can have cut them, or more than once. */
  arrived_wrongly: string[];
  /** Whether the chain of rows is whole. */
  chain_ok: boolean;
};

const TOKENS = 8;
const EMAIL = "storm@example.com";
const FREEZE_EVERY = 12;
/** The runtime lets go of an object that nobody has asked anything for ten seconds. */
const LULL_MS = 12_000;
/** What a caller was not answered may take effect so long after. */
const LATE_MS = 5_000;

/**
 * Thousands of calls at once under tokens that are revoked, paused and resumed, with a key that is paused and resumed and a vault
 * that is frozen and unfrozen, while the whole runtime is killed and started again. What everybody saw is
 * then held against what can have been.
 */
export async function storm({
  calls: wanted,
  kills,
  lulls = 0,
  callers = 24,
  say = () => {},
}: StormOptions): Promise<Storm> {
  const stateDir = await mkdtemp(join(tmpdir(), "apilocker-storm-"));
  const upstream = await startUpstream();
  let locker = await startLocker({ stateDir });
  const ports = portsOf(locker);
  try {
    let person = await signIn(locker.publicOrigin, EMAIL);
    await storeKey(person, "k", upstream.origin);
    const tokens = await Promise.all(Array.from({ length: TOKENS }, () => mintToken(person)));
    const calls: Call[] = [];
    const changes: ChangeSeen[] = [];
    const broken: string[] = [];
    const over = new AbortController();
    /** Resolves once there is a runtime to ask. */
    let standing = Promise.resolve();
    let [killed, slept] = [0, 0];

    const caller = async (name: number) => {
      for (let i = 0; calls.length < wanted; i++) {
        await standing;
        const token = pick(tokens);
        const path = `${name}-${i}`;
        const began = performance.now();
        try {
          const answer = await call(locker, token, path);
          await answer.arrayBuffer();
          if (![200, 401, 423].includes(answer.status)) {
            const arrived = upstream.seen.filter(({ url }) => url === `/${path}`).length;
            throw new Error(
              `a call that arrived ${arrived} times was answered ${answer.status}, after ${slept} lulls and ${killed} kills`,
            );
          }
          const passed = answer.status === 200;
          const request_id = answer.headers.get("apilocker-request-id");
          const subjects = [token.id, "key", "vault"];
          calls.push({ subjects, path, request_id, began, ended: performance.now(), passed });
        } catch (fault) {
          await brokeOff(fault);
          broken.push(path);
        }
      }
    };

    /** Asks until it is answered; what a killed runtime left unanswered is noted as that. */
    const change = async (subject: string, stops: boolean, ask: () => Promise<unknown>) => {
      for (;;) {
        await standing;
        const asked = performance.now();
        try {
          await ask();
          return void changes.push({ subject, stops, asked, answered: performance.now() });
        } catch (fault) {
          await brokeOff(fault);
          changes.push({ subject, stops, asked, answered: performance.now() + LATE_MS, unknown: true });
        }
      }
    };
    const thaw = async () => {
      person = await signIn(locker.publicOrigin, EMAIL);
      await person.api("POST", "/v1/vault/unfreeze");
    };
    const forAWhile = async (subject: string, path: string) => {
      await change(subject, true, () => person.api("POST", `${path}/pause`));
      await pause();
      await change(subject, false, () => person.api("POST", `${path}/resume`));
    };
    const owner = async () => {
      const [last, ...spare] = tokens;
      for (let round = 1; !over.signal.aborted; round++) {
        if (round % FREEZE_EVERY === 0) {
          await change("vault", true, () => person.api("POST", "/v1/vault/freeze"));
          await pause();
          await change("vault", false, thaw);
        } else if (round % 5 === 0) await forAWhile("key", "/v1/keys/k");
        else if (round % 3 === 0 && spare.length > 2) {
          // One token lives to the end, so that there is always somebody to be let through.
          const { id } = spare.pop() as Minted;
          await change(id, true, () => person.api("DELETE", `/v1/tokens/${id}`));
          const next = await minted();
          if (next !== undefined) {
            tokens[tokens.findIndex((token) => token.id === id)] = next;
            spare.unshift(next);
          }
        } else {
          const { id } = pick([last as Minted, ...spare]);
          await forAWhile(id, `/v1/tokens/${id}`);
        }
        await pause();
      }
    };
    const minted = async (): Promise<Minted | undefined> => {
      await standing;
      try {
        return await mintToken(person);
      } catch (fault) {
        await brokeOff(fault);
        return undefined;
      }
    };
    const kill = async () => {
      await killRuntime(locker);
      locker = await patiently(() => startLocker({ stateDir, ...ports }));
      person = personOf(locker.publicOrigin, person.cookie);
      killed++;
    };
    const lull = async () => {
      await pause(LULL_MS);
      slept++;
    };
    const weather = async () => {
      while (!over.signal.aborted) {
        const happened = killed + slept;
        if (happened < kills + lulls && calls.length > (wanted * (happened + 1)) / (kills + lulls + 1)) {
          const { promise, resolve } = Promise.withResolvers<void>();
          standing = promise;
          await (slept < lulls && slept <= killed ? lull() : kill());
          say(`${calls.length} calls, ${changes.length} changes, ${killed} kills, ${slept} lulls`);
          resolve();
        }
        await pause();
      }
    };

    const others = [owner(), weather()];
    await Promise.all([...Array.from({ length: callers }, (_, name) => caller(name))]);
    over.abort();
    await Promise.all(others);

    const rows = await patiently(() => everyRow(person));
    const arrived = upstream.seen.map(({ url }) => url.slice(1));
    const { ok } = await verdictOn((method, body) =>
      patiently(() => person.api<Verdict>(method, "/v1/activity/verify", body)),
    );
    return {
      calls: calls.length,
      passed: calls.filter(({ passed }) => passed).length,
      refused: calls.filter(({ passed }) => !passed).length,
      stops: changes.filter(({ stops }) => stops).length,
      kills: killed,
      lulls: slept,
      lost: calls.flatMap(({ passed, request_id }) =>
        passed && (request_id === null || !rows.has(request_id)) ? [String(request_id)] : [],
      ),
      violations: violations(calls, changes),
      arrived_wrongly: wronglyArrived(arrived, calls, changes, broken),
      chain_ok: ok === true,
    };
  } finally {
    await Promise.all([locker.stop(), upstream.stop()]);
    await rm(stateDir, { recursive: true, force: true });
  }
}

/** How fetch says that a connection broke before the answer began, and in the middle of it. */
const BROKEN = new Set(["fetch failed", "terminated"]);

/** A connection that broke before there was a whole answer; anything else is a fault of ours. */
async function brokeOff(fault: unknown): Promise<void> {
  if (!(fault instanceof TypeError) || !BROKEN.has(fault.message)) throw fault;
  await pause(50);
}

/** Connections that were kept for a runtime that was killed fail once each. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let left = 30; ; left--) {
    try {
      return await ask();
    } catch (fault) {
      if (left === 0) throw fault;
      await pause(20);
    }
  }
}

function call({ proxyOrigin }: LocalLocker, { token }: Minted, path: string): Promise<Response> {
  return fetch(`${proxyOrigin}/v1/proxy/k/${path}`, { headers: { authorization: `Bearer ${token}` } });
}

/** The id of every row there is. */
async function everyRow(person: Person): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let cursor = ""; ;) {
    const page = await person.api<{ items: { id: string }[]; next_cursor?: string }>(
      "GET",
      `/v1/activity?limit=200${cursor}`,
    );
    for (const { id } of page.items) ids.add(id);
    if (page.next_cursor === undefined) return ids;
    cursor = `&cursor=${page.next_cursor}`;
  }
}

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T;
}

/** A moment, so that calls come in between. */
function pause(ms = 5 + Math.random() * 40): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
