import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { held as parts } from "../../src/vault/surface.ts";
import { readSecret, secretOf } from "../../src/crypto/lineage.ts";
import { configOf } from "../../src/config.ts";
import { mintToken, verifyToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Cadence } from "../../src/vault/tokens/rotation.ts";
import { cutFor, isHeld, openLeash } from "../support/leash.ts";
import {
  accessOf,
  newGrantFamily,
  newRotating,
  refreshAs,
  refreshRows,
  refreshWith,
  type Held,
} from "../support/refresh.ts";
import {
  type Vault,
  authorize,
  calls,
  evict,
  inside,
  newVault,
  refusalOf,
  sql,
  storeKey,
  travel,
} from "../support/vault.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const ELSEWHERE = { ip: "203.0.113.9" };

async function withRotating(rotation: Cadence = "daily"): Promise<{ vault: Vault; first: Held }> {
  const vault = await newVault();
  await storeKey(vault, "k");
  return { vault, first: await newRotating(vault, rotation) };
}

/** Uses the access token once. */
function use(vault: Vault, held: Held) {
  return authorize(vault, accessOf(held), "k");
}

function refused(vault: Vault, held: Held, from = {}): Promise<string> {
  return refusalOf(refreshWith(vault, held, from));
}

describe("(1) the head", () => {
  it("rotates: both tokens are new, the id, the key's reach and the row stay", async () => {
    const { vault, first } = await withRotating();
    const second = await refreshWith(vault, first);
    expect(second.token_id).toBe(first.token_id);
    expect(second.token).not.toBe(first.token);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    await use(vault, second);
    expect(await sql(vault, "SELECT count(*) AS n FROM token WHERE kind = 'app'")).toEqual([{ n: 1 }]);
    expect(await refreshRows(vault)).toEqual(["token.refresh"]);
  });

  it("fifty at once are one rotation and fifty equal answers", async () => {
    const { vault, first } = await withRotating();
    const answers = await Promise.all(Array.from({ length: 50 }, () => refreshWith(vault, first)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await sql(vault, "SELECT head FROM family")).toEqual([{ head: 1 }]);
    expect(await sql(vault, "SELECT repeats FROM generation WHERE n = 1")).toEqual([{ repeats: 49 }]);
    await use(vault, answers[0] as Held);
  });

  it("gives equal answers across an eviction, since nothing that matters is only in memory", async () => {
    const { vault, first } = await withRotating();
    const second = await refreshWith(vault, first);
    await evict(vault);
    expect(await refreshWith(vault, first)).toEqual(second);
  });
});

describe("(2) what was replaced a minute ago or less", () => {
  it("is given the head, from wherever it comes and however many generations it is behind", async () => {
    const { vault, first } = await withRotating();
    let head = first;
    for (let i = 0; i < 5; i++) head = await refreshWith(vault, head);
    await use(vault, head);
    travel(MINUTE_MS - 1_000);
    expect(await refreshWith(vault, first, ELSEWHERE)).toEqual(head);
  });

  it("a hundred times; then the client waits, and the family lives", async () => {
    const { vault, first } = await withRotating();
    const head = await refreshWith(vault, first);
    for (let i = 0; i < 100; i++) expect(await refreshWith(vault, first)).toEqual(head);
    expect(await refused(vault, first)).toBe("rate_limited repeats");
    travel(MINUTE_MS + 1);
    expect((await refreshWith(vault, first)).refresh_token).toBe(head.refresh_token);
    await refreshWith(vault, head);
  });
});

describe("(3) the one before, when nothing of the head was ever used", () => {
  it("is given the head however late it comes: its answer was lost", async () => {
    const { vault, first } = await withRotating();
    const lost = await refreshWith(vault, first);
    travel(30 * HOUR_MS);
    const again = await refreshWith(vault, first, { ...ELSEWHERE, user_agent: "moved" });
    expect(again.refresh_token).toBe(lost.refresh_token);
    // Five minutes later it is another access token: what was lost does not live on.
    expect(again.token).not.toBe(lost.token);
    await use(vault, again);
    expect(await refreshRows(vault)).toContain("token.refresh lost_answer");
  });

  it("is nobody's excuse once the head's access token was shown, even to be refused", async () => {
    const { vault, first } = await withRotating();
    const head = await refreshWith(vault, first);
    await refusalOf(authorize(vault, accessOf(head), "no-such-key"));
    travel(2 * MINUTE_MS);
    expect(await refused(vault, first, ELSEWHERE)).toBe("invalid_token reuse");
  });
});

describe("(4) the one before, when the head is in use", () => {
  it.each([
    ["the same /24 and agent", { ip: "192.0.2.200" }, "accepted"],
    ["another /24", { ip: "192.0.3.1" }, "invalid_token reuse"],
    ["the same /24, another agent", { user_agent: "curl" }, "invalid_token reuse"],
  ])("from %s", async (_where, from, answer) => {
    const { vault, first } = await withRotating();
    await use(vault, await refreshWith(vault, first));
    travel(2 * MINUTE_MS);
    expect(await refused(vault, first, from)).toBe(answer);
  });

  it.each([
    ["the same /48", "2001:db8:1:2::1", "2001:db8:1:ffff::9", "accepted"],
    ["another /48", "2001:db8:1:2::1", "2001:db8:2::1", "invalid_token reuse"],
    ["the same address mapped into IPv6", "198.51.100.7", "::ffff:198.51.100.9", "accepted"],
  ])("over IPv6: from %s", async (_where, home, ip, answer) => {
    const { vault, first } = await withRotating();
    await use(vault, await refreshWith(vault, first, { ip: home }));
    travel(2 * MINUTE_MS);
    expect(await refused(vault, first, { ip })).toBe(answer);
  });

  it("from a network that the family was refreshed from in the last day, and not later", async () => {
    const { vault, first } = await withRotating();
    const second = await refreshWith(vault, first, ELSEWHERE);
    const third = await refreshWith(vault, second);
    await use(vault, third);
    travel(23 * HOUR_MS);
    expect((await refreshWith(vault, second, ELSEWHERE)).refresh_token).toBe(third.refresh_token);
    const fourth = await refreshWith(vault, third);
    await use(vault, fourth);
    travel(25 * HOUR_MS);
    expect(await refused(vault, third, ELSEWHERE)).toBe("invalid_token reuse");
  });

  it("using an access token from elsewhere makes no network known: both are stolen together", async () => {
    const { vault, first } = await withRotating();
    const head = await refreshWith(vault, first);
    await authorize(vault, accessOf(head), "k", ELSEWHERE);
    travel(2 * MINUTE_MS);
    expect(await refused(vault, first, ELSEWHERE)).toBe("invalid_token reuse");
  });

  it("three generations running tell the owner, once for each generation more", async () => {
    const { vault, first } = await withRotating();
    let before = first;
    for (let generation = 1; generation <= 4; generation++) {
      const head = await refreshWith(vault, before);
      await use(vault, head);
      travel(2 * MINUTE_MS);
      await refreshWith(vault, before);
      await refreshWith(vault, before);
      before = head;
    }
    const rows = await refreshRows(vault);
    expect(rows.filter((row) => row === "refresh.shared")).toHaveLength(2);
    expect(rows.indexOf("refresh.shared")).toBe(3 * 3 - 1);
  });
});

describe("(5) anything older", () => {
  it("ends the family at once: its tokens, what it minted and what they have open", async () => {
    const { vault, first } = await withRotating();
    const second = await refreshWith(vault, first);
    const third = await refreshWith(vault, second);
    const call = await use(vault, third);
    const leash = await openLeash(vault, call);
    await leash.next;
    travel(2 * MINUTE_MS);
    expect(await refused(vault, first)).toBe("invalid_token reuse");
    expect(await leash.closed).toEqual(cutFor("revoked"));
    expect(await refusalOf(use(vault, third))).toBe("invalid_token revoked");
    for (const held of [first, second, third]) expect(await refused(vault, held)).toBe("invalid_token revoked");
    expect(await refreshRows(vault)).toContain("refresh.reuse refused reuse");
  });

  it("of any age is known: the eleventh of four hundred generations ends the family as the last but one does", async () => {
    const { vault, first } = await withRotating();
    const all = [first];
    for (let i = 0; i < 400; i++) {
      all.push(await refreshWith(vault, all[i] as Held));
      if (i % 90 === 0) travel(2 * MINUTE_MS);
    }
    const kept = await sql(vault, "SELECT n FROM generation");
    expect(kept.length).toBeLessThan(250);
    travel(2 * MINUTE_MS);
    expect(await refused(vault, all[11] as Held)).toBe("invalid_token reuse");
  });
});

describe("a token that its family did not give", () => {
  it("kills nothing and leaves no row, whatever it spells", async () => {
    const { vault, first } = await withRotating();
    const second = await refreshWith(vault, first);
    const { token_keys } = configOf(env);
    const true_one = readSecret(verifyToken(token_keys, first.refresh_token).secret);
    if (true_one === undefined) throw new Error("unreadable");
    const { family, generation, link } = true_one;
    const forged = [
      { family, generation, link: new Uint8Array(24) },
      { family, generation: generation + 1, link },
      { family, generation: 77, link },
      { family: family + 1, generation, link },
      { family: 2 ** 32 - 1, generation: 2 ** 32 - 1, link },
    ];
    for (const one of forged) {
      const { token } = mintToken(token_keys, "ref", vault.id, secretOf(one));
      expect(await refused(vault, { ...first, refresh_token: token })).toBe("invalid_token");
    }
    const other_kind = mintToken(token_keys, "ort", vault.id, secretOf(true_one)).token;
    expect(await refused(vault, { ...first, refresh_token: other_kind })).toBe("invalid_token");
    await refreshWith(vault, second);
    expect(await refreshRows(vault)).toEqual(["token.refresh", "token.refresh"]);
  });
});

describe("before anything rotates", () => {
  it("a paused token is refused and keeps its generation", async () => {
    const { vault, first } = await withRotating();
    await ask(vault.stub.pauseToken(vault.ada, first.token_id));
    expect(await refused(vault, first)).toBe("paused token_paused");
    await ask(vault.stub.resumeToken(vault.ada, first.token_id));
    await refreshWith(vault, first);
  });

  it("a revoked one, and one past its end, are refused", async () => {
    const { vault, first } = await withRotating();
    const short = await newRotating(vault, "daily", { expires_at: Date.now() + HOUR_MS });
    expect(short.expires_at).toBeLessThanOrEqual(Date.now() + HOUR_MS);
    travel(HOUR_MS);
    expect(await refused(vault, short)).toBe("invalid_token expired");
    await ask(vault.stub.revokeToken(vault.ada, first.token_id));
    expect(await refused(vault, first)).toBe("invalid_token revoked");
  });

  it("two cadences without a refresh end it, one second less does not", async () => {
    const { vault, first } = await withRotating("hourly");
    travel(2 * HOUR_MS - 1_000);
    const second = await refreshWith(vault, first);
    travel(2 * HOUR_MS + 1_000);
    expect(await refused(vault, second)).toBe("invalid_token expired");
  });

  it("trouble of ours is 503 with Retry-After, and rotates nothing", async () => {
    const { vault, first } = await withRotating();
    await sql(vault, "UPDATE data_key SET root_id = 'zz'");
    await evict(vault);
    const silent = vi.spyOn(console, "error").mockReturnValue();
    const fault = await refreshWith(vault, first).catch((thrown: unknown) => thrown);
    silent.mockRestore();
    expect(fault).toMatchObject({ code: "unavailable", extras: { retry_after_s: expect.any(Number) as number } });
    await sql(vault, "UPDATE data_key SET root_id = 'r1'");
    await evict(vault);
    await refreshWith(vault, first);
    expect(await sql(vault, "SELECT head FROM family")).toEqual([{ head: 1 }]);
  });
});

describe("an OAuth grant", () => {
  it("rotates for its client, and the access token is the grant's", async () => {
    const { vault } = await withRotating();
    const first = await newGrantFamily(vault);
    const second = await refreshAs(vault, "cli_a", first);
    await use(vault, second);
    expect(await calls(vault)).toMatchObject([
      { decision: { actor: { kind: "oauth", id: first.grant_id }, token: first.token_id, generation: 1 } },
    ]);
    const fewer = await refreshAs(vault, "cli_a", first, ["vault:read"]);
    expect(fewer.refresh_token).toBe(second.refresh_token);
    expect(await refusalOf(use(vault, fewer))).toBe("insufficient_scope scopes");
    await use(vault, second);
  });

  it("is given no scope that it does not have, and keeps its generation", async () => {
    const { vault } = await withRotating();
    const first = await newGrantFamily(vault);
    expect(await refusalOf(refreshAs(vault, "cli_a", first, ["vault:reveal"]))).toBe("insufficient_scope scopes");
    expect(await sql(vault, "SELECT head FROM family WHERE client_id IS NOT NULL")).toEqual([{ head: 0 }]);
  });

  it("shown by another client ends as a whole: all its tokens are dead, other grants live", async () => {
    const { vault, first: app } = await withRotating();
    const [one, other] = [await newGrantFamily(vault), await newGrantFamily(vault)];
    const second = await refreshAs(vault, "cli_a", one);
    const leash = await openLeash(vault, await use(vault, second));
    await leash.next;
    expect(await refusalOf(refreshAs(vault, "cli_evil", second))).toBe("invalid_token reuse");
    expect(await leash.closed).toEqual(cutFor("revoked"));
    expect(await refusalOf(use(vault, second))).toBe("invalid_token revoked");
    expect(await sql(vault, "SELECT revoked_at IS NULL AS lives FROM grant ORDER BY id")).toEqual([
      { lives: 0 },
      { lives: 1 },
    ]);
    await refreshAs(vault, "cli_a", other);
    await refreshWith(vault, app);
    expect(await refreshRows(vault)).toContain("refresh.reuse refused other_client");
  });
});

describe("a cadence", () => {
  it.each<[Cadence, number]>([
    ["hourly", 1],
    ["daily", 24],
    ["weekly", 7 * 24],
    ["monthly", 30 * 24],
  ])("%s is how long an access token lives, and twice that how long it may be left", async (cadence, hours) => {
    vi.setSystemTime(1_800_000_000_000);
    const { vault, first } = await withRotating(cadence);
    expect(first.expires_at - Date.now()).toBe(hours * HOUR_MS);
    travel(hours * HOUR_MS - 1_000);
    await use(vault, first);
    travel(1_000);
    expect(await refusalOf(use(vault, first))).toBe("invalid_token expired");
    travel(hours * HOUR_MS - 1_000);
    const second = await refreshWith(vault, first);
    expect(second.expires_at - Date.now()).toBe(hours * HOUR_MS);
    await use(vault, second);
    travel(2 * hours * HOUR_MS + 1_000);
    expect(await refused(vault, second)).toBe("invalid_token expired");
  });
});

describe("access tokens", () => {
  it("live one cadence, and those older than the generation before the head are dead with their streams", async () => {
    const { vault, first } = await withRotating("hourly");
    const leash = await openLeash(vault, await use(vault, first));
    await leash.next;
    const second = await refreshWith(vault, first);
    await use(vault, first);
    expect(await isHeld(vault, leash)).toBe(true);
    const third = await refreshWith(vault, second);
    expect(await leash.closed).toEqual(cutFor("superseded"));
    expect(await refusalOf(use(vault, first))).toBe("invalid_token superseded");
    await use(vault, second);
    travel(HOUR_MS + 1);
    expect(await refusalOf(use(vault, third))).toBe("invalid_token expired");
  });

  it("a leash that is opened after its generation died is refused", async () => {
    const { vault, first } = await withRotating();
    const call = await use(vault, first);
    await refreshWith(vault, await refreshWith(vault, first));
    expect(await (await openLeash(vault, call)).closed).toEqual(cutFor("superseded"));
  });

  it("stop at a pause, and a dispatch ends with its access token", async () => {
    const { vault, first } = await withRotating("hourly");
    expect((await use(vault, first)).not_after).toBe(first.expires_at);
    await ask(vault.stub.pauseToken(vault.ada, first.token_id));
    expect(await refusalOf(use(vault, first))).toBe("paused token_paused");
  });

  it("of the row's own id opens nothing: a rotating token has no hash of its own", async () => {
    const { vault, first } = await withRotating();
    const as_hash = { ...accessOf(first), hash: first.token_id };
    expect(await refusalOf(authorize(vault, as_hash, "k"))).not.toBe("accepted");
  });
});

describe("what is stored", () => {
  it("holds no secret, link or family key in the clear", async () => {
    const { vault, first } = await withRotating();
    const held = [first, await refreshWith(vault, first)];
    const dump = await inside(vault, (_vault, { storage }) => {
      const tables = storage.sql
        .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
        .toArray();
      return tables
        .filter(({ name }) => !name.startsWith("_cf"))
        .flatMap(({ name }) => storage.sql.exec(`SELECT * FROM ${name}`).toArray())
        .map((row) =>
          JSON.stringify(row, (_key, value: unknown) =>
            value instanceof ArrayBuffer ? Buffer.from(value).toString("hex") : value,
          ),
        )
        .join("\n");
    });
    for (const { token, refresh_token } of held) {
      for (const text of [token, refresh_token]) {
        const { secret } = verifyToken(configOf(env).token_keys, text);
        expect(dump).not.toContain(secret);
      }
      const parts = readSecret(verifyToken(configOf(env).token_keys, refresh_token).secret);
      expect(dump).not.toContain(Buffer.from(parts?.link ?? []).toString("hex"));
    }
    // The key that derives them, as the vault opens it.
    const key = await inside(vault, (object) => object[parts]?.families.keys.of(1));
    expect(key).toHaveLength(32);
    expect(dump).not.toContain(Buffer.from(key ?? []).toString("hex"));
  });
});

describe("the owner", () => {
  it("sees the rhythm, each generation and how often it was given again", async () => {
    const { vault, first } = await withRotating();
    const second = await refreshWith(vault, first, ELSEWHERE);
    await refreshWith(vault, first);
    await use(vault, second);
    const details = await ask(vault.stub.getToken(vault.ada, first.token_id));
    expect(details.rotation).toMatchObject({ cadence: "daily", head: 1 });
    expect(details.generations).toMatchObject([
      { n: 1, ip: ELSEWHERE.ip, repeats: 1, shared: 0, superseded_at: null },
      { n: 0, superseded_at: expect.any(Number) as number },
    ]);
    expect(details.uses).toBe(1);
  });
});
