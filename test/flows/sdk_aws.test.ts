import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { ACCESS_KEY, SECRET_KEY } from "../support/aws_signature.ts";
import { activity, eventually, mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { startObjectStore, type ObjectStore } from "../support/object_store.ts";
import type { Person } from "../../src/local/person.ts";

/** AWS's own SDK, set up as docs/providers.md says, against a store that checks every signature. */
const REGION = "eu-west-1";
const Bucket = "things";

let locker: LocalLocker;
let store: ObjectStore;
let person: Person;
let token: string;
let s3: S3Client;

beforeAll(async () => {
  [locker, store] = await Promise.all([usualLocker(), startObjectStore(REGION)]);
  person = await newPerson(locker);
  await person.api("POST", "/v1/keys", {
    name: "s3",
    provider: "custom",
    base_url: store.origin,
    placement: { in: "sigv4", service: "s3", region: REGION },
    fields: { access_key_id: ACCESS_KEY, secret_access_key: SECRET_KEY },
  });
  ({ token } = await mintToken(person, { keys: ["s3"] }));
  s3 = new S3Client({
    endpoint: `${locker.proxyOrigin}/v1/proxy/s3`,
    region: REGION,
    credentials: { accessKeyId: token, secretAccessKey: "unused" },
    forcePathStyle: true,
    maxAttempts: 1,
  });
});
afterAll(async () => {
  s3.destroy();
  await store.stop();
});
beforeEach(() => {
  store.seen.length = 0;
  store.refused.length = 0;
});

const bytesOf = async (body: { transformToByteArray(): Promise<Uint8Array> } | undefined) =>
  Buffer.from((await body?.transformToByteArray()) ?? []);

test("puts, reads, lists and deletes, names with anything in them, and the token goes nowhere", async () => {
  const names = ["plain.txt", "a b/ümläut+sign&more.txt", "deep/er/x=1?.json"];
  for (const Key of names)
    await s3.send(
      new PutObjectCommand({
        Bucket,
        Key,
        Body: `body of ${Key}`,
        ContentType: "text/plain",
        Metadata: { color: "blue" },
      }),
    );
  for (const Key of names) {
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    expect((await bytesOf(got.Body)).toString()).toBe(`body of ${Key}`);
    expect([got.ContentType, got.Metadata]).toEqual(["text/plain", { color: "blue" }]);
  }
  const { Contents = [], KeyCount } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "a b/" }));
  expect([KeyCount, Contents.map(({ Key }) => Key)]).toEqual([1, [names[1]]]);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "plain.txt" }));
  expect(head.ContentLength).toBe("body of plain.txt".length);
  await s3.send(new DeleteObjectCommand({ Bucket, Key: "plain.txt" }));
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: "plain.txt" }))).rejects.toMatchObject({
    name: "NoSuchKey",
  });
  expect(store.refused).toEqual([]);
  expect(JSON.stringify(store.seen)).not.toContain("alk_");
});

test("a stream is sent on while it still comes, checksum in its trailer, and read the same way", async () => {
  const block = Buffer.alloc(256 * 1024, "0123456789abcdef");
  const blocks = 16;
  let more = () => {};
  const goOn = new Promise<void>((resolve) => void (more = resolve));
  async function* slowly() {
    yield block;
    // The rest is not sent before the beginning has arrived.
    await goOn;
    for (let n = 1; n < blocks; n++) yield block;
  }
  const put = s3.send(
    new PutObjectCommand({ Bucket, Key: "big", Body: Readable.from(slowly()), ContentLength: block.length * blocks }),
  );
  await eventually(async () => store.arrived > 64 * 1024);
  more();
  await put;
  expect(store.refused).toEqual([]);
  expect(store.seen[0]?.headers).toMatchObject({ "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER" });
  expect(store.objects.get(`${Bucket}/big`)?.body.equals(Buffer.alloc(block.length * blocks, block))).toBe(true);

  const { Body, ContentLength } = await s3.send(new GetObjectCommand({ Bucket, Key: "big" }));
  expect(ContentLength).toBe(block.length * blocks);
  let size = 0;
  for await (const chunk of Body as Readable) size += (chunk as Buffer).length;
  expect(size).toBe(block.length * blocks);
  const part = await s3.send(new GetObjectCommand({ Bucket, Key: "big", Range: "bytes=5-9" }));
  expect((await bytesOf(part.Body)).toString()).toBe("56789");
});

test("what the SDK is told when the token is refused is the proxy's answer, and nothing reaches the store", async () => {
  const stranger = new S3Client({
    endpoint: `${locker.proxyOrigin}/v1/proxy/other`,
    region: REGION,
    credentials: { accessKeyId: token, secretAccessKey: "unused" },
    forcePathStyle: true,
    maxAttempts: 1,
  });
  await expect(stranger.send(new GetObjectCommand({ Bucket, Key: "x" }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 404 },
  });
  expect(store.seen).toEqual([]);
  stranger.destroy();
});

test("every call is in the activity by its path, without query or signature", async () => {
  await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "secret-prefix" }));
  const row = (await activity(person)).find(({ action }) => action === "proxy.call");
  expect(row).toMatchObject({ path: `/${Bucket}/`, method: "GET" });
  expect(JSON.stringify(row)).not.toMatch(/secret-prefix|Signature|alk_app_/);
});
