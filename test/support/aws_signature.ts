import { createHash, createHmac } from "node:crypto";
import { expect } from "vitest";
import type { Seen } from "./upstream.ts";

/** AWS's own example of a key pair. */
export const ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE";
export const SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/** Fails unless the request is signed with that key as it would have to be, by the specification alone. */
export function verify(seen: Seen | undefined, service: string, region: string, double: boolean): void {
  const { method = "", url = "", headers = {}, body = Buffer.alloc(0) } = seen ?? {};
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? "",
    );
  const [, id, day = "", scope_region, scope_service, signed = "", signature] = parts ?? [];
  expect([id, scope_region, scope_service]).toEqual([ACCESS_KEY, region, service]);
  const [path = "", query = ""] = url.split("?");
  const escape = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const plain = path
    .split("/")
    .map((segment) => escape(decodeURIComponent(segment)))
    .join("/");
  const canonical_path = double ? plain.split("/").map(escape).join("/") : plain;
  const canonical_query = query
    .split("&")
    .filter(Boolean)
    .map((pair) => pair.split("="))
    .map(([name = "", value = ""]) => [escape(decodeURIComponent(name)), escape(decodeURIComponent(value))].join("="))
    .sort()
    .join("&");
  const hash = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");
  const payload = String(headers["x-amz-content-sha256"] ?? hash(body));
  const lines = signed.split(";").map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const request = [method, canonical_path, canonical_query, lines.join(""), signed, payload].join("\n");
  const date = String(headers["x-amz-date"]);
  const text = ["AWS4-HMAC-SHA256", date, `${day}/${region}/${service}/aws4_request`, hash(request)].join("\n");
  const mac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
  const key = [day, region, service, "aws4_request"].reduce<Buffer>(
    (last, part) => mac(last, part),
    Buffer.from(`AWS4${SECRET_KEY}`),
  );
  expect(signature).toBe(mac(key, text).toString("hex"));
  expect(
    Math.abs(Date.parse(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z")) - Date.now()),
  ).toBeLessThan(300_000);
}
