import { AwsClient } from "aws4fetch";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { ACCESS_KEY, SECRET_KEY, verify } from "../support/aws_signature.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

/** AWS Signature Version 4, with a client that signs as the SDKs do and a verifier written from AWS's specification. */
let locker: LocalLocker;
let upstream: Upstream;
let person: Person;
let token: string;
let client: AwsClient;

beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startUpstream();
  person = await newPerson(locker);
  const fields = { access_key_id: ACCESS_KEY, secret_access_key: SECRET_KEY };
  for (const [name, placement] of Object.entries({
    s3: { in: "sigv4", service: "s3", region: "eu-west-1" },
    dynamodb: { in: "sigv4", service: "dynamodb", region: "us-east-1" },
    sts: { in: "sigv4", service: "sts", region: "us-east-1" },
  }))
    await person.api("POST", "/v1/keys", { name, provider: "custom", base_url: upstream.origin, placement, fields });
  const lent = { ...fields, session_token: "session-token-of-an-hour" };
  const placement = { in: "sigv4", service: "s3", region: "eu-west-1" };
  await person.api("POST", "/v1/keys", {
    name: "lent",
    provider: "custom",
    base_url: upstream.origin,
    placement,
    fields: lent,
  });
  ({ token } = await mintToken(person));
  client = new AwsClient({
    accessKeyId: token,
    secretAccessKey: "anything",
    service: "s3",
    region: "us-east-1",
    retries: 0,
  });
});
afterAll(() => upstream.stop());
beforeEach(() => void (upstream.seen.length = 0));

const at = (key: string, path: string) => `${locker.proxyOrigin}/v1/proxy/${key}${path}`;

it.each(["s3", "lent"])("a test call with the key %s is signed as any other call", async (key) => {
  expect(await person.api("POST", `/v1/keys/${key}/test`, { path: "/" })).toMatchObject({ ok: true, status: 200 });
  const [seen] = upstream.seen;
  verify(seen, "s3", "eu-west-1", false);
});

describe("a store that speaks S3", () => {
  it.each([
    ["GET", "/bucket/plain.txt"],
    ["GET", "/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F"],
    ["GET", "/bucket/sp%20ace/%C3%BCml%C3%A4ut/a%2Bb.txt"],
    ["DELETE", "/bucket/x"],
  ])("%s %s arrives signed with the real key, and the token nowhere", async (method, path) => {
    expect((await client.fetch(at("s3", path), { method })).status).toBe(200);
    const [seen] = upstream.seen;
    expect(seen?.url).toBe(path);
    verify(seen, "s3", "eu-west-1", false);
    expect(JSON.stringify(seen)).not.toContain("alk_");
    expect(JSON.stringify(seen)).not.toContain(SECRET_KEY);
  });

  it("a body is streamed through as it comes, its length known, and what the SDK says about it stays", async () => {
    const body = Buffer.alloc(3 * 1024 * 1024, "x");
    const put = await client.fetch(at("s3", "/bucket/big"), {
      method: "PUT",
      body,
      headers: { "x-amz-meta-color": "blue" },
    });
    expect(put.status).toBe(200);
    const [seen] = upstream.seen;
    expect(seen?.body.equals(body)).toBe(true);
    expect(seen?.headers["content-length"]).toBe(String(body.length));
    expect(seen?.headers).toMatchObject({ "x-amz-meta-color": "blue", "x-amz-content-sha256": "UNSIGNED-PAYLOAD" });
    verify(seen, "s3", "eu-west-1", false);
  });

  it("a checksum in a trailer passes, a body signed chunk by chunk is refused before anything is sent", async () => {
    const send = (kind: string) =>
      fetch(at("s3", "/bucket/x"), {
        method: "PUT",
        body: "5\r\nhello\r\n0\r\n\r\n",
        headers: {
          authorization: `AWS4-HMAC-SHA256 Credential=${token}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00`,
          "x-amz-content-sha256": kind,
          "content-encoding": "aws-chunked",
        },
      });
    expect((await send("STREAMING-UNSIGNED-PAYLOAD-TRAILER")).status).toBe(200);
    verify(upstream.seen[0], "s3", "eu-west-1", false);
    expect((await send("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")).status).toBe(422);
    expect(upstream.seen).toHaveLength(1);
  });

  it("a lent key's session token goes along, and the caller's own date and signature do not", async () => {
    const headers = { "x-amz-security-token": "mine", "x-amz-date": "20000101T000000Z" };
    await client.fetch(`${at("lent", "/bucket/x")}?X-Amz-Signature=abc&X-Amz-Credential=me&keep=1`, { headers });
    const [seen] = upstream.seen;
    expect(seen?.url).toBe("/bucket/x?keep=1");
    expect(seen?.headers["x-amz-security-token"]).toBe("session-token-of-an-hour");
    verify(seen, "s3", "eu-west-1", false);
  });
});

describe("other services", () => {
  it("sign the body, and path segments twice", async () => {
    const body = `{"TableName":"things"}`;
    const headers = { "x-amz-target": "DynamoDB_20120810.DescribeTable", "content-type": "application/x-amz-json-1.0" };
    const own = new AwsClient({
      accessKeyId: token,
      secretAccessKey: "x",
      service: "dynamodb",
      region: "us-east-1",
      retries: 0,
    });
    expect((await own.fetch(at("dynamodb", "/a%20b"), { method: "POST", body, headers })).status).toBe(200);
    const [seen] = upstream.seen;
    expect(seen?.body.toString()).toBe(body);
    expect(seen?.headers["x-amz-target"]).toBe("DynamoDB_20120810.DescribeTable");
    verify(seen, "dynamodb", "us-east-1", true);
  });

  it("a body that is too long to be read and signed is refused, and nothing is sent", async () => {
    const answer = await fetch(at("dynamodb", "/"), {
      method: "POST",
      body: Buffer.alloc(10 * 1024 * 1024 + 1),
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(413);
    expect(upstream.seen).toEqual([]);
  });

  it("those that hand out credentials are refused unless the policy allows it", async () => {
    const answer = await fetch(at("sts", "/"), {
      method: "POST",
      body: "Action=GetSessionToken",
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ rule: "allow_credential_endpoints" });
    expect(upstream.seen).toEqual([]);
  });
});
