import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import * as jose from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newHolder, problemIn, send } from "../support/holder.ts";
import { activity, newPerson, usualLocker } from "../support/locker.ts";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT = "urn:ietf:params:oauth:token-type:jwt";

type Trust = { id: string; address: string; audience: string };
type Issued = {
  access_token?: string;
  error?: string;
  expires_in?: number;
  issued_token_type?: string;
  token_type?: string;
};

type SigningKey = { kid: string; pair: jose.GenerateKeyPairResult };

/** An issuer as GitHub Actions, GitLab and clusters have one: a discovery document, keys, and tokens signed by them. */
class Issuer {
  readonly #server: Server;
  #key: SigningKey | undefined;
  url = "";
  asked: string[] = [];
  /** What discovery says instead. */
  discovery: object = {};

  constructor() {
    this.#server = createServer((request, response) => {
      this.asked.push(request.url ?? "");
      const headers = { "content-type": "application/json", "cache-control": "max-age=3600" };
      void this.#answer(request.url ?? "").then((body) => response.writeHead(200, headers).end(JSON.stringify(body)));
    });
    // As in upstream.ts: what the runtime keeps is not closed under it.
    this.#server.keepAliveTimeout = 0;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    await this.rotate();
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async rotate(): Promise<void> {
    this.#key = { kid: crypto.randomUUID(), pair: await jose.generateKeyPair("ES256", { extractable: true }) };
  }

  async publicJwk(): Promise<jose.JWK> {
    const { kid, pair } = this.#key as SigningKey;
    return { ...(await jose.exportJWK(pair.publicKey)), kid, alg: "ES256", use: "sig" };
  }

  sign(claims: jose.JWTPayload, { lives_s = 300, issuer = this.url, named = true } = {}): Promise<string> {
    const { kid, pair } = this.#key as SigningKey;
    const now = Math.floor(Date.now() / 1_000);
    return new jose.SignJWT({
      ...(named ? { jti: crypto.randomUUID() } : {}),
      ...claims,
      iss: issuer,
      iat: now,
      exp: now + lives_s,
    })
      .setProtectedHeader({ alg: "ES256", kid })
      .sign(pair.privateKey);
  }

  async #answer(path: string): Promise<unknown> {
    if (path === "/.well-known/openid-configuration")
      return { issuer: this.url, jwks_uri: `${this.url}/keys`, ...this.discovery };
    return { keys: [await this.publicJwk()] };
  }
}

/** The order of P-256: with `s` a signature is as valid as with what is left of the order. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The same token with the other signature that its algorithm takes for its own. */
function mirrored(token: string): string {
  const dot = token.lastIndexOf(".");
  const signature = Buffer.from(token.slice(dot + 1), "base64url");
  const s = P256_ORDER - BigInt(`0x${signature.toString("hex", 32)}`);
  const other = Buffer.from(s.toString(16).padStart(64, "0"), "hex");
  return `${token.slice(0, dot)}.${Buffer.concat([signature.subarray(0, 32), other]).toString("base64url")}`;
}

/** The same token with another last letter, of which only two bits count. */
function respelled(token: string): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return token.slice(0, -1) + letters[letters.indexOf(token.at(-1) ?? "") ^ 1];
}

let locker: LocalLocker;
let issuer: Issuer;
beforeAll(async () => {
  locker = await usualLocker();
  issuer = new Issuer();
  await issuer.start();
});
afterAll(() => issuer.stop());

const trust = (person: Person, claims: object, more: object = {}) =>
  person.api<Trust>("POST", "/v1/trusts", { name: "ci", issuer: issuer.url, claims, ...more });

async function exchange(
  audience: string,
  subject_token: string,
  more: Record<string, string> = {},
): Promise<Issued & { status: number }> {
  const body = new URLSearchParams({ grant_type: EXCHANGE, subject_token, subject_token_type: JWT, audience, ...more });
  const answer = await fetch(`${locker.publicOrigin}/token`, { method: "POST", body });
  return { status: answer.status, ...(await answer.json<Issued>()) };
}

/** What each platform says in its tokens, as its documentation has it. */
const SHAPES: Record<string, { claims: Record<string, unknown>; meant: object; another: Record<string, unknown> }> = {
  "GitHub Actions": {
    claims: {
      sub: "repo:octo-org/octo-repo:environment:prod",
      repository: "octo-org/octo-repo",
      repository_id: "74",
      repository_owner: "octo-org",
      repository_owner_id: "65",
      ref: "refs/heads/main",
      job_workflow_ref: "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
      event_name: "push",
    },
    meant: {
      sub: "repo:octo-org/*:environment:prod",
      repository_owner_id: "65",
      ref: ["refs/heads/main", "refs/tags/v*"],
    },
    another: { sub: "repo:octo-org/octo-repo:environment:staging" },
  },
  GitLab: {
    claims: {
      sub: "project_path:my-group/my-project:ref_type:branch:ref:main",
      namespace_id: "72",
      namespace_path: "my-group",
      project_id: "20",
      project_path: "my-group/my-project",
      ref: "main",
      ref_type: "branch",
      ref_protected: "true",
    },
    meant: { project_id: "20", ref_protected: "true", ref: "main" },
    another: { project_id: "21" },
  },
  Kubernetes: {
    claims: {
      sub: "system:serviceaccount:payments:worker",
      "kubernetes.io": {
        namespace: "payments",
        pod: { name: "worker-1" },
        serviceaccount: { name: "worker", uid: "e6b" },
      },
    },
    meant: { "kubernetes.io/namespace": "payments", "kubernetes.io/serviceaccount/name": "work*" },
    another: { "kubernetes.io": { namespace: "default", serviceaccount: { name: "worker" } } },
  },
};

describe.each(Object.entries(SHAPES))("a job of %s", (_name, { claims, meant, another }) => {
  test("gets a token of fifteen minutes under the trust's policy, and one that says another thing gets none", async () => {
    const { person, upstream } = await newHolder(locker);
    const { address, audience, id } = await trust(person, meant, { policy: { keys: ["api"], methods: ["GET"] } });
    expect(audience).toBe(address);
    const issued = await exchange(address, await issuer.sign({ ...claims, aud: address }));
    expect(issued).toMatchObject({
      status: 200,
      token_type: "Bearer",
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
    });
    expect(issued.expires_in).toBeGreaterThan(890);
    expect(issued.expires_in).toBeLessThanOrEqual(900);
    const call = (method: string) =>
      send(`${locker.proxyOrigin}/v1/proxy/api/x`, {
        method,
        headers: { authorization: `Bearer ${issued.access_token}` },
      });
    expect((await call("GET")).status).toBe(200);
    expect(problemIn(await call("POST")).rule).toBe("methods");
    expect(upstream.seen).toHaveLength(1);
    expect(await exchange(address, await issuer.sign({ ...claims, ...another, aud: address }))).toMatchObject({
      status: 400,
      error: "invalid_request",
    });
    const rows = await activity(person);
    expect(
      rows.filter(({ action }) => action === "token.exchange").map(({ outcome, rule }) => [outcome, rule]),
    ).toEqual([
      ["refused", "claims"],
      ["ok", undefined],
    ]);
    const [token] = (await person.api<{ items: { parent_id?: string }[] }>("GET", "/v1/tokens")).items;
    expect(token?.parent_id).toBe(id);
  });
});

const { claims, meant } = SHAPES["GitHub Actions"] as (typeof SHAPES)[string];

describe("a token that is shown", () => {
  test("is taken once, unless the trust says that it may be used until it expires", async () => {
    const person = await newPerson(locker);
    const once = await trust(person, meant);
    const shown = await issuer.sign({ ...claims, aud: once.address });
    expect([(await exchange(once.address, shown)).status, (await exchange(once.address, shown)).status]).toEqual([
      200, 400,
    ]);
    const often = await trust(person, meant, { single_use: false });
    const kept = await issuer.sign({ ...claims, aud: often.address });
    expect([(await exchange(often.address, kept)).status, (await exchange(often.address, kept)).status]).toEqual([
      200, 200,
    ]);
  });

  test("is the same one in whatever spelling, and with the other signature that is as good as its own", async () => {
    const person = await newPerson(locker);
    const { address } = await trust(person, meant);
    const shown = await issuer.sign({ ...claims, aud: address }, { named: false });
    expect((await exchange(address, shown)).status).toBe(200);
    for (const again of [mirrored(shown), respelled(shown)]) {
      const key = await issuer.publicJwk();
      await jose.jwtVerify(again, await jose.importJWK(key, "ES256"));
      expect(again).not.toBe(shown);
      expect(await exchange(address, again)).toMatchObject({ status: 400, error: "invalid_request" });
    }
  });

  test("at once by many is taken from one of them", async () => {
    const person = await newPerson(locker);
    const { address } = await trust(person, meant);
    const shown = await issuer.sign({ ...claims, aud: address });
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(address, shown)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test("proves nothing when it is another's, too old, not yet valid, unsigned, symmetric, or made out to somebody else", async () => {
    const person = await newPerson(locker);
    const { address } = await trust(person, meant);
    const said = { ...claims, aud: address };
    const stranger = new Issuer();
    await stranger.start();
    const public_key = await issuer.publicJwk();
    const now = Math.floor(Date.now() / 1_000);
    const payload = { ...said, iss: issuer.url, exp: now + 300, jti: "x" };
    const forged: Record<string, string> = {
      "another issuer's key under this issuer's name": await stranger.sign(said, { issuer: issuer.url }),
      "another issuer": await stranger.sign(said),
      expired: await issuer.sign(said, { lives_s: -120 }),
      "not yet valid": await issuer.sign({ ...said, nbf: now + 600 }),
      "made out to somebody else": await issuer.sign({ ...said, aud: "https://elsewhere.example" }),
      "made out to nobody": await issuer.sign(claims),
      unsigned: new jose.UnsecuredJWT(payload).encode(),
      symmetric: await new jose.SignJWT(payload)
        .setProtectedHeader({ alg: "HS256", kid: public_key.kid as string })
        .sign(new TextEncoder().encode(JSON.stringify(public_key))),
      "no JWT": "nonsense",
      empty: "..",
      huge: "a".repeat(20_000),
    };
    for (const [what, token] of Object.entries(forged)) {
      const answer = await exchange(address, token);
      expect([what, answer.status, answer.error, answer.access_token]).toEqual([
        what,
        400,
        "invalid_request",
        undefined,
      ]);
    }
    // A stranger's address was never asked for keys.
    expect(stranger.asked).toEqual([]);
    await stranger.stop();
    expect((await exchange(address, await issuer.sign(said))).status).toBe(200);
  });

  test("for a trust that is not there says no more than for one of another issuer", async () => {
    const person = await newPerson(locker);
    const { address } = await trust(person, meant);
    const shown = await issuer.sign({ ...claims, aud: address });
    const unknown = await exchange(address.replace(/tst_.*/, "tst_01AAAAAAAAAAAAAAAAAAAAAAAA"), shown);
    const nowhere = await exchange(address.replace(/\/trusts\/\w+/, `/trusts/${"0".repeat(24)}`), shown);
    const foreign = await exchange("https://elsewhere.example/trusts/x/y", shown);
    expect(unknown).toMatchObject({ status: 400, error: "invalid_request" });
    expect(nowhere).toEqual(unknown);
    expect(foreign).toEqual(unknown);
  });
});

describe("a trust", () => {
  test("that ends takes with it what was minted for it", async () => {
    const { person } = await newHolder(locker);
    const { id, address } = await trust(person, meant);
    const { access_token } = await exchange(address, await issuer.sign({ ...claims, aud: address }));
    const call = () =>
      send(`${locker.proxyOrigin}/v1/proxy/api/x`, { headers: { authorization: `Bearer ${access_token}` } });
    expect((await call()).status).toBe(200);
    await person.api("DELETE", `/v1/trusts/${id}`);
    expect((await call()).status).toBe(401);
    expect((await exchange(address, await issuer.sign({ ...claims, aud: address }))).status).toBe(400);
  });

  test("follows its issuer's keys, and asks for them again only for a key that it does not have", async () => {
    const person = await newPerson(locker);
    const own = new Issuer();
    await own.start();
    const { address } = await person.api<Trust>("POST", "/v1/trusts", { name: "own", issuer: own.url, claims: meant });
    for (let n = 0; n < 3; n++)
      expect((await exchange(address, await own.sign({ ...claims, aud: address }))).status).toBe(200);
    expect(own.asked).toEqual(["/.well-known/openid-configuration", "/keys"]);
    await own.rotate();
    // Five minutes must pass before an unknown key makes us ask again: nobody wears an issuer down through us.
    for (let n = 0; n < 3; n++)
      expect((await exchange(address, await own.sign({ ...claims, aud: address }))).status).toBe(400);
    expect(own.asked).toHaveLength(2);
    await own.stop();
  });

  test("with keys of its own asks nobody", async () => {
    const person = await newPerson(locker);
    const jwks = { keys: [await issuer.publicJwk()] };
    const cluster = "https://kubernetes.default.svc.cluster.local";
    const { address } = await person.api<Trust>("POST", "/v1/trusts", {
      name: "cluster",
      issuer: cluster,
      claims: { sub: ["system:serviceaccount:a:b", "ref:*"] },
      jwks,
    });
    const shown = (sub: string) => issuer.sign({ sub, aud: [address, "other"] }, { issuer: cluster });
    expect((await exchange(address, await shown("system:serviceaccount:a:b"))).status).toBe(200);
    expect((await exchange(address, await shown("system:serviceaccount:a:c"))).status).toBe(400);
    // Whoever names a branch does not write what the owner reads.
    expect((await exchange(address, await shown("ref:\u202efile\nalive"))).status).toBe(200);
    const { items } = await person.api<{ items: { name: string }[] }>("GET", "/v1/tokens");
    expect(items.map(({ name }) => name)).toContain("cluster: ref:\ufffdfile\ufffdalive");
  });

  test("whose discovery speaks for another issuer lets nobody in", async () => {
    const person = await newPerson(locker);
    const liar = new Issuer();
    await liar.start();
    liar.discovery = { issuer: issuer.url };
    const { address } = await person.api<Trust>("POST", "/v1/trusts", {
      name: "liar",
      issuer: liar.url,
      claims: meant,
    });
    expect((await exchange(address, await liar.sign({ ...claims, aud: address }))).access_token).toBeUndefined();
    await liar.stop();
  });

  test("that everybody would meet is not taken", async () => {
    const person = await newPerson(locker);
    const github = "https://token.actions.githubusercontent.com";
    const cases: [string, object][] = [
      [issuer.url, {}],
      [issuer.url, { sub: "*" }],
      [github, { ref: "refs/heads/main" }],
      [github, { sub: "*:ref:refs/heads/main" }],
      [github, { sub: "repo:*" }],
      [github, { sub: "repo:octo*" }],
      [github, { repository_owner: ["octo", "*"] }],
      ["https://gitlab.com", { ref: "main", ref_protected: "true" }],
      ["https://accounts.google.com", { email_verified: "true" }],
      ["https://accounts.google.com", { email: "*@developer.gserviceaccount.com" }],
      ["https://agent.buildkite.com", { sub: "organization:*:pipeline:deploy:*" }],
      ["https://app.terraform.io", { terraform_run_phase: "apply" }],
      ["https://oidc.vercel.com", { sub: "owner:acme*:project:web:*" }],
    ];
    for (const [from, wanted] of cases) {
      const answer = await person.fetch("/v1/trusts", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: "x", issuer: from, claims: wanted }),
      });
      expect([from, wanted, answer.status]).toEqual([from, wanted, 422]);
    }
    for (const [from, wanted] of [
      [github, { sub: "repo:octo/*" }],
      [github, { repository_id: "74" }],
      [github, { repository: "octo/repo", ref: "refs/heads/*" }],
      ["https://app.terraform.io", { sub: "organization:acme:*" }],
    ])
      expect(await person.api<Trust>("POST", "/v1/trusts", { name: "x", issuer: from, claims: wanted })).toHaveProperty(
        "id",
      );
  });
});
