import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { personOf, type Person } from "../../src/local/person.ts";

const HELP = `npm run smoke -- --url https://locker.example --proxy https://proxy.example --upstream https://echo.example

Looks at a deployed API Locker for what no local run can show: a long stream that is cut when its token is revoked, a long
WebSocket, and a new key that is used from another place at once. The keys and tokens that it makes are deleted again.

  --url URL          where the app is (PUBLIC_ORIGIN)
  --proxy URL        where the proxy is (PROXY_ORIGIN)
  --upstream URL     an API that streams events without end on /stream and echoes WebSocket messages on /echo
  --seconds N        when to revoke (90); the stream may last 30 s more, and the WebSocket does
  --elsewhere CMD    runs its last argument as a shell line in another place, such as "ssh frankfurt"; that place needs
                     curl. Left out, nothing is called from elsewhere
  --help             this text

  APILOCKER_SESSION  the Cookie header of a signed-in browser: __Host-apilocker=alk_ses_…`;

const MARGIN_S = 30;
const CUT_MS = 1_000;

type Plan = { person: Person; proxy: string; upstream: string; seconds: number; elsewhere: string | undefined };
type Access = { key: string; token_id: string; token: string; url: string; headers: { authorization: string } };
type Receipt = { streams_cut: number; in_flight: number };

async function smoke(plan: Plan): Promise<boolean> {
  const parts = [
    { name: "a long stream is cut when its token is revoked", run: revokedStream },
    { name: "a long WebSocket stays open", run: longWebSocket },
    ...(plan.elsewhere === undefined
      ? []
      : [{ name: "a new key works in another place at once", run: newKeyElsewhere }]),
  ];
  const passed = await Promise.all(
    parts.map(async ({ name, run }) => {
      try {
        console.log(`✓ ${name}: ${await withAccess(plan, (access) => run(access, plan))}`);
        return true;
      } catch (fault) {
        console.log(`✗ ${name}: ${fault instanceof Error ? fault.message : String(fault)}`);
        return false;
      }
    }),
  );
  if (plan.elsewhere === undefined) console.log("– a new key in another place: skipped, since there is no --elsewhere");
  return passed.every(Boolean);
}

/** Lends a key of its own, and a token that reaches it alone. */
async function withAccess(plan: Plan, use: (access: Access) => Promise<string>): Promise<string> {
  const { person, proxy, upstream } = plan;
  const key = `smoke-${randomBytes(4).toString("hex")}`;
  const secret = randomBytes(24).toString("base64url");
  const placement = { in: "bearer" };
  await person.api("POST", "/v1/keys", { name: key, provider: "custom", secret, base_url: upstream, placement });
  let token_id: string | undefined;
  try {
    const body = { name: key, policy: { keys: [key] } };
    const { id, token } = await person.api<{ id: string; token: string }>("POST", "/v1/tokens", body);
    token_id = id;
    const headers = { authorization: `Bearer ${token}` };
    return await use({ key, token_id: id, token, url: `${proxy}/v1/proxy/${key}`, headers });
  } finally {
    if (token_id !== undefined) await person.fetch(`/v1/tokens/${token_id}`, { method: "DELETE" });
    await person.api("DELETE", `/v1/keys/${key}`);
  }
}

async function revokedStream({ url, headers, token_id }: Access, { person, seconds }: Plan): Promise<string> {
  const response = await fetch(`${url}/stream`, { headers });
  assert.equal(response.status, 200, `the stream answered ${response.status}`);
  const reading = readToTheEnd(response, AbortSignal.timeout((seconds + MARGIN_S) * 1_000));
  const early = await Promise.race([reading, sleep(seconds * 1_000)]);
  assert.equal(early, undefined, `the stream ended after ${early?.chunks} chunks, before it was revoked`);
  const receipt = await person.api<Receipt>("DELETE", `/v1/tokens/${token_id}`);
  const revoked_at = performance.now();
  const { how, chunks, longest_gap_ms } = await reading;
  const late_ms = Math.round(performance.now() - revoked_at);
  assert.equal(how, "cut", `the stream ended ${how}`);
  assert.ok(late_ms <= CUT_MS, `the stream was cut ${late_ms} ms after the revocation`);
  const next = await fetch(`${url}/stream`, { headers });
  await next.body?.cancel();
  assert.equal(next.status, 401, `the next call was answered ${next.status}`);
  return `${seconds} s, ${chunks} chunks, longest gap ${longest_gap_ms} ms, cut after ${late_ms} ms, streams_cut ${receipt.streams_cut}`;
}

async function readToTheEnd(response: Response, patience: AbortSignal) {
  let [chunks, longest_gap_ms, last] = [0, 0, performance.now()];
  const told = (how: "complete" | "cut" | "by our own patience") => ({ how, chunks, longest_gap_ms });
  assert.ok(response.body);
  const reader = response.body.getReader();
  patience.addEventListener("abort", () => {
    // What was cut already cannot be let go of once more.
    reader.cancel().catch(() => {});
  });
  try {
    while (!(await reader.read()).done) {
      longest_gap_ms = Math.max(longest_gap_ms, Math.round(performance.now() - last));
      last = performance.now();
      chunks++;
    }
    return told(patience.aborted ? "by our own patience" : "complete");
  } catch {
    return told("cut");
  }
}

async function longWebSocket({ url, headers }: Access, { seconds }: Plan): Promise<string> {
  const socket = openWebSocket(`${url.replace(/^http/, "ws")}/echo`, headers);
  const ended = new Promise<never>((_, fail) => {
    socket.addEventListener("close", ({ code, reason }) => fail(new Error(`it was closed: ${code} ${reason}`)));
  });
  ended.catch(() => {});
  await Promise.race([next(socket, "open"), ended]);
  const until = performance.now() + (seconds + MARGIN_S) * 1_000;
  let slowest_ms = 0;
  let echoes = 0;
  for (; performance.now() < until; echoes++) {
    const [sent, asked] = [`message ${echoes}`, performance.now()];
    socket.send(sent);
    const { data } = await Promise.race([next(socket, "message"), ended]);
    assert.equal(data, sent);
    slowest_ms = Math.max(slowest_ms, Math.round(performance.now() - asked));
    await Promise.race([sleep(1_000), ended]);
  }
  socket.close(1000);
  return `${seconds + MARGIN_S} s, ${echoes} echoes, the slowest after ${slowest_ms} ms`;
}

/** Node's own WebSocket takes headers; the types of the Workers runtime do not know. */
function openWebSocket(url: string, headers: Record<string, string>): WebSocket {
  const Open = WebSocket as unknown as new (url: string, options: { headers: Record<string, string> }) => WebSocket;
  return new Open(url, { headers });
}

function next(socket: WebSocket, event: "open" | "message"): Promise<Event & { data?: unknown }> {
  return new Promise((done) => socket.addEventListener(event, (happened) => done(happened), { once: true }));
}

async function newKeyElsewhere({ url, token }: Access, { elsewhere = "" }: Plan): Promise<string> {
  const [command = "", ...args] = elsewhere.split(/\s+/);
  const line = `curl -sS -o /dev/null -w '%{http_code} in %{time_total} s' --max-time 30 -H @- '${url}/hello'`;
  const said = await new Promise<string>((done, fail) => {
    const child = execFile(command, [...args, line], (fault, stdout) => (fault === null ? done(stdout) : fail(fault)));
    // On standard input, since a command line is there for everybody to read.
    child.stdin?.end(`authorization: Bearer ${token}\n`);
  });
  assert.match(said, /^200 /, `the first call from there was answered ${said}`);
  return said;
}

function planFrom(args: string[]): Plan | undefined {
  const text = { type: "string" } as const;
  const options = {
    url: text,
    proxy: text,
    upstream: text,
    seconds: text,
    elsewhere: text,
    help: { type: "boolean" },
  } as const;
  const { values } = parseArgs({ args, options });
  if (values.help === true) return undefined;
  const required = (name: "url" | "proxy" | "upstream"): string => {
    const origin = URL.parse(values[name] ?? "");
    if (origin === null) throw new Error(`--${name} must be a URL; --help tells more.`);
    return origin.href.replace(/\/$/, "");
  };
  const [url, proxy, upstream] = [required("url"), required("proxy"), required("upstream")];
  const cookie = process.env.APILOCKER_SESSION ?? "";
  if (cookie === "") throw new Error("APILOCKER_SESSION is not set; --help tells more.");
  const seconds = Number(values.seconds ?? 90);
  if (!(seconds > 0)) throw new Error("--seconds must be a number above zero.");
  return { person: personOf(url, cookie), proxy, upstream, seconds, elsewhere: values.elsewhere };
}

try {
  const plan = planFrom(process.argv.slice(2));
  if (plan === undefined) console.log(HELP);
  else process.exitCode = (await smoke(plan)) ? 0 : 1;
} catch (fault) {
  console.error(fault instanceof Error ? fault.message : fault);
  process.exitCode = 1;
}
