import { setTimeout as wait } from "node:timers/promises";
import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import { median, quantile } from "../statistics.ts";
import { KEY, mintToken } from "../targets/accounts.ts";
import { lockerCall, type Field } from "../targets/start.ts";

/** Milliseconds from the revocation call's start until its answer, and until clients of open streams were cut. */
export type Revocation = {
  streams: number;
  answered_p50_ms: number;
  cut_p50_ms: number;
  cut_p99_ms: number;
  cut_max_ms: number;
  receipt: Receipt;
};

type Receipt = { streams_cut: number; in_flight: number };

const OPEN_MS = 1_000;

/** Opens streams with a token of their own, revokes it, and listens when each breaks. */
export async function measureRevocation(
  { target, accounts }: Field["locker"],
  { rounds, streams }: { rounds: number; streams: number },
): Promise<Revocation> {
  const [account] = accounts;
  if (account === undefined) throw new Error("There is no account to revoke from.");
  const answered: number[] = [];
  const cuts: number[] = [];
  let receipt: Receipt = { streams_cut: 0, in_flight: 0 };
  for (let round = 0; round < rounds; round++) {
    const { token, token_id } = await mintToken(account.person, [KEY]);
    const call = lockerCall(target.port, { path: "/sse/1000/50/chat/completions", events: true }, token);
    const ends = Array.from({ length: streams }, () => endOf(target.port, call));
    await wait(OPEN_MS);
    const started = now();
    receipt = await account.person.api<Receipt>("DELETE", `/v1/tokens/${token_id}`);
    answered.push(now() - started);
    cuts.push(...(await Promise.all(ends)).map((ended_at) => ended_at - started));
  }
  if (cuts.some((ms) => ms < 0)) throw new Error("A stream ended before its token was revoked.");
  const { streams_cut, in_flight } = receipt;
  return {
    streams,
    answered_p50_ms: median(answered),
    cut_p50_ms: median(cuts),
    cut_p99_ms: quantile(cuts, 0.99),
    cut_max_ms: Math.max(...cuts),
    receipt: { streams_cut, in_flight },
  };
}

/** When a stream breaks off; an answer that ends by itself was not cut. */
async function endOf(port: number, call: Buffer): Promise<number> {
  const connection = await Connection.open(port);
  const status = await connection.exchange(call, () => undefined).catch(() => undefined);
  connection.close();
  if (status !== undefined) throw new Error(`A stream that was to be cut ended by itself with ${status}.`);
  return now();
}
