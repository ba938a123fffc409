import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { startEchoUpstream } from "./echo_upstream.ts";
import { choosePort } from "./loopback.ts";
import { signIn, type Person } from "./person.ts";
import { serve, type LocalLocker } from "./serve.ts";

type Receipt = { id: string; revoked_at: string; streams_cut: number; sessions_closed: number; in_flight: number };
type Row = {
  action: string;
  outcome: string;
  key_name?: string;
  method?: string;
  path?: string;
  actor: { name: string };
};
/** A stream being read: its next events, and how it ended. */
type Stream = { events(count: number): Promise<string[]>; end(): Promise<"complete" | "cut"> };

const EMAIL = "ada@example.com";
const CUT_MS = 1_000;
const started = performance.now();

/** `npm run demo`: the product in one minute's reading. Every line is checked before it is printed. */
async function demo(): Promise<void> {
  console.log("\nAPI Locker, on this machine, with data that is thrown away in the end\n");
  const logged: string[] = [];
  const locker = await serve({ log: (line) => logged.push(line) });
  const upstream = await startEchoUpstream(await choosePort(0));
  try {
    say("started", `app ${locker.publicOrigin}, proxy ${locker.proxyOrigin}`);
    await tour(locker, upstream.origin);
  } catch (fault) {
    for (const line of logged) console.error(line);
    throw fault;
  } finally {
    await Promise.all([locker.stop(), upstream.stop()]);
  }
}

async function tour({ publicOrigin, proxyOrigin }: LocalLocker, upstream: string): Promise<void> {
  const person = await signIn(publicOrigin, EMAIL);
  say("signed in", `${EMAIL}, through a real OpenID provider`);

  const secret = `sk-demo-${randomBytes(24).toString("base64url")}`;
  const key = { name: "demo", provider: "custom", secret, base_url: upstream, placement: { in: "bearer" } };
  const stored = await person.api("POST", "/v1/keys", key);
  assert.ok(!JSON.stringify(stored).includes(secret), "the answer to storing a key shows the key");
  say("stored a key", `demo for ${upstream}; its answer shows everything but the secret`);

  const { id, token } = await mintToken(person);
  say("minted a token", `${token.slice(0, 12)}…${token.slice(-6)} for that key alone`);

  const base = `${proxyOrigin}/v1/proxy/demo`;
  const seen = await call(`${base}/hello`, token);
  assert.equal(seen.credential, `…${secret.slice(-4)}`);
  assert.ok(!JSON.stringify(seen).includes(token), "the upstream saw our token");
  say("proxied a call", `the upstream saw a credential that ends in ${seen.credential}, and no token of ours`);

  const stream = await openStream(`${base}/stream`, token);
  const events = await stream.events(3);
  say("opened a stream", `${events.length} events so far, the last: ${events.at(-1)}`);

  const row = await auditRow(person);
  say("audited", `${row.actor.name} · ${row.action} · ${row.method} ${row.path} · ${row.outcome}`);

  const ended = stream.end();
  const asked = performance.now();
  const receipt = await person.api<Receipt>("DELETE", `/v1/tokens/${id}`);
  say(
    "revoked",
    `at ${receipt.revoked_at} in ${ms(asked)}; streams cut: ${receipt.streams_cut}, in flight: ${receipt.in_flight}`,
  );

  const refused = await fetch(`${base}/hello`, { headers: { authorization: `Bearer ${token}` } });
  const problem = await refused.json<{ code: string; title: string }>();
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get("content-type") ?? "", /^application\/problem\+json/);
  assert.equal(problem.code, "invalid_token");
  say("refused", `the next call: ${refused.status} ${problem.code}: ${problem.title}`);

  const how = await Promise.race([ended, later(CUT_MS - (performance.now() - asked))]);
  assert.equal(
    how,
    "cut",
    how === undefined ? `the stream is still open after ${CUT_MS} ms` : "the stream ended as if complete",
  );
  say("cut", `the open stream broke off ${ms(asked)} after we asked`);
  console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s. Now yours: npm start\n`);
}

function mintToken(person: Person): Promise<{ id: string; token: string }> {
  return person.api("POST", "/v1/tokens", { name: "demo app", policy: { keys: ["demo"] } });
}

async function call(url: string, token: string): Promise<{ credential: string }> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json<{ credential: string }>();
}

async function openStream(url: string, token: string): Promise<Stream> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(response.status, 200);
  assert.ok(response.body);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  return {
    async events(count) {
      let text = "";
      while (text.split("\n\n").length <= count) {
        const { value, done } = await reader.read();
        assert.ok(!done, "the stream ended by itself");
        text += value;
      }
      return text.split("\n\n").slice(0, count);
    },
    async end() {
      try {
        while (!(await reader.read()).done);
        return "complete";
      } catch {
        return "cut";
      }
    },
  };
}

async function auditRow(person: Person): Promise<Row> {
  const { items } = await person.api<{ items: Row[] }>("GET", "/v1/activity");
  const row = items.find(({ path }) => path?.endsWith("/stream"));
  assert.ok(row, "no audit row tells of the stream");
  return row;
}

function say(what: string, more: string): void {
  console.log(`  ✓ ${what.padEnd(16)} ${more}`);
}

function ms(since: number): string {
  return `${Math.round(performance.now() - since)} ms`;
}

function later(delay_ms: number): Promise<undefined> {
  return new Promise((done) => setTimeout(() => done(undefined), Math.max(delay_ms, 0)));
}

try {
  await demo();
} catch (fault) {
  console.error(`\n  ✗ ${fault instanceof Error ? fault.message : String(fault)}\n`);
  process.exitCode = 1;
}
