import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { crc32 } from "node:zlib";
import { verify } from "./aws_signature.ts";
import { startUpstream, type Seen, type Upstream } from "./upstream.ts";

type Stored = { body: Buffer; headers: Record<string, string> };

/** A store that speaks S3 as far as put, get, head, list and delete, and takes nothing that is not signed by the real key. */
export type ObjectStore = Upstream & {
  objects: Map<string, Stored>;
  /** How many bytes of a body have arrived while it was still coming. */
  arrived: number;
  /** Requests that were refused, and why. */
  refused: string[];
};

export async function startObjectStore(region: string): Promise<ObjectStore> {
  const upstream = await startUpstream();
  const store: ObjectStore = Object.assign(upstream, { objects: new Map(), arrived: 0, refused: [] });
  upstream.answerAtOnce(async (request, response, seen) => {
    try {
      verify(seen, "s3", region, false);
    } catch (fault) {
      store.refused.push(String(fault));
      return refuse(response, 403, "SignatureDoesNotMatch");
    }
    await serve(store, request, response, seen);
  });
  return store;
}

async function serve(
  store: ObjectStore,
  request: IncomingMessage,
  response: ServerResponse,
  seen: Seen,
): Promise<void> {
  const { pathname, searchParams } = new URL(seen.url, store.origin);
  const [, bucket = "", ...rest] = pathname.split("/").map(decodeURIComponent);
  const key = rest.join("/");
  const found = store.objects.get(`${bucket}/${key}`);
  if (request.method === "PUT") {
    const chunks: Buffer[] = [];
    store.arrived = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      store.arrived += chunk.length;
      chunks.push(chunk);
    }
    const decoded = unchunked(Buffer.concat(chunks), seen);
    if (decoded === undefined) return refuse(response, 400, "BadDigest");
    const kept = Object.entries(seen.headers).filter(
      ([name]) => name.startsWith("x-amz-meta-") || name === "content-type",
    );
    store.objects.set(`${bucket}/${key}`, { body: decoded, headers: Object.fromEntries(kept) as Stored["headers"] });
    return void response.writeHead(200, { etag: etagOf(decoded) }).end();
  }
  if (request.method === "DELETE") {
    store.objects.delete(`${bucket}/${key}`);
    return void response.writeHead(204).end();
  }
  if (key === "") {
    const prefix = searchParams.get("prefix") ?? "";
    const keys = [...store.objects.keys()].filter((name) => name.startsWith(`${bucket}/${prefix}`)).toSorted();
    const items = keys.map((name) => `<Contents><Key>${escaped(name.slice(bucket.length + 1))}</Key></Contents>`);
    const list = `<ListBucketResult><Name>${bucket}</Name><KeyCount>${keys.length}</KeyCount><IsTruncated>false</IsTruncated>${items.join("")}</ListBucketResult>`;
    return void response.writeHead(200, { "content-type": "application/xml" }).end(list);
  }
  if (found === undefined) return refuse(response, 404, "NoSuchKey");
  const { body, headers } = found;
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const part = from === undefined ? body : body.subarray(Number(from), Number(to) + 1);
  response.writeHead(from === undefined ? 200 : 206, {
    ...headers,
    etag: etagOf(body),
    "content-length": String(part.length),
    ...(from === undefined ? {} : { "content-range": `bytes ${from}-${to}/${body.length}` }),
  });
  response.end(request.method === "HEAD" ? undefined : part);
}

/** A body as it is stored: chunks and the checksum in their trailer taken away; undefined where that is another's. */
function unchunked(body: Buffer, { headers }: Seen): Buffer | undefined {
  if (headers["x-amz-content-sha256"] !== "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return body;
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.subarray(at, end).toString(), 16);
    at = end + 2;
    if (size === 0) break;
    parts.push(body.subarray(at, at + size));
    at += size + 2;
  }
  const whole = Buffer.concat(parts);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(whole));
  const said = /x-amz-checksum-crc32:\s*([^\r\n]+)/.exec(body.subarray(at).toString())?.[1];
  const length = Number(headers["x-amz-decoded-content-length"]);
  return said === sum.toString("base64") && length === whole.length ? whole : undefined;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  const text = `<Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  response.writeHead(status, { "content-type": "application/xml", connection: "close" }).end(text);
}

const etagOf = (body: Buffer) => `"${createHash("md5").update(body).digest("hex")}"`;
const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
